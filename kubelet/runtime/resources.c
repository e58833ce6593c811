/* SPDX-License-Identifier: Apache-2.0 */
/* What a container may use, in the runtime's units. */
#include <inttypes.h>
#include <math.h>

#include "kubelet/cm/resources.h"
#include "kubelet/runtime/request.h"
#include "pkg/base/base.h"
#include "pkg/codec/amount.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/quantity.h"
#include "pkg/sys/huge_pages.h"

enum {
	OOM_GUARANTEED = -997,          /* after kubelet and kube-proxy, -999 */
	OOM_BEST_EFFORT = 1000,         /* first to go */
	OOM_BURSTABLE_MIN = 3,          /* a guaranteed container that uses all memory reaches 1000 - 997 */
	CRITICAL_PRIORITY = 2000000000, /* system-cluster-critical, the lowest of them */
	PAGE_BYTES = 4096,              /* memory.high comes in whole ones */
};

/* ---- who goes first ---- */

int64_t runtime_request_oom_score_adj(const Core__Pod *pod, const Core__Container *container,
				      int64_t memory_capacity_bytes)
{
	int64_t request = quantity_text_value(amount_request(container->resources, "memory")), score;
	bool critical = pod->spec->has_priority && pod->spec->priority >= CRITICAL_PRIORITY;

	if (critical && str_eq(pod->spec->priorityclassname, "system-node-critical"))
		return OOM_GUARANTEED;
	switch (cm_qos_class(pod)) {
	case CM_GUARANTEED:
		return OOM_GUARANTEED;
	case CM_BEST_EFFORT:
		return OOM_BEST_EFFORT;
	case CM_BURSTABLE:
		break;
	}
	/* The more of the node it asked for, the later it goes; between the two other classes in any case. */
	request = MIN(request, memory_capacity_bytes); /* also keeps the product in range */
	score = memory_capacity_bytes > 0
			? OOM_BEST_EFFORT - (int64_t)((__extension__(__int128) 1000 * request) / memory_capacity_bytes)
			: OOM_BEST_EFFORT;
	return MAX(MIN(score, (int64_t)OOM_BEST_EFFORT - 1), (int64_t)OOM_BURSTABLE_MIN);
}

/* ---- in the kernel's units ---- */

static void set_unified(Cri__LinuxContainerResources *resources, struct arena *arena, const char *key,
			const char *value)
{
	Cri__LinuxContainerResources__UnifiedEntry *added =
		PB_NEW(arena, Cri__LinuxContainerResources__UnifiedEntry,
		       cri__linux_container_resources__unified_entry__descriptor);

	added->key = arena_strdup(arena, key);
	added->value = arena_strdup(arena, value);
	PB_APPEND(arena, resources, unified, added);
}

static Cri__LinuxContainerResources *basics(const struct runtime_options *options, int64_t request_milli,
					    int64_t limit_milli, int64_t memory_bytes, struct arena *arena)
{
	Cri__LinuxContainerResources *resources =
		PB_NEW(arena, Cri__LinuxContainerResources, cri__linux_container_resources__descriptor);

	resources->cpu_shares = cm_shares(request_milli);
	resources->memory_limit_in_bytes = memory_bytes;
	if (options->cpu_cfs_quota) {
		resources->cpu_quota = cm_quota_us(limit_milli, options->cpu_cfs_quota_period_us);
		resources->cpu_period = options->cpu_cfs_quota_period_us;
	}
	if (options->cgroup_v2 && !options->single_process_oom_kill)
		set_unified(resources, arena, "memory.oom.group", "1");
	return resources;
}

/* ---- huge pages ---- */

/* Is "hugepages-2Mi" the page of which the kernel says "2MB"? */
static bool names_page(const char *resource, const char *kernel_name)
{
	int64_t bytes =
		str_has_prefix(resource, "hugepages-") ? quantity_text_value(resource + sizeof "hugepages-" - 1) : 0;
	char name[HUGE_PAGE_NAME_MAX];

	huge_page_name(bytes, name);
	return bytes > 0 && str_eq(name, kernel_name);
}

