/* SPDX-License-Identifier: Apache-2.0 */
/* What containers and the pod were given: from the spec, and for what runs as the runtime tells it. */
#include <stdlib.h>
#include <string.h>

#include "kubelet/cm/resources.h"
#include "kubelet/pod/status/internal.h"
#include "pkg/base/base.h"
#include "pkg/codec/amount.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/quantity.h"

enum {
	SHARES_MIN = 2,       /* the kernel's least share, also below 2 thousandths: then the spec's word is shown */
	LIMIT_MIN_MILLI = 10, /* what the kernel's least quota means */
	SHARES_PER_CPU = 1024,
	MILLI_PER_CPU = 1000,
	NANO_PER_MILLI = 1000000,
};

/* Entries of requests, limits and allocated resources have one shape: {base, key, value}. */
typedef Core__ResourceRequirements__LimitsEntry entry;

#define ENTRIES(list) ((entry **)(void *)(list))

static entry *find(entry *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i]->key, name))
			return list[i];
	return NULL;
}

static Resource__Quantity *quantity(struct arena *arena, const struct quantity *value)
{
	Resource__Quantity *made = PB_NEW(arena, Resource__Quantity, resource__quantity__descriptor);

	made->string = quantity_text(arena, value);
	return made;
}

static entry *entry_new(struct arena *arena, const ProtobufCMessageDescriptor *type, const char *name)
{
	entry *made = pb_new(arena, type);

	made->key = arena_strdup(arena, name);
	return made;
}

