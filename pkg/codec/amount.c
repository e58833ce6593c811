/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/amount.h"

#include "pkg/base/base.h"

typedef Core__ResourceRequirements__LimitsEntry entry;

/* protoc-c makes a type of each map's entries; they differ in name only. */
#define HAS_SHAPE(type)                                                                  \
	(sizeof(type) == sizeof(entry) && offsetof(type, key) == offsetof(entry, key) && \
	 offsetof(type, value) == offsetof(entry, value))
_Static_assert(HAS_SHAPE(Core__ResourceRequirements__RequestsEntry) && HAS_SHAPE(Core__NodeStatus__CapacityEntry) &&
		       HAS_SHAPE(Core__NodeStatus__AllocatableEntry) && HAS_SHAPE(Core__PodSpec__OverheadEntry) &&
		       HAS_SHAPE(Core__PodStatus__AllocatedResourcesEntry) &&
		       HAS_SHAPE(Core__ContainerStatus__AllocatedResourcesEntry),
	       "lists of resources have one shape");

const char *amount_find(const void *list, size_t n_list, const char *name)
{
	entry *const *entries = list;

	for (size_t i = 0; i < n_list; i++)
		if (str_eq(entries[i]->key, name))
			return entries[i]->value ? str_or(entries[i]->value->string, "0") : "0";
	return NULL;
}

const char *amount_request(const Core__ResourceRequirements *resources, const char *name)
{
	return resources ? amount_find(resources->requests, resources->n_requests, name) : NULL;
}

const char *amount_limit(const Core__ResourceRequirements *resources, const char *name)
{
	return resources ? amount_find(resources->limits, resources->n_limits, name) : NULL;
}

int64_t amount_add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}
