/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/labels.h"

#include <inttypes.h>
#include <string.h>

#include "kubelet/runtime/runtime.h"
#include "pkg/base/base.h"
#include "pkg/base/log.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"

#define ANNOTATION_HASH "io.kubernetes.container.hash"
#define ANNOTATION_RESTART_COUNT "io.kubernetes.container.restartCount"
#define ANNOTATION_MESSAGE_PATH "io.kubernetes.container.terminationMessagePath"
#define ANNOTATION_MESSAGE_POLICY "io.kubernetes.container.terminationMessagePolicy"
#define ANNOTATION_PORTS "io.kubernetes.container.ports"
#define ANNOTATION_DELETION_GRACE "io.kubernetes.pod.deletionGracePeriod"
#define ANNOTATION_TERMINATION_GRACE "io.kubernetes.pod.terminationGracePeriod"

enum {
	PORTS_MAX_BYTES = 1024 * 1024, /* the API server refuses objects above 1.5 MiB */
};

/* Map entries of different messages have one layout and differ by type only. */
#define ADD(arena, message, field, entry_type, descriptor, k, v)              \
	do {                                                                  \
		entry_type *_entry = PB_NEW((arena), entry_type, descriptor); \
		_entry->key = (char *)(uintptr_t)(k);                         \
		_entry->value = arena_strdup((arena), (v) ? (v) : "");        \
		PB_APPEND((arena), (message), field, _entry);                 \
	} while (0)

#define ADD_SANDBOX_LABEL(k, v)                                        \
	ADD(arena, config, labels, Cri__PodSandboxConfig__LabelsEntry, \
	    cri__pod_sandbox_config__labels_entry__descriptor, k, v)
#define ADD_LABEL(k, v)                                                                                                \
	ADD(arena, config, labels, Cri__ContainerConfig__LabelsEntry, cri__container_config__labels_entry__descriptor, \
	    k, v)
#define ADD_ANNOTATION(k, v)                                                    \
	ADD(arena, config, annotations, Cri__ContainerConfig__AnnotationsEntry, \
	    cri__container_config__annotations_entry__descriptor, k, v)

static bool is_ours(const char *key)
{
	return str_eq(key, LABEL_POD_NAME) || str_eq(key, LABEL_POD_NAMESPACE) || str_eq(key, LABEL_POD_UID);
}

void labels_set_sandbox(const Core__Pod *pod, Cri__PodSandboxConfig *config, struct arena *arena)
{
	const Meta__ObjectMeta *meta = pod->metadata;

	for (size_t i = 0; i < meta->n_labels; i++)
		if (!is_ours(meta->labels[i]->key))
			ADD_SANDBOX_LABEL(meta->labels[i]->key, meta->labels[i]->value);
	ADD_SANDBOX_LABEL(LABEL_POD_NAME, meta->name);
	ADD_SANDBOX_LABEL(LABEL_POD_NAMESPACE, meta->namespace_);
	ADD_SANDBOX_LABEL(LABEL_POD_UID, meta->uid);
	for (size_t i = 0; i < meta->n_annotations; i++)
		ADD(arena, config, annotations, Cri__PodSandboxConfig__AnnotationsEntry,
		    cri__pod_sandbox_config__annotations_entry__descriptor, meta->annotations[i]->key,
		    meta->annotations[i]->value);
}

/* As Go's encoding/json writes them: absent and zero fields left out, the container's port always there. */
static const char *ports_json(const Core__Container *container, struct arena *arena)
{
	_cleanup_buf_ struct buf json = BUF_INIT(PORTS_MAX_BYTES);
	struct err err;

	for (size_t i = 0; i < container->n_ports; i++) {
		Core__ContainerPort port = *container->ports[i];

		port.name = str_empty(port.name) ? NULL : port.name;
		port.has_hostport = port.hostport != 0;
		port.has_containerport = 1;
		port.protocol = str_empty(port.protocol) ? NULL : port.protocol;
		port.hostip = str_empty(port.hostip) ? NULL : port.hostip;
		buf_putc(&json, i ? ',' : '[');
		if (pbjson_encode_item(&port.base, &json, &err) < 0) {
			log_error(&err, "Unable to convert exposed ports to json", "container", container->name, NULL);
			return NULL;
		}
	}
	buf_putc(&json, ']');
	return arena_strdup(arena, buf_text(&json));
}

