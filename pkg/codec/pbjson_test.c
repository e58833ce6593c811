/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/pbjson.h"

#include <string.h>

#include "config/kubelet.pb-c.h"
#include "k8s/authentication.pb-c.h"
#include "k8s/core.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/yaml.h"
#include "pkg/test/test.h"

static const char pod_json[] =
	"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"creationTimestamp\":\"2026-11-25T07:10:"
	"00Z\","
	"\"labels\":{\"k\":\"v\",\"empty\":\"\"}},\"spec\":{\"volumes\":[{\"name\":\"v\",\"configMap\":{"
	"\"name\":\"c\",\"defaultMode\":420}}],\"containers\":[{\"name\":\"c\",\"ports\":[{\"containerPort\":80}],"
	"\"env\":[{\"name\":\"E\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"m\",\"key\":\"k\"}}}],"
	"\"resources\":{\"limits\":{\"cpu\":\"100m\"}},\"livenessProbe\":{\"httpGet\":{\"path\":\"/"
	"\",\"port\":\"web\"},"
	"\"periodSeconds\":3},\"tty\":true}],\"terminationGracePeriodSeconds\":0,"
	"\"ephemeralContainers\":[{\"name\":\"e\",\"image\":\"i\",\"targetContainerName\":\"c\"}]},\"status\":{"
	"\"podIPs\":[{\"ip\":\"10.0.0.1\"}]}}";

static Core__Pod *decode_pod(struct arena *arena, const char *json)
{
	ProtobufCMessage *message;
	struct err err;

	CHECK_OK(pbjson_decode(&core__pod__descriptor, json, strlen(json), arena, &message, &err), &err);
	return (Core__Pod *)message;
}

TEST(a_pod_goes_both_ways)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf json = BUF_INIT(10000);
	Core__Pod *pod = decode_pod(arena, pod_json);
	struct err err;

	CHECK_STR("name", pod->metadata->name, "a");
	CHECK_STR("an inlined member", pod->spec->volumes[0]->volumesource->configmap->localobjectreference->name, "c");
	CHECK_STR("an inlined probe handler", pod->spec->containers[0]->livenessprobe->handler->httpget->port->strval,
		  "web");
	CHECK_STR("an inlined container", pod->spec->ephemeralcontainers[0]->ephemeralcontainercommon->image, "i");
	CHECK("a zero that was given is there", pod->spec->has_terminationgraceperiodseconds);
	CHECK_OK(pbjson_encode(&pod->base, &json, &err), &err);
	CHECK_STR("the same again", buf_text(&json), pod_json);
}

TEST(protobuf_and_copies_keep_everything)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf bytes = BUF_INIT(10000);
	Core__Pod *pod = decode_pod(arena, pod_json);
	ProtobufCMessage *back;
	struct err err;

	CHECK_OK(pb_encode(&pod->base, &bytes, &err), &err);
	CHECK_OK(pb_decode(&core__pod__descriptor, bytes.bytes, bytes.size, arena, &back, &err), &err);
	CHECK("decoded", pb_equal(&pod->base, back));
	Core__Pod *copy = PB_COPY(pod, arena);
	CHECK("copied", pb_equal(&pod->base, &copy->base) && copy->spec != pod->spec);
	copy->spec->containers[0]->tty = 0;
	CHECK("a difference deep inside", !pb_equal(&pod->base, &copy->base));
}

