/* SPDX-License-Identifier: Apache-2.0 */
/* Files that show fields of the pod and resources of its containers. */
#include <inttypes.h>
#include <string.h>

#include "kubelet/volume/payload.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/codec/quantity.h"

typedef Meta__ObjectMeta__LabelsEntry label;
typedef Core__ResourceRequirements__LimitsEntry amount;

enum { FIELD_MAX = 1 << 20 }; /* all annotations of an object have at most 256 KiB, quoted at most four times that */

static int by_key(const void *a, const void *b)
{
	return strcmp((*(label *const *)a)->key, (*(label *const *)b)->key);
}

/* As Go's strconv.Quote does for text that is UTF-8, which the API server makes sure of. */
static void put_quoted(struct buf *into, const char *text)
{
	buf_putc(into, '"');
	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		const char *escapes = "\a\b\f\n\r\t\v\\\"", *names = "abfnrtv\\\"", *found = strchr(escapes, *at);

		if (found)
			buf_printf(into, "\\%c", names[found - escapes]);
		else if (*at < 0x20 || *at == 0x7f)
			buf_printf(into, "\\x%02x", *at);
		else
			buf_putc(into, (char)*at);
	}
	buf_putc(into, '"');
}

static const char *format_labels(label *const *labels, size_t n, struct arena *arena)
{
	_cleanup_buf_ struct buf text = BUF_INIT(FIELD_MAX);
	label **sorted = arena_alloc(arena, (n + 1) * sizeof(label *));

	for (size_t i = 0; i < n; i++)
		sorted[i] = labels[i];
	if (n)
		qsort(sorted, n, sizeof *sorted, by_key);
	for (size_t i = 0; i < n; i++) {
		buf_printf(&text, "%s%s=", i ? "\n" : "", sorted[i]->key);
		put_quoted(&text, str_or(sorted[i]->value, ""));
	}
	return arena_strdup(arena, buf_text(&text));
}

/* metadata.labels['x']: the value of x, "" when there is none; NULL when the path is not of this form. */
static const char *subscript(const char *path, const char *base, label *const *labels, size_t n)
{
	size_t base_size = strlen(base), size = strlen(path);

	if (size < base_size + 4 || !str_has_prefix(path, base) || memcmp(path + base_size, "['", 2) != 0 ||
	    !str_has_suffix(path, "']"))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strlen(labels[i]->key) == size - base_size - 4 &&
		    memcmp(labels[i]->key, path + base_size + 2, size - base_size - 4) == 0)
			return str_or(labels[i]->value, "");
	return "";
}

static int field_text(const Core__Pod *pod, const char *path, struct arena *arena, const char **ret_text,
		      struct err *err)
{
	const Meta__ObjectMeta *meta = pod->metadata;
	label *const *annotations = (label *const *)(void *)meta->annotations;
	const char *text;

	if ((text = subscript(path, "metadata.labels", meta->labels, meta->n_labels)) ||
	    (text = subscript(path, "metadata.annotations", annotations, meta->n_annotations)))
		*ret_text = text;
	else if (str_eq(path, "metadata.labels"))
		*ret_text = format_labels(meta->labels, meta->n_labels, arena);
	else if (str_eq(path, "metadata.annotations"))
		*ret_text = format_labels(annotations, meta->n_annotations, arena);
	else if (str_eq(path, "metadata.name"))
		*ret_text = str_or(meta->name, "");
	else if (str_eq(path, "metadata.namespace"))
		*ret_text = str_or(meta->namespace_, "");
	else if (str_eq(path, "metadata.uid"))
		*ret_text = str_or(meta->uid, "");
	else if (str_has_suffix(path, "']"))
		return err_set(err, -EINVAL, "fieldPath \"%s\" does not support subscript", path);
	else
		return err_set(err, -EINVAL, "unsupported fieldPath: %s", path);
	return 0;
}

static const Core__Container *find_container(const Core__Pod *pod, const char *name)
{
	for (size_t i = 0; i < pod->spec->n_containers; i++)
		if (str_eq(pod->spec->containers[i]->name, name))
			return pod->spec->containers[i];
	for (size_t i = 0; i < pod->spec->n_initcontainers; i++)
		if (str_eq(pod->spec->initcontainers[i]->name, name))
			return pod->spec->initcontainers[i];
	return NULL;
}

static const char *amount_of(amount *const *amounts, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(amounts[i]->key, name) && amounts[i]->value)
			return amounts[i]->value->string;
	return NULL;
}

static int resource_text(const Core__Pod *pod, const Core__ResourceFieldSelector *ref,
			 const struct payload_allocatable *allocatable, struct arena *arena, const char **ret_text,
			 struct err *err)
{
	const Core__Container *container = find_container(pod, ref->containername);
	const char *resource = str_or(ref->resource, ""), *text = NULL;
	const char *divisor = ref->divisor ? ref->divisor->string : NULL;
	bool limits = str_has_prefix(resource, "limits."), cpu;
	const char *name = strchr(resource, '.') ? strchr(resource, '.') + 1 : "";
	int64_t value, step;

	if (!container)
		return err_set(err, -ENOENT, "container %s not found", str_or(ref->containername, ""));
	cpu = str_eq(name, "cpu");
	if ((!limits && !str_has_prefix(resource, "requests.")) ||
	    (!cpu && !str_eq(name, "memory") && !str_eq(name, "ephemeral-storage") &&
	     !str_has_prefix(name, "hugepages-")))
		return err_set(err, -EINVAL, "unsupported container resource : %s", resource);

	const Core__ResourceRequirements *has = container->resources;

	if (has && limits)
		text = amount_of(has->limits, has->n_limits, name);
	else if (has)
		text = amount_of((amount *const *)(void *)has->requests, has->n_requests, name);
	value = cpu ? quantity_text_milli(text) : quantity_text_value(text);
	if (value == 0 && limits && cpu)
		value = allocatable->milli_cpu;
	else if (value == 0 && limits && str_eq(name, "memory"))
		value = allocatable->memory_bytes;
	else if (value == 0 && limits && str_eq(name, "ephemeral-storage"))
		value = allocatable->storage_bytes;
	step = cpu ? quantity_text_milli(divisor) : quantity_text_value(divisor);
	if (step <= 0)
		step = cpu ? 1000 : 1;
	*ret_text = arena_printf(arena, "%" PRId64, value / step + (value % step > 0));
	return 0;
}

int payload_add_downward(struct payload *payload, Core__DownwardAPIVolumeFile *const *items, size_t n_items,
			 const Core__Pod *pod, const struct payload_allocatable *allocatable, uint32_t mode,
			 struct err *err)
{
	for (size_t i = 0; i < n_items; i++) {
		const Core__DownwardAPIVolumeFile *item = items[i];
		const char *text = "";
		int code = 0;

		if (item->fieldref)
			code = field_text(pod, str_or(item->fieldref->fieldpath, ""), payload->arena, &text, err);
		else if (item->resourcefieldref)
			code = resource_text(pod, item->resourcefieldref, allocatable, payload->arena, &text, err);
		if (code < 0)
			return code;
		if (payload_put(payload, item->path, text, strlen(text), item->has_mode ? (uint32_t)item->mode : mode,
				-1, err) < 0)
			return err->code;
	}
	return 0;
}
