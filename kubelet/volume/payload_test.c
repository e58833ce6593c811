/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/volume/payload.h"

#include <stdio.h>
#include <string.h>

#include "kubelet/volume/volume.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

/* JSON with single quotes. */
static void *object_of(struct arena *arena, const ProtobufCMessageDescriptor *type, const char *text)
{
	char *json = arena_strdup(arena, text);
	ProtobufCMessage *object = NULL;
	struct err err;

	for (char *c = json; *c; c++)
		if (*c == '\'')
			*c = '"';
	CHECK_OK(pbjson_decode(type, json, strlen(json), arena, &object, &err), &err);
	return object;
}

/* "path mode owner content;" for each file */
static const char *show(const struct payload *payload)
{
	static char text[4096];
	size_t used = 0;

	text[0] = 0;
	for (const struct payload_file *file = payload->first; file; file = file->next)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s %o %d %.*s;", file->path, file->mode,
					 (int)file->owner, (int)file->size, (const char *)file->bytes);
	return text;
}

static const struct {
	const char *rule, *source, *object, *want;
} configmaps[] = {
	{ "all keys, data and binaryData", "{}", "{'data':{'a':'1'},'binaryData':{'b':'Mg=='}}",
	  "a 644 -1 1;b 644 -1 2;" },
	{ "items choose, rename and set modes",
	  "{'items':[{'key':'a','path':'x/./y'},{'key':'b','path':'z','mode':256}]}",
	  "{'data':{'a':'1','c':'3'},'binaryData':{'b':'Mg=='}}", "x/y 644 -1 1;z 400 -1 2;" },
	{ "a missing key", "{'items':[{'key':'q','path':'q'}]}", "{'data':{'a':'1'}}",
	  "configmap references non-existent config key: q" },
	{ "a missing key of an optional one", "{'items':[{'key':'q','path':'q'}],'optional':true}",
	  "{'data':{'a':'1'}}", "" },
	{ "an optional one that does not exist", "{'optional':true}", NULL, "" },
	{ "a path that leaves the volume", "{'items':[{'key':'a','path':'x/../../y'}]}", "{'data':{'a':'1'}}",
	  "invalid path: must not contain '..': x/../../y" },
	{ "an absolute path", "{'items':[{'key':'a','path':'/etc/passwd'}]}", "{'data':{'a':'1'}}",
	  "invalid path: must be relative path: /etc/passwd" },
	{ "a path like the writer's own", "{'items':[{'key':'a','path':'..data'}]}", "{'data':{'a':'1'}}",
	  "invalid path: must not start with '..': ..data" },
	{ "dots deeper inside are a name", "{'items':[{'key':'a','path':'b/..data'}]}", "{'data':{'a':'1'}}",
	  "b/..data 644 -1 1;" },
};

TEST(configmap_files)
{
	for (size_t i = 0; i < ARRAY_LEN(configmaps); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		const Core__ConfigMapVolumeSource *source =
			object_of(arena, &core__config_map_volume_source__descriptor, configmaps[i].source);
		const Core__ConfigMap *object =
			configmaps[i].object ? object_of(arena, &core__config_map__descriptor, configmaps[i].object)
					     : NULL;
		_cleanup_payload_ struct payload payload = { .arena = arena };
		struct err err;
		int code = payload_add_configmap(&payload, object, source->items, source->n_items, PAYLOAD_MODE,
						 source->optional, &err);

		CHECK_STR(configmaps[i].rule, code < 0 ? err.text : show(&payload), configmaps[i].want);
	}
}

TEST(secret_files)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const Core__Secret *object = object_of(arena, &core__secret__descriptor, "{'data':{'k':'c2VjcmV0','n':''}}");
	const Core__SecretVolumeSource *source =
		object_of(arena, &core__secret_volume_source__descriptor, "{'items':[{'key':'q','path':'q'}]}");
	_cleanup_payload_ struct payload payload = { .arena = arena };
	struct err err;

	CHECK_OK(payload_add_secret(&payload, object, NULL, 0, 0400, false, &err), &err);
	CHECK_STR("all keys", show(&payload), "k 400 -1 secret;n 400 -1 ;");
	CHECK_INT("a missing key", payload_add_secret(&payload, object, source->items, 1, 0400, false, &err), ==,
		  -ENOENT);
	CHECK_STR("stock's words", err.text, "references non-existent secret key: q");
}

