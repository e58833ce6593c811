/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/node/node.h"

#include <string.h>

#include "kubelet/config/config.h"
#include "kubelet/node/facts.h"
#include "kubelet/node/lease.h"
#include "kubelet/node/status.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/log.h"
#include "pkg/base/rand.h"
#include "pkg/base/rate.h"
#include "pkg/codec/duration.h"
#include "pkg/codec/json.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/kube/listwatch.h"

enum {
	REGISTER_FIRST_MS = 100, /* doubling; stock's two */
	REGISTER_LAST_MS = 7000,
	RUNTIME_CHECK_MS = 5000,   /* how often the runtime is asked for its status, as in stock */
	IMAGES_MS = 30000,         /* how old the list of images may become, as in stock */
	RUNTIME_DOWN_MS = 30000,   /* since it last said that it is ready */
	FAST_STATUS_MS = 1000,     /* until the node is ready for the first time */
	STATUS_JSON_MAX = 1 << 20, /* 50 images of five names are 50 KiB */
};

struct node {
	struct node_options options;
	struct arena *arena; /* of what never changes */
	struct node_facts facts;

	struct arena *status_arena;
	Core__NodeStatus *status; /* as last computed */
	struct arena *sent_arena;
	Core__NodeStatus *sent; /* to the API, unless it failed */
	int64_t sent_ms;

	/* The runtime's answers, each kept in its own arena. */
	struct arena *version_arena, *runtime_arena, *images_arena;
	Cri__VersionResponse *version;
	Cri__StatusResponse *runtime;
	Cri__ListImagesResponse *images;
	int64_t runtime_good_ms, images_ms;

	struct kube_listwatch *watch;
	struct arena *seen_arena;
	Core__Node *seen;
	int64_t seen_ms;

	struct lease *lease;
	struct loop_timer register_timer, runtime_timer, status_timer;
	int64_t register_delay_ms;
	bool registered, runtime_asked, runtime_was_ready;
	bool told, unschedulable; /* events of the start; what the last event said */
	int64_t flip_seen_ms;     /* the seen_ms of the last event of Ready */
	struct task *register_task, *status_task, *labels_task;
};

const Core__Node *node_get(const struct node *node)
{
	return node->seen;
}

struct node_amounts node_amounts(const struct node *node)
{
	return node_status_amounts(&node->facts, node->options.config);
}

/* ---- status ---- */

static bool runtime_is_down(const struct node *node)
{
	return loop_now_ms(node->options.loop) - node->runtime_good_ms > RUNTIME_DOWN_MS;
}

static bool is_true(const Core__NodeStatus *status, const char *type)
{
	const Core__NodeCondition *condition = node_status_condition(status, type);

	return condition && str_eq(condition->status, "True");
}

static void tell(struct node *node, const char *reason)
{
	Core__ObjectReference about;

	kube_reference_node(node->options.name, node->seen ? node->seen->metadata->uid : NULL, &about);
	kube_event(node->options.events, &about, "Normal", reason, "Node %s status is now: %s", node->options.name,
		   reason);
}

/* The events of flips, from what the API shows; the pressure ones come at each start too. */
static void tell_changes(struct node *node, const Core__NodeStatus *before)
{
	static const char *const pressures[] = { "NodeHasSufficientMemory", "NodeHasNoDiskPressure",
						 "NodeHasSufficientPID" };
	bool known = node_status_condition(before, "Ready");
	bool was = is_true(before, "Ready"), is = is_true(node->status, "Ready");
	bool unschedulable = node->seen->spec && node->seen->spec->unschedulable;

	for (size_t i = 0; !node->told && i < ARRAY_LEN(pressures); i++)
		tell(node, pressures[i]);
	/* While the API cannot be told it shows the same at each look: once is enough. */
	if (known && is != was && (node->sent || node->seen_ms != node->flip_seen_ms)) {
		tell(node, is ? "NodeReady" : "NodeNotReady");
		node->flip_seen_ms = node->seen_ms;
	}
	if (unschedulable != node->unschedulable)
		tell(node, unschedulable ? "NodeNotSchedulable" : "NodeSchedulable");
	node->unschedulable = unschedulable;
	node->told = true;
}

