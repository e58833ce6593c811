/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of kubelet/volume share; nobody else includes it. */
#include "kubelet/volume/payload.h"
#include "kubelet/volume/volume.h"
#include "pkg/base/map.h"

/* A volume whose last try failed. */
struct failing {
	int64_t delay_ms, until_ms; /* loop clock */
	struct err err;             /* said again until the next try */
};
struct volumes {
	struct volumes_options options;
	struct arena *arena;
	struct map *failing; /* "uid/volume": struct failing */
	struct map *tokens;  /* struct token */
};

/* The plugin's folder name, "empty-dir"; NULL for sources that need none (hostPath) or are not mounted here. */
const char *volume_plugin(const Core__Volume *volume);

/* ---- host_path.c ---- */

#define HOST_PATH_VERB "host-path"

/* ---- token.c ---- */

/*
 * A token for the pod, cached until 80 % of its life or 24 h have passed. Result: const char *. The projection is used
 * until this returns.
 */
struct task *token_get(struct volumes *volumes, const Core__Pod *pod, const Core__ServiceAccountTokenProjection *wanted,
		       task_done_fn *done, void *owner);
void token_forget_pod(struct volumes *volumes, const char *pod_uid);
void token_free_all(struct volumes *volumes);
