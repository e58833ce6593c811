/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Lists of resources ("cpu", "memory", "hugepages-2Mi") and the sums that are made of them. */
#include <stddef.h>
#include <stdint.h>

#include "k8s/core.pb-c.h"

/* What a machine has, a pod asks for or somebody keeps back. */
struct amounts {
	int64_t milli_cpu, memory_bytes, storage_bytes, pids;
};

/*
 * The text of a quantity, NULL when the list does not name it, "0" when it names it without a value. Any list of
 * {name, quantity} will do: requests, limits, capacity, overhead.
 */
const char *amount_find(const void *list, size_t n_list, const char *name);

/* The same of a container or a pod; `resources` may be NULL. */
const char *amount_request(const Core__ResourceRequirements *resources, const char *name);
const char *amount_limit(const Core__ResourceRequirements *resources, const char *name);

/* The sum of two amounts; one that no 64 bits can hold is the largest. */
int64_t amount_add(int64_t a, int64_t b);
