/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The pods of this node: one worker each, from the first sight of its object until nothing is left of it.
 *
 * A worker does at most one step at a time (plan.h), stores what came of it and asks the plan again. It tells the API
 * what it sees (status/status.h) and deletes the object when the pod is over and cleaned up. It remembers nothing that
 * a restart may not lose: what is wanted comes from the API, what is there from the runtime and the disk.
 *
 * The world outside (runtime, volumes, cgroups, API server, clocks) is a table of functions: world.h has the real one,
 * the test a simulated one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "k8s/core.pb-c.h"
#include "kubelet/pod/crash_loop.h"
#include "kubelet/pod/plan.h"
#include "kubelet/runtime/observed.h"
#include "pkg/base/arena.h"
#include "pkg/base/err.h"
#include "pkg/kube/event.h"
#include "pkg/loop/task.h"

struct pods;

/* One step to do. `uid` and `pod` are valid until the step's `done`, `step` and `observed` until act() returns. */
struct pods_act {
	const char *uid;
	const Core__Pod *pod; /* NULL: the object is not known */
	const struct plan_step *step;
	const struct runtime_pod *observed;
};

/* The result of a step, on failure too. */
struct pods_outcome {
	const char *reason, *message; /* what a waiting container says of its failed start; NULL: err.text */
	int64_t retry_after_ms;       /* 0: the worker's own rule */
	bool read;                    /* observed() has been read since the step */
};

struct pods_world {
	int64_t (*now_ms)(void *owner);                 /* monotonic */
	int64_t (*wall_ms)(void *owner);                /* since 1970 */
	void (*wake_in)(void *owner, int64_t delay_ms); /* call pods_run() then; a later call replaces an earlier */

	const struct runtime_pod *(*observed)(void *owner, const char *uid); /* valid until control returns */
	bool (*unread)(void *owner, const char *uid); /* there is something, but what could never be read */
	uint64_t (*hash)(const Core__Container *container);

	bool (*has_cgroup)(void *owner, const Core__Pod *pod); /* still, after PLAN_PREPARE */

	/* May the pod run here? Else reason and message; texts in the arena. */
	bool (*admit)(void *owner, const Core__Pod *pod, struct arena *arena, const char **ret_reason,
		      const char **ret_message);
	void (*keep)(void *owner, const Core__Pod *pod);   /* its ConfigMaps and Secrets are needed from now on */
	void (*release)(void *owner, const char *pod_uid); /* and not any more */
	void (*forget)(void *owner, const char *pod_uid);  /* nobody knows it any more */

	/* Result: const struct pods_outcome *. */
	struct task *(*act)(void *owner, const struct pods_act *act, task_done_fn *done, void *done_owner);

	/* Strategic merge patch of the status. Result: const Core__Pod *, the object after it. */
	struct task *(*patch)(void *owner, const Core__Pod *pod, const char *json, task_done_fn *done,
			      void *done_owner);
	/* Deletion at once, of this uid only. -ENOENT and -ESTALE count as done. */
	struct task *(*remove)(void *owner, const Core__Pod *pod, task_done_fn *done, void *done_owner);

	kube_pod_event_fn *event;
	void *owner;
};

struct pods_options {
	struct pods_world world;
	struct crash_loop_policy crash_loop;
	const char *runtime_name;    /* as the runtime calls itself; copied */
	const char *const *host_ips; /* of the node, the primary first; copied */
	size_t n_host_ips;
};

struct pods *pods_new(const struct pods_options *options);

/* Nothing new is begun; `stopped` is called once no step and no request is out. Containers go on running. */
void pods_stop(struct pods *pods, void (*stopped)(void *owner), void *owner);
void pods_free(struct pods *pods); /* once stopped */

/* A new or changed object; it and the arena become ours. */
void pods_set(struct pods *pods, Core__Pod *pod, struct arena *arena);

/* The object does not exist any more. */
void pods_gone(struct pods *pods, const char *uid);

/*
 * Something of a pod was found on this node (in the runtime, a folder, a cgroup). If nobody knows it, it is killed and
 * removed. Only once all sources have told what they have.
 */
void pods_found(struct pods *pods, const char *uid);

bool pods_know(const struct pods *pods, const char *uid); /* also of one that is going */

void pods_poke(struct pods *pods, const char *uid);    /* the runtime has something new of it */
void pods_refresh(struct pods *pods, const char *uid); /* so have its volumes' sources */
void pods_run(struct pods *pods);                      /* does what is due; called by the world's clock */

/* With the status as last computed; NULL when unknown. Valid until control returns to the loop. */
const Core__Pod *pods_find(struct pods *pods, const char *namespace_, const char *name);
const Core__Pod *pods_next(struct pods *pods, size_t *at); /* `size_t at = 0; while ((pod = pods_next(pods, &at)))` */

/* The same for pods that hold resources: admitted and not over yet. */
const Core__Pod *pods_next_active(struct pods *pods, size_t *at);

size_t pods_count(const struct pods *pods); /* workers, those without an object too */
