/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The downward API: fields of a pod and resources of its containers as text, for variables and for files. Pure; rules
 * and error texts of kubelet v1.37 (pkg/fieldpath, pkg/api/v1/resource). Keys in a subscript are taken as they are,
 * since the API server has checked them.
 */
#include <stdbool.h>

#include "k8s/core.pb-c.h"
#include "pkg/base/arena.h"
#include "pkg/base/err.h"
#include "pkg/codec/amount.h"

enum { FIELD_MAX = 1 << 20 }; /* all annotations of an object have at most 256 KiB, quoted at most four times that */

/* What a volume can show of a pod: its names, labels and annotations. */
int field_text(const Core__Pod *pod, const char *path, struct arena *arena, const char **ret_text, struct err *err);

/* Of a path "metadata.labels['x']" the first part, in the arena; NULL when the path has no subscript. */
char *field_subscripted(const char *path, struct arena *arena);

/* Of the app containers, then the init containers. -ENOENT "container x not found". */
int field_container(const Core__Pod *pod, const char *name, const Core__Container **ret_container, bool *ret_is_init,
		    struct err *err);

/* A limit that the container does not have is that of `node`; NULL: it is 0. */
int field_resource(const Core__Container *container, const Core__ResourceFieldSelector *ref, const struct amounts *node,
		   struct arena *arena, const char **ret_text, struct err *err);