TEST(what_is_not_of_the_type_is_named)
{
	static const struct {
		const char *rule, *json, *want;
	} rows[] = {
		{ "a number for a text", "{\"spec\":{\"containers\":[{},{\"name\":3}]}}",
		  "spec.containers[1].name: unexpected number" },
		{ "a text for a list", "{\"spec\":{\"containers\":\"x\"}}", "spec.containers: unexpected text" },
		{ "an object for a list", "{\"spec\":{\"containers\":{}}}", "spec.containers: unexpected object" },
		{ "a list for an object", "{\"spec\":[]}", "spec: unexpected list" },
		{ "a list at the top", "[]", "(top): unexpected list" },
		{ "a fraction", "{\"spec\":{\"priority\":1.5}}", "spec.priority: 1.5 is not a number of this kind" },
		{ "out of range", "{\"spec\":{\"priority\":3000000000}}",
		  "spec.priority: 3000000000 is not a number of this kind" },
		{ "no time", "{\"metadata\":{\"creationTimestamp\":\"x\"}}",
		  "metadata.creationTimestamp: \"x\" is not a time" },
		{ "a boolean for a text", "{\"metadata\":{\"name\":true}}", "metadata.name: unexpected boolean" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		ProtobufCMessage *message;
		struct err err;

		CHECK_INT(rows[i].rule,
			  pbjson_decode(&core__pod__descriptor, rows[i].json, strlen(rows[i].json), arena, &message,
					&err),
			  ==, -EBADMSG);
		CHECK_STR(rows[i].rule, err.text, rows[i].want);
	}
}

static int no_oddity(void *owner, enum pbjson_oddity what, const char *path, struct err *err)
{
	return 0;
}

TEST(zero_bytes_are_shown_where_they_cannot_be_kept)
{
	static const char json[] =
		"{\"metadata\":{\"name\":\"\\u0000a\\u0000\\u0000b\",\"annotations\":{\"k\\u0000\":\"\\u0000\"}}}";
	_cleanup_arena_ struct arena *arena = arena_new();
	ProtobufCMessage *message;
	struct err err;

	CHECK_OK(pbjson_decode(&core__pod__descriptor, json, strlen(json), arena, &message, &err), &err);
	const Meta__ObjectMeta *meta = ((const Core__Pod *)message)->metadata;
	CHECK_STR("value", meta->name, "\ufffda\ufffd\ufffdb");
	CHECK_STR("key of a map", meta->annotations[0]->key, "k\ufffd");
	CHECK_STR("value of a map", meta->annotations[0]->value, "\ufffd");
	CHECK_INT("configuration",
		  pbjson_decode_strict(&core__pod__descriptor, json, strlen(json), arena, &message, no_oddity, NULL,
				       &err),
		  ==, -EBADMSG);
	CHECK_STR("its words", err.text, "metadata.name: unexpected zero byte in a text");
}

TEST(what_is_no_json_is_refused)
{
	static const char *const rows[] = {
		"",
		"{",
		"{}}",
		"{\"a\":}",
		"nul",
		"{\"a\":1,}",
		"{\"metadata\":{\"name\":\"\xff\"}}",
		"null",
		"{\"metadata\":{\"name\":\"\\udc00\"}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		ProtobufCMessage *message;
		struct err err;

		CHECK_INT(rows[i],
			  pbjson_decode(&core__pod__descriptor, rows[i], strlen(rows[i]), arena, &message, &err), ==,
			  -EBADMSG);
	}
}

TEST(depth_and_size_are_limited)
{
	_cleanup_buf_ struct buf json = BUF_INIT(1 << 20);
	_cleanup_arena_ struct arena *arena = arena_new_limited(2000);
	ProtobufCMessage *message;
	struct err err;

	for (int i = 0; i < 100000; i++)
		buf_puts(&json, "[");
	CHECK_INT("depth", pbjson_decode(&core__pod__descriptor, "{\"x\":[[[[", 9, arena, &message, &err), ==,
		  -EBADMSG);
	CHECK_INT("deep", pbjson_decode(&core__pod__descriptor, json.bytes, json.size, arena, &message, &err), ==,
		  -EBADMSG);
	buf_clear(&json);
	buf_puts(&json, "{\"metadata\":{\"name\":\"");
	for (int i = 0; i < 3000; i++)
		buf_putc(&json, 'x');
	buf_puts(&json, "\"}}");
	CHECK_INT("memory", pbjson_decode(&core__pod__descriptor, json.bytes, json.size, arena, &message, &err), ==,
		  -ENOBUFS);
}

TEST(unknown_fields_null_and_managed_fields_are_skipped)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	Core__Pod *pod =
		decode_pod(arena, "{\"new\":{\"a\":[1,{\"b\":null}]},\"spec\":null,\"metadata\":{\"managedFields\":"
				  "[{\"manager\":\"m\"}],\"name\":\"n\",\"labels\":null}}");

	CHECK_STR("the rest is read", pod->metadata->name, "n");
	CHECK("null is absent", !pod->spec);
	CHECK_INT("managed fields", pod->metadata->n_managedfields, ==, 0);
}

