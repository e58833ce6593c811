/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Taints that a new Node gets: the flag's form of them, and what the API would refuse. Inside kubelet/config only. */
#include <stdbool.h>

#include "config/kubelet.pb-c.h"
#include "pkg/base/arena.h"
#include "pkg/base/err.h"

/* "key=value:Effect,key:Effect" replaces registerWithTaints. -EINVAL in stock's words. */
int taints_set(Config__KubeletConfiguration *config, const char *text, struct arena *arena, struct err *err);

bool taint_is_valid(const Core__Taint *taint);
