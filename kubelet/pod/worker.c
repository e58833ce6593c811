/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/worker.h"

#include <stdio.h>

#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/log.h"
#include "pkg/codec/duration.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/rfc3339.h"
#include "pkg/kube/kube.h"

enum {
	RETRY_MS = 10000,      /* after a failed step, stock's back-off of a pod's sync */
	RETRY_CLEAN_MS = 2000, /* unmounting and cgroups: stock looks every 2 s */
	UNREAD_MS = 1000,      /* the runtime is read again each second */
	STILL_ALIVE_MS = 1000, /* a kill that succeeded but left something running */
	REFRESH_MS = 75000,    /* volumes of a running pod: the middle of stock's 60 to 90 s */
	TEXT_MAX = 1024,       /* one message; the API takes more, an event not */
};

#define PAST_DEADLINE "DeadlineExceeded"
static const char past_deadline[] = "Pod was active on the node longer than the specified deadline";

static int64_t now_ms(const struct worker *worker)
{
	return worker->pods->options.world.now_ms(worker->pods->options.world.owner);
}

static int64_t wall_ms(const struct worker *worker)
{
	return worker->pods->options.world.wall_ms(worker->pods->options.world.owner);
}

static const struct runtime_pod *observed(const struct worker *worker)
{
	return worker->pods->options.world.observed(worker->pods->options.world.owner, worker->uid);
}

/* Where it was removed meanwhile the runtime would make one without limits. */
static bool has_cgroup(const struct worker *worker)
{
	return worker->pods->options.world.has_cgroup(worker->pods->options.world.owner, worker->object.pod);
}

static bool is_unread(const struct worker *worker)
{
	return worker->pods->options.world.unread(worker->pods->options.world.owner, worker->uid);
}

static void event(const struct worker *worker, const char *container, const char *type, const char *reason,
		  const char *message)
{
	if (worker->object.pod)
		worker->pods->options.world.event(worker->pods->options.world.owner, worker->object.pod, container,
						  type, reason, message);
}

struct worker *worker_new(struct pods *pods, const char *uid)
{
	struct worker *worker = xcalloc(1, sizeof *worker);

	worker->pods = pods;
	worker->uid = xstrdup(uid);
	worker->due_ms = -1;
	return worker;
}

static void object_done(struct object *object)
{
	arena_free(object->arena);
	*object = (struct object){ 0 };
}

static void set_waiting(struct worker *worker, size_t index, const char *reason, const char *message)
{
	struct status_waiting *waiting = &worker->waiting[index];

	free((char *)(uintptr_t)waiting->reason);
	free((char *)(uintptr_t)waiting->message);
	waiting->reason = reason ? xstrdup(reason) : NULL;
	waiting->message = reason ? xstrdup(message ? message : "") : NULL;
}

static void containers_done(struct worker *worker)
{
	for (size_t i = 0; i < worker->n_containers; i++)
		set_waiting(worker, i, NULL, NULL);
	free(worker->containers);
	free(worker->waiting);
	free(worker->hashes);
	free(worker->backing_off);
	worker->n_containers = 0;
}

void worker_free(struct worker *worker)
{
	base_assert(!worker->task && !worker->request);
	containers_done(worker);
	object_done(&worker->object);
	object_done(&worker->older);
	arena_free(worker->status_arena);
	arena_free(worker->told_arena);
	arena_free(worker->sent_arena);
	arena_free(worker->echo_arena);
	free(worker->reject_reason);
	free(worker->reject_message);
	free(worker->uid);
	free(worker);
}

/* The list of containers never changes in a pod's life; an image may, and then its history starts anew. */
static void note_containers(struct worker *worker)
{
	const Core__PodSpec *spec = worker->object.pod->spec;

	if (worker->n_containers != spec->n_containers) {
		containers_done(worker);
		worker->n_containers = spec->n_containers;
		worker->containers = xcalloc(spec->n_containers + 1, sizeof *worker->containers);
		worker->waiting = xcalloc(spec->n_containers + 1, sizeof *worker->waiting);
		worker->hashes = xcalloc(spec->n_containers + 1, sizeof *worker->hashes);
		worker->backing_off = xcalloc(spec->n_containers + 1, sizeof *worker->backing_off);
	}
	for (size_t i = 0; i < spec->n_containers; i++) {
		uint64_t hash = worker->pods->options.world.hash(spec->containers[i]);

		if (worker->hashes[i] != hash) {
			worker->containers[i] = (struct plan_container){ .again = worker->containers[i].again };
			if (worker->doing_container == i)
				worker->restart_of_ms = -1; /* nor does a start that is out bring it back */
		}
		worker->hashes[i] = hash;
	}
}