TEST(bytes_are_base64_but_config_map_texts_are_not)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf json = BUF_INIT(1000);
	static const char map_json[] = "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"data\":{\"k\":\"a\\u0000b\"},"
				       "\"binaryData\":{\"b\":\"AAE=\"}}";
	ProtobufCMessage *message;
	struct err err;

	CHECK_OK(pbjson_decode(&core__config_map__descriptor, map_json, strlen(map_json), arena, &message, &err), &err);
	const Core__ConfigMap *map = (const Core__ConfigMap *)message;
	CHECK_MEM("a text with a zero byte", map->data[0]->value.data, map->data[0]->value.len, "a\0b", 3);
	CHECK_MEM("bytes", map->binarydata[0]->value.data, map->binarydata[0]->value.len, "\0\1", 2);
	CHECK_OK(pbjson_encode(message, &json, &err), &err);
	CHECK_STR("again", buf_text(&json), map_json);
}

TEST(names_that_differ)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	static const char json[] = "{\"spec\":{\"boundObjectRef\":{\"kind\":\"Pod\",\"uid\":\"u\"}}}";
	ProtobufCMessage *message;
	struct err err;

	CHECK_OK(pbjson_decode(&authentication__token_request__descriptor, json, strlen(json), arena, &message, &err),
		 &err);
	CHECK_STR("uid", ((Authentication__TokenRequest *)message)->spec->boundobjectref->uid, "u");
}

static int note(void *owner, enum pbjson_oddity what, const char *path, struct err *err)
{
	struct buf *seen = owner;

	(void)err;
	buf_printf(seen, "%s %s;", what == PBJSON_UNKNOWN_FIELD ? "unknown" : "duplicate", path);
	return 0;
}

TEST(strict_reading_tells_oddities)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf seen = BUF_INIT(1000);
	static const char json[] =
		"{\"kind\":\"Pod\",\"x\":1,\"spec\":{\"containers\":[{\"imag\":\"\",\"name\":\"a\",\"name\":\"b\"}]}}";
	ProtobufCMessage *message;
	struct err err;

	CHECK_OK(pbjson_decode_strict(&core__pod__descriptor, json, strlen(json), arena, &message, note, &seen, &err),
		 &err);
	CHECK_STR("paths", buf_text(&seen),
		  "unknown x;unknown spec.containers[0].imag;duplicate spec.containers[0].name;");
}

TEST(strict_reading_of_a_large_type_and_of_inlined_members)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf seen = BUF_INIT(1000);
	static const char json[] = "{\"userNamespaces\":{\"z\":1},\"port\":1,\"userNamespaces\":{},\"port\":2}";
	static const char probe[] = "{\"exec\":{},\"httpGet\":{},\"initialDelaySeconds\":1,\"timeoutSeconds\":2}";
	ProtobufCMessage *message;
	struct err err;

	CHECK_OK(pbjson_decode_strict(&config__kubelet_configuration__descriptor, json, strlen(json), arena, &message,
				      note, &seen, &err),
		 &err);
	CHECK_STR("the last fields too", buf_text(&seen),
		  "unknown userNamespaces.z;duplicate userNamespaces;duplicate port;");
	CHECK_INT("the later one counts", ((Config__KubeletConfiguration *)message)->port, ==, 2);
	buf_clear(&seen);
	CHECK_OK(pbjson_decode_strict(&core__probe__descriptor, probe, strlen(probe), arena, &message, note, &seen,
				      &err),
		 &err);
	CHECK_STR("nothing is odd about a probe", buf_text(&seen), "");
}

