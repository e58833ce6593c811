/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One pod's worker; between worker.c, publish.c and store.c only. */
#include "kubelet/pod/pod.h"
#include "kubelet/pod/status/status.h"

/* An object of the API with the memory it lives in. */
struct object {
	struct arena *arena;
	Core__Pod *pod; /* NULL: none */
};

struct worker {
	struct pods *pods;
	char *uid;
	struct object object;
	Core__Pod shown;     /* a view: the object with `status` in it */
	struct object older; /* the object that the running step was given, when a newer one came */

	struct arena *status_arena;
	Core__PodStatus *status; /* as last computed; NULL before */
	bool finished;           /* `status` is the last word on the pod */

	/* By container of the spec. */
	size_t n_containers;
	struct plan_container *containers;
	struct status_waiting *waiting; /* texts are malloc'ed */
	uint64_t *hashes;
	bool *backing_off; /* the event BackOff of this wait was told */

	bool admitted, rejected;
	char *reject_reason, *reject_message;
	bool ending, past_deadline, gone;
	bool prepared, mounted, unmounted, cgroup_destroyed, stale, said_sandbox_changed, released;
	int64_t refresh_at_ms, not_before_ms, prepare_not_before_ms;
	int64_t seen_ms; /* wall clock: when the object came first; 0: not yet */

	struct task *task; /* the step that is being done */
	enum plan_kind doing;
	size_t doing_container;
	struct crash_loop before_restart; /* of doing_container, */
	int64_t restart_of_ms;            /* whose last instance ended then; 0: there was none */

	/* What the API was told: `told` is what we sent, `echo` what the server made of it. */
	struct task *request;
	struct arena *told_arena, *sent_arena;
	Core__PodStatus *told, *sent;
	struct arena *echo_arena;
	Core__PodStatus *echo;
	const char *echo_version; /* of the object with that status */
	bool delete_sent;
	int64_t write_at_ms, write_not_before_ms; /* write_at_ms 0: nothing to write was noticed yet */

	bool dirty;
	int64_t due_ms; /* monotonic; -1: never by itself */
};

struct pods {
	struct pods_options options;
	struct map *workers; /* by uid */
	size_t busy;         /* steps and requests that are out */
	bool stopping;
	void (*stopped)(void *owner);
	void *stopped_owner;
};

/* worker.c */
struct worker *worker_new(struct pods *pods, const char *uid);
void worker_free(struct worker *worker); /* nothing of it may be out */
void worker_set(struct worker *worker, Core__Pod *pod, struct arena *arena);
void worker_tick(struct worker *worker);
bool worker_is_over(const struct worker *worker);            /* the plan says forget, and nothing is out */
bool worker_is_stopped(const struct worker *worker);         /* nothing of it runs or will run */
void worker_due_in(struct worker *worker, int64_t delay_ms); /* a tick then at the latest; below 0: no need */

/* publish.c */
void publish(struct worker *worker);

/* store.c */
void store_poke(struct pods *pods);
void store_task_out(struct pods *pods);
void store_task_back(struct pods *pods);
