/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/env.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

static void *parse(const ProtobufCMessageDescriptor *type, const char *json, struct arena *arena)
{
	ProtobufCMessage *message = NULL;
	struct err err = { 0 };

	CHECK_OK(pbjson_decode(type, json, strlen(json), arena, &message, &err), &err);
	return message;
}

static const char *const services_json[] = {
	"{\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"default\"},\"spec\":{\"clusterIP\":\"10.0.0.1\","
	"\"ports\":[{\"name\":\"https\",\"port\":443,\"protocol\":\"TCP\"}]}}",
	"{\"metadata\":{\"name\":\"my-db\",\"namespace\":\"shop\"},\"spec\":{\"clusterIP\":\"fd00::5\","
	"\"ports\":[{\"port\":53,\"protocol\":\"UDP\"}]}}",
	"{\"metadata\":{\"name\":\"headless\",\"namespace\":\"shop\"},\"spec\":{\"clusterIP\":\"None\",\"ports\":[{"
	"\"port\":1}]}}",
	"{\"metadata\":{\"name\":\"other\",\"namespace\":\"elsewhere\"},\"spec\":{\"clusterIP\":\"10.0.0.9\",\"ports\":"
	"[{\"port\":1}]}}",
};

#define POD(spec)                                                                                               \
	"{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u-1\",\"labels\":{\"b\":\"2\",\"a\":" \
	"\"x\\\"y\"},"                                                                                          \
	"\"annotations\":{\"k.io/n\":\"v\"}},\"spec\":{\"nodeName\":\"n1\",\"serviceAccountName\":\"sa\"," spec "}}"
#define NO_LINKS(container) POD("\"enableServiceLinks\":false,\"containers\":[{\"name\":\"c\"," container "}]")

#define MASTER                                                                                               \
	"KUBERNETES_SERVICE_HOST=10.0.0.1\nKUBERNETES_SERVICE_PORT=443\nKUBERNETES_SERVICE_PORT_HTTPS=443\n" \
	"KUBERNETES_PORT=tcp://10.0.0.1:443\nKUBERNETES_PORT_443_TCP=tcp://10.0.0.1:443\n"                   \
	"KUBERNETES_PORT_443_TCP_PROTO=tcp\nKUBERNETES_PORT_443_TCP_PORT=443\nKUBERNETES_PORT_443_TCP_ADDR=10.0.0.1\n"

