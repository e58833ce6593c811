/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which kernel settings a pod may bring: those that are namespaced and known to be harmless, and those that the node's
 * owner allowed (allowedUnsafeSysctls, names or prefixes ending in '*'). Pure; lists and sentences of kubelet v1.37.
 */
#include <stdbool.h>
#include <stddef.h>

#include "k8s/core.pb-c.h"
#include "pkg/base/arena.h"

/* The sentence about the first setting that is not allowed ("forbidden sysctl: ..."), NULL when all are. */
const char *sysctl_forbidden(const Core__PodSpec *spec, char *const *unsafe, size_t n_unsafe, struct arena *arena);
