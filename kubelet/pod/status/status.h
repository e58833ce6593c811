/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What users see of a pod: PodStatus, computed from the pod, from what the runtime has and from what was said before.
 *
 * Pure. Rules and sentences are the stock kubelet's (v1.37: generateAPIPodStatus, status/generate.go and the status
 * manager). One file a group: phase, container statuses, conditions, the patch. Pods with init containers are rejected
 * at admission so far, hence no rules for them here beyond "not initialised".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "k8s/core.pb-c.h"
#include "kubelet/runtime/observed.h"
#include "pkg/base/arena.h"
#include "pkg/base/buf.h"
#include "pkg/base/err.h"

/* Why a container that should run does not: CrashLoopBackOff, ErrImagePull, CreateContainerError, ... */
struct status_waiting {
	const char *reason; /* NULL: nothing to say */
	const char *message;
};

struct status_input {
	const Core__Pod *pod;                 /* as the API has it */
	const Core__PodStatus *before;        /* last computed; the API's own when nothing was computed yet */
	const struct runtime_pod *observed;   /* NULL: the runtime has nothing */
	const struct status_waiting *waiting; /* one per container of the spec, NULL for none at all */
	const char *runtime_name;             /* as the runtime calls itself: an id is shown as NAME://ID */
	const char *const *host_ips;          /* of the node, the primary first */
	size_t n_host_ips;
	bool stopped;            /* the pod is over and nothing of it runs: its phase becomes a final one */
	const char *end_reason;  /* NULL, or why the kubelet ended it (DeadlineExceeded): the phase is Failed */
	const char *end_message; /* with end_reason */
	int64_t now_s;           /* wall clock */
};

Core__PodStatus *status_make(const struct status_input *input, struct arena *arena);

/* Of a pod that never got in; `message` without "Pod was rejected: ". */
Core__PodStatus *status_reject(const Core__Pod *pod, const char *reason, const char *message, int64_t now_s,
			       struct arena *arena);

/*
 * The last word on a pod of which nothing is left: a container that never told its end counts as failed (exit code
 * 137), and the phase becomes a final one. Changes `status` in place.
 */
void status_finish(const Core__Pod *pod, Core__PodStatus *status, int64_t now_s, struct arena *arena);

/*
 * What may be told while containers could still run: a final phase is held back until they cannot, since it frees what
 * the pod holds. Changes `status` in place; `told` is what the API has.
 */
void status_hold_phase(Core__PodStatus *status, const Core__PodStatus *told, struct arena *arena);

/* Equal in everything that the kubelet owns, so that there is nothing to write. */
bool status_equal(const Core__PodStatus *a, const Core__PodStatus *b);

/*
 * Appends the strategic merge patch that makes the API's status this one. The pod's uid in it is a precondition. What
 * others own (their conditions, resource claims) is left alone.
 */
int status_patch(const Core__Pod *pod, const Core__PodStatus *status, struct buf *json, struct err *err);

bool status_phase_is_final(const char *phase);
Core__PodCondition *status_find_condition(const Core__PodStatus *status, const char *type); /* NULL: none */

/* ---- what plan and status must see alike ---- */

/* The newest instance of a container, NULL when there was none. */
const struct runtime_container *status_latest(const struct runtime_pod *observed, const char *container);

/* Should this container be started (again), by the pod's restart policy? Not while the pod is being deleted. */
bool status_restart_due(const Core__Pod *pod, const struct runtime_container *latest);

/* NULL when the newest sandbox can hold containers, else why a new one is needed, in the words of the condition. */
const char *status_sandbox_problem(const Core__Pod *pod, const struct runtime_pod *observed);

/* Could anything of it be running? */
bool status_is_alive(const struct runtime_pod *observed);