TEST(a_merge_patch)
{
	static const char base[] =
		"{\"port\":1,\"maxPods\":2,\"address\":\"a\",\"syncFrequency\":\"1s\","
		"\"fileCheckFrequency\":\"1s\",\"clusterDNS\":[\"x\",\"y\"],\"evictionHard\":{\"a\":\"1\","
		"\"b\":\"2\",\"c\":\"3\"},\"featureGates\":{\"z\":true},\"authentication\":{\"webhook\":"
		"{\"enabled\":true,\"cacheTTL\":\"1s\"},\"anonymous\":{\"enabled\":true}}}";
	static const char patch[] =
		"{\"port\":3,\"maxPods\":null,\"address\":null,\"syncFrequency\":\"2s\",\"unknown\":1,"
		"\"clusterDNS\":[\"z\"],\"evictionHard\":{\"b\":\"4\",\"a\":null,\"d\":\"5\",\"e\":null},"
		"\"featureGates\":null,\"authentication\":{\"webhook\":{\"cacheTTL\":null},"
		"\"anonymous\":null,\"x509\":{\"clientCAFile\":\"f\"}}}";
	static const char want[] =
		"{\"syncFrequency\":\"2s\",\"fileCheckFrequency\":\"1s\",\"port\":3,\"authentication\":{"
		"\"x509\":{\"clientCAFile\":\"f\"},\"webhook\":{\"enabled\":true}},\"clusterDNS\":[\"z\"],"
		"\"evictionHard\":{\"c\":\"3\",\"b\":\"4\",\"d\":\"5\"}}";
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf merged = BUF_INIT(4000);
	Config__KubeletConfiguration *config;
	ProtobufCMessage *message;
	struct err err;

	CHECK_OK(pbjson_decode(&config__kubelet_configuration__descriptor, base, strlen(base), arena, &message, &err),
		 &err);
	config = (Config__KubeletConfiguration *)message;
	config->filecheckfrequency = config->syncfrequency; /* one value of two fields */
	CHECK_OK(pbjson_merge(message, patch, strlen(patch), arena, NULL, NULL, &err), &err);
	CHECK_OK(pbjson_encode_item(message, &merged, &err), &err);
	CHECK_STR("merged", buf_text(&merged), want);
}

TEST(given_twice_the_later_list_counts)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	Core__Pod *pod = decode_pod(arena, "{\"spec\":{\"containers\":[{\"name\":\"a\"},{}],\"containers\":"
					   "[{\"name\":\"b\",\"args\":[null,\"x\"]}]}}");

	CHECK_INT("one", pod->spec->n_containers, ==, 1);
	CHECK_STR("the later", pod->spec->containers[0]->name, "b");
	CHECK_STR("null in a list is an empty item", pod->spec->containers[0]->args[0], "");
}

TEST(raw_values_keep_their_bytes)
{
	static const char json[] = "{\"flushFrequency\":\"5s\",\"options\":{\"a\": [1,true]}}";
	static const char scalars[] = "{\"flushFrequency\":5,\"options\":true}";
	const char *const rows[] = { json, scalars };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		_cleanup_buf_ struct buf again = BUF_INIT(1000);
		ProtobufCMessage *message;
		struct err err;

		CHECK_OK(pbjson_decode(&config__logging__descriptor, rows[i], strlen(rows[i]), arena, &message, &err),
			 &err);
		CHECK_OK(pbjson_encode(message, &again, &err), &err);
		CHECK_STR("raw", buf_text(&again), rows[i]);
	}
}

TEST(broken_utf8_is_not_written)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf json = BUF_INIT(1000);
	Core__Pod *pod = PB_NEW(arena, Core__Pod, core__pod__descriptor);
	struct err err;

	pod->status = PB_NEW(arena, Core__PodStatus, core__pod_status__descriptor);
	pod->status->message = arena_strdup(arena, "\xff");
	CHECK_INT("JSON", pbjson_encode(&pod->base, &json, &err), ==, -EILSEQ);
	CHECK_INT("protobuf", pb_encode(&pod->base, &json, &err), ==, -EILSEQ);
	CHECK_STR("named", err.text, "PodStatus.message is not UTF-8");
}

