/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is in a volume that shows objects: files with bytes, mode and owner. Pure; rules and texts of kubelet v1.37.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "k8s/core.pb-c.h"
#include "pkg/base/arena.h"
#include "pkg/base/err.h"
#include "pkg/codec/amount.h"

enum {
	PAYLOAD_MAX = 64 << 20,     /* bytes of one volume: objects have at most 1 MiB each, sources 1,000s of bytes */
	PAYLOAD_PATH_MAX = 4096,    /* upstream's */
	PAYLOAD_NAME_MAX = 255,     /* the file systems' */
	PAYLOAD_MODE = 0644,        /* what the API server sets as defaultMode when there is none */
	PAYLOAD_SECRET_MODE = 0600, /* tokens of a pod with one user or with fsGroup */
};

struct payload_file {
	struct payload_file *next;
	const char *path; /* clean: "a/b", no "." or ".." */
	const void *bytes;
	size_t size;
	uint32_t mode;
	int64_t owner; /* -1: root */
};

/* Files in order of their first mention; a later one with the same path replaces its content. Begins with an arena. */
struct payload {
	struct arena *arena; /* paths are copied here, bytes are the caller's */
	struct payload_file *first;
	size_t n, bytes;
	struct payload_file *last; /* private from here */
	struct map *by_path;       /* an object may have as many keys as fit into 1.5 MiB */
};

void payload_done(struct payload *payload); /* frees all but what is in the arena */
#define _cleanup_payload_ __attribute__((cleanup(payload_done)))

/* An order of paths in which all that is below a folder lies together, right behind it. As strcmp(). */
int payload_compare(const char *a, const char *b);

/* All that is wrong, each sentence once: "a" or "[a, b]", as upstream's aggregates are told. */
struct complaints {
	char texts[ERR_TEXT_MAX];
	size_t n;
};

void complain(struct complaints *complaints, const char *text);
int complaints_tell(const struct complaints *complaints, int code, struct err *err); /* returns code */

int payload_put(struct payload *payload, const char *path, const void *bytes, size_t size, uint32_t mode, int64_t owner,
		struct err *err);

/* `object` NULL: it does not exist and is optional. */
int payload_add_configmap(struct payload *payload, const Core__ConfigMap *object, Core__KeyToPath *const *items,
			  size_t n_items, uint32_t mode, bool optional, struct err *err);
int payload_add_secret(struct payload *payload, const Core__Secret *object, Core__KeyToPath *const *items,
		       size_t n_items, uint32_t mode, bool optional, struct err *err);

/* `node` is for resourceFieldRef of a container without a limit: what pods may use of the node. */
int payload_add_downward(struct payload *payload, Core__DownwardAPIVolumeFile *const *items, size_t n_items,
			 const Core__Pod *pod, const struct amounts *node, uint32_t mode, struct err *err);

/* The one user that all containers run as; -1 when there is none. Decides who owns a token. */
int64_t payload_pod_user(const Core__Pod *pod);
/* The pod's fsGroup; -1 when it has none. */
int64_t payload_pod_group(const Core__Pod *pod);

/*
 * Where other volumes are mounted inside this one: the folders must exist, since the volume is read-only for the
 * runtime. Paths relative to the volume, in the arena, NULL at the end.
 */
char **payload_nested_mounts(const Core__Pod *pod, const char *volume, struct arena *arena);