static const struct row {
	const char *rule, *pod;
	const char *want;  /* all variables, one a line; the master service's left out */
	const char *error; /* or the sentence */
} rows[] = {
	{ "plain values in order",
	  NO_LINKS("\"env\":[{\"name\":\"B\",\"value\":\"1\"},{\"name\":\"A\",\"value\":\"2\"}]"), "B=1\nA=2\n", NULL },
	{ "references see what came before",
	  NO_LINKS("\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"<$(A)>\"},"
		   "{\"name\":\"C\",\"value\":\"$(D)\"},{\"name\":\"D\",\"value\":\"late\"}]"),
	  "A=1\nB=<1>\nC=$(D)\nD=late\n", NULL },
	{ "a variable may add to itself",
	  NO_LINKS("\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"A\",\"value\":\"$(A)2\"}]"), "A=12\n", NULL },
	{ "two dollars escape one",
	  NO_LINKS("\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"$$(A) $$ $$$(A)\"}]"),
	  "A=1\nB=$(A) $ $1\n", NULL },
	{ "dollars that begin nothing stay", NO_LINKS("\"env\":[{\"name\":\"A\",\"value\":\"$ $x $(A $\"}]"),
	  "A=$ $x $(A $\n", NULL },
	{ "services can be referred to",
	  NO_LINKS("\"env\":[{\"name\":\"A\",\"value\":\"$(KUBERNETES_SERVICE_HOST)\"}]"), "A=10.0.0.1\n", NULL },
	{ "the pod's own value wins over a service's",
	  NO_LINKS("\"env\":[{\"name\":\"KUBERNETES_PORT\",\"value\":\"mine\"}]"),
	  "KUBERNETES_PORT=mine\nKUBERNETES_SERVICE_HOST=10.0.0.1\nKUBERNETES_SERVICE_PORT=443\n"
	  "KUBERNETES_SERVICE_PORT_HTTPS=443\nKUBERNETES_PORT_443_TCP=tcp://10.0.0.1:443\n"
	  "KUBERNETES_PORT_443_TCP_PROTO=tcp\nKUBERNETES_PORT_443_TCP_PORT=443\nKUBERNETES_PORT_443_TCP_ADDR=10.0.0."
	  "1\n",
	  "*" },
	{ "envFrom first, with prefix, env over it",
	  NO_LINKS("\"envFrom\":[{\"prefix\":\"P_\",\"configMapRef\":{\"name\":\"cm\"}},{\"secretRef\":{\"name\":"
		   "\"se\"}}],"
		   "\"env\":[{\"name\":\"P_one\",\"value\":\"over\"},{\"name\":\"X\",\"value\":\"$(pass)\"}]"),
	  "P_one=over\nP_two=2\npass=word\nX=word\n", NULL },
	{ "keys",
	  NO_LINKS("\"env\":[{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"cm\",\"key\":\"two\"}}},"
		   "{\"name\":\"B\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"se\",\"key\":\"pass\"}}}]"),
	  "A=2\nB=word\n", NULL },
	{ "a missing key",
	  NO_LINKS("\"env\":[{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"cm\",\"key\":\"x\"}}}]"),
	  NULL, "couldn't find key x in ConfigMap shop/cm" },
	{ "a missing key of a secret",
	  NO_LINKS("\"env\":[{\"name\":\"A\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"se\",\"key\":\"x\"}}}]"), NULL,
	  "couldn't find key x in Secret shop/se" },
	{ "a missing object", NO_LINKS("\"envFrom\":[{\"configMapRef\":{\"name\":\"gone\"}}]"), NULL,
	  "configmap \"gone\" not found" },
	{ "optional things may be missing",
	  NO_LINKS("\"envFrom\":[{\"configMapRef\":{\"name\":\"gone\",\"optional\":true}}],"
		   "\"env\":[{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"gone\",\"key\":\"x\","
		   "\"optional\":true}}},"
		   "{\"name\":\"B\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"se\",\"key\":\"x\",\"optional\":true}}}"
		   "]"),
	  "", NULL },
	{ "fields of the pod",
	  NO_LINKS("\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.labels['b']\"}}},"
		   "{\"name\":\"B\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.annotations['k.io/n']\"}}},"
		   "{\"name\":\"C\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.uid\"}}},"
		   "{\"name\":\"D\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"spec.nodeName\"}}},"
		   "{\"name\":\"E\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"spec.serviceAccountName\"}}},"
		   "{\"name\":\"F\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.hostIP\"}}},"
		   "{\"name\":\"G\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.podIP\"}}},"
		   "{\"name\":\"H\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.podIPs\"}}},"
		   "{\"name\":\"I\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.labels\"}}}]"),
	  "A=2\nB=v\nC=u-1\nD=n1\nE=sa\nF=192.168.0.1\nG=10.1.0.7\nH=10.1.0.7,fd01::7\nI=a=\"x\\\"y\"\nb=\"2\"\n",
	  NULL },
	{ "a field that there is not",
	  NO_LINKS("\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"spec.color\"}}}]"), NULL,
	  "field label not supported: spec.color" },
	{ "nor one of the metadata",
	  NO_LINKS("\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.generateName\"}}}]"),
	  NULL, "field label not supported: metadata.generateName" },
	{ "a field that is known and yet not shown",
	  NO_LINKS("\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.phase\"}}}]"), NULL,
	  "unsupported fieldPath: status.phase" },
	{ "a subscript of what has none",
	  NO_LINKS("\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"spec.nodeName['x']\"}}}]"),
	  NULL, "field label does not support subscript: spec.nodeName['x']" },
	{ "the node stands in for another container's limit",
	  POD("\"enableServiceLinks\":false,\"containers\":[{\"name\":\"c\",\"env\":[{\"name\":\"A\",\"valueFrom\":{"
	      "\"resourceFieldRef\":{\"containerName\":\"d\",\"resource\":\"limits.memory\"}}}]},{\"name\":\"d\"}],"
	      "\"initContainers\":[{\"name\":\"i\"}]"),
	  "A=1000\n", NULL },
	{ "but not for an init container's",
	  POD("\"enableServiceLinks\":false,\"containers\":[{\"name\":\"c\",\"env\":[{\"name\":\"A\",\"valueFrom\":{"
	      "\"resourceFieldRef\":{\"containerName\":\"i\",\"resource\":\"limits.memory\"}}}]},{\"name\":\"d\"}],"
	      "\"initContainers\":[{\"name\":\"i\"}]"),
	  "A=0\n", NULL },
	{ "resources are rounded up, the node stands in for limits",
	  NO_LINKS("\"resources\":{\"limits\":{\"cpu\":\"1500m\"},\"requests\":{\"memory\":\"65Mi\"}},"
		   "\"env\":[{\"name\":\"A\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.cpu\"}}},"
		   "{\"name\":\"B\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.cpu\",\"divisor\":"
		   "\"1m\"}}},"
		   "{\"name\":\"C\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"requests.memory\",\"divisor\":"
		   "\"1Gi\"}}},"
		   "{\"name\":\"D\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.memory\"}}},"
		   "{\"name\":\"E\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"requests.cpu\"}}}]"),
	  "A=2\nB=1500\nC=1\nD=1000\nE=0\n", NULL },
	{ "a resource of another container",
	  NO_LINKS("\"env\":[{\"name\":\"A\",\"valueFrom\":{\"resourceFieldRef\":{\"containerName\":\"z\",\"resource\":"
		   "\"limits.cpu\"}}}]"),
	  NULL, "container z not found" },
	{ "service links, headless and foreign services left out",
	  POD("\"enableServiceLinks\":true,\"containers\":[{\"name\":\"c\"}]"),
	  MASTER "MY_DB_SERVICE_HOST=fd00::5\nMY_DB_SERVICE_PORT=53\nMY_DB_PORT=udp://[fd00::5]:53\n"
		 "MY_DB_PORT_53_UDP=udp://[fd00::5]:53\nMY_DB_PORT_53_UDP_PROTO=udp\nMY_DB_PORT_53_UDP_PORT=53\n"
		 "MY_DB_PORT_53_UDP_ADDR=fd00::5\n",
	  "*" },
	{ "enableServiceLinks is a must", POD("\"containers\":[{\"name\":\"c\"}]"), NULL,
	  "nil pod.spec.enableServiceLinks encountered, cannot construct envvars" },
};