/* By another hand: the node controller says Unknown of a node that was away. */
static bool is_overwritten(const struct node *node)
{
	if (!node->sent || node->status_task || node->seen_ms <= node->sent_ms)
		return false;
	for (size_t i = 0; i < node->sent->n_conditions; i++) {
		const Core__NodeCondition *ours = node->sent->conditions[i];
		const Core__NodeCondition *there = node_status_condition(node->seen->status, ours->type);

		if (!there || !str_eq(there->status, ours->status))
			return true;
	}
	return false;
}

/* What the API shows of us, or is about to; NULL when we do not know yet. */
static const Core__NodeStatus *status_before(const struct node *node)
{
	if (node->sent && !is_overwritten(node))
		return node->status;
	return node->seen ? node->seen->status : NULL;
}

static void compute_status(struct node *node)
{
	struct arena *arena = arena_new();
	struct err unhealthy = { 0 };
	struct node_status_input input = {
		.facts = &node->facts,
		.config = node->options.config,
		.name = node->options.name,
		.ips = node->options.ips,
		.n_ips = node->options.n_ips,
		.provided = node->options.external_cloud && node->seen ? node->seen->status : NULL,
		.await_addresses = node->options.external_cloud && str_empty(node->options.node_ip),
		.version = node->version,
		.runtime = node->runtime,
		.runtime_was_ready = node->runtime_was_ready,
		.runtime_is_down = runtime_is_down(node),
		.images = node->images,
		.before = status_before(node),
		.now_s = clock_wall_s(),
	};

	if (node->options.health && node->options.health(node->options.owner, &unhealthy) < 0)
		input.unhealthy = unhealthy.text;
	struct arena *old = node->status_arena;
	node->status = node_status_compute(&input, arena);
	node->status_arena = arena;
	/* Before the runtime was asked, and before we know what is said of us, nothing of this is news. */
	if (node->registered && node->seen && node->runtime_asked)
		tell_changes(node, input.before);
	arena_free(old);
}

static char *node_path(const struct node *node, struct arena *arena, const char *below)
{
	return arena_printf(arena, "/api/v1/nodes/%s%s", node->options.name, below);
}

static void status_sent(void *owner, const void *result, const struct err *err)
{
	struct node *node = owner;

	(void)result;
	node->status_task = NULL;
	if (!err)
		return;
	log_error(err, "Error updating node status, will retry", NULL);
	arena_free(node->sent_arena);
	node->sent_arena = NULL;
	node->sent = NULL;
}

/* The API merges addresses by their type, so that of two InternalIPs one would be lost. */
static const struct pbjson_patch_rule status_rules[] = {
	{ .type = &core__node_status__descriptor, .field = "addresses", .how = PBJSON_PATCH_REPLACE },
};

static bool has_provided_addresses(const struct node *node)
{
	return node->options.external_cloud && node->seen && node->seen->status && node->seen->status->n_addresses > 0;
}

static void send_status(struct node *node)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf json = BUF_INIT(STATUS_JSON_MAX);
	Core__Node patch = CORE__NODE__INIT;
	Core__NodeStatus status = *node->status;
	size_t n_rules = ARRAY_LEN(status_rules);
	struct err err;

	patch.status = &status;
	if (has_provided_addresses(node))
		status.n_addresses = n_rules = 0; /* the controller may be about to change them */
	if (pbjson_patch(&patch.base, NULL, status_rules, n_rules, &json, &err) < 0) {
		log_error(&err, "Failed to encode the node status", NULL);
		return;
	}
	struct kube_ask ask = {
		.method = "PATCH",
		.path = node_path(node, arena, "/status"),
		.query = "timeout=10s",
		.content_type = KUBE_STRATEGIC_PATCH,
		.json = buf_text(&json),
		.timeout_ms = 10000,
	};
	node->status_task = kube_ask(node->options.kube, &ask, status_sent, node);
	arena_free(node->sent_arena);
	node->sent_arena = arena_new();
	node->sent = (Core__NodeStatus *)pb_copy(&node->status->base, node->sent_arena);
	node->sent_ms = loop_now_ms(node->options.loop);
}

