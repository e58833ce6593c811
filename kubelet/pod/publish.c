/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the API what became of a pod, with few requests: one at a time, only when something changed, and changes that
 * nobody waits for together.
 */
#include <string.h>

#include "kubelet/pod/worker.h"
#include "pkg/base/base.h"
#include "pkg/base/log.h"
#include "pkg/codec/pb.h"
#include "pkg/kube/kube.h"

enum {
	GATHER_MS = 400,     /* a plain pod is up within it, and then never needs to be told as being created */
	RETRY_MS = 2000,     /* a request failed */
	PATCH_MAX = 4 << 20, /* the API server takes 3 MiB */
};

static int64_t now_ms(const struct worker *worker)
{
	return worker->pods->options.world.now_ms(worker->pods->options.world.owner);
}

/* Resource versions are decimal numbers of any length. */
static bool is_newer(const char *a, const char *b)
{
	size_t a_size = strlen(str_or(a, "")), b_size = strlen(str_or(b, ""));

	return a_size != b_size ? a_size > b_size : strcmp(str_or(a, ""), str_or(b, "")) > 0;
}

static const char *version(const Core__Pod *pod)
{
	return pod && pod->metadata ? pod->metadata->resourceversion : NULL;
}

/* Somebody else wrote over what we had told. */
static bool is_overwritten(const struct worker *worker)
{
	const Core__Pod *pod = worker->object.pod;

	return worker->echo && pod->status && is_newer(version(pod), worker->echo_version) &&
	       !status_equal(pod->status, worker->echo);
}

static bool needs_write(const struct worker *worker, const Core__PodStatus *status)
{
	const Core__PodStatus *api = worker->object.pod->status;

	if (!worker->told)
		return !api || !status_equal(api, status);
	return !status_equal(worker->told, status) || is_overwritten(worker);
}

static bool is_ready(const Core__PodStatus *status)
{
	const Core__PodCondition *condition = status ? status_find_condition(status, "Ready") : NULL;

	return condition && str_eq(condition->status, "True");
}

static bool is_failing(const Core__PodStatus *status)
{
	for (size_t i = 0; i < status->n_containerstatuses; i++) {
		const Core__ContainerState *state = status->containerstatuses[i]->state;

		if (state && state->waiting && !str_empty(state->waiting->message))
			return true;
	}
	return false;
}

/* What somebody may be waiting for is told at once. */
static bool is_urgent(const struct worker *worker, const Core__PodStatus *status)
{
	const Core__PodStatus *told = worker->told ? worker->told : worker->object.pod->status;

	return worker->ending || !told || !str_eq(told->phase, status->phase) || is_ready(told) != is_ready(status) ||
	       is_failing(status);
}

static void request_back(struct worker *worker, const struct err *err)
{
	char name[KUBE_POD_NAME_MAX];

	worker->request = NULL;
	if (err) {
		if (err->code != -ECANCELED)
			log_error(err, "Failed to update status for pod", "pod",
				  kube_pod_name(worker->object.pod, name), "podUID", worker->uid, NULL);
		worker->write_not_before_ms = now_ms(worker) + RETRY_MS;
	}
	worker->dirty = true;
	store_task_back(worker->pods);
}

static void patched(void *owner, const void *result, const struct err *err)
{
	struct worker *worker = owner;
	const Core__Pod *pod = result;

	if (!err) {
		arena_free(worker->told_arena);
		worker->told_arena = steal_pointer(&worker->sent_arena);
		worker->told = worker->sent;
		arena_free(worker->echo_arena);
		worker->echo_arena = NULL;
		worker->echo = NULL;
		if (pod && pod->status) {
			worker->echo_arena = arena_new();
			worker->echo = PB_COPY(pod->status, worker->echo_arena);
			worker->echo_version = arena_text(worker->echo_arena, version(pod));
		}
	}
	arena_free(worker->sent_arena);
	worker->sent_arena = NULL;
	worker->sent = NULL;
	/* Gone or another pod of this name: the watch will say so. */
	if (err && (err->code == -ENOENT || err->code == -ESTALE))
		worker->write_not_before_ms = now_ms(worker) + 5 * RETRY_MS;
	request_back(worker, err && err->code != -ENOENT && err->code != -ESTALE ? err : NULL);
}

/*
 * Gone, another pod of this name, or an object that somebody changed at that very moment: the watch will say so of the
 * first two. Whatever it was, an object that is still there some time after is asked to go once more.
 */
static void removed(void *owner, const void *result, const struct err *err)
{
	struct worker *worker = owner;
	bool is_stale = err && (err->code == -ENOENT || err->code == -ESTALE);

	worker->delete_sent = !err;
	if (is_stale)
		worker->write_not_before_ms = now_ms(worker) + 5 * RETRY_MS;
	request_back(worker, is_stale ? NULL : err);
}

static void write_status(struct worker *worker, struct arena *arena, Core__PodStatus *status)
{
	const struct pods_world *world = &worker->pods->options.world;
	_cleanup_buf_ struct buf json = BUF_INIT(PATCH_MAX);
	char name[KUBE_POD_NAME_MAX];
	struct err err;

	worker->write_at_ms = 0;
	if (status_patch(worker->object.pod, status, &json, &err) < 0) {
		log_error(&err, "Failed to build the status of a pod", "pod", kube_pod_name(worker->object.pod, name),
			  "podUID", worker->uid, NULL);
		arena_free(arena);
		worker->write_not_before_ms = now_ms(worker) + RETRY_MS;
		worker_due_in(worker, RETRY_MS);
		return;
	}
	worker->sent_arena = arena;
	worker->sent = status;
	store_task_out(worker->pods);
	worker->request = world->patch(world->owner, worker->object.pod, buf_text(&json), patched, worker);
}

/* The object goes once the API knows a final phase and nothing of the pod is left on the node. */
static bool may_delete(const struct worker *worker)
{
	const Core__Pod *pod = worker->object.pod;
	const Core__PodStatus *told = worker->told ? worker->told : pod->status;

	return pod->metadata->deletiontimestamp && !worker->delete_sent && worker_is_stopped(worker) &&
	       worker->unmounted && worker->cgroup_destroyed && told && status_phase_is_final(told->phase);
}

static void remove_object(struct worker *worker)
{
	const struct pods_world *world = &worker->pods->options.world;

	worker->delete_sent = true;
	store_task_out(worker->pods);
	worker->request = world->remove(world->owner, worker->object.pod, removed, worker);
}

void publish(struct worker *worker)
{
	int64_t now = now_ms(worker), wait_ms = worker->write_not_before_ms - now;
	struct arena *arena;
	Core__PodStatus *status;

	if (worker->gone || worker->request || worker->delete_sent)
		return;
	arena = arena_new();
	status = PB_COPY(worker->status, arena);
	if (!worker->rejected && !worker_is_stopped(worker))
		status_hold_phase(status, worker->told ? worker->told : worker->object.pod->status, arena);

	if (!needs_write(worker, status)) {
		arena_free(arena);
		worker->write_at_ms = 0;
		if (may_delete(worker) && wait_ms <= 0)
			remove_object(worker);
		else if (may_delete(worker))
			worker_due_in(worker, wait_ms);
		return;
	}
	if (worker->write_at_ms == 0)
		worker->write_at_ms = now + GATHER_MS;
	if (!is_urgent(worker, status))
		wait_ms = MAX(wait_ms, worker->write_at_ms - now);
	if (wait_ms > 0) {
		arena_free(arena);
		worker_due_in(worker, wait_ms);
		return;
	}
	write_status(worker, arena, status);
}