static void annotate(Core__Pod *pod, const char *key, const char *value, struct arena *arena)
{
	Meta__ObjectMeta__AnnotationsEntry *entry = NULL;

	for (size_t i = 0; i < pod->metadata->n_annotations && !entry; i++)
		if (str_eq(pod->metadata->annotations[i]->key, key))
			entry = pod->metadata->annotations[i];
	if (!entry) {
		entry = PB_NEW(arena, Meta__ObjectMeta__AnnotationsEntry,
			       meta__object_meta__annotations_entry__descriptor);
		entry->key = arena_strdup(arena, key);
		/* An array that was decoded may be full at any length. */
		pod->metadata->annotations = pb_grow(arena, pod->metadata->annotations, pod->metadata->n_annotations,
						     sizeof(Meta__ObjectMeta__AnnotationsEntry *));
		pod->metadata->annotations[pod->metadata->n_annotations++] = entry;
	}
	entry->value = arena_strdup(arena, value);
}

/* What the stock kubelet notes on every pod of its own; runtimes, /pods and the downward API show it. */
static void note_source(struct worker *worker, Core__Pod *pod, struct arena *arena)
{
	char text[RFC3339_MAX];

	if (worker->seen_ms == 0)
		worker->seen_ms = wall_ms(worker);
	rfc3339_format(worker->seen_ms / MS_PER_S, (int32_t)(worker->seen_ms % MS_PER_S) * NS_PER_MS, 9, text);
	annotate(pod, "kubernetes.io/config.seen", text, arena);
	annotate(pod, "kubernetes.io/config.source", "api", arena);
}

/* Labels and annotations differ in type only: both are {base, key, value}. */
typedef Meta__ObjectMeta__LabelsEntry entry;

static bool are_same(entry *const *a, size_t n_a, entry *const *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (!str_eq(a[i]->key, b[i]->key) || !str_eq(str_or(a[i]->value, ""), str_or(b[i]->value, "")))
			return false;
	return true;
}

/* Does a volume show it otherwise now? */
static bool has_other_notes(const Meta__ObjectMeta *a, const Meta__ObjectMeta *b)
{
	return !are_same(a->labels, a->n_labels, b->labels, b->n_labels) ||
	       !are_same((entry *const *)(void *)a->annotations, a->n_annotations,
			 (entry *const *)(void *)b->annotations, b->n_annotations);
}

void worker_set(struct worker *worker, Core__Pod *pod, struct arena *arena)
{
	note_source(worker, pod, arena);
	if (worker->object.pod && has_other_notes(worker->object.pod->metadata, pod->metadata))
		worker->refresh_at_ms = 0;
	if (worker->object.pod && worker->object.pod->metadata->generation != pod->metadata->generation)
		worker->prepared = false; /* other values may be due to its cgroup */
	if (worker->task && !worker->older.pod)
		worker->older = worker->object;
	else
		object_done(&worker->object);
	worker->object = (struct object){ arena, pod };
	note_containers(worker);
	if (worker->admitted && !worker->released)
		worker->pods->options.world.keep(worker->pods->options.world.owner, pod);
}

/* A pod that runs already was let in by an earlier kubelet. */
static void admit(struct worker *worker)
{
	const struct pods_world *world = &worker->pods->options.world;
	const Core__Pod *pod = worker->object.pod;
	const struct runtime_pod *found = observed(worker);
	char name[KUBE_POD_NAME_MAX];
	_cleanup_arena_ struct arena *arena = arena_new();
	const char *reason = NULL, *message = NULL;

	if (worker->admitted || worker->rejected || worker->ending || worker->gone)
		return;
	if ((found && found->n_containers > 0) || world->admit(world->owner, pod, arena, &reason, &message)) {
		worker->admitted = true;
		world->keep(world->owner, pod);
		return;
	}
	worker->rejected = worker->ending = true;
	worker->reject_reason = xstrdup(reason);
	worker->reject_message = xstrdup(message);
	event(worker, NULL, "Warning", reason, message);
	log_info("Pod was rejected", "pod", kube_pod_name(pod, name), "podUID", worker->uid, "reason", reason,
		 "message", message, NULL);
}

static void note_end(struct worker *worker)
{
	const Core__Pod *pod = worker->object.pod;

	if (worker->gone || pod->metadata->deletiontimestamp ||
	    (pod->status && status_phase_is_final(pod->status->phase)) ||
	    (worker->status && status_phase_is_final(worker->status->phase)))
		worker->ending = true;
}