static void find_objects(struct env_object *objects, size_t n, struct arena *arena)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(objects[i].name, "cm"))
			objects[i].object =
				parse(&core__config_map__descriptor, "{\"data\":{\"one\":\"1\",\"two\":\"2\"}}", arena);
		else if (str_eq(objects[i].name, "se"))
			objects[i].object =
				parse(&core__secret__descriptor, "{\"data\":{\"pass\":\"d29yZA==\"}}", arena);
		else
			err_set(&objects[i].why, -ENOENT, "configmap \"%s\" not found", objects[i].name);
	}
}

static const char *const pod_ips[] = { "10.1.0.7", "fd01::7" }, *const host_ips[] = { "192.168.0.1" };

static void run_row(const struct row *row)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf got = BUF_INIT(65536);
	const Core__Service *services[ARRAY_LEN(services_json)];
	const Core__Pod *pod = parse(&core__pod__descriptor, row->pod, arena);
	struct env_object *objects;
	size_t n_objects;
	struct env env = { 0 };
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(services_json); i++)
		services[i] = parse(&core__service__descriptor, services_json[i], arena);
	env_objects(pod->spec->containers[0], arena, &objects, &n_objects);
	find_objects(objects, n_objects, arena);

	struct env_input input = {
		.pod = pod,
		.container = pod->spec->containers[0],
		.pod_ips = pod_ips,
		.n_pod_ips = 2,
		.host_ips = host_ips,
		.n_host_ips = 1,
		.services = services,
		.n_services = ARRAY_LEN(services),
		.objects = objects,
		.n_objects = n_objects,
		.allocatable = { .milli_cpu = 4000, .memory_bytes = 1000 },
	};

	if (!row->want) {
		CHECK(row->rule, env_build(&input, arena, &env, &err) < 0);
		CHECK_STR(row->rule, err.text, row->error);
		return;
	}
	CHECK_OK(env_build(&input, arena, &env, &err), &err);
	for (const struct env_var *var = env.first; var; var = var->next)
		if (row->error || !str_has_prefix(var->name, "KUBERNETES_"))
			buf_printf(&got, "%s=%s\n", var->name, var->value);
	CHECK_STR(row->rule, buf_text(&got), row->want);
}

TEST(variables)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		run_row(&rows[i]);
}

TEST(doubling_references_end_in_an_error_not_in_memory)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf json = BUF_INIT(65536);
	struct env env = { 0 };
	struct err err = { 0 };

	buf_puts(&json, "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"enableServiceLinks\":false,\"containers\":[{"
			"\"name\":\"c\",\"env\":["
			"{\"name\":\"V0\",\"value\":\"xxxxxxxx\"}");
	for (int i = 1; i < 40; i++)
		buf_printf(&json, ",{\"name\":\"V%d\",\"value\":\"$(V%d)$(V%d)\"}", i, i - 1, i - 1);
	buf_puts(&json, "]}]}}");

	const Core__Pod *pod = parse(&core__pod__descriptor, buf_text(&json), arena);
	const Core__Service *none[1] = { 0 };
	struct env_input input = { .pod = pod, .container = pod->spec->containers[0], .services = none };

	CHECK_INT("bomb", env_build(&input, arena, &env, &err), ==, -E2BIG);
}

