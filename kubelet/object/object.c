/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/object/object.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/list.h"
#include "pkg/base/map.h"
#include "pkg/kube/listwatch.h"

enum { GET_WAIT_MS = 1000 }; /* for the first answer, as upstream */

static const struct kind {
	const char *name, *resource;
	const ProtobufCMessageDescriptor *type;
} kinds[] = {
	[OBJECT_CONFIGMAP] = { "configmap", "configmaps", &core__config_map__descriptor },
	[OBJECT_SECRET] = { "secret", "secrets", &core__secret__descriptor },
};

struct objects {
	struct loop *loop;
	struct kube *kube;
	struct map *watched; /* "<kind>/<namespace>/<name>" to struct watched */
	struct map *pods;    /* uid to struct pod */
	objects_changed_fn *changed;
	void *changed_owner;
};

struct watched {
	struct objects *objects;
	char *key, *namespace_, *name;
	enum object_kind kind;
	struct kube_listwatch *listwatch; /* NULL once an immutable object is here */
	struct loop_timer stop;           /* ends the watch from outside its own callback */
	struct arena *arena;              /* of the object */
	const ProtobufCMessage *object;   /* NULL: absent */
	bool synced;
	size_t n_pods;
	struct list gets;
};

/* What one pod refers to: values of objects->watched. */
struct pod {
	struct watched **uses;
	size_t n_uses;
};

struct get {
	struct task task;
	struct watched *watched; /* NULL: not registered, or not any more */
	struct list link;        /* on watched->gets */
	struct loop_timer timer;
	enum object_kind kind;
	char *namespace_, *name;
	bool cancelled;
	task_done_fn *done;
	void *owner;
};

/* ---- gets ---- */

static void get_fire(void *owner)
{
	struct get *get = owner;
	const struct watched *watched = get->watched;
	const char *kind = kinds[get->kind].name;
	const void *object = NULL;
	struct err err = { 0 };

	list_remove(&get->link);
	loop_timer_stop(&get->timer);
	if (get->cancelled)
		err_canceled(&err);
	else if (!watched)
		err_set(&err, -EINVAL, "object \"%s\"/\"%s\" not registered", get->namespace_, get->name);
	else if (!watched->synced)
		err_set(&err, -ETIMEDOUT, "failed to sync %s cache: timed out waiting for the condition", kind);
	else if (!watched->object)
		err_set(&err, -ENOENT, "%s \"%s\" not found", kind, get->name);
	else
		object = watched->object;
	get->done(get->owner, object, err.code ? &err : NULL);
	free(get->namespace_);
	free(get->name);
	free(get);
}

static void get_cancel(struct task *task)
{
	struct get *get = container_of(task, struct get, task);

	get->cancelled = true;
	loop_timer_start(&get->timer, 0);
}

static char *key_of(enum object_kind kind, const char *namespace_, const char *name)
{
	return xasprintf("%d/%s/%s", (int)kind, namespace_, name);
}

struct task *objects_get(struct objects *objects, enum object_kind kind, const char *namespace_, const char *name,
			 task_done_fn *done, void *owner)
{
	_cleanup_free_ char *key = key_of(kind, str_or(namespace_, ""), str_or(name, ""));
	struct get *get = xcalloc(1, sizeof *get);

	get->task.cancel = get_cancel;
	get->watched = map_get(objects->watched, key);
	get->kind = kind;
	get->namespace_ = xstrdup(str_or(namespace_, ""));
	get->name = xstrdup(str_or(name, ""));
	get->done = done;
	get->owner = owner;
	list_init(&get->link);
	loop_timer_init(&get->timer, objects->loop, get_fire, get);
	if (get->watched)
		list_append(&get->watched->gets, &get->link);
	/* Never from inside this call: what is known already comes with the next turn of the loop. */
	loop_timer_start(&get->timer, get->watched && !get->watched->synced ? GET_WAIT_MS : 0);
	return &get->task;
}

static void answer_gets(struct watched *watched)
{
	list_for_each(get, &watched->gets, struct get, link)
		loop_timer_start(&get->timer, 0);
}

/* ---- watches ---- */

