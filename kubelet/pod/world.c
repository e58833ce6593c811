/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/world.h"

#include <string.h>

#include "kubelet/cm/cm.h"
#include "kubelet/object/object.h"
#include "kubelet/pleg/pleg.h"
#include "kubelet/pod/admit.h"
#include "kubelet/runtime/runtime.h"
#include "kubelet/volume/volume.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/codec/pb.h"
#include "pkg/kube/event.h"
#include "pkg/kube/kube.h"

enum {
	HOUSEKEEPING_MS = 2000,  /* stock's period of looking for what no pod knows */
	NETWORK_RETRY_MS = 1000, /* stock's back-off of what may pass soon */
	ORPHAN_GRACE_S = 1,      /* stock's for pods that only the runtime knows */
};

struct world {
	struct world_options options;
	struct volumes *volumes;
	struct runtime *runtime;
	const char **host_ips;
	struct pods *pods;
	struct loop_timer wake, housekeeping;
	bool apparmor; /* the kernel has it; asked once, as upstream */
};

/* One step that is out: what it needs, the manager's task, then the read that follows. */
struct action {
	struct world *world;
	struct task task;
	struct task *running;
	struct arena *arena;
	char *uid;
	enum plan_kind kind;
	const Core__Pod *pod;
	task_done_fn *done;
	void *owner;
	bool cancelled;
	struct err err;           /* code 0: it has not failed */
	const char *not_prepared; /* the event that tells of it */
	struct pods_outcome outcome;
	struct runtime_pod_context context;
};

static int64_t now_ms(void *owner)
{
	struct world *world = owner;

	return loop_now_ms(world->options.loop);
}

static int64_t wall_ms(void *owner)
{
	return clock_wall_ms();
}

static void wake(void *owner)
{
	struct world *world = owner;

	pods_run(world->pods);
}

static void wake_in(void *owner, int64_t delay_ms)
{
	struct world *world = owner;

	loop_timer_start(&world->wake, delay_ms);
}

static const struct runtime_pod *observed(void *owner, const char *uid)
{
	struct world *world = owner;

	return pleg_get(world->options.pleg, uid);
}

static bool unread(void *owner, const char *uid)
{
	struct world *world = owner;

	return pleg_is_unread(world->options.pleg, uid);
}

/* ---- admission ---- */

static bool admit(void *owner, const Core__Pod *pod, struct arena *arena, const char **ret_reason,
		  const char **ret_message)
{
	struct world *world = owner;
	const Core__Pod **pods = arena_alloc(arena, (pods_count(world->pods) + 1) * sizeof *pods);
	struct admit_input input = { .pod = pod, .node = world->options.node(world->options.owner), .pods = pods };
	const Core__Pod *other;
	size_t at = 0;

	while ((other = pods_next_active(world->pods, &at)))
		if (!str_eq(other->metadata->uid, pod->metadata->uid))
			pods[input.n_pods++] = other;
	input.unsafe_sysctls = world->options.unsafe_sysctls;
	input.n_unsafe_sysctls = world->options.n_unsafe_sysctls;
	input.apparmor = world->apparmor;
	input.unsupported = runtime_unsupported(pod, arena);
	if (!input.unsupported)
		input.unsupported = volume_unsupported(pod, arena);
	return admit_pod(&input, arena, ret_reason, ret_message);
}

static void keep(void *owner, const Core__Pod *pod)
{
	struct world *world = owner;

	objects_register_pod(world->options.objects, pod);
}

static void release(void *owner, const char *uid)
{
	struct world *world = owner;

	objects_unregister_pod(world->options.objects, uid);
}

/* ---- events ---- */

void world_event(void *owner, const Core__Pod *pod, const char *container, const char *type, const char *reason,
		 const char *message)
{
	struct world *world = owner;
	_cleanup_arena_ struct arena *arena = arena_new();
	Core__ObjectReference about;

	kube_reference_pod(arena, pod, container, &about);
	kube_event(world->options.events, &about, type, reason, "%s", message);
}

/* ---- steps ---- */

static void action_end(struct action *action)
{
	struct action copy = *action;

	copy.done(copy.owner, &copy.outcome, copy.err.code ? &copy.err : NULL);
	arena_free(copy.arena);
	free(copy.uid);
	free(action);
}