static const char pod_json[] =
	"{'metadata':{'name':'p','namespace':'ns','uid':'u-1','labels':{'z':'2','a':'x'},"
	"'annotations':{'n':'one\\ntwo'}},'spec':{'containers':[{'name':'c','resources':{'requests':{'cpu':'250m',"
	"'memory':'64Mi'},'limits':{'memory':'100Mi'}}},{'name':'d'}]}}";

static const struct {
	const char *rule, *items, *want;
} downward[] = {
	{ "names",
	  "[{'path':'n','fieldRef':{'fieldPath':'metadata.name'}},{'path':'u','fieldRef':{'fieldPath':'metadata.uid'},"
	  "'mode':292}]",
	  "n 644 -1 p;u 444 -1 u-1;" },
	{ "annotations are quoted", "[{'path':'a','fieldRef':{'fieldPath':'metadata.annotations'}}]",
	  "a 644 -1 n=\"one\\ntwo\";" },
	{ "one label", "[{'path':'l','fieldRef':{'fieldPath':'metadata.labels[Qz~]'}}]", "l 644 -1 2;" },
	{ "a label that is not there is empty", "[{'path':'l','fieldRef':{'fieldPath':'metadata.labels[Qno~]'}}]",
	  "l 644 -1 ;" },
	{ "what a volume cannot show", "[{'path':'i','fieldRef':{'fieldPath':'status.podIP'}}]",
	  "unsupported fieldPath: status.podIP" },
	{ "cpu is rounded up to whole ones",
	  "[{'path':'r','resourceFieldRef':{'containerName':'c','resource':'requests.cpu'}}]", "r 644 -1 1;" },
	{ "in thousandths",
	  "[{'path':'r','resourceFieldRef':{'containerName':'c','resource':'requests.cpu','divisor':'1m'}}]",
	  "r 644 -1 250;" },
	{ "a limit in Mi",
	  "[{'path':'r','resourceFieldRef':{'containerName':'c','resource':'limits.memory','divisor':'1Mi'}}]",
	  "r 644 -1 100;" },
	{ "without a limit the node's",
	  "[{'path':'r','resourceFieldRef':{'containerName':'d','resource':'limits.memory'}}]", "r 644 -1 1000;" },
	{ "without a request nothing",
	  "[{'path':'r','resourceFieldRef':{'containerName':'d','resource':'requests.memory'}}]", "r 644 -1 0;" },
	{ "a container that is not there",
	  "[{'path':'r','resourceFieldRef':{'containerName':'e','resource':'limits.cpu'}}]", "container e not found" },
	{ "all that is wrong, each once",
	  "[{'path':'a','resourceFieldRef':{'containerName':'e','resource':'limits.cpu'}},"
	  "{'path':'b','resourceFieldRef':{'containerName':'e','resource':'limits.memory'}},"
	  "{'path':'c','resourceFieldRef':{'containerName':'f','resource':'limits.cpu'}}]",
	  "[container e not found, container f not found]" },
	{ "a resource that is none", "[{'path':'r','resourceFieldRef':{'containerName':'c','resource':'limits.x'}}]",
	  "unsupported container resource : limits.x" },
};