/* An array that was copied may be full at any length. */
#define APPEND(arena, into, field, item)                                                                   \
	do {                                                                                               \
		(into)->field = pb_grow((arena), (into)->field, (into)->n_##field, sizeof *(into)->field); \
		(into)->field[(into)->n_##field++] = (item);                                               \
	} while (0)

/* ---- of a container ---- */

static struct quantity milli_quantity(int64_t milli)
{
	struct quantity value = quantity_of(0, QUANTITY_DECIMAL_SI);

	value.nano = (__extension__(__int128) milli) * NANO_PER_MILLI;
	return value;
}

static void put_limit(Core__ResourceRequirements *into, const char *name, const struct quantity *value,
		      struct arena *arena)
{
	entry *found = find(into->limits, into->n_limits, name);

	if (!found) {
		found = entry_new(arena, &core__resource_requirements__limits_entry__descriptor, name);
		APPEND(arena, into, limits, found);
	}
	found->value = quantity(arena, value);
}

static void put_request(Core__ResourceRequirements *into, const char *name, const struct quantity *value,
			struct arena *arena)
{
	entry *found = find(ENTRIES(into->requests), into->n_requests, name);

	if (!found) {
		found = entry_new(arena, &core__resource_requirements__requests_entry__descriptor, name);
		APPEND(arena, into, requests, (Core__ResourceRequirements__RequestsEntry *)(void *)found);
	}
	found->value = quantity(arena, value);
}

/* What the kernel cannot express (a share or quota below its least) stays as the spec has it. */
static void read_back(Core__ResourceRequirements *into, const struct runtime_container *container, struct arena *arena)
{
	int64_t limit = 0, request = 0;
	struct quantity value;

	if (container->cpu_period_us > 0 && container->cpu_quota_us > 0)
		limit = container->cpu_quota_us * MILLI_PER_CPU / container->cpu_period_us;
	if (container->cpu_shares >= SHARES_MIN)
		request = (container->cpu_shares * MILLI_PER_CPU + SHARES_PER_CPU - 1) / SHARES_PER_CPU;
	if (into->n_limits && limit > 0 &&
	    (limit > LIMIT_MIN_MILLI || quantity_text_milli(amount_limit(into, "cpu")) > LIMIT_MIN_MILLI)) {
		value = milli_quantity(limit);
		put_limit(into, "cpu", &value, arena);
	}
	if (into->n_limits && container->memory_limit_bytes > 0) {
		value = quantity_of(container->memory_limit_bytes, QUANTITY_BINARY_SI);
		put_limit(into, "memory", &value, arena);
	}
	if (into->n_requests && request > 0 &&
	    (request > SHARES_MIN || quantity_text_milli(amount_request(into, "cpu")) > SHARES_MIN)) {
		value = milli_quantity(request);
		put_request(into, "cpu", &value, arena);
	}
}

void status_set_container_resources(Core__ContainerStatus *status, const Core__Container *spec,
				    const struct runtime_container *container, struct arena *arena)
{
	status->resources =
		spec->resources ? PB_COPY(spec->resources, arena)
				: PB_NEW(arena, Core__ResourceRequirements, core__resource_requirements__descriptor);
	if (container->state == RUNTIME_RUNNING)
		read_back(status->resources, container, arena);
	for (size_t i = 0; i < status->resources->n_requests; i++) {
		const Core__ResourceRequirements__RequestsEntry *request = status->resources->requests[i];
		entry *made =
			entry_new(arena, &core__container_status__allocated_resources_entry__descriptor, request->key);

		made->value = request->value ? PB_COPY(request->value, arena) : NULL;
		PB_APPEND(arena, status, allocatedresources,
			  (Core__ContainerStatus__AllocatedResourcesEntry *)(void *)made);
	}
}

/* Only what the runtime tells can be compared. */
static bool is_outdated(const Core__ResourceRequirements *wanted, const struct runtime_container *container)
{
	int64_t request = quantity_text_milli(amount_request(wanted, "cpu")),
		limit = quantity_text_milli(amount_limit(wanted, "cpu")),
		memory = quantity_text_value(amount_limit(wanted, "memory"));

	if (container->state != RUNTIME_RUNNING)
		return false;
	return (request > 0 && container->cpu_shares > 0 && container->cpu_shares != cm_shares(request)) ||
	       (limit > 0 && container->cpu_quota_us > 0 &&
		container->cpu_quota_us != cm_quota_us(limit, container->cpu_period_us)) ||
	       (memory > 0 && container->memory_limit_bytes > 0 && container->memory_limit_bytes != memory);
}

bool status_resize_pending(const Core__Pod *pod, const struct runtime_pod *observed)
{
	for (size_t i = 0; i < pod->spec->n_containers; i++) {
		const struct runtime_container *latest = status_latest(observed, pod->spec->containers[i]->name);

		if (latest && is_outdated(pod->spec->containers[i]->resources, latest))
			return true;
	}
	return false;
}

/* ---- of the pod: the sums over its containers ---- */

struct sums {
	struct sum {
		const char *name;
		struct quantity value;
	} * sums;
	size_t n;
};

static void add(struct sums *sums, entry *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct quantity value;
		struct err ignored;
		size_t at = 0;

		if (quantity_parse(list[i]->value ? list[i]->value->string : NULL, &value, &ignored) < 0)
			continue;
		while (at < sums->n && !str_eq(sums->sums[at].name, list[i]->key))
			at++;
		if (at == sums->n)
			sums->sums[sums->n++] = (struct sum){ list[i]->key, { .nano = 0 } };
		if (sums->sums[at].value.nano == 0)
			sums->sums[at].value.format = value.format;
		sums->sums[at].value.nano += value.nano;
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(str_or(((const struct sum *)a)->name, ""), str_or(((const struct sum *)b)->name, ""));
}

static struct sums sum_up(const Core__PodSpec *spec, bool limits, struct arena *arena)
{
	struct sums sums = { 0 };
	size_t room = 1;

	for (size_t i = 0; i < spec->n_containers; i++)
		if (spec->containers[i]->resources)
			room += limits ? spec->containers[i]->resources->n_limits
				       : spec->containers[i]->resources->n_requests;
	sums.sums = arena_alloc(arena, room * sizeof *sums.sums);
	for (size_t i = 0; i < spec->n_containers; i++) {
		const Core__ResourceRequirements *has = spec->containers[i]->resources;

		if (has && limits)
			add(&sums, has->limits, has->n_limits);
		else if (has)
			add(&sums, ENTRIES(has->requests), has->n_requests);
	}
	qsort(sums.sums, sums.n, sizeof *sums.sums, by_name); /* as the API server orders them */
	return sums;
}

void status_set_pod_resources(const Core__Pod *pod, Core__PodStatus *status, struct arena *arena)
{
	struct sums requests = sum_up(pod->spec, false, arena), limits = sum_up(pod->spec, true, arena);

	status->resources = PB_NEW(arena, Core__ResourceRequirements, core__resource_requirements__descriptor);
	for (size_t i = 0; i < limits.n; i++)
		put_limit(status->resources, limits.sums[i].name, &limits.sums[i].value, arena);
	for (size_t i = 0; i < requests.n; i++) {
		entry *made = entry_new(arena, &core__pod_status__allocated_resources_entry__descriptor,
					requests.sums[i].name);

		put_request(status->resources, requests.sums[i].name, &requests.sums[i].value, arena);
		made->value = quantity(arena, &requests.sums[i].value);
		PB_APPEND(arena, status, allocatedresources, (Core__PodStatus__AllocatedResourcesEntry *)(void *)made);
	}
}
