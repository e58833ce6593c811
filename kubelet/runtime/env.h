/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The environment of a container, and the $(NAME) references in its command.
 *
 * Pure: everything that a variable may come from is given. Rules and error texts as in the stock kubelet (v1.37,
 * makeEnvironmentVariables and the expansion package): envFrom in order, then env in order, each seeing those before it
 * and the variables of services; services fill in what is left. The order of the result is the order of declaration,
 * which upstream leaves to chance.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "k8s/core.pb-c.h"
#include "kubelet/object/object.h"
#include "pkg/base/arena.h"
#include "pkg/base/err.h"
#include "pkg/codec/amount.h"

enum {
	/* Linux takes 2 MiB of arguments and environment at most. References can double a value in each line, so that a
	 * short spec could ask for any amount of memory. */
	ENV_MAX_BYTES = 4 * 1024 * 1024,
};

/* An object that some variable refers to, as it was found. */
struct env_object {
	enum object_kind kind;
	const char *name;
	const void *object; /* Core__ConfigMap or Core__Secret; NULL: `why` tells */
	struct err why;     /* -ENOENT is no failure for an optional reference */
};

struct env_input {
	const Core__Pod *pod;
	const Core__Container *container;
	const char *const *pod_ips, *const *host_ips; /* the primary first */
	size_t n_pod_ips, n_host_ips;
	const Core__Service *const *services; /* those of the pod's namespace and the API server's at least */
	size_t n_services;
	const struct env_object *objects;
	size_t n_objects;
	struct amounts allocatable; /* of the node */
};

struct env_var {
	const char *name, *value;
	struct env_var *next;
};

/* Lives in the arena that it was built in. */
struct env {
	struct env_var *first; /* in order of declaration */
	size_t n;
};

/* Failures carry the sentence for CreateContainerConfigError. */
int env_build(const struct env_input *input, struct arena *arena, struct env *ret_env, struct err *err);

/* Which objects env_build() will ask for: each once, in order. Fills kind and name. */
void env_objects(const Core__Container *container, struct arena *arena, struct env_object **ret_objects,
		 size_t *ret_n_objects);

/* Command or arguments with $(NAME) replaced; unknown names stay as they are, $$ is one $. -E2BIG past ENV_MAX_BYTES.
 */
int env_expand_all(char *const *texts, size_t n_texts, const struct env *env, struct arena *arena, char ***ret_texts,
		   struct err *err);