TEST(a_zero_byte_is_refused)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const Core__Pod *pod =
		parse(&core__pod__descriptor, NO_LINKS("\"envFrom\":[{\"configMapRef\":{\"name\":\"z\"}}]"), arena);
	struct env_object object = {
		.kind = OBJECT_CONFIGMAP,
		.name = "z",
		.object = parse(&core__config_map__descriptor, "{\"data\":{\"K\":\"a\\u0000b\"}}", arena),
	};
	const Core__Service *none[1] = { 0 };
	struct env_input input = {
		.pod = pod, .container = pod->spec->containers[0], .services = none, .objects = &object, .n_objects = 1
	};
	struct env env = { 0 };
	struct err err = { 0 };

	CHECK_INT("zero", env_build(&input, arena, &env, &err), ==, -EINVAL);
	CHECK_STR("zero", err.text, "the value of environment variable K has a zero byte");
}

/* What fits into the 1.5 MiB of a pod and the 1 MiB of a ConfigMap: the work must not grow with the product. */
TEST(very_many_keys)
{
	enum { KEYS = 20000 };
	_cleanup_arena_ struct arena *arena = arena_new();
	Core__Pod *pod = parse(&core__pod__descriptor, NO_LINKS("\"image\":\"i\""), arena);
	Core__Container *container = pod->spec->containers[0];
	Core__ConfigMap *map = PB_NEW(arena, Core__ConfigMap, core__config_map__descriptor);
	Core__LocalObjectReference *reference =
		PB_NEW(arena, Core__LocalObjectReference, core__local_object_reference__descriptor);
	const Core__Service *none[1] = { 0 };
	struct env_input input = { .pod = pod, .container = container, .services = none };
	struct env_object *objects;
	struct env env = { 0 };
	struct err err = { 0 };

	reference->name = arena_strdup(arena, "cm");
	for (int i = 0; i < KEYS; i++) {
		Core__EnvVar *var = PB_NEW(arena, Core__EnvVar, core__env_var__descriptor);
		Core__ConfigMapKeySelector *key =
			PB_NEW(arena, Core__ConfigMapKeySelector, core__config_map_key_selector__descriptor);
		Core__ConfigMap__DataEntry *entry =
			PB_NEW(arena, Core__ConfigMap__DataEntry, core__config_map__data_entry__descriptor);

		var->name = key->key = entry->key = arena_printf(arena, "key%d", i);
		var->valuefrom = PB_NEW(arena, Core__EnvVarSource, core__env_var_source__descriptor);
		var->valuefrom->configmapkeyref = key;
		key->localobjectreference = reference;
		PB_APPEND(arena, container, env, var);
		PB_APPEND(arena, map, data, entry);
	}
	env_objects(container, arena, &objects, &input.n_objects);
	CHECK_INT("objects", input.n_objects, ==, 1);
	objects->object = map;
	input.objects = objects;
	CHECK_OK(env_build(&input, arena, &env, &err), &err);
	CHECK_INT("variables", env.n, ==, KEYS);
}

TEST(very_many_references_without_an_end)
{
	enum { BYTES = 1 << 20 };
	_cleanup_arena_ struct arena *arena = arena_new();
	char *text = arena_alloc(arena, BYTES + 1), **got;
	struct env env = { 0 };
	struct err err = { 0 };

	for (size_t i = 0; i < BYTES; i++)
		text[i] = "$("[i % 2];
	CHECK_OK(env_expand_all(&text, 1, &env, arena, &got, &err), &err);
	CHECK_STR("as it is", got[0], text);
}

TEST(commands_are_expanded)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct env_var var = { .name = "A", .value = "1" };
	struct env env = { .first = &var, .n = 1 };
	char *texts[] = { (char[]){ "$(A)$(B)" }, (char[]){ "$$(A)" } }, **got;
	struct err err = { 0 };

	CHECK_OK(env_expand_all(texts, 2, &env, arena, &got, &err), &err);
	CHECK_STR("first", got[0], "1$(B)");
	CHECK_STR("second", got[1], "$(A)");
}