static void labels_mended(void *owner, const void *result, const struct err *err)
{
	struct node *node = owner;

	node->labels_task = NULL;
	if (err)
		log_error(err, "Error updating node labels, will retry", NULL);
}

static bool has_label(const Core__Node *object, const char *key, const char *value)
{
	for (size_t i = 0; i < object->metadata->n_labels; i++)
		if (str_eq(object->metadata->labels[i]->key, key))
			return str_eq(object->metadata->labels[i]->value, value);
	return false;
}

/* Two labels are put back whenever somebody takes them away. */
static void mend_labels(struct node *node)
{
	_cleanup_arena_ struct arena *arena = arena_new();

	if (node->labels_task || (has_label(node->seen, "kubernetes.io/os", "linux") &&
				  has_label(node->seen, "kubernetes.io/arch", node->facts.architecture)))
		return;
	struct kube_ask ask = {
		.method = "PATCH",
		.path = node_path(node, arena, ""),
		.content_type = KUBE_STRATEGIC_PATCH,
		.json = arena_printf(
			arena,
			"{\"metadata\":{\"labels\":{\"kubernetes.io/os\":\"linux\",\"kubernetes.io/arch\":\"%s\"}}}",
			node->facts.architecture),
	};
	node->labels_task = kube_ask(node->options.kube, &ask, labels_mended, node);
}

static void status_tick(void *owner)
{
	struct node *node = owner;
	int64_t period = duration_ms(node->options.config->nodestatusupdatefrequency);
	int64_t report = duration_ms(node->options.config->nodestatusreportfrequency);

	compute_status(node);
	bool ready = is_true(node->status, "Ready");
	if (node->told)
		mend_labels(node);
	if (node->told && node->registered && !node->status_task) {
		bool due = loop_now_ms(node->options.loop) - node->sent_ms >= report;

		if (due || !node->sent || is_overwritten(node) || !node_status_is_same(node->sent, node->status))
			send_status(node);
	}
	/* 4 % of jitter keeps many nodes apart. */
	loop_timer_start(&node->status_timer, ready && node->told
						      ? period + rand_below((uint32_t)MAX(period / 25, (int64_t)1))
						      : MIN(period, (int64_t)FAST_STATUS_MS));
}

/* ---- the runtime ---- */

int node_network(const struct node *node, struct err *err)
{
	return node_status_network(node->runtime, err);
}

static void keep(struct arena **arena, void **place, const void *message)
{
	struct arena *fresh = arena_new();

	*place = pb_copy(message, fresh);
	arena_free(*arena);
	*arena = fresh;
}

static void runtime_round(struct node *node);

static void runtime_round_ended(struct node *node)
{
	node->runtime_asked = true;
	loop_timer_start(&node->runtime_timer, RUNTIME_CHECK_MS);
	if (!node->told || !is_true(node->status, "Ready"))
		loop_timer_start(&node->status_timer, 0);
}

static void images_came(void *owner, const void *result, const struct err *err)
{
	struct node *node = owner;

	if (!err) {
		keep(&node->images_arena, (void **)&node->images, result);
		node->images_ms = loop_now_ms(node->options.loop);
	}
	runtime_round_ended(node);
}

static void status_came(void *owner, const void *result, const struct err *err)
{
	struct node *node = owner;
	Cri__ListImagesRequest request = CRI__LIST_IMAGES_REQUEST__INIT;

	if (err) {
		log_error(err, "Container runtime sanity check failed", NULL);
		runtime_round_ended(node);
		return;
	}
	keep(&node->runtime_arena, (void **)&node->runtime, result);
	if (node_status_runtime_is_ready(node->runtime)) {
		node->runtime_good_ms = loop_now_ms(node->options.loop);
		node->runtime_was_ready = true;
	}
	if (node->images && loop_now_ms(node->options.loop) - node->images_ms < IMAGES_MS) {
		runtime_round_ended(node);
		return;
	}
	cri_call(node->options.cri, CRI_LIST_IMAGES, &request.base, 0, images_came, node);
}

static void ask_status(struct node *node)
{
	Cri__StatusRequest request = CRI__STATUS_REQUEST__INIT;

	cri_call(node->options.cri, CRI_STATUS, &request.base, 0, status_came, node);
}