TEST(downward_files)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	char *json = arena_strdup(arena, pod_json);
	struct amounts allocatable = { 3000, 1000, 2000, 0 };
	const Core__Pod *pod = object_of(arena, &core__pod__descriptor, str_or(json, ""));

	for (size_t i = 0; i < ARRAY_LEN(downward); i++) {
		char *items = arena_printf(arena, "{'items':%s}", downward[i].items);
		_cleanup_payload_ struct payload payload = { .arena = arena };
		struct err err;

		/* Q and ~ stand for the quotes of a subscript */
		const Core__DownwardAPIVolumeSource *source;
		for (char *c = items; *c; c++)
			if (*c == '\'')
				*c = '"';
		for (char *c = items; *c; c++)
			if (*c == 'Q' || *c == '~')
				*c = '\'';
		ProtobufCMessage *message = NULL;
		CHECK_OK(pbjson_decode(&core__downward_apivolume_source__descriptor, items, strlen(items), arena,
				       &message, &err),
			 &err);
		source = (const Core__DownwardAPIVolumeSource *)(void *)message;
		int code = payload_add_downward(&payload, source->items, source->n_items, pod, &allocatable,
						PAYLOAD_MODE, &err);

		CHECK_STR(downward[i].rule, code < 0 ? err.text : show(&payload), downward[i].want);
	}
}

static const struct {
	const char *rule, *spec;
	int64_t user, group;
} users[] = {
	{ "nothing said", "{'containers':[{'name':'a'}]}", -1, -1 },
	{ "the pod's user", "{'securityContext':{'runAsUser':7,'fsGroup':9},'containers':[{'name':'a'},{'name':'b'}]}",
	  7, 9 },
	{ "a container says otherwise",
	  "{'securityContext':{'runAsUser':7},'containers':[{'name':'a'},{'securityContext':{'runAsUser':8}}]}", -1,
	  -1 },
	{ "both say the same",
	  "{'containers':[{'securityContext':{'runAsUser':8}},{'securityContext':{'runAsUser':8}}]}", 8, -1 },
	{ "init containers count",
	  "{'initContainers':[{'name':'i'}],'containers':[{'securityContext':{'runAsUser':8}}]}", -1, -1 },
	{ "root is a user too", "{'securityContext':{'runAsUser':0},'containers':[{'name':'a'}]}", 0, -1 },
};

TEST(user_and_group_of_a_pod)
{
	for (size_t i = 0; i < ARRAY_LEN(users); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		const Core__Pod *pod =
			object_of(arena, &core__pod__descriptor, arena_printf(arena, "{'spec':%s}", users[i].spec));

		CHECK_INT(users[i].rule, payload_pod_user(pod), ==, users[i].user);
		CHECK_INT(users[i].rule, payload_pod_group(pod), ==, users[i].group);
	}
}

TEST(folders_for_volumes_mounted_inside)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const Core__Pod *pod =
		object_of(arena, &core__pod__descriptor,
			  "{'spec':{'containers':[{'volumeMounts':[{'name':'v','mountPath':'/dir/'},"
			  "{'name':'w','mountPath':'/dir/nested'},{'name':'w','mountPath':'/dir/nested/deep'},"
			  "{'name':'w','mountPath':'/dir/nested2/x'},{'name':'w','mountPath':'/dir2/x'},"
			  "{'name':'w','mountPath':'/dir/nested-2'},{'name':'w','mountPath':'/dir/a/../b'},"
			  "{'name':'w','mountPath':'/dir'}]}]}}");
	char **nested = payload_nested_mounts(pod, "v", arena);

	CHECK_STR("first", nested[0], "nested");
	CHECK_STR("second", nested[1], "nested-2");
	CHECK_STR("third", nested[2], "nested2/x");
	CHECK("end", !nested[3]);
	nested = payload_nested_mounts(pod, "x", arena);
	CHECK("none of a volume that is nowhere", !nested[0]);
}

TEST(what_is_below_a_folder_lies_together)
{
	static const char *const sorted[] = {
		"a", "a/b", "a/b/c", "a/c", "a\x01", "a\x01z", "a-b", "a.b", "ab", "a\xff"
	};

	for (size_t i = 0; i < ARRAY_LEN(sorted); i++)
		for (size_t k = 0; k < ARRAY_LEN(sorted); k++)
			CHECK_INT("order",
				  (payload_compare(sorted[i], sorted[k]) > 0) -
					  (payload_compare(sorted[i], sorted[k]) < 0),
				  ==, (i > k) - (i < k));
}

