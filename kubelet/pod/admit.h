/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * May a pod run on this node? The last word after the scheduler, which may have known an older node, or was not asked.
 *
 * Pure. Order, reasons and sentences of the stock kubelet's predicates (v1.37, lifecycle/predicate.go), and before all
 * of them ours: a pod that uses something this kubelet does not act on never runs with it ignored.
 */
#include <stdbool.h>
#include <stddef.h>

#include "k8s/core.pb-c.h"
#include "pkg/base/arena.h"

struct admit_input {
	const Core__Pod *pod;
	const Core__Node *node;       /* as in the API, with allocatable; NULL: not known yet */
	const Core__Pod *const *pods; /* those that hold resources of the node now, without this one */
	size_t n_pods;
	char *const *unsafe_sysctls; /* allowedUnsafeSysctls */
	size_t n_unsafe_sysctls;
	bool apparmor;           /* the kernel has it */
	const char *unsupported; /* path of the first field that is not acted on; NULL: none */
};

/* False fills reason and message, which live in the arena or are static. */
bool admit_pod(const struct admit_input *input, struct arena *arena, const char **ret_reason, const char **ret_message);
