/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/cm/resources.h"

#include "pkg/base/base.h"
#include "pkg/codec/amount.h"
#include "pkg/codec/quantity.h"

static struct amounts sum_of(struct amounts a, struct amounts b)
{
	return (struct amounts){ .milli_cpu = amount_add(a.milli_cpu, b.milli_cpu),
				 .memory_bytes = amount_add(a.memory_bytes, b.memory_bytes) };
}

static struct amounts larger_of(struct amounts a, struct amounts b)
{
	return (struct amounts){ .milli_cpu = MAX(a.milli_cpu, b.milli_cpu),
				 .memory_bytes = MAX(a.memory_bytes, b.memory_bytes) };
}

static struct amounts requests_of(const Core__ResourceRequirements *resources)
{
	return (struct amounts){ .milli_cpu = quantity_text_milli(amount_request(resources, "cpu")),
				 .memory_bytes = quantity_text_value(amount_request(resources, "memory")) };
}

static struct amounts limits_of(const Core__ResourceRequirements *resources)
{
	return (struct amounts){ .milli_cpu = quantity_text_milli(amount_limit(resources, "cpu")),
				 .memory_bytes = quantity_text_value(amount_limit(resources, "memory")) };
}

/* ---- QoS class ---- */

static bool is_pod_level_name(const char *name)
{
	return str_eq(name, "cpu") || str_eq(name, "memory") || str_has_prefix(name, "hugepages-");
}

/* An empty struct, or one of foreign resources only, counts as none. */
static bool has_pod_level(const Core__Pod *pod)
{
	const Core__ResourceRequirements *resources = pod->spec->resources;

	for (size_t i = 0; resources && i < resources->n_requests; i++)
		if (is_pod_level_name(resources->requests[i]->key))
			return true;
	for (size_t i = 0; resources && i < resources->n_limits; i++)
		if (is_pod_level_name(resources->limits[i]->key))
			return true;
	return false;
}

static enum cm_qos qos_of(const Core__ResourceRequirements *resources)
{
	static const char *const names[] = { "cpu", "memory" };
	enum cm_qos qos[ARRAY_LEN(names)];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct quantity request = { 0 }, limit = { 0 };
		struct err ignored;

		(void)quantity_parse(amount_request(resources, names[i]), &request, &ignored);
		(void)quantity_parse(amount_limit(resources, names[i]), &limit, &ignored);
		if (request.nano != limit.nano)
			return CM_BURSTABLE;
		qos[i] = request.nano == 0 ? CM_BEST_EFFORT : CM_GUARANTEED;
	}
	return qos[0] == qos[1] ? qos[0] : CM_BURSTABLE;
}

enum cm_qos cm_qos_class(const Core__Pod *pod)
{
	enum cm_qos qos = CM_BEST_EFFORT;
	size_t n = 0;

	/* What the API server has decided stands: a resize must not move a pod to another class. */
	for (int i = CM_GUARANTEED; pod->status && i <= CM_BEST_EFFORT; i++)
		if (str_eq(pod->status->qosclass, cm_qos_name(i)))
			return i;
	if (has_pod_level(pod))
		return qos_of(pod->spec->resources);
	for (size_t i = 0; i < pod->spec->n_initcontainers + pod->spec->n_containers; i++) {
		const Core__Container *container = i < pod->spec->n_initcontainers
							   ? pod->spec->initcontainers[i]
							   : pod->spec->containers[i - pod->spec->n_initcontainers];
		enum cm_qos one = qos_of(container->resources);

		if (one == CM_BURSTABLE || (n > 0 && one != qos))
			return CM_BURSTABLE;
		qos = one;
		n++;
	}
	return qos;
}

const char *cm_qos_name(enum cm_qos qos)
{
	switch (qos) {
	case CM_GUARANTEED:
		return "Guaranteed";
	case CM_BURSTABLE:
		return "Burstable";
	case CM_BEST_EFFORT:
		break;
	}
	return "BestEffort";
}

