/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/source/source.h"

#include "pkg/base/base.h"
#include "pkg/base/map.h"
#include "pkg/kube/listwatch.h"

struct service {
	struct arena *arena;
	Core__Service *object;
};

struct source {
	struct source_options options;
	char *pods_query;
	struct kube_listwatch *pods, *services;
	struct map *known; /* services by uid */
	const Core__Service **list;
	bool is_ready;
};

static void service_free(struct service *service)
{
	if (service)
		arena_free(service->arena);
	free(service);
}

static void set_service(void *owner, ProtobufCMessage *object, struct arena *arena)
{
	struct source *source = owner;
	struct service *service = xcalloc(1, sizeof *service);

	service->arena = arena;
	service->object = (Core__Service *)object;
	if (!service->object->metadata || str_empty(service->object->metadata->uid)) {
		service_free(service);
		return;
	}
	service_free(map_set(source->known, service->object->metadata->uid, service));
}

static void service_gone(void *owner, const char *namespace_, const char *name, const char *uid)
{
	struct source *source = owner;

	service_free(map_remove(source->known, uid));
}

static void set_pod(void *owner, ProtobufCMessage *object, struct arena *arena)
{
	struct source *source = owner;

	source->options.set(source->options.owner, (Core__Pod *)object, arena);
}

static void pod_gone(void *owner, const char *namespace_, const char *name, const char *uid)
{
	struct source *source = owner;

	source->options.gone(source->options.owner, uid);
}

static void pods_synced(void *owner)
{
	struct source *source = owner;

	if (source->is_ready)
		return;
	source->is_ready = true;
	source->options.ready(source->options.owner);
}

/* Pods wait for the first list of services only. */
static void services_synced(void *owner)
{
	struct source *source = owner;
	struct kube_listwatch_spec spec = {
		.path = "/api/v1/pods",
		.query = source->pods_query,
		.type = &core__pod__descriptor,
		.owner = source,
		.set = set_pod,
		.gone = pod_gone,
		.synced = pods_synced,
	};

	if (!source->pods)
		source->pods = kube_listwatch_new(source->options.kube, &spec);
}

struct source *source_new(const struct source_options *options)
{
	struct source *source = xcalloc(1, sizeof *source);
	_cleanup_arena_ struct arena *arena = arena_new();
	struct kube_listwatch_spec spec = {
		.path = "/api/v1/services",
		.type = &core__service__descriptor,
		.owner = source,
		.set = set_service,
		.gone = service_gone,
		.synced = services_synced,
	};

	source->options = *options;
	source->options.node_name = NULL;
	source->known = map_new();
	source->pods_query = xstrdup(kube_field_query(arena, "spec.nodeName", options->node_name));
	source->services = kube_listwatch_new(options->kube, &spec);
	return source;
}

const Core__Service *const *source_services(struct source *source, size_t *ret_n)
{
	size_t at = 0, n = 0;
	void *service;

	free(source->list);
	source->list = xcalloc(map_size(source->known) + 1, sizeof *source->list);
	while (map_next(source->known, &at, NULL, &service))
		source->list[n++] = ((struct service *)service)->object;
	*ret_n = n;
	return source->list;
}