static void version_came(void *owner, const void *result, const struct err *err)
{
	struct node *node = owner;

	if (err) {
		log_error(err, "Container runtime sanity check failed", NULL);
		runtime_round_ended(node);
		return;
	}
	keep(&node->version_arena, (void **)&node->version, result);
	ask_status(node);
}

/* Version once (and again after an outage, when another runtime may have come), status each round, images seldom. */
static void runtime_round(struct node *node)
{
	Cri__VersionRequest request = CRI__VERSION_REQUEST__INIT;

	if (node->version && !runtime_is_down(node))
		ask_status(node);
	else
		cri_call(node->options.cri, CRI_VERSION, &request.base, 0, version_came, node);
}

static void runtime_tick(void *owner)
{
	runtime_round(owner);
}

/* ---- registration ---- */

#define ATTACH_ANNOTATION "volumes.kubernetes.io/controller-managed-attach-detach"
#define PROVIDED_IP_ANNOTATION "alpha.kubernetes.io/provided-node-ip"

static void add_label(Meta__ObjectMeta *meta, struct arena *arena, const char *key, const char *value)
{
	Meta__ObjectMeta__LabelsEntry *entry =
		PB_NEW(arena, Meta__ObjectMeta__LabelsEntry, meta__object_meta__labels_entry__descriptor);

	entry->key = arena_strdup(arena, key);
	entry->value = arena_strdup(arena, value);
	PB_APPEND(arena, meta, labels, entry);
}

static void add_annotation(Meta__ObjectMeta *meta, struct arena *arena, const char *key, const char *value)
{
	Meta__ObjectMeta__AnnotationsEntry *entry =
		PB_NEW(arena, Meta__ObjectMeta__AnnotationsEntry, meta__object_meta__annotations_entry__descriptor);

	entry->key = arena_strdup(arena, key);
	entry->value = arena_strdup(arena, value);
	PB_APPEND(arena, meta, annotations, entry);
}

/* Tells the cloud's controller which address it was that we were given; "0.0.0.0" and "::" are none. */
static void add_provided_ip(const struct node *node, Meta__ObjectMeta *meta, struct arena *arena)
{
	const char *given = node->options.node_ip, *text = "";
	size_t size = strcspn(given, ",");

	if (!node->options.external_cloud || strspn(given, "0.:") >= size)
		return;
	for (size_t i = 0; i < node->options.n_ips; i++)
		text = arena_printf(arena, "%s%s%s", text, i > 0 ? "," : "", node->options.ips[i]);
	add_annotation(meta, arena, PROVIDED_IP_ANNOTATION, text);
}

static void add_given_labels(const struct node *node, Meta__ObjectMeta *meta, struct arena *arena)
{
	char *list = arena_strdup(arena, node->options.labels);

	while (*list) {
		size_t size = strcspn(list, ",");
		bool last = list[size] == 0;
		char *equals = memchr(list, '=', size);

		list[size] = 0;
		if (equals)
			*equals = 0;
		add_label(meta, arena, list, equals ? equals + 1 : "");
		list += size + !last;
	}
}

static void add_taint(Core__NodeSpec *spec, struct arena *arena, const char *key, const char *value, const char *effect)
{
	Core__Taint *taint = PB_NEW(arena, Core__Taint, core__taint__descriptor);

	taint->key = arena_strdup(arena, key);
	taint->value = arena_strdup(arena, value);
	taint->effect = arena_strdup(arena, effect);
	PB_APPEND(arena, spec, taints, taint);
}