/* A pod may have as many mounts as fit into 1.5 MiB: neither time nor memory may grow with their square. */
TEST(folders_for_very_many_mounts)
{
	enum { MOUNTS = 20000 };
	_cleanup_arena_ struct arena *arena = arena_new_limited(64 << 20);
	Core__Pod *pod = PB_NEW(arena, Core__Pod, core__pod__descriptor);
	Core__Container *container = PB_NEW(arena, Core__Container, core__container__descriptor);
	char **nested;
	size_t n = 0;

	pod->spec = PB_NEW(arena, Core__PodSpec, core__pod_spec__descriptor);
	PB_APPEND(arena, pod->spec, containers, container);
	for (int i = 0; i < MOUNTS; i++) {
		Core__VolumeMount *mount = PB_NEW(arena, Core__VolumeMount, core__volume_mount__descriptor);

		mount->name = arena_strdup(arena, "v");
		mount->mountpath = i ? arena_printf(arena, "/v/%d", i) : arena_strdup(arena, "/v");
		PB_APPEND(arena, container, volumemounts, mount);
	}
	nested = payload_nested_mounts(pod, "v", arena);
	while (nested[n])
		n++;
	CHECK_INT("all below the first", n, ==, MOUNTS - 1);
}

static const struct {
	const char *volumes, *want;
} unsupported[] = {
	{ "[{'name':'a','emptyDir':{}},{'name':'b','hostPath':{'path':'/'}},{'name':'c','configMap':{'name':'x'}}]",
	  "none" },
	{ "[{'name':'a','secret':{}},{'name':'b','persistentVolumeClaim':{'claimName':'x'}}]",
	  "spec.volumes[1].persistentVolumeClaim" },
	{ "[{'name':'a','csi':{'driver':'x'}}]", "spec.volumes[0].csi" },
	{ "[{'name':'a','image':{'reference':'x'}}]", "spec.volumes[0].image" },
	{ "[{'name':'a','ephemeral':{}}]", "spec.volumes[0].ephemeral" },
	{ "[{'name':'a','nfs':{'server':'x','path':'/'}}]", "spec.volumes[0].nfs" },
	{ "[{'name':'a','emptyDir':{'medium':'HugePages-2Mi'}}]", "spec.volumes[0].emptyDir.medium" },
	{ "[{'name':'a','projected':{'sources':[{'serviceAccountToken':{'path':'t'}},{'podCertificate':{'signerName':'"
	  "x'}}]}}]",
	  "spec.volumes[0].projected.sources[1].podCertificate" },
	{ "[{'name':'a','projected':{'sources':[{'clusterTrustBundle':{'path':'t'}}]}}]",
	  "spec.volumes[0].projected.sources[0].clusterTrustBundle" },
};

TEST(sources_that_are_not_mounted_yet_are_named)
{
	for (size_t i = 0; i < ARRAY_LEN(unsupported); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		const Core__Pod *pod =
			object_of(arena, &core__pod__descriptor,
				  arena_printf(arena, "{'spec':{'volumes':%s}}", unsupported[i].volumes));

		CHECK_STR(unsupported[i].volumes, str_or(volume_unsupported(pod, arena), "none"), unsupported[i].want);
	}
}

/* A ConfigMap may have as many keys as fit into 1.5 MiB: the work must not grow with their square. */
TEST(very_many_files)
{
	enum { FILES = 30000 };
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_payload_ struct payload payload = { .arena = arena };
	struct err err;

	for (int i = 0; i < FILES; i++)
		CHECK_OK(payload_put(&payload, arena_printf(arena, "%d", i), "", 0, 0644, -1, &err), &err);
	CHECK_OK(payload_put(&payload, "7", "again", 5, 0644, -1, &err), &err);
	CHECK_INT("each path once", payload.n, ==, FILES);
	CHECK_INT("the later content", payload.bytes, ==, 5);
}
