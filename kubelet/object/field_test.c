/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kubelet/object/field.h"
#include "pkg/base/base.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

static const void *parse(const ProtobufCMessageDescriptor *type, const char *json, struct arena *arena)
{
	ProtobufCMessage *message;
	struct err err = { 0 };

	CHECK_OK(pbjson_decode(type, json, strlen(json), arena, &message, &err), &err);
	return message;
}

static const char pod_json[] =
	"{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u-1\",\"labels\":{\"z\":\"2\",\"a\":\"x\\\"y\"},"
	"\"annotations\":{\"k.io/n\":\"one\\ntwo\",\"u\":\"\\u00fc\\u00a0\"}},\"spec\":{"
	"\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"250m\",\"memory\":\"64Mi\"},"
	"\"limits\":{\"memory\":\"100Mi\",\"hugepages-2Mi\":\"4Mi\",\"cpu\":\"0\"}}},{\"name\":\"d\"}],"
	"\"initContainers\":[{\"name\":\"i\"}]}}";

static const struct {
	const char *path, *want; /* the text or the sentence */
} fields[] = {
	{ "metadata.name", "p" },
	{ "metadata.namespace", "ns" },
	{ "metadata.uid", "u-1" },
	{ "metadata.labels", "a=\"x\\\"y\"\nz=\"2\"" },
	{ "metadata.annotations", "k.io/n=\"one\\ntwo\"\nu=\"\xc3\xbc\\u00a0\"" },
	{ "metadata.labels['z']", "2" },
	{ "metadata.labels['no']", "" },
	{ "metadata.annotations['k.io/n']", "one\ntwo" },
	{ "metadata.name['x']", "fieldPath \"metadata.name['x']\" does not support subscript" },
	{ "metadata.labels['z", "unsupported fieldPath: metadata.labels['z" },
	{ "metadata.labels[']", "unsupported fieldPath: metadata.labels[']" },
	{ "['x']", "unsupported fieldPath: ['x']" },
	{ "metadata.labelsx['z']", "fieldPath \"metadata.labelsx['z']\" does not support subscript" },
	{ "metadata.generateName", "unsupported fieldPath: metadata.generateName" },
	{ "status.podIP", "unsupported fieldPath: status.podIP" },
	{ "", "unsupported fieldPath: " },
};

TEST(fields)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const Core__Pod *pod = parse(&core__pod__descriptor, pod_json, arena);

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const char *text = "";
		struct err err = { 0 };
		int code = field_text(pod, fields[i].path, arena, &text, &err);

		CHECK_STR(fields[i].path, code < 0 ? err.text : text, fields[i].want);
	}
}

TEST(a_pod_without_labels)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const Core__Pod *pod = parse(&core__pod__descriptor, "{\"metadata\":{\"name\":\"p\"},\"spec\":{}}", arena);
	const char *text = NULL;
	struct err err;

	CHECK_OK(field_text(pod, "metadata.labels", arena, &text, &err), &err);
	CHECK_STR("empty", text, "");
}

static const struct {
	const char *rule, *container, *resource, *divisor, *want;
	bool with_node;
} resources[] = {
	{ "cpu is rounded up to whole ones", "c", "requests.cpu", NULL, "1", true },
	{ "in thousandths", "c", "requests.cpu", "1m", "250", true },
	{ "a divisor of nothing is one", "c", "requests.cpu", "0", "1", true },
	{ "bytes", "c", "limits.memory", NULL, "104857600", true },
	{ "rounded up", "c", "requests.memory", "1G", "1", true },
	{ "in Mi", "c", "limits.memory", "1Mi", "100", true },
	{ "huge pages", "c", "limits.hugepages-2Mi", "1Mi", "4", true },
	{ "a limit of zero is none", "c", "limits.cpu", "1m", "2500", true },
	{ "without a limit the node's", "d", "limits.cpu", NULL, "3", true },
	{ "memory too", "d", "limits.memory", NULL, "1000", true },
	{ "storage too", "d", "limits.ephemeral-storage", NULL, "2000", true },
	{ "huge pages are never the node's", "d", "limits.hugepages-2Mi", NULL, "0", true },
	{ "nor are requests", "d", "requests.cpu", NULL, "0", true },
	{ "an init container", "i", "limits.memory", NULL, "1000", true },
	{ "no node to stand in", "i", "limits.memory", NULL, "0", false },
	{ "a resource that is none", "c", "limits.x", NULL, "unsupported container resource : limits.x", true },
	{ "nor this", "c", "cpu", NULL, "unsupported container resource : cpu", true },
	{ "a container that is not there", "e", "limits.cpu", NULL, "container e not found", true },
};

TEST(resources)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const Core__Pod *pod = parse(&core__pod__descriptor, pod_json, arena);
	struct amounts node = { .milli_cpu = 2500, .memory_bytes = 1000, .storage_bytes = 2000 };

	for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
		Resource__Quantity divisor = RESOURCE__QUANTITY__INIT;
		Core__ResourceFieldSelector ref = CORE__RESOURCE_FIELD_SELECTOR__INIT;
		const Core__Container *container = NULL;
		const char *text = "";
		bool is_init;
		struct err err = { 0 };
		int code = field_container(pod, resources[i].container, &container, &is_init, &err);

		divisor.string = (char *)(uintptr_t)resources[i].divisor;
		ref.divisor = divisor.string ? &divisor : NULL;
		ref.resource = (char *)(uintptr_t)resources[i].resource;
		if (code == 0)
			code = field_resource(container, &ref, resources[i].with_node ? &node : NULL, arena, &text,
					      &err);
		CHECK_STR(resources[i].rule, code < 0 ? err.text : text, resources[i].want);
	}
}
