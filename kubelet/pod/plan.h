/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The next thing to do for a pod: a pure decision from what is wanted, what is there and what time it is.
 *
 * The worker does one step, has the pod read again and asks again; whatever happens in between (a kubelet restart, a
 * runtime that lost things, a deletion) is just another situation to decide in. Rules as in the stock kubelet (v1.37:
 * computePodActions, pod_workers, doBackOff).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "k8s/core.pb-c.h"
#include "kubelet/pod/crash_loop.h"
#include "kubelet/runtime/observed.h"

enum plan_kind {
	PLAN_NOTHING,          /* until something changes, or wait_ms have passed */
	PLAN_READ,             /* what the runtime has: what is known is older than the last step */
	PLAN_PREPARE,          /* cgroup, folders */
	PLAN_MOUNT,            /* volumes */
	PLAN_KILL_POD,         /* containers, then sandboxes */
	PLAN_RUN_SANDBOX,      /* number `attempt` */
	PLAN_START_CONTAINER,  /* `container`, as instance `restart_count`, -1: not known */
	PLAN_KILL_CONTAINER,   /* `instance`, because of `why` */
	PLAN_REMOVE_CONTAINER, /* `instance`, dead and of no interest any more */
	PLAN_REMOVE_SANDBOX,   /* `sandbox`, stopped and empty */
	PLAN_UNMOUNT,          /* volumes and the pod's folder */
	PLAN_DESTROY_CGROUP,
	PLAN_REMOVE_POD, /* what the runtime still has of it: dead containers, sandboxes, logs */
	PLAN_FORGET,     /* nothing is left, nobody asks */
};

/* What this process remembers of one container of the spec. Losing it costs a shorter wait. */
struct plan_container {
	struct crash_loop crash_loop;
	int64_t not_before_ms; /* after a failed start; monotonic, 0: at once */
	bool again;            /* it was ended for a new sandbox or spec only: it starts, whatever its exit code */
};

struct plan_input {
	const Core__Pod *pod;                               /* NULL: only the runtime or the disk knows this pod */
	const struct runtime_pod *observed;                 /* NULL: the runtime has nothing of it */
	const struct plan_container *containers;            /* one per container of the spec */
	uint64_t (*hash)(const Core__Container *container); /* identity of a spec, see runtime.h */

	bool ending;    /* it is to be stopped for good: deleted, finished, rejected, past its deadline */
	bool gone;      /* the API object does not exist any more */
	bool prepared;  /* by this process, for this spec, and still there */
	bool mounted;   /* by this process */
	bool refresh;   /* volumes want to be looked at again; never in the way of containers */
	bool unmounted; /* by this process */
	bool cgroup_destroyed;
	bool stale; /* `observed` may be older than the last step: no decision can be made on it */

	int64_t not_before_ms;         /* after a failed step of the pod as a whole; monotonic */
	int64_t prepare_not_before_ms; /* after a failed PLAN_PREPARE, which only starts wait for; monotonic */
	int64_t now_ms;                /* monotonic */
	int64_t wall_ms;
};

struct plan_step {
	enum plan_kind kind;
	size_t container;
	int32_t restart_count;
	uint32_t attempt;
	const struct runtime_container *instance; /* in `observed` */
	const struct runtime_sandbox *sandbox;    /* in `observed` */
	enum runtime_kill why;                    /* with PLAN_KILL_CONTAINER */
	bool sandbox_changed;                     /* with PLAN_KILL_POD: a new one follows */
	int64_t wait_ms;                          /* with PLAN_NOTHING; -1: nothing to wait for */
};

struct plan_step pod_plan(const struct plan_input *input);

/* How long container `index` has to wait before it is started again because it keeps exiting; 0 when it need not. */
int64_t plan_crash_wait(const struct plan_input *input, size_t index);

/* Milliseconds until activeDeadlineSeconds is over, 0 when it is, -1 without one. */
int64_t plan_deadline_left(const Core__Pod *pod, const Core__PodStatus *status, int64_t wall_ms);
