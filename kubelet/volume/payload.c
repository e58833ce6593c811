/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/volume/payload.h"

#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/map.h"

/* ---- failures ---- */

void complain(struct complaints *complaints, const char *text)
{
	size_t size = strlen(complaints->texts);

	if (strstr(complaints->texts, text))
		return;
	snprintf(complaints->texts + size, sizeof complaints->texts - size, "%s%s", complaints->n++ ? ", " : "", text);
}

int complaints_tell(const struct complaints *complaints, int code, struct err *err)
{
	return err_set(err, code, complaints->n > 1 ? "[%s]" : "%s", complaints->texts);
}

/* ---- files ---- */

/* "a//./b" is "a/b". Fails as upstream's validatePath() does. */
static int clean_path(const char *path, struct arena *arena, char **ret_path, struct err *err)
{
	size_t size = strlen(path), used = 0;

	if (size == 0)
		return err_set(err, -EINVAL, "invalid path: must not be empty: \"\"");
	if (*path == '/')
		return err_set(err, -EINVAL, "invalid path: must be relative path: %s", path);
	if (size > PAYLOAD_PATH_MAX)
		return err_set(err, -EINVAL, "invalid path: must be less than or equal to %d characters",
			       PAYLOAD_PATH_MAX);

	char *clean = arena_alloc(arena, size + 1);

	for (const char *at = path; *at;) {
		size_t n = strcspn(at, "/");

		if (n == 2 && memcmp(at, "..", 2) == 0)
			return err_set(err, -EINVAL, "invalid path: must not contain '..': %s", path);
		if (n > PAYLOAD_NAME_MAX)
			return err_set(err, -EINVAL,
				       "invalid path: filenames must be less than or equal to %d characters",
				       PAYLOAD_NAME_MAX);
		if (used == 0 && n > 2 && memcmp(at, "..", 2) == 0)
			return err_set(err, -EINVAL, "invalid path: must not start with '..': %s", path);
		if (n > 0 && !(n == 1 && *at == '.')) {
			if (used)
				clean[used++] = '/';
			memcpy(clean + used, at, n);
			used += n;
		}
		at += n + (at[n] == '/');
	}
	if (used == 0)
		return err_set(err, -EINVAL, "invalid path: must not be empty: \"%s\"", path);
	clean[used] = 0;
	*ret_path = clean;
	return 0;
}

/* The slash sorts before all else, also before control characters. */
static int rank(char c)
{
	return c == '/' ? 1 : c ? (unsigned char)c + 1 : 0;
}

int payload_compare(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return rank(*a) - rank(*b);
}

void payload_done(struct payload *payload)
{
	map_free(payload->by_path);
	payload->by_path = NULL;
}

static struct payload_file *add_file(struct payload *payload, const char *path)
{
	struct payload_file *file = arena_alloc(payload->arena, sizeof *file);

	file->path = path;
	if (payload->last)
		payload->last->next = file;
	else
		payload->first = file;
	payload->last = file;
	payload->n++;
	map_set(payload->by_path, path, file);
	return file;
}

int payload_put(struct payload *payload, const char *path, const void *bytes, size_t size, uint32_t mode, int64_t owner,
		struct err *err)
{
	struct payload_file *file;
	char *clean = NULL;

	if (clean_path(str_or(path, ""), payload->arena, &clean, err) < 0)
		return err->code;
	if (!payload->by_path)
		payload->by_path = map_new();
	file = map_get(payload->by_path, clean);
	if (!file)
		file = add_file(payload, clean);
	payload->bytes += size - file->size;
	if (payload->bytes > PAYLOAD_MAX)
		return err_set(err, -EFBIG, "the volume is larger than %d bytes", PAYLOAD_MAX);
	file->bytes = bytes;
	file->size = size;
	file->mode = mode;
	file->owner = owner;
	return 0;
}

/* ---- ConfigMaps and Secrets ---- */

