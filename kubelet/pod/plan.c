/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/plan.h"

#include "kubelet/pod/status/status.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"

static struct plan_step step(enum plan_kind kind)
{
	return (struct plan_step){ .kind = kind, .wait_ms = -1 };
}

static struct plan_step wait_until(int64_t wait_ms)
{
	return (struct plan_step){ .kind = PLAN_NOTHING, .wait_ms = wait_ms };
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < 0 ? b : b < 0 ? a : MIN(a, b);
}

int64_t plan_deadline_left(const Core__Pod *pod, const Core__PodStatus *status, int64_t wall_ms)
{
	int64_t left;

	if (!pod->spec->has_activedeadlineseconds || !status || !status->starttime)
		return -1;
	left = (status->starttime->seconds + pod->spec->activedeadlineseconds) * MS_PER_S - wall_ms;
	return MAX(left, 0);
}

/* The newest instance that has ended, which a later start may have followed. */
static const struct runtime_container *last_exit(const struct plan_input *input, const char *name)
{
	for (size_t i = 0; input->observed && i < input->observed->n_containers; i++)
		if (str_eq(input->observed->containers[i].name, name) &&
		    input->observed->containers[i].state == RUNTIME_EXITED)
			return &input->observed->containers[i];
	return NULL;
}

int64_t plan_crash_wait(const struct plan_input *input, size_t index)
{
	const char *name = input->pod->spec->containers[index]->name;
	const struct runtime_container *exited = last_exit(input, name);

	if (!exited || input->containers[index].again ||
	    !status_restart_due(input->pod, status_latest(input->observed, name)))
		return 0;
	return crash_loop_wait(&input->containers[index].crash_loop, exited->finished_ns / NS_PER_MS, input->wall_ms);
}

static bool has_succeeded(const struct plan_input *input, const char *name)
{
	const struct runtime_container *latest = status_latest(input->observed, name);

	return latest && latest->state == RUNTIME_EXITED && latest->exit_code == 0;
}

/* A pod whose work is done gets no new sandbox. */
static bool wants_sandbox(const struct plan_input *input)
{
	const Core__PodSpec *spec = input->pod->spec;

	if (!input->observed || input->observed->n_containers == 0)
		return true;
	if (str_eq(spec->restartpolicy, "Never"))
		return input->observed->n_sandboxes == 0;
	if (!str_eq(spec->restartpolicy, "OnFailure"))
		return true;
	for (size_t i = 0; i < spec->n_containers; i++)
		if (input->containers[i].again || !has_succeeded(input, spec->containers[i]->name))
			return true;
	return false;
}

static bool has_container_in(const struct runtime_pod *observed, const struct runtime_sandbox *sandbox)
{
	for (size_t i = 0; i < observed->n_containers; i++)
		if (str_eq(observed->containers[i].sandbox_id, sandbox->id))
			return true;
	return false;
}

/*
 * The last end of a container is its memory (restart count, lastState), so the newest dead instance stays; older ones
 * and the sandboxes they leave empty go.
 */
static bool find_garbage(const struct runtime_pod *observed, struct plan_step *ret_step)
{
	for (size_t i = 0; i < observed->n_containers; i++) {
		const struct runtime_container *container = &observed->containers[i];
		bool newer_dead = false;

		for (size_t n = 0; n < i && !newer_dead; n++)
			newer_dead = str_eq(observed->containers[n].name, container->name) &&
				     observed->containers[n].state == RUNTIME_EXITED;
		if (newer_dead && container->state == RUNTIME_EXITED) {
			*ret_step = step(PLAN_REMOVE_CONTAINER);
			ret_step->instance = container;
			return true;
		}
	}
	for (size_t i = 1; i < observed->n_sandboxes; i++) {
		if (!observed->sandboxes[i].ready && !has_container_in(observed, &observed->sandboxes[i])) {
			*ret_step = step(PLAN_REMOVE_SANDBOX);
			ret_step->sandbox = &observed->sandboxes[i];
			return true;
		}
	}
	return false;
}

static struct plan_step plan_sandbox(const struct plan_input *input)
{
	struct plan_step next;