static void tell_pods(struct watched *watched)
{
	struct objects *objects = watched->objects;
	size_t at = 0;
	const char *uid;
	void *value;

	if (!objects->changed)
		return;
	while (map_next(objects->pods, &at, &uid, &value)) {
		const struct pod *pod = value;

		for (size_t i = 0; i < pod->n_uses; i++)
			if (pod->uses[i] == watched) {
				objects->changed(objects->changed_owner, uid);
				break;
			}
	}
}

static bool is_immutable(const struct watched *watched)
{
	if (!watched->object)
		return false;
	return watched->kind == OBJECT_CONFIGMAP ? ((const Core__ConfigMap *)watched->object)->immutable
						 : ((const Core__Secret *)watched->object)->immutable;
}

static void on_set(void *owner, ProtobufCMessage *object, struct arena *arena)
{
	struct watched *watched = owner;
	struct arena *old = watched->arena;

	watched->object = object;
	watched->arena = arena;
	arena_free(old);
	if (is_immutable(watched))
		loop_timer_start(&watched->stop, 0);
	if (watched->synced)
		tell_pods(watched);
}

static void on_gone(void *owner, const char *namespace_, const char *name, const char *uid)
{
	struct watched *watched = owner;

	watched->object = NULL;
	arena_free(watched->arena);
	watched->arena = NULL;
	tell_pods(watched);
}

static void on_synced(void *owner)
{
	struct watched *watched = owner;
	bool first = !watched->synced;

	watched->synced = true;
	if (is_immutable(watched))
		loop_timer_start(&watched->stop, 0);
	answer_gets(watched);
	if (first)
		tell_pods(watched);
}

static void stop_watch(void *owner)
{
	struct watched *watched = owner;

	if (!watched->synced || !is_immutable(watched))
		return; /* not complete yet, or replaced by another object of that name meanwhile */
	kube_listwatch_free(watched->listwatch);
	watched->listwatch = NULL;
}

static struct watched *use(struct objects *objects, enum object_kind kind, const char *namespace_, const char *name)
{
	_cleanup_free_ char *key = key_of(kind, namespace_, name);
	struct watched *watched = map_get(objects->watched, key);

	if (watched) {
		watched->n_pods++;
		return watched;
	}
	watched = xcalloc(1, sizeof *watched);
	watched->objects = objects;
	watched->kind = kind;
	watched->key = xstrdup(key);
	watched->namespace_ = xstrdup(namespace_);
	watched->name = xstrdup(name);
	watched->n_pods = 1;
	list_init(&watched->gets);
	loop_timer_init(&watched->stop, objects->loop, stop_watch, watched);
	map_set(objects->watched, key, watched);

	_cleanup_free_ char *path = xasprintf("/api/v1/namespaces/%s/%s", namespace_, kinds[kind].resource);
	_cleanup_arena_ struct arena *arena = arena_new();
	struct kube_listwatch_spec spec = {
		.path = path,
		.query = kube_field_query(arena, "metadata.name", name),
		.type = kinds[kind].type,
		.owner = watched,
		.set = on_set,
		.gone = on_gone,
		.synced = on_synced,
	};

	watched->listwatch = kube_listwatch_new(objects->kube, &spec);
	return watched;
}

static void drop(struct watched *watched)
{
	if (--watched->n_pods > 0)
		return;
	list_for_each(get, &watched->gets, struct get, link) {
		get->watched = NULL;
		list_remove(&get->link);
		loop_timer_start(&get->timer, 0);
	}
	loop_timer_stop(&watched->stop);
	if (watched->listwatch)
		kube_listwatch_free(watched->listwatch);
	map_remove(watched->objects->watched, watched->key);
	arena_free(watched->arena);
	free(watched->key);
	free(watched->namespace_);
	free(watched->name);
	free(watched);
}

/* ---- what a pod refers to ---- */

struct collector {
	struct objects *objects;
	struct pod *pod;
	const char *namespace_;
};

static void add(struct collector *collector, enum object_kind kind, const char *name)
{
	struct pod *pod = collector->pod;
	struct watched *watched;

	if (str_empty(name) || strchr(name, '/'))
		return;
	watched = use(collector->objects, kind, collector->namespace_, name);
	for (size_t i = 0; i < pod->n_uses; i++)
		if (pod->uses[i] == watched) {
			watched->n_pods--; /* counted once a pod */
			return;
		}
	pod->uses = xrealloc(pod->uses, (pod->n_uses + 1) * sizeof(struct watched *));
	pod->uses[pod->n_uses++] = watched;
}