static void note_deadline(struct worker *worker)
{
	int64_t left;

	if (worker->ending || !worker->status)
		return;
	left = plan_deadline_left(worker->object.pod, worker->status, wall_ms(worker));
	if (left != 0) {
		worker_due_in(worker, left);
		return;
	}
	worker->past_deadline = worker->ending = true;
	event(worker, NULL, "Normal", PAST_DEADLINE, past_deadline);
}

bool worker_is_stopped(const struct worker *worker)
{
	bool may_start = worker->task && (worker->doing == PLAN_START_CONTAINER || worker->doing == PLAN_RUN_SANDBOX);

	return worker->ending && !worker->stale && !may_start && !status_is_alive(observed(worker));
}

static bool is_moving(const struct worker *worker)
{
	for (size_t i = 0; i < worker->n_containers; i++)
		if (worker->containers[i].again)
			return true;
	return false;
}

/* On the way from one sandbox to the next a pod is what it was: that its containers have ended was not their doing. */
static void compute_status(struct worker *worker)
{
	if (worker->finished || (worker->status && !worker->ending && is_moving(worker)))
		return;

	const Core__Pod *pod = worker->object.pod;
	struct arena *arena = arena_new();
	int64_t now_s = wall_ms(worker) / MS_PER_S;
	static const Core__PodStatus none = CORE__POD_STATUS__INIT;
	struct status_input input = {
		.pod = pod,
		.before = worker->status ? worker->status
			  : pod->status  ? pod->status
					 : &none,
		.observed = observed(worker),
		.waiting = worker->waiting,
		.runtime_name = worker->pods->options.runtime_name,
		.host_ips = worker->pods->options.host_ips,
		.n_host_ips = worker->pods->options.n_host_ips,
		.stopped = worker_is_stopped(worker),
		.end_reason = worker->past_deadline ? PAST_DEADLINE : NULL,
		.end_message = past_deadline,
		.now_s = now_s,
	};
	Core__PodStatus *status;

	if (worker->rejected) {
		status = status_reject(pod, worker->reject_reason, worker->reject_message, now_s, arena);
		if (worker->status)
			status->starttime->seconds = worker->status->starttime->seconds;
	} else {
		status = status_make(&input, arena);
		worker->finished = input.stopped && worker->unmounted && worker->cgroup_destroyed;
		if (worker->finished)
			status_finish(pod, status, now_s, arena);
	}
	arena_free(worker->status_arena);
	worker->status_arena = arena;
	worker->status = status;
}

/* Once per wait, and not while it is being started: the event, and what the status says meanwhile. */
static void note_back_off(struct worker *worker, const struct plan_input *input)
{
	char pod[KUBE_POD_NAME_MAX], message[2 * TEXT_MAX], delay[DURATION_TEXT_MAX];

	for (size_t i = 0; !worker->ending && i < worker->n_containers; i++) {
		const char *name = worker->object.pod->spec->containers[i]->name;
		bool starts = worker->task && worker->doing == PLAN_START_CONTAINER && worker->doing_container == i;
		bool waits = !starts && !worker->stale && plan_crash_wait(input, i) > 0;

		if (waits && !worker->backing_off[i]) {
			duration_format(worker->containers[i].crash_loop.delay_ms * NS_PER_MS, delay);
			snprintf(message, sizeof message, "back-off %s restarting failed container=%s pod=%s", delay,
				 name, kube_pod_text(worker->object.pod, pod));
			set_waiting(worker, i, "CrashLoopBackOff", message);
			snprintf(message, sizeof message, "Back-off restarting failed container %s in pod %s", name,
				 kube_pod_text(worker->object.pod, pod));
			event(worker, name, "Warning", "BackOff", message);
		}
		worker->backing_off[i] = waits;
	}
}

static struct plan_input situation(struct worker *worker)
{
	return (struct plan_input){
		.pod = worker->object.pod,
		.observed = observed(worker),
		.containers = worker->containers,
		.hash = worker->pods->options.world.hash,
		.ending = worker->ending,
		.gone = worker->gone,
		.prepared = worker->prepared && has_cgroup(worker),
		.mounted = worker->mounted,
		.refresh = now_ms(worker) >= worker->refresh_at_ms,
		.unmounted = worker->unmounted,
		.cgroup_destroyed = worker->cgroup_destroyed,
		.stale = worker->stale,
		.not_before_ms = worker->not_before_ms,
		.prepare_not_before_ms = worker->prepare_not_before_ms,
		.now_ms = now_ms(worker),
		.wall_ms = wall_ms(worker),
	};
}