static void action_read(void *owner, const void *result, const struct err *err)
{
	struct action *action = owner;

	action->running = NULL;
	action->outcome.read = !err;
	if (err && !action->err.code)
		action->err = *err;
	action_end(action);
}

/* Cancelled or not, what the step did is looked at, unless we are going away. */
static void action_done(void *owner, const void *result, const struct err *err)
{
	struct action *action = owner;

	action->running = NULL;
	if (err)
		action->err = *err;
	if (action->cancelled) {
		action_end(action);
		return;
	}
	if (action->kind == PLAN_PREPARE || action->kind == PLAN_MOUNT || action->kind == PLAN_UNMOUNT ||
	    action->kind == PLAN_DESTROY_CGROUP) {
		action->outcome.read = true; /* the runtime has no part in it */
		action_end(action);
		return;
	}
	action->running = pleg_refresh(action->world->options.pleg, action->uid, action_read, action);
}

static void runtime_done(void *owner, const void *result, const struct err *err)
{
	struct action *action = owner;
	const struct runtime_outcome *outcome = result;

	if (outcome) {
		if (!str_empty(outcome->reason))
			action->outcome.reason = arena_strdup(action->arena, outcome->reason);
		if (!str_empty(outcome->message))
			action->outcome.message = arena_strdup(action->arena, outcome->message);
		action->outcome.retry_after_ms = outcome->retry_after_ms;
	}
	action_done(owner, NULL, err);
}

static void volumes_done(void *owner, const void *result, const struct err *err)
{
	struct action *action = owner;
	const struct volumes_outcome *outcome = result;

	if (outcome)
		action->outcome.retry_after_ms = outcome->retry_after_ms;
	action_done(owner, NULL, err);
}

static void action_cancel(struct task *task)
{
	struct action *action = container_of(task, struct action, task);

	action->cancelled = true;
	task_cancel(action->running);
}

/* What fails at once still ends later, as every task does. */
static void fail_later(void *arg)
{
	action_done(arg, NULL, NULL);
}

static void refresh_qos(struct world *world)
{
	_cleanup_free_ const Core__Pod **pods = xcalloc(pods_count(world->pods) + 1, sizeof *pods);
	const Core__Pod *pod;
	size_t n = 0, at = 0;
	struct err err;

	while ((pod = pods_next_active(world->pods, &at)))
		pods[n++] = pod;
	if (cm_update_qos(world->options.cm, pods, n, &err) < 0)
		log_error(&err, "Failed to update the cgroups of QoS classes", NULL);
}

static void prepare(void *owner)
{
	struct action *action = owner;
	const struct world *world = action->world;
	char path[PATH_MAX];
	struct err err;

	if (cm_pod_create(world->options.cm, action->pod, &err) < 0) {
		err_wrap(&err, "failed to ensure that the pod: %s cgroups exist and are correctly applied",
			 action->uid);
		action->not_prepared = "FailedCreatePodContainer";
	} else if (volumes_make_pod_dir(world->volumes, action->uid, path, &err) < 0) {
		err_wrap(&err, "error making pod data directories");
		action->not_prepared = "Failed";
	}
	if (action->not_prepared)
		action->err = err;
}

static void prepared(void *owner, const void *result, const struct err *err)
{
	struct action *action = owner;

	if (action->not_prepared)
		world_event(action->world, action->pod, NULL, "Warning", action->not_prepared, action->err.text);
	action_done(action, NULL, err);
}

static int volume_path(void *owner, const Core__Pod *pod, const char *volume, char path[PATH_MAX], struct err *err)
{
	struct world *world = owner;

	return volume_host_path(world->volumes, pod, volume, path, err);
}

/* Services whose variables a pod may get: those of its namespace, and the API server's. */
static void choose_services(struct action *action)
{
	size_t n = 0;
	const Core__Service *const *all = action->world->options.services(action->world->options.owner, &n);
	const Core__Service **chosen = arena_alloc(action->arena, (n + 1) * sizeof *chosen);
	size_t n_chosen = 0;

	for (size_t i = 0; i < n; i++) {
		const Meta__ObjectMeta *meta = all[i]->metadata;
		bool is_master = str_eq(meta->namespace_, "default") && str_eq(meta->name, "kubernetes");

		if (is_master || str_eq(meta->namespace_, action->pod->metadata->namespace_))
			chosen[n_chosen++] = PB_COPY((Core__Service *)(uintptr_t)all[i], action->arena);
	}
	action->context.services = chosen;
	action->context.n_services = n_chosen;
}

