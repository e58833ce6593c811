/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Files of --config-dir: what each of them names joins or replaces what the files before it said. Inside kubelet/config
 * only. */
#include "config/kubelet.pb-c.h"
#include "pkg/base/arena.h"
#include "pkg/base/err.h"

/*
 * Merges every NAME.conf in the folder and the folders below into a configuration that has its defaults, in the order
 * of their names. What a file takes away with null is absent afterwards. Errors are in stock's words.
 */
int dropins_merge(Config__KubeletConfiguration *config, const char *dir, struct arena *arena, struct err *err);