static Core__Node *build_node(struct node *node, struct arena *arena)
{
	const Config__KubeletConfiguration *config = node->options.config;
	Core__Node *object = PB_NEW(arena, Core__Node, core__node__descriptor);
	Meta__ObjectMeta *meta = PB_NEW(arena, Meta__ObjectMeta, meta__object_meta__descriptor);

	object->metadata = meta;
	meta->name = arena_strdup(arena, node->options.name);
	add_label(meta, arena, "beta.kubernetes.io/arch", node->facts.architecture);
	add_label(meta, arena, "beta.kubernetes.io/os", "linux");
	add_label(meta, arena, "kubernetes.io/arch", node->facts.architecture);
	add_label(meta, arena, "kubernetes.io/hostname", node->options.name);
	add_label(meta, arena, "kubernetes.io/os", "linux");
	add_given_labels(node, meta, arena);
	if (config->enablecontrollerattachdetach)
		add_annotation(meta, arena, ATTACH_ANNOTATION, "true");
	add_provided_ip(node, meta, arena);
	object->spec = PB_NEW(arena, Core__NodeSpec, core__node_spec__descriptor);
	if (!str_empty(config->providerid))
		object->spec->providerid = arena_strdup(arena, config->providerid);
	for (size_t i = 0; i < config->n_registerwithtaints; i++)
		PB_APPEND(arena, object->spec, taints, config->registerwithtaints[i]);
	if (node->options.external_cloud)
		add_taint(object->spec, arena, "node.cloudprovider.kubernetes.io/uninitialized", "true", "NoSchedule");
	object->status = node->status;
	return object;
}

static void register_later(struct node *node)
{
	node->register_delay_ms = rate_back_off(node->register_delay_ms, REGISTER_FIRST_MS, REGISTER_LAST_MS);
	loop_timer_start(&node->register_timer, node->register_delay_ms);
}

static void registration_ended(struct node *node)
{
	node->registered = true;
	node->register_delay_ms = 0;
	arena_free(node->sent_arena);
	node->sent_arena = NULL;
	node->sent = NULL;
	log_info("Successfully registered node", "node", node->options.name, NULL);
	loop_timer_start(&node->status_timer, 0);
}

static void labels_patched(void *owner, const void *result, const struct err *err)
{
	struct node *node = owner;

	(void)result;
	node->register_task = NULL;
	if (err) {
		log_error(err, "Unable to reconcile node with API server", "node", node->options.name, NULL);
		register_later(node);
		return;
	}
	registration_ended(node);
}

/* Labels that a kubelet keeps as they are; all others are their user's once the object is there. */
static bool is_kept_label(const char *key)
{
	static const char *const kept[] = { "kubernetes.io/hostname",
					    "topology.kubernetes.io/zone",
					    "topology.kubernetes.io/region",
					    "failure-domain.beta.kubernetes.io/zone",
					    "failure-domain.beta.kubernetes.io/region",
					    "node.kubernetes.io/instance-type",
					    "beta.kubernetes.io/instance-type",
					    "kubernetes.io/os",
					    "kubernetes.io/arch",
					    "beta.kubernetes.io/os",
					    "beta.kubernetes.io/arch" };

	return str_is_one_of(key, kept, ARRAY_LEN(kept));
}

/* An annotation of ours that this configuration does not call for is taken away. */
static void put_annotation(struct json_writer *json, const Meta__ObjectMeta *meta, const char *key)
{
	const char *value = NULL;

	for (size_t i = 0; i < meta->n_annotations; i++)
		if (str_eq(meta->annotations[i]->key, key))
			value = meta->annotations[i]->value;
	json_key(json, key);
	if (value)
		json_string(json, value);
	else
		json_null(json);
}

static void put_kept(struct json_writer *json, const Meta__ObjectMeta *meta)
{
	json_begin_object(json);
	json_key(json, "metadata");
	json_begin_object(json);
	json_key(json, "labels");
	json_begin_object(json);
	for (size_t i = 0; i < meta->n_labels; i++) {
		if (!is_kept_label(meta->labels[i]->key))
			continue;
		json_key(json, meta->labels[i]->key);
		json_string(json, meta->labels[i]->value);
	}
	json_end_object(json);
	json_key(json, "annotations");
	json_begin_object(json);
	put_annotation(json, meta, ATTACH_ANNOTATION);
	put_annotation(json, meta, PROVIDED_IP_ANNOTATION);
	json_end_object(json);
	json_end_object(json);
	json_end_object(json);
}