/* Both are lists of a name and bytes; the generated entries have one shape. */
struct bytes_entry {
	ProtobufCMessage base;
	char *key;
	protobuf_c_boolean has_value;
	ProtobufCBinaryData value;
};
_Static_assert(sizeof(struct bytes_entry) == sizeof(Core__Secret__DataEntry) &&
		       sizeof(struct bytes_entry) == sizeof(Core__ConfigMap__DataEntry) &&
		       sizeof(struct bytes_entry) == sizeof(Core__ConfigMap__BinaryDataEntry) &&
		       offsetof(struct bytes_entry, value) == offsetof(Core__Secret__DataEntry, value) &&
		       offsetof(struct bytes_entry, value) == offsetof(Core__ConfigMap__DataEntry, value) &&
		       offsetof(struct bytes_entry, value) == offsetof(Core__ConfigMap__BinaryDataEntry, value),
	       "the entries of ConfigMap and Secret have one shape");

struct entries {
	struct bytes_entry *const *first, *const *second;
	size_t n_first, n_second;
	const char *missing; /* what is said of a key that is not there */
};

/* The entries by their keys. */
static struct map *index_of(const struct entries *entries)
{
	struct map *index = map_new();

	for (size_t i = 0; i < entries->n_first + entries->n_second; i++) {
		struct bytes_entry *entry =
			i < entries->n_first ? entries->first[i] : entries->second[i - entries->n_first];
		const char *key = str_or(entry->key, "");

		if (!map_get(index, key))
			map_set(index, key, entry);
	}
	return index;
}

static int put_entry(struct payload *payload, const char *path, const struct bytes_entry *entry, uint32_t mode,
		     struct err *err)
{
	return payload_put(payload, path, entry->value.data, entry->has_value ? entry->value.len : 0, mode, -1, err);
}

static int add_entries(struct payload *payload, const struct entries *entries, Core__KeyToPath *const *items,
		       size_t n_items, uint32_t mode, bool optional, struct err *err)
{
	_cleanup_map_ struct map *index = n_items ? index_of(entries) : NULL;
	int code = 0;

	for (size_t i = 0; n_items == 0 && code == 0 && i < entries->n_first; i++)
		code = put_entry(payload, entries->first[i]->key, entries->first[i], mode, err);
	for (size_t i = 0; n_items == 0 && code == 0 && i < entries->n_second; i++)
		code = put_entry(payload, entries->second[i]->key, entries->second[i], mode, err);
	for (size_t i = 0; code == 0 && i < n_items; i++) {
		const struct bytes_entry *entry = map_get(index, str_or(items[i]->key, ""));

		if (entry)
			code = put_entry(payload, items[i]->path, entry,
					 items[i]->has_mode ? (uint32_t)items[i]->mode : mode, err);
		else if (!optional)
			code = err_set(err, -ENOENT, "%s: %s", entries->missing, items[i]->key);
	}
	return code;
}

int payload_add_configmap(struct payload *payload, const Core__ConfigMap *object, Core__KeyToPath *const *items,
			  size_t n_items, uint32_t mode, bool optional, struct err *err)
{
	struct entries entries = { .missing = "configmap references non-existent config key" };

	if (object) {
		entries.first = (struct bytes_entry *const *)(void *)object->data;
		entries.n_first = object->n_data;
		entries.second = (struct bytes_entry *const *)(void *)object->binarydata;
		entries.n_second = object->n_binarydata;
	}
	return add_entries(payload, &entries, items, n_items, mode, optional, err);
}

int payload_add_secret(struct payload *payload, const Core__Secret *object, Core__KeyToPath *const *items,
		       size_t n_items, uint32_t mode, bool optional, struct err *err)
{
	struct entries entries = { .missing = "references non-existent secret key" };

	if (object) {
		entries.first = (struct bytes_entry *const *)(void *)object->data;
		entries.n_first = object->n_data;
	}
	return add_entries(payload, &entries, items, n_items, mode, optional, err);
}

/* ---- the pod as a whole ---- */