/* ---- the kernel's units ---- */

int64_t cm_shares(int64_t milli_cpu)
{
	if (milli_cpu >= (int64_t)CM_SHARES_MAX * 1000 / 1024)
		return CM_SHARES_MAX;
	return MAX(milli_cpu * 1024 / 1000, (int64_t)CM_SHARES_MIN);
}

int64_t cm_weight(int64_t shares)
{
	if (shares >= CM_SHARES_MAX)
		return 10000;
	return 1 + (MAX(shares, (int64_t)CM_SHARES_MIN) - 2) * 9999 / 262142;
}

int64_t cm_quota_us(int64_t milli_cpu, int64_t period_us)
{
	int64_t product;

	if (milli_cpu <= 0)
		return 0;
	if (__builtin_mul_overflow(milli_cpu, period_us, &product))
		product = INT64_MAX;
	return MAX(product / 1000, (int64_t)CM_QUOTA_MIN_US);
}

/* ---- sums ---- */

static bool is_sidecar(const Core__Container *container)
{
	return str_eq(container->restartpolicy, "Always");
}

/*
 * While the n-th init container runs, the sidecars started before it run too; later all sidecars run beside the
 * containers. The pod needs the larger of both.
 */
static struct amounts total_of(const Core__PodSpec *spec,
			       struct amounts (*amounts_of)(const Core__ResourceRequirements *resources))
{
	struct amounts total = { 0 }, sidecars = { 0 }, init = { 0 };

	for (size_t i = 0; i < spec->n_containers; i++)
		total = sum_of(total, amounts_of(spec->containers[i]->resources));
	for (size_t i = 0; i < spec->n_initcontainers; i++) {
		const Core__Container *container = spec->initcontainers[i];
		struct amounts one = amounts_of(container->resources);

		if (is_sidecar(container)) {
			total = sum_of(total, one);
			sidecars = sum_of(sidecars, one);
			init = larger_of(init, sidecars);
		} else {
			init = larger_of(init, sum_of(one, sidecars));
		}
	}
	return larger_of(total, init);
}

static bool every_container_limits(const Core__PodSpec *spec, const char *name)
{
	for (size_t i = 0; i < spec->n_initcontainers; i++)
		if (quantity_text_milli(amount_limit(spec->initcontainers[i]->resources, name)) == 0)
			return false;
	for (size_t i = 0; i < spec->n_containers; i++)
		if (quantity_text_milli(amount_limit(spec->containers[i]->resources, name)) == 0)
			return false;
	return true;
}

static void apply_pod_level(const Core__PodSpec *spec, struct cm_sums *sums)
{
	const Core__ResourceRequirements *resources = spec->resources;
	struct amounts requests = requests_of(resources), limits = limits_of(resources);

	if (amount_request(resources, "cpu"))
		sums->request_milli_cpu = requests.milli_cpu;
	if (amount_request(resources, "memory"))
		sums->request_memory = requests.memory_bytes;
	if (amount_limit(resources, "cpu"))
		sums->limit_milli_cpu = limits.milli_cpu;
	if (amount_limit(resources, "memory"))
		sums->limit_memory = limits.memory_bytes;
	sums->every_cpu_limited |= limits.milli_cpu > 0;
	sums->every_memory_limited |= limits.memory_bytes > 0;
}

struct cm_sums cm_pod_sums(const Core__Pod *pod)
{
	const Core__PodSpec *spec = pod->spec;
	struct amounts requests = total_of(spec, requests_of), limits = total_of(spec, limits_of);
	struct cm_sums sums = {
		.request_milli_cpu = requests.milli_cpu,
		.request_memory = requests.memory_bytes,
		.limit_milli_cpu = limits.milli_cpu,
		.limit_memory = limits.memory_bytes,
		.every_cpu_limited = every_container_limits(spec, "cpu"),
		.every_memory_limited = every_container_limits(spec, "memory"),
	};

