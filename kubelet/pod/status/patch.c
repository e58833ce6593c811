/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/status/internal.h"
#include "pkg/base/base.h"
#include "pkg/codec/json.h"
#include "pkg/codec/pbjson.h"
#include "pkg/codec/rfc3339.h"

/* null takes a field away, so that what was said before does not stay. */
static void text(struct json_writer *json, const char *key, const char *value)
{
	json_key(json, key);
	if (str_empty(value))
		json_null(json);
	else
		json_string(json, value);
}

static void time(struct json_writer *json, const char *key, const Meta__Time *value)
{
	char shown[RFC3339_MAX];

	json_key(json, key);
	if (!value) {
		json_null(json);
		return;
	}
	rfc3339_format(value->seconds, 0, 0, shown);
	json_string(json, shown);
}

static int message(struct json_writer *json, const ProtobufCMessage *value, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(json->into->limit);
	int r = pbjson_encode(value, &text, err);

	if (r < 0)
		return r;
	json_raw(json, text.bytes, text.size);
	return 0;
}

static bool has_condition(const Core__PodStatus *status, const char *type)
{
	for (size_t i = 0; i < status->n_conditions; i++)
		if (str_eq(status->conditions[i]->type, type))
			return true;
	return false;
}

/* Ours that are not said any more: a pod that was refused keeps not even PodScheduled. */
static void take_away(struct json_writer *json, const Core__PodStatus *old, const Core__PodStatus *status)
{
	for (size_t i = 0; old && i < old->n_conditions; i++) {
		const char *type = old->conditions[i]->type;

		if (!status_condition_is_ours(type) || has_condition(status, type))
			continue;
		json_begin_object(json);
		text(json, "$patch", "delete");
		text(json, "type", type);
		json_end_object(json);
	}
}

/* Merged by type on the server: foreign conditions stay, in the order that is given here. */
static void conditions(struct json_writer *json, const Core__PodStatus *old, const Core__PodStatus *status)
{
	json_key(json, "$setElementOrder/conditions");
	json_begin_array(json);
	for (size_t i = 0; i < status->n_conditions; i++) {
		json_begin_object(json);
		text(json, "type", status->conditions[i]->type);
		json_end_object(json);
	}
	json_end_array(json);

	json_key(json, "conditions");
	json_begin_array(json);
	for (size_t i = 0; i < status->n_conditions; i++) {
		const Core__PodCondition *condition = status->conditions[i];

		if (!status_condition_is_ours(condition->type))
			continue;
		json_begin_object(json);
		text(json, "type", condition->type);
		text(json, "status", condition->status);
		text(json, "reason", condition->reason);
		text(json, "message", condition->message);
		time(json, "lastTransitionTime", condition->lasttransitiontime);
		json_key(json, "observedGeneration");
		json_int(json, condition->observedgeneration);
		json_end_object(json);
	}
	take_away(json, old, status);
	json_end_array(json);
}

/* What a pod was given never changes in its life, so merging the maps is enough. */
static int resources(struct json_writer *json, const Core__PodStatus *status, struct err *err)
{
	int r;

	json_key(json, "resources");
	r = message(json, &status->resources->base, err);
	if (r < 0 || status->n_allocatedresources == 0)
		return r;
	json_key(json, "allocatedResources");
	json_begin_object(json);
	for (size_t i = 0; i < status->n_allocatedresources; i++)
		if (status->allocatedresources[i]->value)
			text(json, status->allocatedresources[i]->key, status->allocatedresources[i]->value->string);
	json_end_object(json);
	return 0;
}

/* Lists of addresses would be merged too; they are replaced. */
static void ip(struct json_writer *json, const char *address)
{
	json_begin_object(json);
	text(json, "ip", address);
	json_end_object(json);
}

static void begin_replace(struct json_writer *json, const char *key)
{
	json_key(json, key);
	json_begin_array(json);
	json_begin_object(json);
	text(json, "$patch", "replace");
	json_end_object(json);
}

static void addresses(struct json_writer *json, const Core__PodStatus *status)
{
	text(json, "hostIP", status->hostip);
	begin_replace(json, "hostIPs");
	for (size_t i = 0; i < status->n_hostips; i++)
		ip(json, status->hostips[i]->ip);
	json_end_array(json);
	text(json, "podIP", status->podip);
	begin_replace(json, "podIPs");
	for (size_t i = 0; i < status->n_podips; i++)
		ip(json, status->podips[i]->ip);
	json_end_array(json);
}

static int containers(struct json_writer *json, const Core__PodStatus *status, struct err *err)
{
	json_key(json, "containerStatuses");
	if (status->n_containerstatuses == 0) {
		json_null(json);
		return 0;
	}
	json_begin_array(json);
	for (size_t i = 0; i < status->n_containerstatuses; i++) {
		int r = message(json, &status->containerstatuses[i]->base, err);

		if (r < 0)
			return r;
	}
	json_end_array(json);
	return 0;
}

int status_patch(const Core__Pod *pod, const Core__PodStatus *status, struct buf *into, struct err *err)
{
	struct json_writer json = { .into = into };
	int r;

	json_begin_object(&json);
	if (pod->metadata) {
		json_key(&json, "metadata");
		json_begin_object(&json);
		text(&json, "uid", pod->metadata->uid);
		json_end_object(&json);
	}
	json_key(&json, "status");
	json_begin_object(&json);
	if (status->n_conditions || status_count_ours(pod->status))
		conditions(&json, pod->status, status);
	r = containers(&json, status, err);
	if (r < 0)
		return r;
	addresses(&json, status);
	text(&json, "phase", status->phase);
	text(&json, "reason", status->reason);
	text(&json, "message", status->message);
	text(&json, "qosClass", status->qosclass);
	time(&json, "startTime", status->starttime);
	if (status->has_observedgeneration) {
		json_key(&json, "observedGeneration");
		json_int(&json, status->observedgeneration);
	}
	if (status->resources) {
		r = resources(&json, status, err);
		if (r < 0)
			return r;
	}
	json_end_object(&json);
	json_end_object(&json);
	if (into->overflow)
		return err_set(err, -ENOBUFS, "the status of pod %s is larger than %zu bytes",
			       pod->metadata ? str_or(pod->metadata->name, "") : "", into->limit);
	return 0;
}