int64_t payload_pod_user(const Core__Pod *pod)
{
	const Core__PodSecurityContext *of_pod = pod->spec->securitycontext;
	size_t n = pod->spec->n_initcontainers + pod->spec->n_containers;
	int64_t user = -1;

	for (size_t i = 0; i < n; i++) {
		const Core__Container *container = i < pod->spec->n_initcontainers
							   ? pod->spec->initcontainers[i]
							   : pod->spec->containers[i - pod->spec->n_initcontainers];
		const Core__SecurityContext *own = container->securitycontext;
		int64_t one = -1;

		if (own && own->has_runasuser)
			one = own->runasuser;
		else if (of_pod && of_pod->has_runasuser)
			one = of_pod->runasuser;
		if (one < 0 || (user >= 0 && one != user))
			return -1;
		user = one;
	}
	return user;
}

int64_t payload_pod_group(const Core__Pod *pod)
{
	const Core__PodSecurityContext *context = pod->spec->securitycontext;

	return context && context->has_fsgroup ? context->fsgroup : -1;
}

static char *mount_path(const Core__VolumeMount *mount, struct arena *arena)
{
	char *path = arena_text(arena, mount->mountpath);

	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = 0;
	return path;
}

static bool is_below(const char *path, const char *folder)
{
	size_t size = strlen(folder);

	return strncmp(path, folder, size) == 0 && path[size] == '/';
}

/* Where something is mounted in a container. */
struct place {
	char *path;
	bool is_ours; /* of the volume that is looked at */
};

static int by_path(const void *a, const void *b)
{
	return payload_compare(((const struct place *)a)->path, ((const struct place *)b)->path);
}

/* In order, each path once. */
static size_t list_places(const Core__Container *container, const char *volume, struct place *places,
			  struct arena *arena)
{
	size_t n = 0;

	for (size_t i = 0; i < container->n_volumemounts; i++)
		places[i] = (struct place){ mount_path(container->volumemounts[i], arena),
					    str_eq(container->volumemounts[i]->name, volume) };
	qsort(places, container->n_volumemounts, sizeof *places, by_path);
	for (size_t i = 0; i < container->n_volumemounts; i++)
		if (n > 0 && strcmp(places[n - 1].path, places[i].path) == 0)
			places[n - 1].is_ours |= places[i].is_ours;
		else
			places[n++] = places[i];
	return n;
}

/* A place is its nearest folder's affair alone: /dir/nested/other below /dir/nested is no longer that of /dir. */
static void add_nested(const Core__Container *container, const char *volume, char **into, size_t *n,
		       struct arena *arena)
{
	struct place *places = arena_alloc(arena, (container->n_volumemounts + 1) * sizeof *places);
	const struct place **above = arena_alloc(arena, (container->n_volumemounts + 1) * sizeof *above);
	size_t n_places = list_places(container, volume, places, arena), depth = 0;

	for (size_t i = 0; i < n_places; i++) {
		while (depth > 0 && !is_below(places[i].path, above[depth - 1]->path))
			depth--;
		if (depth > 0 && above[depth - 1]->is_ours && !strstr(places[i].path, ".."))
			into[(*n)++] = places[i].path + strlen(above[depth - 1]->path) + 1;
		above[depth++] = &places[i];
	}
}

char **payload_nested_mounts(const Core__Pod *pod, const char *volume, struct arena *arena)
{
	const Core__PodSpec *spec = pod->spec;
	size_t room = 1, n = 0;

	for (size_t i = 0; i < spec->n_containers; i++)
		room += spec->containers[i]->n_volumemounts;
	for (size_t i = 0; i < spec->n_initcontainers; i++)
		room += spec->initcontainers[i]->n_volumemounts;

	char **paths = arena_alloc(arena, room * sizeof *paths);

	for (size_t i = 0; i < spec->n_initcontainers; i++)
		add_nested(spec->initcontainers[i], volume, paths, &n, arena);
	for (size_t i = 0; i < spec->n_containers; i++)
		add_nested(spec->containers[i], volume, paths, &n, arena);
	return paths;
}