TEST(yaml_becomes_json)
{
	static const struct {
		const char *yaml, *json;
	} rows[] = {
		{ "a: 1\nb: [x, 'y', \"z\"]\n", "{\"a\":1,\"b\":[\"x\",\"y\",\"z\"]}" },
		{ "a: yes\nb: 'yes'\nc: ~\nd:\n", "{\"a\":true,\"b\":\"yes\",\"c\":null,\"d\":null}" },
		{ "m: 0644\nn: 0x10\no: 1.5\np: -3\nq: 1.2.3\n",
		  "{\"m\":420,\"n\":16,\"o\":1.5,\"p\":-3,\"q\":\"1.2.3\"}" },
		{ "a: &x {b: 1}\nc: *x\n", "{\"a\":{\"b\":1},\"c\":{\"b\":1}}" },
		{ "t: |\n  one\n  two\n", "{\"t\":\"one\\ntwo\\n\"}" },
		{ "{\"json\": [true, null]}", "{\"json\":[true,null]}" },
		{ "", "null" },
		{ "a: 1e999\nb: 00999E999\n", "{\"a\":\"1e999\",\"b\":\"00999E999\"}" },
		{ "a: 1_000\nb: +5\nc: 0b11\nd: 7e3\ne: 5.0\nf: .5\ng: 08\nh: -0x10\ni: 1_\nj: 1e\nk: +\nl: 2.5e-1\n",
		  "{\"a\":1000,\"b\":5,\"c\":3,\"d\":7000,\"e\":5,\"f\":0.5,\"g\":8,\"h\":-16,\"i\":1,\"j\":\"1e\","
		  "\"k\":\"+\","
		  "\"l\":2.5e-1}" },
		{ "y: n\nn: Y\n", "{\"y\":false,\"n\":true}" },
		{ "a: &a {b: 1, c: 2}\nd:\n  <<: *a\n  c: 3\n", "{\"a\":{\"b\":1,\"c\":2},\"d\":{\"c\":3,\"b\":1}}" },
		{ "a: &a {b: 1}\nc: &c {<<: *a, d: 2}\ne: {<<: [*c, {b: 3, f: 4}], d: 5}\n",
		  "{\"a\":{\"b\":1},\"c\":{\"d\":2,\"b\":1},\"e\":{\"d\":5,\"b\":1,\"f\":4}}" },
		{ "'<<': 1\n", "{\"<<\":1}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_buf_ struct buf json = BUF_INIT(10000);
		struct err err;

		CHECK_OK(yaml_to_json(rows[i].yaml, strlen(rows[i].yaml), &json, &err), &err);
		CHECK_STR(rows[i].yaml, buf_text(&json), rows[i].json);
	}
}

TEST(yaml_bombs_end_early)
{
	_cleanup_buf_ struct buf yaml = BUF_INIT(10000), json = BUF_INIT(1 << 20);
	struct err err;

	buf_puts(&yaml, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 10; i++)
		buf_printf(&yaml, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1,
			   i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	CHECK_INT("aliases", yaml_to_json(yaml.bytes, yaml.size, &json, &err), ==, -E2BIG);
	buf_clear(&json);
	CHECK_INT("a cycle", yaml_to_json("a: &x [*x]", 10, &json, &err), ==, -E2BIG);
	CHECK_INT("no YAML", yaml_to_json("a: [", 4, &json, &err), ==, -EBADMSG);
}

/* ---- patches ---- */

static bool is_of_ours(const char *type)
{
	return type[0] == 'O';
}

static const struct pbjson_patch_rule rules[] = {
	{ .type = &core__pod_status__descriptor, .field = "phase", .how = PBJSON_PATCH_CLEAR },
	{ .type = &core__pod_status__descriptor, .field = "startTime", .how = PBJSON_PATCH_CLEAR },
	{ .type = &core__pod_status__descriptor, .field = "containerStatuses", .how = PBJSON_PATCH_CLEAR },
	{ .type = &core__pod_status__descriptor, .field = "podIPs", .how = PBJSON_PATCH_REPLACE },
	{ .type = &core__pod_status__descriptor,
	  .field = "conditions",
	  .how = PBJSON_PATCH_MERGE,
	  .key = "type",
	  .is_ours = is_of_ours },
	{ .type = &core__pod_condition__descriptor, .field = "reason", .how = PBJSON_PATCH_CLEAR },
};

TEST(a_patch_says_what_goes)
{
#define EMPTY_IPS "\"podIPs\":[{\"$patch\":\"replace\"}]"
#define NOTHING "\"startTime\":null,\"containerStatuses\":null," EMPTY_IPS
	static const struct {
		const char *rule, *before, *now, *want;
	} rows[] = {
		{ "no message, no rules of its fields", "{}", "{\"metadata\":{\"uid\":\"u\"}}",
		  "{\"metadata\":{\"uid\":\"u\"}}" },
		{ "absent, and the kind is not said", "{}", "{\"status\":{}}",
		  "{\"status\":{\"phase\":null," NOTHING "}}" },
		{ "an empty text", "{}", "{\"status\":{\"phase\":\"\"}}", "{\"status\":{\"phase\":null," NOTHING "}}" },
		{ "there", "{}",
		  "{\"status\":{\"phase\":\"P\",\"startTime\":\"2025-11-25T08:40:00Z\",\"containerStatuses\":[{"
		  "\"name\":"
		  "\"c\"}],\"podIPs\":[{\"ip\":\"a\"},{\"ip\":\"b\"}]}}",
		  "{\"status\":{\"phase\":\"P\",\"startTime\":\"2025-11-25T08:40:00Z\",\"containerStatuses\":[{"
		  "\"name\":"
		  "\"c\"}],\"podIPs\":[{\"$patch\":\"replace\"},{\"ip\":\"a\"},{\"ip\":\"b\"}]}}" },
		{ "ours and theirs", "{}",
		  "{\"status\":{\"phase\":\"P\",\"conditions\":[{\"type\":\"O1\",\"status\":\"True\"},{\"type\":"
		  "\"T1\",\"reason\":\"r\"},{\"type\":\"O2\",\"reason\":\"r\"}]}}",
		  "{\"status\":{\"phase\":\"P\",\"$setElementOrder/conditions\":[{\"type\":\"O1\"},{\"type\":\"T1\"},"
		  "{\"type\":\"O2\"}],\"conditions\":[{\"type\":\"O1\",\"status\":\"True\",\"reason\":null},{\"type\":"
		  "\"O2\",\"reason\":\"r\"}]," NOTHING "}}" },
		{ "ours that went",
		  "{\"status\":{\"conditions\":[{\"type\":\"O1\"},{\"type\":\"T1\"},{\"type\":\"O2\"}]}}",
		  "{\"status\":{\"conditions\":[{\"type\":\"O2\"}]}}",
		  "{\"status\":{\"phase\":null,\"$setElementOrder/conditions\":[{\"type\":\"O2\"}],\"conditions\":[{"
		  "\"type\":\"O2\",\"reason\":null},{\"$patch\":\"delete\",\"type\":\"O1\"}]," NOTHING "}}" },
		{ "only theirs were there", "{\"status\":{\"conditions\":[{\"type\":\"T1\"}]}}", "{\"status\":{}}",
		  "{\"status\":{\"phase\":null," NOTHING "}}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		_cleanup_buf_ struct buf json = BUF_INIT(10000), small = BUF_INIT(8);
		Core__Pod *before = decode_pod(arena, rows[i].before), *now = decode_pod(arena, rows[i].now);
		struct err err;

		CHECK_OK(pbjson_patch(&now->base, &before->base, rules, ARRAY_LEN(rules), &json, &err), &err);
		CHECK_STR(rows[i].rule, buf_text(&json), rows[i].want);
		CHECK_INT(rows[i].rule, pbjson_patch(&now->base, NULL, rules, ARRAY_LEN(rules), &small, &err), ==,
			  -ENOBUFS);
	}
}

TEST(an_item_does_not_say_its_kind)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf json = BUF_INIT(1000), item = BUF_INIT(1000), config = BUF_INIT(1000);
	Core__Pod *pod = decode_pod(arena, "{\"spec\":{\"nodeName\":\"n\"}}");
	struct err err;

	CHECK_OK(pbjson_encode(&pod->base, &json, &err), &err);
	CHECK_STR("whole", buf_text(&json), "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"spec\":{\"nodeName\":\"n\"}}");
	CHECK_OK(pbjson_encode_item(&pod->base, &item, &err), &err);
	CHECK_STR("item", buf_text(&item), "{\"spec\":{\"nodeName\":\"n\"}}");
	Config__KubeletConfiguration *kubelet =
		PB_NEW(arena, Config__KubeletConfiguration, config__kubelet_configuration__descriptor);
	CHECK_OK(pbjson_encode(&kubelet->base, &config, &err), &err);
	CHECK_STR("configuration", buf_text(&config),
		  "{\"kind\":\"KubeletConfiguration\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\"}");
}