/* Under Never nothing comes back. */
static void note_move(struct worker *worker, const struct runtime_pod *seen)
{
	const Core__PodSpec *spec = worker->object.pod->spec;

	for (size_t i = 0; i < worker->n_containers && !str_eq(spec->restartpolicy, "Never"); i++) {
		const struct runtime_container *latest = status_latest(seen, spec->containers[i]->name);

		/* What a first kill has ended is still to come back when it takes a second one. */
		worker->containers[i].again |= latest && latest->state != RUNTIME_EXITED;
	}
}

/* Whatever the policy and the exit code: that it ended was our doing. */
static void note_restart(struct worker *worker, const char *name)
{
	for (size_t i = 0; i < worker->n_containers; i++)
		if (str_eq(worker->object.pod->spec->containers[i]->name, name))
			worker->containers[i].again = true;
}

static void forget_move(struct worker *worker)
{
	for (size_t i = 0; i < worker->n_containers; i++)
		worker->containers[i].again = false;
}

/* What could not even be made (no image, no ConfigMap) was no restart: it has delays of its own. */
static void forget_restart(struct worker *worker)
{
	const char *name = worker->object.pod->spec->containers[worker->doing_container]->name;
	const struct runtime_container *latest = status_latest(observed(worker), name);

	if (latest && latest->state == RUNTIME_EXITED && latest->finished_ns / NS_PER_MS == worker->restart_of_ms)
		worker->containers[worker->doing_container].crash_loop = worker->before_restart;
}

static void tell_kill_failed(const struct worker *worker, const char *why)
{
	char message[TEXT_MAX];

	snprintf(message, sizeof message, "error killing pod: %s", why);
	event(worker, NULL, "Warning", "FailedKillPod", message);
}

static void step_failed(struct worker *worker, const struct pods_outcome *outcome, const struct err *err)
{
	int64_t retry_ms = outcome->retry_after_ms > 0 ? outcome->retry_after_ms : RETRY_MS;
	char name[KUBE_POD_NAME_MAX];

	if (worker->doing == PLAN_UNMOUNT || worker->doing == PLAN_DESTROY_CGROUP)
		retry_ms = RETRY_CLEAN_MS;
	if (worker->doing == PLAN_START_CONTAINER && worker->doing_container < worker->n_containers)
		worker->containers[worker->doing_container].again = false;
	else
		forget_move(worker);
	if (err->code != -ECANCELED)
		log_error(err, "Step of a pod failed, will try again", "pod", kube_pod_name(worker->object.pod, name),
			  "podUID", worker->uid, "retryMs", log_i64(retry_ms), NULL);
	if (worker->doing == PLAN_KILL_POD && worker->ending && err->code != -ECANCELED)
		tell_kill_failed(worker, str_or(outcome->message, err->text));
	if (worker->doing == PLAN_START_CONTAINER && worker->doing_container < worker->n_containers) {
		set_waiting(worker, worker->doing_container, str_or(outcome->reason, "CreateContainerError"),
			    outcome->message ? outcome->message : err->text);
		worker->containers[worker->doing_container].not_before_ms = now_ms(worker) + retry_ms;
		forget_restart(worker);
	} else if (worker->doing == PLAN_PREPARE) {
		worker->prepared = false;
		worker->prepare_not_before_ms = now_ms(worker) + retry_ms;
	} else if (worker->doing == PLAN_MOUNT && worker->mounted) {
		worker->refresh_at_ms = now_ms(worker) + retry_ms;
	} else {
		worker->not_before_ms = now_ms(worker) + retry_ms;
	}
}

static void step_succeeded(struct worker *worker)
{
	switch (worker->doing) {
	case PLAN_MOUNT:
		worker->mounted = true;
		break;
	case PLAN_RUN_SANDBOX:
		worker->said_sandbox_changed = false;
		break;
	case PLAN_START_CONTAINER:
		if (worker->doing_container < worker->n_containers) {
			set_waiting(worker, worker->doing_container, NULL, NULL);
			worker->containers[worker->doing_container].not_before_ms = 0;
			worker->containers[worker->doing_container].again = false;
		}
		break;
	case PLAN_KILL_POD:
	case PLAN_KILL_CONTAINER:
		if (worker->ending && status_is_alive(observed(worker)))
			worker->not_before_ms = now_ms(worker) + STILL_ALIVE_MS;
		break;
	case PLAN_UNMOUNT:
		worker->unmounted = true;
		worker->pods->options.world.release(worker->pods->options.world.owner, worker->uid);
		worker->released = true;
		break;
	case PLAN_DESTROY_CGROUP:
		worker->cgroup_destroyed = true;
		break;
	default:
		break;
	}
}

