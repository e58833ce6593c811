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
struct step_out {
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

static bool has_cgroup(void *owner, const Core__Pod *pod)
{
	struct world *world = owner;

	return cm_pod_exists(world->options.cm, pod);
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

static void forget(void *owner, const char *uid)
{
	struct world *world = owner;

	kube_events_forget(world->options.events, uid);
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

static void step_out_end(struct step_out *out)
{
	struct step_out copy = *out;

	copy.done(copy.owner, &copy.outcome, copy.err.code ? &copy.err : NULL);
	arena_free(copy.arena);
	free(copy.uid);
	free(out);
}

static void step_out_read(void *owner, const void *result, const struct err *err)
{
	struct step_out *out = owner;

	out->running = NULL;
	out->outcome.read = !err;
	if (err && !out->err.code)
		out->err = *err;
	step_out_end(out);
}

/* Cancelled or not, what the step did is looked at, unless we are going away. */
static void step_out_done(void *owner, const void *result, const struct err *err)
{
	struct step_out *out = owner;

	out->running = NULL;
	if (err)
		out->err = *err;
	if (out->cancelled) {
		step_out_end(out);
		return;
	}
	if (out->kind == PLAN_PREPARE || out->kind == PLAN_MOUNT || out->kind == PLAN_UNMOUNT ||
	    out->kind == PLAN_DESTROY_CGROUP) {
		out->outcome.read = true; /* the runtime has no part in it */
		step_out_end(out);
		return;
	}
	out->running = pleg_refresh(out->world->options.pleg, out->uid, step_out_read, out);
}

static void runtime_done(void *owner, const void *result, const struct err *err)
{
	struct step_out *out = owner;
	const struct runtime_outcome *outcome = result;

	if (outcome) {
		if (!str_empty(outcome->reason))
			out->outcome.reason = arena_strdup(out->arena, outcome->reason);
		if (!str_empty(outcome->message))
			out->outcome.message = arena_strdup(out->arena, outcome->message);
		out->outcome.retry_after_ms = outcome->retry_after_ms;
	}
	step_out_done(owner, NULL, err);
}

static void volumes_done(void *owner, const void *result, const struct err *err)
{
	struct step_out *out = owner;
	const struct volumes_outcome *outcome = result;

	if (outcome)
		out->outcome.retry_after_ms = outcome->retry_after_ms;
	step_out_done(owner, NULL, err);
}

static void step_out_cancel(struct task *task)
{
	struct step_out *out = container_of(task, struct step_out, task);

	out->cancelled = true;
	task_cancel(out->running);
}

/* What fails at once still ends later, as every task does. */
static void fail_later(void *arg)
{
	step_out_done(arg, NULL, NULL);
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
	struct step_out *out = owner;
	const struct world *world = out->world;
	char path[PATH_MAX];
	struct err err;

	if (cm_pod_create(world->options.cm, out->pod, &err) < 0) {
		err_wrap(&err, "failed to ensure that the pod: %s cgroups exist and are correctly applied", out->uid);
		out->not_prepared = "FailedCreatePodContainer";
	} else if (volumes_make_pod_dir(world->volumes, out->uid, path, &err) < 0) {
		err_wrap(&err, "error making pod data directories");
		out->not_prepared = "Failed";
	}
	if (out->not_prepared)
		out->err = err;
}

static void prepared(void *owner, const void *result, const struct err *err)
{
	struct step_out *out = owner;

	if (out->not_prepared)
		world_event(out->world, out->pod, NULL, "Warning", out->not_prepared, out->err.text);
	step_out_done(out, NULL, err);
}

static int volume_path(void *owner, const Core__Pod *pod, const char *volume, char path[PATH_MAX], struct err *err)
{
	struct world *world = owner;

	return volume_host_path(world->volumes, pod, volume, path, err);
}

/* Services whose variables a pod may get: those of its namespace, and the API server's. */
static void choose_services(struct step_out *out)
{
	size_t n = 0;
	const Core__Service *const *all = out->world->options.services(out->world->options.owner, &n);
	const Core__Service **chosen = arena_alloc(out->arena, (n + 1) * sizeof *chosen);
	size_t n_chosen = 0;

	for (size_t i = 0; i < n; i++) {
		const Meta__ObjectMeta *meta = all[i]->metadata;
		bool is_master = str_eq(meta->namespace_, "default") && str_eq(meta->name, "kubernetes");

		if (is_master || str_eq(meta->namespace_, out->pod->metadata->namespace_))
			chosen[n_chosen++] = PB_COPY((Core__Service *)(uintptr_t)all[i], out->arena);
	}
	out->context.services = chosen;
	out->context.n_services = n_chosen;
}

static int make_context(struct step_out *out, struct err *err)
{
	struct world *world = out->world;
	char path[PATH_MAX];

	if (cm_pod_path(world->options.cm, out->pod, path, err) < 0)
		return err->code;
	out->context.cgroup_parent = arena_strdup(out->arena, path);
	if (volumes_pod_dir(world->volumes, out->uid, path, err) < 0)
		return err->code;
	out->context.pod_dir = arena_strdup(out->arena, path);
	out->context.pod = out->pod;
	out->context.host_ips = world->host_ips;
	out->context.n_host_ips = world->options.n_host_ips;
	out->context.volume_path = volume_path;
	out->context.volume_owner = world;
	choose_services(out);
	return 0;
}

/* Pods on the host's own network go ahead: the one that brings the others' network may be among them. */
static int check_network(struct step_out *out, struct err *err)
{
	struct world *world = out->world;

	if (out->pod->spec->hostnetwork || world->options.network(world->options.owner, err) == 0)
		return 0;
	err_wrap(err, "network is not ready");
	world_event(world, out->pod, NULL, "Warning", "NetworkNotReady", err->text);
	out->outcome.retry_after_ms = NETWORK_RETRY_MS;
	return err->code;
}

static void begin_with_context(struct step_out *out, const struct pods_act *act)
{
	struct runtime *runtime = out->world->runtime;
	const struct plan_step *step = act->step;
	struct err err;
	int r = step->kind == PLAN_RUN_SANDBOX ? check_network(out, &err) : 0;

	if (r == 0)
		r = make_context(out, &err);
	if (r < 0) {
		out->err = err;
		loop_post(out->world->options.loop, fail_later, out);
		return;
	}
	if (step->kind == PLAN_RUN_SANDBOX)
		out->running = runtime_run_sandbox(runtime, &out->context, step->attempt, runtime_done, out);
	else
		out->running =
			runtime_start_container(runtime, &out->context, out->pod->spec->containers[step->container],
						&act->observed->sandboxes[0], step->restart_count, runtime_done, out);
}

static void begin(struct step_out *out, const struct pods_act *act)
{
	struct world *world = out->world;
	const struct plan_step *step = act->step;
	int64_t grace_s = act->pod ? runtime_grace_s(act->pod) : ORPHAN_GRACE_S;

	switch (step->kind) {
	case PLAN_READ:
		out->running = pleg_refresh(world->options.pleg, out->uid, step_out_read, out);
		return;
	case PLAN_PREPARE:
		refresh_qos(world);
		out->running = loop_work(world->options.loop, prepare, prepared, out);
		return;
	case PLAN_MOUNT:
		out->running = volumes_setup_pod(world->volumes, act->pod, volumes_done, out);
		return;
	case PLAN_RUN_SANDBOX:
	case PLAN_START_CONTAINER:
		begin_with_context(out, act);
		return;
	case PLAN_KILL_POD:
		out->running = runtime_kill_pod(world->runtime, act->pod, act->observed, grace_s, runtime_done, out);
		return;
	case PLAN_KILL_CONTAINER:
		out->running = runtime_kill_container(world->runtime, act->pod, step->instance->id,
						      step->instance->name, step->why, grace_s, runtime_done, out);
		return;
	case PLAN_REMOVE_CONTAINER:
		out->running = runtime_remove_container(world->runtime, step->instance, act->pod->metadata->name,
							act->pod->metadata->namespace_, runtime_done, out);
		return;
	case PLAN_REMOVE_SANDBOX:
		out->running = runtime_remove_sandbox(world->runtime, step->sandbox->id, runtime_done, out);
		return;
	case PLAN_UNMOUNT:
		out->running = volumes_teardown_pod(world->volumes, out->uid, step_out_done, out);
		return;
	case PLAN_DESTROY_CGROUP:
		out->running = cm_pod_destroy(world->options.cm, out->uid, step_out_done, out);
		return;
	case PLAN_REMOVE_POD:
		out->running = runtime_remove_pod(world->runtime, act->observed, runtime_done, out);
		return;
	case PLAN_NOTHING:
	case PLAN_FORGET:
		break;
	}
	base_bug("no step");
}

static struct task *act_on(void *owner, const struct pods_act *act, task_done_fn *done, void *done_owner)
{
	struct step_out *out = xcalloc(1, sizeof *out);

	out->world = owner;
	out->task.cancel = step_out_cancel;
	out->arena = arena_new();
	out->uid = xstrdup(act->uid);
	out->kind = act->step->kind;
	out->pod = act->pod;
	out->done = done;
	out->owner = done_owner;
	begin(out, act);
	return &out->task;
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

static bool is_known(void *owner, const char *uid)
{
	struct world *world = owner;

	return pods_know(world->pods, uid) || pleg_get(world->options.pleg, uid) ||
	       pleg_is_unread(world->options.pleg, uid);
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
	runtime_remove_lost_logs(world->runtime, is_known, world);
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
		.world = { now_ms, wall_ms, wake_in, observed, unread, runtime_container_hash, has_cgroup, admit, keep,
			   release, forget, act_on, patch, remove_object, world_event, world },
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