/* The object was there: what a kubelet keeps of it is set again, in one patch that changes nothing when all is well. */
static void reconcile(struct node *node)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf text = BUF_INIT(STATUS_JSON_MAX);
	struct json_writer json = { .into = &text };

	log_info("Node was previously registered", "node", node->options.name, NULL);
	put_kept(&json, build_node(node, arena)->metadata);
	struct kube_ask ask = { .method = "PATCH",
				.path = node_path(node, arena, ""),
				.content_type = KUBE_STRATEGIC_PATCH,
				.json = buf_text(&text) };
	node->register_task = kube_ask(node->options.kube, &ask, labels_patched, node);
}

static void node_created(void *owner, const void *result, const struct err *err)
{
	struct node *node = owner;

	(void)result;
	node->register_task = NULL;
	if (err && err->code == -EEXIST) {
		reconcile(node);
	} else if (err) {
		log_error(err, "Unable to register node with API server", "node", node->options.name, NULL);
		register_later(node);
	} else {
		registration_ended(node);
	}
}

static void register_node(void *owner)
{
	struct node *node = owner;
	_cleanup_arena_ struct arena *arena = arena_new();

	if (node->register_task || node->registered)
		return;
	if (!node->options.config->registernode) {
		node->registered = true;
		return;
	}
	log_info("Attempting to register node", "node", node->options.name, NULL);
	compute_status(node);
	Core__Node *object = build_node(node, arena);
	struct kube_ask ask = { .method = "POST", .path = "/api/v1/nodes", .object = &object->base };
	node->register_task = kube_ask(node->options.kube, &ask, node_created, node);
}

/* ---- the own object ---- */

static void own_set(void *owner, ProtobufCMessage *object, struct arena *arena)
{
	struct node *node = owner;

	arena_free(node->seen_arena);
	node->seen_arena = arena;
	node->seen = (Core__Node *)object;
	node->seen_ms = loop_now_ms(node->options.loop);
	lease_set_node_uid(node->lease, node->seen->metadata->uid);
	if (!node->told)
		loop_timer_start(&node->status_timer, 0);
	node->options.seen(node->options.owner, node->seen);
}

/* Whoever takes a node out of its cluster does not want it back: only the next start registers it again. */
static void own_gone(void *owner, const char *namespace_, const char *name, const char *uid)
{
	log_warn("The Node object was deleted", "node", name, NULL);
}

/* ---- life ---- */

int node_new(const struct node_options *options, struct node **ret_node, struct err *err)
{
	struct arena *arena = arena_new();
	struct node *node = xcalloc(1, sizeof *node);
	const char **ips = arena_alloc(arena, MAX(options->n_ips, (size_t)1) * sizeof *ips);

	node->arena = arena;
	node->options = *options;
	node->options.name = arena_strdup(arena, options->name);
	node->options.root_dir = arena_strdup(arena, options->root_dir);
	node->options.labels = arena_strdup(arena, options->labels);
	node->options.node_ip = arena_strdup(arena, options->node_ip);
	for (size_t i = 0; i < options->n_ips; i++)
		ips[i] = arena_strdup(arena, options->ips[i]);
	node->options.ips = ips;
	node->facts = facts_read(arena, options->root_dir);
	node->register_delay_ms = 0;
	int code = node_status_check_reserved(&node->facts, options->config, err);
	if (code < 0) {
		arena_free(arena);
		free(node);
		return code;
	}
	loop_timer_init(&node->register_timer, options->loop, register_node, node);
	loop_timer_init(&node->runtime_timer, options->loop, runtime_tick, node);
	loop_timer_init(&node->status_timer, options->loop, status_tick, node);
	node->lease = lease_new(options->kube, options->name, options->config->nodeleasedurationseconds);
	compute_status(node);
	*ret_node = node;
	return 0;
}

void node_start(struct node *node)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct kube_listwatch_spec spec = {
		.path = "/api/v1/nodes",
		.query = kube_field_query(arena, "metadata.name", node->options.name),
		.type = &core__node__descriptor,
		.owner = node,
		.set = own_set,
		.gone = own_gone,
	};

	node->runtime_good_ms = loop_now_ms(node->options.loop);
	node->watch = kube_listwatch_new(node->options.kube, &spec);
	lease_start(node->lease);
	loop_timer_start(&node->runtime_timer, 0);
	loop_timer_start(&node->register_timer, 0);
	loop_timer_start(&node->status_timer, FAST_STATUS_MS);
}