static void add_reference(struct collector *collector, enum object_kind kind,
			  const Core__LocalObjectReference *reference)
{
	if (reference)
		add(collector, kind, reference->name);
}

static void add_container(struct collector *collector, const Core__Container *container)
{
	for (size_t i = 0; i < container->n_envfrom; i++) {
		const Core__EnvFromSource *source = container->envfrom[i];

		if (source->configmapref)
			add_reference(collector, OBJECT_CONFIGMAP, source->configmapref->localobjectreference);
		if (source->secretref)
			add_reference(collector, OBJECT_SECRET, source->secretref->localobjectreference);
	}
	for (size_t i = 0; i < container->n_env; i++) {
		const Core__EnvVarSource *source = container->env[i]->valuefrom;

		if (source && source->configmapkeyref)
			add_reference(collector, OBJECT_CONFIGMAP, source->configmapkeyref->localobjectreference);
		if (source && source->secretkeyref)
			add_reference(collector, OBJECT_SECRET, source->secretkeyref->localobjectreference);
	}
}

static void add_volume(struct collector *collector, const Core__VolumeSource *source)
{
	if (!source)
		return;
	if (source->configmap)
		add_reference(collector, OBJECT_CONFIGMAP, source->configmap->localobjectreference);
	if (source->secret)
		add(collector, OBJECT_SECRET, source->secret->secretname);
	for (size_t i = 0; source->projected && i < source->projected->n_sources; i++) {
		const Core__VolumeProjection *projection = source->projected->sources[i];

		if (projection->configmap)
			add_reference(collector, OBJECT_CONFIGMAP, projection->configmap->localobjectreference);
		if (projection->secret)
			add_reference(collector, OBJECT_SECRET, projection->secret->localobjectreference);
	}
}

static void pod_free(struct pod *pod)
{
	if (!pod)
		return;
	for (size_t i = 0; i < pod->n_uses; i++)
		drop(pod->uses[i]);
	free(pod->uses);
	free(pod);
}

void objects_register_pod(struct objects *objects, const Core__Pod *pod)
{
	struct pod *made = xcalloc(1, sizeof *made);
	struct collector collector = { objects, made, str_or(pod->metadata->namespace_, "") };

	for (size_t i = 0; i < pod->spec->n_imagepullsecrets; i++)
		add_reference(&collector, OBJECT_SECRET, pod->spec->imagepullsecrets[i]);
	for (size_t i = 0; i < pod->spec->n_initcontainers; i++)
		add_container(&collector, pod->spec->initcontainers[i]);
	for (size_t i = 0; i < pod->spec->n_containers; i++)
		add_container(&collector, pod->spec->containers[i]);
	for (size_t i = 0; i < pod->spec->n_volumes; i++)
		add_volume(&collector, pod->spec->volumes[i]->volumesource);
	/* The new first, then the old: what both use stays open. */
	pod_free(map_set(objects->pods, str_or(pod->metadata->uid, ""), made));
}

void objects_unregister_pod(struct objects *objects, const char *pod_uid)
{
	pod_free(map_remove(objects->pods, pod_uid));
}

/* ---- life ---- */

struct objects *objects_new(struct loop *loop, struct kube *kube)
{
	struct objects *objects = xcalloc(1, sizeof *objects);

	objects->loop = loop;
	objects->kube = kube;
	objects->watched = map_new();
	objects->pods = map_new();
	return objects;
}

void objects_on_change(struct objects *objects, objects_changed_fn *changed, void *owner)
{
	objects->changed = changed;
	objects->changed_owner = owner;
}

void objects_free(struct objects *objects)
{
	size_t at = 0;
	const char *uid;
	void *value;

	if (!objects)
		return;
	objects->changed = NULL;
	while (map_next(objects->pods, &at, &uid, &value))
		pod_free(value);
	map_free(objects->pods);
	base_assert(map_size(objects->watched) == 0);
	map_free(objects->watched);
	free(objects);
}
