/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/object/field.h"

#include <inttypes.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/codec/quantity.h"
#include "pkg/codec/quote.h"

/* ---- fields ---- */

/* Labels and annotations differ in type only: both are {base, key, value}. */
typedef Meta__ObjectMeta__LabelsEntry entry;
_Static_assert(sizeof(entry) == sizeof(Meta__ObjectMeta__AnnotationsEntry) &&
		       offsetof(entry, value) == offsetof(Meta__ObjectMeta__AnnotationsEntry, value),
	       "labels and annotations have one shape");

struct entries {
	entry *const *list;
	size_t n;
};

/* false when the path names neither. */
static bool entries_of(const Meta__ObjectMeta *meta, const char *path, struct entries *ret_entries)
{
	if (str_eq(path, "metadata.labels"))
		*ret_entries = (struct entries){ meta->labels, meta->n_labels };
	else if (str_eq(path, "metadata.annotations"))
		*ret_entries = (struct entries){ (entry *const *)(void *)meta->annotations, meta->n_annotations };
	else
		return false;
	return true;
}

static int by_key(const void *a, const void *b)
{
	return strcmp((*(entry *const *)a)->key, (*(entry *const *)b)->key);
}

static int format(const struct entries *entries, struct arena *arena, const char **ret_text, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(FIELD_MAX);
	entry **sorted = arena_alloc(arena, (entries->n + 1) * sizeof(entry *));

	for (size_t i = 0; i < entries->n; i++)
		sorted[i] = entries->list[i];
	qsort(sorted, entries->n, sizeof *sorted, by_key);
	for (size_t i = 0; i < entries->n; i++) {
		buf_printf(&text, "%s%s=", i ? "\n" : "", sorted[i]->key);
		quote_go(&text, str_or(sorted[i]->value, ""));
	}
	if (text.overflow)
		return err_set(err, -E2BIG, "labels or annotations are larger than %d bytes as text", FIELD_MAX);
	*ret_text = arena_strdup(arena, buf_text(&text));
	return 0;
}

/* Upstream's: it ends in '] and something stands before the first [', whatever the key holds. */
static const char *subscript_at(const char *path)
{
	const char *open = strstr(path, "['");

	if (!str_has_suffix(path, "']") || !open || open == path || open + 2 > path + strlen(path) - 2)
		return NULL;
	return open;
}

char *field_subscripted(const char *path, struct arena *arena)
{
	const char *open = subscript_at(path);

	return open ? arena_strndup(arena, path, (size_t)(open - path)) : NULL;
}

static const char *find(const struct entries *entries, const char *key)
{
	for (size_t i = 0; i < entries->n; i++)
		if (str_eq(entries->list[i]->key, key))
			return str_or(entries->list[i]->value, "");
	return "";
}

int field_text(const Core__Pod *pod, const char *path, struct arena *arena, const char **ret_text, struct err *err)
{
	const Meta__ObjectMeta *meta = pod->metadata;
	const char *base = field_subscripted(path, arena);
	struct entries entries;

	if (base) {
		const char *key = path + strlen(base) + 2;

		if (!entries_of(meta, base, &entries))
			return err_set(err, -EINVAL, "fieldPath \"%s\" does not support subscript", path);
		*ret_text = find(&entries, arena_strndup(arena, key, strlen(key) - 2));
		return 0;
	}
	if (entries_of(meta, path, &entries))
		return format(&entries, arena, ret_text, err);
	if (str_eq(path, "metadata.name"))
		*ret_text = str_or(meta->name, "");
	else if (str_eq(path, "metadata.namespace"))
		*ret_text = str_or(meta->namespace_, "");
	else if (str_eq(path, "metadata.uid"))
		*ret_text = str_or(meta->uid, "");
	else
		return err_set(err, -EINVAL, "unsupported fieldPath: %s", path);
	return 0;
}

/* ---- resources ---- */

int field_container(const Core__Pod *pod, const char *name, const Core__Container **ret_container, bool *ret_is_init,
		    struct err *err)
{
	const Core__PodSpec *spec = pod->spec;

	for (size_t i = 0; i < spec->n_containers + spec->n_initcontainers; i++) {
		bool is_init = i >= spec->n_containers;
		const Core__Container *container =
			is_init ? spec->initcontainers[i - spec->n_containers] : spec->containers[i];

		if (!str_eq(container->name, name))
			continue;
		*ret_container = container;
		*ret_is_init = is_init;
		return 0;
	}
	return err_set(err, -ENOENT, "container %s not found", str_or(name, ""));
}

static int64_t of_node(const struct amounts *node, const char *name)
{
	if (!node)
		return 0;
	if (str_eq(name, "cpu"))
		return node->milli_cpu;
	if (str_eq(name, "memory"))
		return node->memory_bytes;
	return str_eq(name, "ephemeral-storage") ? node->storage_bytes : 0; /* huge pages are never overcommitted */
}

int field_resource(const Core__Container *container, const Core__ResourceFieldSelector *ref, const struct amounts *node,
		   struct arena *arena, const char **ret_text, struct err *err)
{
	const char *resource = str_or(ref->resource, ""), *divisor = ref->divisor ? ref->divisor->string : NULL;
	bool limit = str_has_prefix(resource, "limits.");
	const char *name = strchr(resource, '.') ? strchr(resource, '.') + 1 : "";
	int64_t (*number)(const char *text) = str_eq(name, "cpu") ? quantity_text_milli : quantity_text_value;
	int64_t value, step;

	if ((!limit && !str_has_prefix(resource, "requests.")) ||
	    (!str_eq(name, "cpu") && !str_eq(name, "memory") && !str_eq(name, "ephemeral-storage") &&
	     !str_has_prefix(name, "hugepages-")))
		return err_set(err, -EINVAL, "unsupported container resource : %s", resource);

	value = number(limit ? amount_limit(container->resources, name) : amount_request(container->resources, name));
	if (value == 0 && limit)
		value = of_node(node, name);
	step = number(divisor);
	if (step <= 0)
		step = number("1");
	*ret_text = arena_printf(arena, "%" PRId64, value / step + (value % step > 0));
	return 0;
}