static int make_context(struct action *action, struct err *err)
{
	struct world *world = action->world;
	char path[PATH_MAX];

	if (cm_pod_path(world->options.cm, action->pod, path, err) < 0)
		return err->code;
	action->context.cgroup_parent = arena_strdup(action->arena, path);
	if (volumes_pod_dir(world->volumes, action->uid, path, err) < 0)
		return err->code;
	action->context.pod_dir = arena_strdup(action->arena, path);
	action->context.pod = action->pod;
	action->context.host_ips = world->host_ips;
	action->context.n_host_ips = world->options.n_host_ips;
	action->context.volume_path = volume_path;
	action->context.volume_owner = world;
	choose_services(action);
	return 0;
}

/* Pods on the host's own network go ahead: the one that brings the others' network may be among them. */
static int check_network(struct action *action, struct err *err)
{
	struct world *world = action->world;

	if (action->pod->spec->hostnetwork || world->options.network(world->options.owner, err) == 0)
		return 0;
	err_wrap(err, "network is not ready");
	world_event(world, action->pod, NULL, "Warning", "NetworkNotReady", err->text);
	action->outcome.retry_after_ms = NETWORK_RETRY_MS;
	return err->code;
}

static void begin_with_context(struct action *action, const struct pods_act *act)
{
	struct runtime *runtime = action->world->runtime;
	const struct plan_step *step = act->step;
	struct err err;
	int r = step->kind == PLAN_RUN_SANDBOX ? check_network(action, &err) : 0;

	if (r == 0)
		r = make_context(action, &err);
	if (r < 0) {
		action->err = err;
		loop_post(action->world->options.loop, fail_later, action);
		return;
	}
	if (step->kind == PLAN_RUN_SANDBOX)
		action->running = runtime_run_sandbox(runtime, &action->context, step->attempt, runtime_done, action);
	else
		action->running = runtime_start_container(
			runtime, &action->context, action->pod->spec->containers[step->container],
			&act->observed->sandboxes[0], step->restart_count, runtime_done, action);
}

static void begin(struct action *action, const struct pods_act *act)
{
	struct world *world = action->world;
	const struct plan_step *step = act->step;
	int64_t grace_s = act->pod ? runtime_grace_s(act->pod) : ORPHAN_GRACE_S;

	switch (step->kind) {
	case PLAN_READ:
		action->running = pleg_refresh(world->options.pleg, action->uid, action_read, action);
		return;
	case PLAN_PREPARE:
		refresh_qos(world);
		action->running = loop_work(world->options.loop, prepare, prepared, action);
		return;
	case PLAN_MOUNT:
		action->running = volumes_setup_pod(world->volumes, act->pod, volumes_done, action);
		return;
	case PLAN_RUN_SANDBOX:
	case PLAN_START_CONTAINER:
		begin_with_context(action, act);
		return;
	case PLAN_KILL_POD:
		action->running =
			runtime_kill_pod(world->runtime, act->pod, act->observed, grace_s, runtime_done, action);
		return;
	case PLAN_KILL_CONTAINER:
		action->running =
			runtime_kill_container(world->runtime, act->pod, step->instance->id, step->instance->name,
					       step->why, grace_s, runtime_done, action);
		return;
	case PLAN_REMOVE_CONTAINER:
		action->running = runtime_remove_container(world->runtime, step->instance, act->pod->metadata->name,
							   act->pod->metadata->namespace_, runtime_done, action);
		return;
	case PLAN_REMOVE_SANDBOX:
		action->running = runtime_remove_sandbox(world->runtime, step->sandbox->id, runtime_done, action);
		return;
	case PLAN_UNMOUNT:
		action->running = volumes_teardown_pod(world->volumes, action->uid, action_done, action);
		return;
	case PLAN_DESTROY_CGROUP:
		action->running = cm_pod_destroy(world->options.cm, action->uid, action_done, action);
		return;
	case PLAN_REMOVE_POD:
		action->running = runtime_remove_pod(world->runtime, act->observed, runtime_done, action);
		return;
	case PLAN_NOTHING:
	case PLAN_FORGET:
		break;
	}
	base_bug("no step");
}