static void set_huge_pages(const struct runtime_request_node *node, const Core__Container *container,
			   Cri__LinuxContainerResources *resources, struct arena *arena)
{
	const Core__ResourceRequirements *has = container->resources;

	for (size_t i = 0; i < node->n_hugepage_sizes; i++) {
		Cri__HugepageLimit *limit = PB_NEW(arena, Cri__HugepageLimit, cri__hugepage_limit__descriptor);

		limit->page_size = arena_strdup(arena, node->hugepage_sizes[i]);
		for (size_t n = 0; has && n < has->n_limits; n++)
			if (names_page(has->limits[n]->key, node->hugepage_sizes[i]))
				limit->limit = (uint64_t)quantity_text_value(has->limits[n]->value->string);
		PB_APPEND(arena, resources, hugepage_limits, limit);
	}
}

/* ---- memory quality of service (cgroup v2) ---- */

static void set_memory_qos(const struct runtime_options *options, const Core__Pod *pod,
			   const Core__Container *container, Cri__LinuxContainerResources *resources,
			   struct arena *arena)
{
	int64_t request = quantity_text_value(amount_request(container->resources, "memory"));
	int64_t limit = quantity_text_value(amount_limit(container->resources, "memory"));
	double top = (double)(limit ? limit : options->allocatable.memory_bytes), high;

	if (request && options->tiered_memory_reservation) {
		set_unified(resources, arena, cm_qos_class(pod) == CM_GUARANTEED ? "memory.min" : "memory.low",
			    arena_printf(arena, "%" PRId64, request));
	} else {
		set_unified(resources, arena, "memory.min", "0");
		set_unified(resources, arena, "memory.low", "0");
	}
	if (options->memory_throttling_factor == 0 || (request == limit && request))
		return;
	high = floor(((double)request + (top - (double)request) * options->memory_throttling_factor) / PAGE_BYTES) *
	       PAGE_BYTES;
	if (high > (double)request)
		set_unified(resources, arena, "memory.high", arena_printf(arena, "%.0f", high));
}

Cri__LinuxContainerResources *runtime_request_resources(const struct runtime_options *options,
							const struct runtime_request_node *node, const Core__Pod *pod,
							const Core__Container *container, struct arena *arena)
{
	const char *request = amount_request(container->resources, "cpu"),
		   *limit = amount_limit(container->resources, "cpu");
	Cri__LinuxContainerResources *resources =
		basics(options, quantity_text_milli(request ? request : limit), quantity_text_milli(limit),
		       quantity_text_value(amount_limit(container->resources, "memory")), arena);

	resources->oom_score_adj = runtime_request_oom_score_adj(pod, container, options->memory_capacity_bytes);
	set_huge_pages(node, container, resources, arena);
	if (node->swap_limits && options->cgroup_v2)
		set_unified(resources, arena, "memory.swap.max", "0");
	else if (node->swap_limits)
		resources->memory_swap_limit_in_bytes = resources->memory_limit_in_bytes;
	if (options->cgroup_v2)
		set_memory_qos(options, pod, container, resources, arena);
	return resources;
}

/* For the runtime's information: the sums over the app containers. */
Cri__LinuxContainerResources *runtime_request_sandbox_resources(const struct runtime_options *options,
								const Core__Pod *pod, struct arena *arena)
{
	int64_t requests = 0, limits = 0, memory = 0;
	bool has_request = false;

	for (size_t i = 0; i < pod->spec->n_containers; i++) {
		const Core__Container *container = pod->spec->containers[i];

		has_request |= amount_request(container->resources, "cpu") != NULL;
		requests = amount_add(requests, quantity_text_milli(amount_request(container->resources, "cpu")));
		limits = amount_add(limits, quantity_text_milli(amount_limit(container->resources, "cpu")));
		memory = amount_add(memory, quantity_text_value(amount_limit(container->resources, "memory")));
	}
	return basics(options, has_request ? requests : limits, limits, memory, arena);
}
