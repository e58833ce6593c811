/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a PodStatus that the kubelet owns, and how the API gets it. */
#include "kubelet/pod/status/internal.h"
#include "pkg/base/base.h"
#include "pkg/codec/pbjson.h"

/* What a pod was given never changes in its life, so for its resources the server's merging of maps is enough. */
static const struct pbjson_patch_rule rules[] = {
#define STATUS(name, does)                                                            \
	{                                                                             \
		.type = &core__pod_status__descriptor, .field = (name), .how = (does) \
	}
#define CONDITION(name)                                                                              \
	{                                                                                            \
		.type = &core__pod_condition__descriptor, .field = (name), .how = PBJSON_PATCH_CLEAR \
	}
	STATUS("phase", PBJSON_PATCH_CLEAR),
	STATUS("message", PBJSON_PATCH_CLEAR),
	STATUS("reason", PBJSON_PATCH_CLEAR),
	STATUS("hostIP", PBJSON_PATCH_CLEAR),
	STATUS("podIP", PBJSON_PATCH_CLEAR),
	STATUS("startTime", PBJSON_PATCH_CLEAR),
	STATUS("containerStatuses", PBJSON_PATCH_CLEAR),
	STATUS("qosClass", PBJSON_PATCH_CLEAR),
	STATUS("hostIPs", PBJSON_PATCH_REPLACE),
	STATUS("podIPs", PBJSON_PATCH_REPLACE),
	CONDITION("reason"),
	CONDITION("message"),
	CONDITION("lastTransitionTime"),
	/* A pod that was refused keeps none of ours, not even PodScheduled. */
	{ .type = &core__pod_status__descriptor,
	  .field = "conditions",
	  .how = PBJSON_PATCH_MERGE,
	  .key = "type",
	  .is_ours = status_condition_is_ours },
};

static char *text(char *value)
{
	return str_empty(value) ? NULL : value;
}

Core__PodStatus status_owned(const Core__PodStatus *status)
{
	Core__PodStatus owned = CORE__POD_STATUS__INIT;

	owned.phase = text(status->phase);
	owned.n_conditions = status->n_conditions;
	owned.conditions = status->conditions;
	owned.message = text(status->message);
	owned.reason = text(status->reason);
	owned.hostip = text(status->hostip);
	owned.podip = text(status->podip);
	owned.starttime = status->starttime;
	owned.n_containerstatuses = status->n_containerstatuses;
	owned.containerstatuses = status->containerstatuses;
	owned.n_ephemeralcontainerstatuses = status->n_ephemeralcontainerstatuses;
	owned.ephemeralcontainerstatuses = status->ephemeralcontainerstatuses;
	owned.qosclass = text(status->qosclass);
	owned.n_podips = status->n_podips;
	owned.podips = status->podips;
	owned.n_hostips = status->n_hostips;
	owned.hostips = status->hostips;
	owned.has_observedgeneration = status->has_observedgeneration;
	owned.observedgeneration = status->observedgeneration;
	owned.n_allocatedresources = status->resources ? status->n_allocatedresources : 0;
	owned.allocatedresources = status->allocatedresources;
	owned.resources = status->resources;
	return owned;
}

int status_patch(const Core__Pod *pod, const Core__PodStatus *status, struct buf *into, struct err *err)
{
	Core__Pod patch = CORE__POD__INIT;
	Meta__ObjectMeta metadata = META__OBJECT_META__INIT;
	Core__PodStatus owned = status_owned(status);
	int r;

	metadata.uid = pod->metadata->uid;
	patch.metadata = &metadata;
	patch.status = &owned;
	r = pbjson_patch(&patch.base, &pod->base, rules, ARRAY_LEN(rules), into, err);
	return r < 0 ? err_wrap(err, "the status of pod %s", str_or(pod->metadata->name, "")) : r;
}