	if (status_is_alive(input->observed)) {
		next = step(PLAN_KILL_POD);
		next.sandbox_changed = wants_sandbox(input);
		return next;
	}
	if (!wants_sandbox(input))
		return step(PLAN_NOTHING);
	next = step(PLAN_RUN_SANDBOX);
	if (input->observed && input->observed->n_sandboxes)
		next.attempt = input->observed->sandboxes[0].attempt + 1;
	return next;
}

static struct plan_step kill_container(const struct runtime_container *instance, enum runtime_kill why)
{
	struct plan_step next = step(PLAN_KILL_CONTAINER);

	next.instance = instance;
	next.why = why;
	return next;
}

static struct plan_step start_container(size_t index, const struct runtime_container *latest)
{
	struct plan_step next = step(PLAN_START_CONTAINER);

	next.container = index;
	next.restart_count = latest ? latest->restart_count + 1 : -1;
	return next;
}

static struct plan_step plan_containers(const struct plan_input *input)
{
	const Core__PodSpec *spec = input->pod->spec;
	struct plan_step garbage;
	size_t keep = 0;
	int64_t wait_ms = -1;

	for (size_t i = 0; i < spec->n_containers; i++) {
		const struct runtime_container *latest = status_latest(input->observed, spec->containers[i]->name);
		int64_t left;

		if (latest && latest->state == RUNTIME_UNKNOWN)
			return kill_container(latest, RUNTIME_KILL_UNKNOWN);
		if (latest && latest->state == RUNTIME_RUNNING) {
			if (latest->spec_hash != input->hash(spec->containers[i]))
				return kill_container(latest, RUNTIME_KILL_CHANGED);
			keep++;
			continue;
		}
		if (!input->containers[i].again && !status_restart_due(input->pod, latest))
			continue;
		left = MAX(plan_crash_wait(input, i), input->containers[i].not_before_ms - input->now_ms);
		if (!input->prepared)
			left = MAX(left, input->prepare_not_before_ms - input->now_ms);
		if (left <= 0)
			return start_container(i, latest);
		wait_ms = sooner(wait_ms, left);
	}
	if (find_garbage(input->observed, &garbage))
		return garbage;
	if (keep == 0 && wait_ms < 0 && status_is_alive(input->observed))
		return step(PLAN_KILL_POD);
	return input->refresh ? step(PLAN_MOUNT) : wait_until(wait_ms);
}

static struct plan_step prepare(const struct plan_input *input)
{
	int64_t left_ms = input->prepare_not_before_ms - input->now_ms;

	return left_ms > 0 ? wait_until(left_ms) : step(PLAN_PREPARE);
}

/* The cgroup of a pod with another spec is due other values; they wait for the next start. */
static struct plan_step plan_life(const struct plan_input *input)
{
	struct plan_step next;

	if (!input->mounted)
		return input->prepared ? step(PLAN_MOUNT) : prepare(input);
	next = status_sandbox_problem(input->pod, input->observed) ? plan_sandbox(input) : plan_containers(input);
	if (!input->prepared && (next.kind == PLAN_RUN_SANDBOX || next.kind == PLAN_START_CONTAINER))
		return prepare(input);
	return next;
}

/* From here on everything only goes away. */
static struct plan_step plan_end(const struct plan_input *input)
{
	if (status_is_alive(input->observed))
		return step(PLAN_KILL_POD);
	if (!input->unmounted)
		return step(PLAN_UNMOUNT);
	if (!input->cgroup_destroyed)
		return step(PLAN_DESTROY_CGROUP);
	if (!input->gone)
		return step(PLAN_NOTHING);
	return step(input->observed ? PLAN_REMOVE_POD : PLAN_FORGET);
}

/* After a failed step only containers that are not its subject go on; what it tried is tried again later. */
static struct plan_step hold(const struct plan_input *input, struct plan_step next)
{
	int64_t left_ms = input->not_before_ms - input->now_ms;

	if (left_ms <= 0 || next.kind == PLAN_START_CONTAINER)
		return next;
	return wait_until(next.kind == PLAN_NOTHING ? sooner(next.wait_ms, left_ms) : left_ms);
}

struct plan_step pod_plan(const struct plan_input *input)
{
	struct plan_step next;

	if (input->stale)
		next = step(PLAN_READ);
	else if (input->ending || input->gone || !input->pod)
		next = plan_end(input);
	else
		next = plan_life(input);
	return hold(input, next);
}