static struct task *act_on(void *owner, const struct pods_act *act, task_done_fn *done, void *done_owner)
{
	struct action *action = xcalloc(1, sizeof *action);

	action->world = owner;
	action->task.cancel = action_cancel;
	action->arena = arena_new();
	action->uid = xstrdup(act->uid);
	action->kind = act->step->kind;
	action->pod = act->pod;
	action->done = done;
	action->owner = done_owner;
	begin(action, act);
	return &action->task;
}

/* ---- the API server ---- */

static char *pod_path(struct arena *arena, const Core__Pod *pod, const char *tail)
{
	return arena_printf(arena, "/api/v1/namespaces/%s/pods/%s%s", pod->metadata->namespace_, pod->metadata->name,
			    tail);
}

static struct task *patch(void *owner, const Core__Pod *pod, const char *json, task_done_fn *done, void *done_owner)
{
	struct world *world = owner;
	_cleanup_arena_ struct arena *arena = arena_new();
	struct kube_ask ask = { .method = "PATCH",
				.path = pod_path(arena, pod, "/status"),
				.content_type = KUBE_STRATEGIC_PATCH,
				.json = json,
				.reply = &core__pod__descriptor };

	return kube_ask(world->options.kube, &ask, done, done_owner);
}

static struct task *remove_object(void *owner, const Core__Pod *pod, task_done_fn *done, void *done_owner)
{
	struct world *world = owner;
	_cleanup_arena_ struct arena *arena = arena_new();
	Meta__DeleteOptions options = META__DELETE_OPTIONS__INIT;
	Meta__Preconditions preconditions = META__PRECONDITIONS__INIT;
	struct kube_ask ask = { .method = "DELETE", .path = pod_path(arena, pod, ""), .object = &options.base };

	options.has_graceperiodseconds = 1;
	options.graceperiodseconds = 0;
	options.preconditions = &preconditions;
	preconditions.uid = pod->metadata->uid;
	return kube_ask(world->options.kube, &ask, done, done_owner);
}

/* ---- what no pod knows ---- */

static void found(void *owner, const char *uid)
{
	struct world *world = owner;

	pods_found(world->pods, uid);
}

static void look_for_orphans(void *owner)
{
	struct world *world = owner;
	const struct runtime_pod *pod;
	size_t at = 0;
	struct err err;

	while ((pod = pleg_next(world->options.pleg, &at)))
		pods_found(world->pods, pod->uid);
	if (volumes_each_pod_dir(world->volumes, found, world, &err) < 0)
		log_error(&err, "Failed to look for folders of pods", NULL);
	if (cm_each_pod(world->options.cm, found, world, &err) < 0)
		log_error(&err, "Failed to look for cgroups of pods", NULL);
	loop_timer_start(&world->housekeeping, HOUSEKEEPING_MS);
}

void world_sources_ready(struct world *world)
{
	look_for_orphans(world);
}

static bool has_apparmor(void)
{
	_cleanup_buf_ struct buf text = BUF_INIT(64);
	struct err err;

	return file_read("/sys/module/apparmor/parameters/enabled", &text, &err) == 0 && buf_text(&text)[0] == 'Y';
}

struct world *world_new(const struct world_options *options)
{
	struct world *world = xcalloc(1, sizeof *world);
	struct pods_options pods = {
		.world = { now_ms, wall_ms, wake_in, observed, unread, runtime_container_hash, admit, keep, release,
			   act_on, patch, remove_object, world_event, world },
		.crash_loop = options->crash_loop,
		.runtime_name = options->runtime_name,
		.host_ips = options->host_ips,
		.n_host_ips = options->n_host_ips,
	};

	world->options = *options;
	world->apparmor = has_apparmor();
	world->host_ips = xcalloc(options->n_host_ips + 1, sizeof *world->host_ips);
	for (size_t i = 0; i < options->n_host_ips; i++)
		world->host_ips[i] = xstrdup(options->host_ips[i]);
	loop_timer_init(&world->wake, options->loop, wake, world);
	loop_timer_init(&world->housekeeping, options->loop, look_for_orphans, world);
	world->pods = pods_new(&pods);
	return world;
}

void world_set_managers(struct world *world, struct volumes *volumes, struct runtime *runtime)
{
	world->volumes = volumes;
	world->runtime = runtime;
}

struct pods *world_pods(struct world *world)
{
	return world->pods;
}
