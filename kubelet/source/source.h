/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where pods come from: the API server's list of pods bound to this node; and the services, for their variables.
 *
 * Services are listed first: a pod that starts before they are known would miss their variables.
 */
#include <stdbool.h>
#include <stddef.h>

#include "k8s/core.pb-c.h"
#include "pkg/base/arena.h"
#include "pkg/kube/kube.h"

struct source;

struct source_options {
	struct kube *kube;
	const char *node_name;

	/* The pod and its arena pass to the callee. */
	void (*set)(void *owner, Core__Pod *pod, struct arena *arena);
	void (*gone)(void *owner, const char *uid);
	void (*ready)(void *owner); /* once: every source has told all that it has */
	void *owner;
};

struct source *source_new(const struct source_options *options); /* begins at once */

/* All services of the cluster; valid until control returns to the loop. */
const Core__Service *const *source_services(struct source *source, size_t *ret_n);