	apply_pod_level(spec, &sums);
	int64_t milli_cpu = quantity_text_milli(amount_find(spec->overhead, spec->n_overhead, "cpu"));
	int64_t bytes = quantity_text_value(amount_find(spec->overhead, spec->n_overhead, "memory"));

	sums.request_milli_cpu = amount_add(sums.request_milli_cpu, milli_cpu);
	sums.limit_milli_cpu = sums.limit_milli_cpu ? amount_add(sums.limit_milli_cpu, milli_cpu) : 0;
	sums.request_memory = amount_add(sums.request_memory, bytes);
	sums.limit_memory = sums.limit_memory ? amount_add(sums.limit_memory, bytes) : 0;
	return sums;
}

/* ---- huge pages ---- */

static const char *text_of(const Resource__Quantity *quantity)
{
	return quantity ? quantity->string : NULL;
}

static bool names_pages_of(const char *name, int64_t page_bytes)
{
	return str_has_prefix(name, "hugepages-") && quantity_text_value(name + sizeof "hugepages-" - 1) == page_bytes;
}

static int64_t huge_pages_of(const Core__ResourceRequirements *resources, int64_t page_bytes)
{
	int64_t bytes = 0;

	/* "2Mi" and "2048Ki" are the same page. */
	for (size_t i = 0; resources && i < resources->n_requests; i++)
		if (names_pages_of(resources->requests[i]->key, page_bytes))
			bytes = amount_add(bytes, quantity_text_value(text_of(resources->requests[i]->value)));
	return bytes;
}

/* As total_of(), of one size. */
static int64_t total_huge_pages(const Core__PodSpec *spec, int64_t page_bytes)
{
	int64_t total = 0, sidecars = 0, init = 0;

	for (size_t i = 0; i < spec->n_containers; i++)
		total = amount_add(total, huge_pages_of(spec->containers[i]->resources, page_bytes));
	for (size_t i = 0; i < spec->n_initcontainers; i++) {
		int64_t one = huge_pages_of(spec->initcontainers[i]->resources, page_bytes);

		if (is_sidecar(spec->initcontainers[i])) {
			total = amount_add(total, one);
			sidecars = amount_add(sidecars, one);
			init = MAX(init, sidecars);
		} else {
			init = MAX(init, amount_add(one, sidecars));
		}
	}
	return MAX(total, init);
}

int64_t cm_pod_huge_pages(const Core__Pod *pod, int64_t page_bytes)
{
	const Core__PodSpec *spec = pod->spec;
	int64_t bytes = huge_pages_of(spec->resources, page_bytes);

	if (bytes == 0)
		bytes = total_huge_pages(spec, page_bytes);
	for (size_t i = 0; i < spec->n_overhead; i++)
		if (names_pages_of(spec->overhead[i]->key, page_bytes))
			bytes = amount_add(bytes, quantity_text_value(text_of(spec->overhead[i]->value)));
	return bytes;
}

/* ---- values ---- */

struct cm_values cm_pod_values(const Core__Pod *pod, bool cfs_quota, int64_t period_us, int64_t pids_limit)
{
	struct cm_values values = { -1, -1, -1, -1, pids_limit > 0 ? pids_limit : -1 };
	struct cm_sums sums = cm_pod_sums(pod);
	enum cm_qos qos = cm_qos_class(pod);

	if (qos == CM_BEST_EFFORT) {
		values.shares = CM_SHARES_MIN;
		return values;
	}
	values.shares = cm_shares(sums.request_milli_cpu);
	if (qos == CM_GUARANTEED || sums.every_cpu_limited) {
		values.quota_us = cfs_quota ? cm_quota_us(sums.limit_milli_cpu, period_us) : 0;
		values.period_us = period_us;
	}
	if (qos == CM_GUARANTEED || sums.every_memory_limited)
		values.memory_bytes = sums.limit_memory;
	return values;
}