static void step_done(void *owner, const void *result, const struct err *err)
{
	struct worker *worker = owner;
	static const struct pods_outcome none = { 0 };
	const struct pods_outcome *outcome = result ? result : &none;

	worker->task = NULL;
	object_done(&worker->older);
	worker->stale = !outcome->read;
	if (err)
		step_failed(worker, outcome, err);
	else
		step_succeeded(worker);
	worker->dirty = true;
	store_task_back(worker->pods);
}

static void begin(struct worker *worker, const struct plan_input *input, const struct plan_step *step)
{
	const struct pods_world *world = &worker->pods->options.world;
	struct pods_act act = {
		.uid = worker->uid, .pod = worker->object.pod, .step = step, .observed = input->observed
	};

	if ((step->sandbox_changed || (step->kind == PLAN_RUN_SANDBOX && step->attempt > 0)) &&
	    !worker->said_sandbox_changed) {
		event(worker, NULL, "Normal", "SandboxChanged",
		      "Pod sandbox changed, it will be killed and re-created.");
		worker->said_sandbox_changed = true;
	}
	if (step->sandbox_changed)
		note_move(worker, input->observed);
	if (step->kind == PLAN_KILL_CONTAINER)
		note_restart(worker, step->instance->name);
	if (step->kind == PLAN_START_CONTAINER) {
		const char *name = worker->object.pod->spec->containers[step->container]->name;
		const struct runtime_container *latest = status_latest(input->observed, name);

		worker->before_restart = worker->containers[step->container].crash_loop;
		worker->restart_of_ms = 0;
		if (latest && latest->state == RUNTIME_EXITED && !worker->containers[step->container].again) {
			worker->restart_of_ms = latest->finished_ns / NS_PER_MS;
			crash_loop_restarted(&worker->containers[step->container].crash_loop,
					     &worker->pods->options.crash_loop, latest->finished_ns / NS_PER_MS,
					     input->wall_ms);
		}
	}
	if (step->kind == PLAN_PREPARE)
		worker->prepared = true; /* unless it fails, or the object changes from here on */
	if (step->kind == PLAN_MOUNT)
		worker->refresh_at_ms = input->now_ms + REFRESH_MS; /* what changes from here on is looked at again */
	worker->doing = step->kind;
	worker->doing_container = step->container;
	store_task_out(worker->pods);
	worker->task = world->act(world->owner, &act, step_done, worker);
}

void worker_due_in(struct worker *worker, int64_t delay_ms)
{
	int64_t due_ms = now_ms(worker) + delay_ms;

	if (delay_ms >= 0)
		worker->due_ms = worker->due_ms < 0 ? due_ms : MIN(worker->due_ms, due_ms);
}

/* A pod whose object is not known: it has nothing to be told, it only goes. */
static void tick_object(struct worker *worker)
{
	if (!worker->object.pod)
		return;
	note_end(worker);
	admit(worker);
	compute_status(worker);
	note_deadline(worker);
	note_end(worker);
}

void worker_tick(struct worker *worker)
{
	struct plan_input input;
	struct plan_step step;

	worker->dirty = false;
	worker->due_ms = -1;
	/* Neither its status nor the next step can be told before the runtime's word is heard. */
	if (!worker->task && is_unread(worker)) {
		worker_due_in(worker, UNREAD_MS);
		return;
	}
	tick_object(worker);
	input = situation(worker);
	if (worker->object.pod && !worker->gone)
		note_back_off(worker, &input);
	if (!worker->task) {
		step = pod_plan(&input);
		if (step.kind == PLAN_NOTHING) {
			worker_due_in(worker, step.wait_ms);
			if (worker->mounted && !worker->ending)
				worker_due_in(worker, MAX(worker->refresh_at_ms - input.now_ms, 1));
		} else if (step.kind != PLAN_FORGET) {
			begin(worker, &input, &step);
		}
	}
	if (worker->object.pod) {
		compute_status(worker);
		publish(worker);
	}
}

bool worker_is_over(const struct worker *worker)
{
	return worker->gone && !worker->task && !worker->request && !worker->stale && worker->unmounted &&
	       worker->cgroup_destroyed && !observed(worker);
}