void labels_set_container(const Core__Pod *pod, const Core__Container *container, int32_t restart_count,
			  Cri__ContainerConfig *config, struct arena *arena)
{
	const char *ports = container->n_ports ? ports_json(container, arena) : NULL;

	ADD_LABEL(LABEL_POD_NAME, pod->metadata->name);
	ADD_LABEL(LABEL_POD_NAMESPACE, pod->metadata->namespace_);
	ADD_LABEL(LABEL_POD_UID, pod->metadata->uid);
	ADD_LABEL(LABEL_CONTAINER_NAME, container->name);

	ADD_ANNOTATION(ANNOTATION_HASH, arena_printf(arena, "%" PRIx64, runtime_container_hash(container)));
	ADD_ANNOTATION(ANNOTATION_RESTART_COUNT, arena_printf(arena, "%" PRId32, restart_count));
	ADD_ANNOTATION(ANNOTATION_MESSAGE_PATH, container->terminationmessagepath);
	ADD_ANNOTATION(ANNOTATION_MESSAGE_POLICY, container->terminationmessagepolicy);
	if (pod->metadata->has_deletiongraceperiodseconds)
		ADD_ANNOTATION(ANNOTATION_DELETION_GRACE,
			       arena_printf(arena, "%" PRId64, pod->metadata->deletiongraceperiodseconds));
	if (pod->spec->has_terminationgraceperiodseconds)
		ADD_ANNOTATION(ANNOTATION_TERMINATION_GRACE,
			       arena_printf(arena, "%" PRId64, pod->spec->terminationgraceperiodseconds));
	if (ports)
		ADD_ANNOTATION(ANNOTATION_PORTS, ports);
}

const char *labels_pod_uid(Cri__PodSandbox__LabelsEntry *const *labels, size_t n_labels)
{
	for (size_t i = 0; i < n_labels; i++)
		if (str_eq(labels[i]->key, LABEL_POD_UID) && !str_empty(labels[i]->value))
			return labels[i]->value;
	return NULL;
}

const char *labels_container_pod_uid(Cri__Container__LabelsEntry *const *labels, size_t n_labels)
{
	for (size_t i = 0; i < n_labels; i++)
		if (str_eq(labels[i]->key, LABEL_POD_UID) && !str_empty(labels[i]->value))
			return labels[i]->value;
	return NULL;
}

static const char *label(const Cri__ContainerStatus *status, const char *key)
{
	for (size_t i = 0; i < status->n_labels; i++)
		if (str_eq(status->labels[i]->key, key))
			return status->labels[i]->value;
	return NULL;
}

static const char *annotation(const Cri__ContainerStatus *status, const char *key)
{
	for (size_t i = 0; i < status->n_annotations; i++)
		if (str_eq(status->annotations[i]->key, key))
			return status->annotations[i]->value;
	return NULL;
}

static uint64_t parse_hex(const char *text)
{
	uint64_t value = 0;

	if (str_empty(text) || strlen(text) > 16 || text[strspn(text, "0123456789abcdefABCDEF")])
		return 0;
	for (; *text; text++)
		value = value << 4 | (uint64_t)(*text <= '9' ? *text - '0' : (*text | 0x20) - 'a' + 10);
	return value;
}

void labels_get_container(const Cri__ContainerStatus *status, struct labels_container *ret_labels)
{
	int64_t count = 0;

	if (str_to_i64(str_or(annotation(status, ANNOTATION_RESTART_COUNT), "0"), 0, INT32_MAX, &count) < 0)
		count = 0;
	*ret_labels = (struct labels_container){
		.pod_name = label(status, LABEL_POD_NAME),
		.pod_namespace = label(status, LABEL_POD_NAMESPACE),
		.name = label(status, LABEL_CONTAINER_NAME),
		.hash = parse_hex(annotation(status, ANNOTATION_HASH)),
		.restart_count = (int32_t)count,
		.termination_message_path = annotation(status, ANNOTATION_MESSAGE_PATH),
		.termination_message_from_logs =
			str_eq(annotation(status, ANNOTATION_MESSAGE_POLICY), "FallbackToLogsOnError"),
	};
}

/* ---- the hash of a container's spec ---- */

enum { HASH_TEXT_MAX = 64 * 1024 }; /* a name has 63 bytes, an image reference a few hundred in practice */

/* Go escapes these in JSON, so that it can stand in HTML; U+2028 and U+2029 cannot be in an image that was pulled. */
static void put_go_json_string(struct buf *into, const char *text)
{
	buf_putc(into, '"');
	for (text = text ? text : ""; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			buf_printf(into, "\\%c", c);
		else if (c < 0x20 || c == '<' || c == '>' || c == '&')
			buf_printf(into, "\\u%04x", c);
		else
			buf_putc(into, (char)c);
	}
	buf_putc(into, '"');
}

/*
 * FNV-1a, 32 bits, of how Go's spew prints a []byte that holds {"image":…,"name":…}: odd, but only this value makes the
 * stock kubelet and ours agree that a container is what its spec says.
 */
uint64_t runtime_container_hash(const Core__Container *container)
{
	_cleanup_buf_ struct buf json = BUF_INIT(HASH_TEXT_MAX), dump = BUF_INIT(4 * HASH_TEXT_MAX + 64);
	uint32_t hash = 2166136261u;

	buf_puts(&json, "{\"image\":");
	put_go_json_string(&json, container->image);
	buf_puts(&json, ",\"name\":");
	put_go_json_string(&json, container->name);
	buf_putc(&json, '}');

	buf_puts(&dump, "([]uint8)[");
	for (size_t i = 0; i < json.size; i++)
		buf_printf(&dump, i ? " %u" : "%u", (unsigned char)json.bytes[i]);
	buf_putc(&dump, ']');

	for (size_t i = 0; i < dump.size; i++)
		hash = (hash ^ (unsigned char)dump.bytes[i]) * 16777619u;
	return hash;
}
