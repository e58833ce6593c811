/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/object/object.h"

#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/kube/listwatch.h"
#include "pkg/test/test.h"

/* Stands in for pkg/kube: watches that the test feeds. */
struct kube_listwatch {
	struct kube_listwatch_spec spec;
	char *path, *query;
	bool open;
};

enum { WATCHES_MAX = 8 };
static struct kube_listwatch watches[WATCHES_MAX];
static size_t n_watches, n_open;

struct kube_listwatch *kube_listwatch_new(struct kube *kube, const struct kube_listwatch_spec *spec)
{
	struct kube_listwatch *watch = &watches[n_watches++];

	*watch = (struct kube_listwatch){ *spec, xstrdup(spec->path), xstrdup(spec->query), true };
	n_open++;
	return watch;
}

void kube_listwatch_free(struct kube_listwatch *watch)
{
	watch->open = false;
	n_open--;
	free(watch->path);
	free(watch->query);
}

static void feed(struct kube_listwatch *watch, const char *json)
{
	struct arena *arena = arena_new();
	ProtobufCMessage *object = NULL;
	struct err err = { 0 };

	CHECK_OK(pbjson_decode(watch->spec.type, json, strlen(json), arena, &object, &err), &err);
	watch->spec.set(watch->spec.owner, object, arena);
}

struct bench {
	struct loop *loop;
	struct objects *objects;
	struct buf changed;
	int code;
	char text[ERR_TEXT_MAX], value[64];
};

static void on_changed(void *owner, const char *uid)
{
	buf_printf(&((struct bench *)owner)->changed, "%s ", uid);
}

static void bench_begin(struct bench *bench)
{
	*bench = (struct bench){ .loop = loop_new(), .changed = BUF_INIT(4096) };
	bench->objects = objects_new(bench->loop, NULL);
	objects_on_change(bench->objects, on_changed, bench);
}

static void bench_end(struct bench *bench)
{
	objects_free(bench->objects);
	CHECK_INT("watches left open", n_open, ==, 0);
	loop_free(bench->loop);
	buf_done(&bench->changed);
}

static void on_got(void *owner, const void *result, const struct err *err)
{
	struct bench *bench = owner;
	const Core__ConfigMap *map = result;

	bench->code = err ? err->code : 0;
	snprintf(bench->text, sizeof bench->text, "%s", err ? err->text : "");
	snprintf(bench->value, sizeof bench->value, "%.*s", map ? (int)map->data[0]->value.len : 0,
		 map ? (const char *)map->data[0]->value.data : "");
	loop_stop(bench->loop);
}

static void get(struct bench *bench, const char *name)
{
	objects_get(bench->objects, OBJECT_CONFIGMAP, "ns", name, on_got, bench);
	loop_run(bench->loop);
}

static void register_pod(struct bench *bench, const char *uid, const char *spec)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const char *json = arena_printf(
		arena, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"%s\"},\"spec\":{%s}}", uid, spec);
	ProtobufCMessage *pod = NULL;
	struct err err = { 0 };

	CHECK_OK(pbjson_decode(&core__pod__descriptor, json, strlen(json), arena, &pod, &err), &err);
	objects_register_pod(bench->objects, (const Core__Pod *)pod);
}

#define USES_CM "\"containers\":[{\"name\":\"c\",\"envFrom\":[{\"configMapRef\":{\"name\":\"cm\"}}]}]"

TEST(one_watch_for_all_pods_that_use_an_object)
{
	struct bench bench;

	bench_begin(&bench);
	register_pod(&bench, "u-1", USES_CM);
	register_pod(&bench, "u-2",
		     "\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"cm\"}}]}}]");
	CHECK_INT("one", n_watches, ==, 1);
	CHECK_STR("path", watches[0].path, "/api/v1/namespaces/ns/configmaps");
	CHECK_STR("of this object alone", watches[0].query, "fieldSelector=metadata.name%3Dcm");
	objects_unregister_pod(bench.objects, "u-1");
	CHECK_INT("still used", n_open, ==, 1);
	objects_unregister_pod(bench.objects, "u-2");
	CHECK_INT("closed with its last user", n_open, ==, 0);
	bench_end(&bench);
}

TEST(everything_that_can_name_an_object_counts)
{
	struct bench bench;

	bench_begin(&bench);
	register_pod(&bench, "u-1",
		     "\"imagePullSecrets\":[{\"name\":\"a\"}],\"containers\":[{\"name\":\"c\",\"env\":["
		     "{\"name\":\"X\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"b\",\"key\":\"k\"}}},"
		     "{\"name\":\"Y\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"c\",\"key\":\"k\"}}}],"
		     "\"envFrom\":[{\"secretRef\":{\"name\":\"d\"}}]}],"
		     "\"volumes\":[{\"name\":\"v\",\"secret\":{\"secretName\":\"e\"}},{\"name\":\"w\",\"configMap\":{"
		     "\"name\":\"f\"}},"
		     "{\"name\":\"x\",\"projected\":{\"sources\":[{\"secret\":{\"name\":\"a\"}}]}}]");
	CHECK_INT("six objects", n_watches, ==, 6);
	bench_end(&bench);
}

TEST(a_get_waits_for_the_first_list)
{
	struct bench bench;

	bench_begin(&bench);
	register_pod(&bench, "u-1", USES_CM);
	get(&bench, "cm");
	CHECK_INT("a second passed", bench.code, ==, -ETIMEDOUT);
	CHECK_STR("text", bench.text, "failed to sync configmap cache: timed out waiting for the condition");

	watches[0].spec.synced(watches[0].spec.owner);
	get(&bench, "cm");
	CHECK_INT("absent", bench.code, ==, -ENOENT);
	CHECK_STR("text", bench.text, "configmap \"cm\" not found");

	buf_clear(&bench.changed);
	feed(&watches[0], "{\"metadata\":{\"name\":\"cm\"},\"data\":{\"k\":\"one\"}}");
	CHECK_STR("its user hears", buf_text(&bench.changed), "u-1 ");
	get(&bench, "cm");
	CHECK_STR("there", bench.value, "one");
	feed(&watches[0], "{\"metadata\":{\"name\":\"cm\"},\"data\":{\"k\":\"two\"}}");
	get(&bench, "cm");
	CHECK_STR("new", bench.value, "two");

	watches[0].spec.gone(watches[0].spec.owner, "ns", "cm", "x");
	get(&bench, "cm");
	CHECK_INT("gone", bench.code, ==, -ENOENT);

	get(&bench, "other");
	CHECK_INT("nobody uses it", bench.code, ==, -EINVAL);
	CHECK_STR("text", bench.text, "object \"ns\"/\"other\" not registered");
	bench_end(&bench);
}

TEST(an_immutable_object_is_kept_without_a_watch)
{
	struct bench bench;

	bench_begin(&bench);
	register_pod(&bench, "u-1", USES_CM);
	feed(&watches[0], "{\"metadata\":{\"name\":\"cm\"},\"immutable\":true,\"data\":{\"k\":\"one\"}}");
	watches[0].spec.synced(watches[0].spec.owner);
	CHECK_INT("not from its own callback", n_open, ==, 1);
	get(&bench, "cm");
	get(&bench, "cm");
	CHECK_STR("there", bench.value, "one");
	CHECK_INT("closed", n_open, ==, 0);
	bench_end(&bench);
}

TEST(a_new_version_of_a_pod_replaces_what_it_used)
{
	struct bench bench;

	bench_begin(&bench);
	register_pod(&bench, "u-1", USES_CM);
	register_pod(&bench, "u-1", USES_CM);
	CHECK_INT("the same watch", n_watches, ==, 1);
	register_pod(&bench, "u-1", "\"containers\":[]");
	CHECK_INT("used no more", n_open, ==, 0);
	bench_end(&bench);
}

TEST(a_get_ends_when_it_is_cancelled_or_its_object_dropped)
{
	struct bench bench;

	bench_begin(&bench);
	register_pod(&bench, "u-1", USES_CM);
	task_cancel(objects_get(bench.objects, OBJECT_CONFIGMAP, "ns", "cm", on_got, &bench));
	loop_run(bench.loop);
	CHECK_INT("cancelled", bench.code, ==, -ECANCELED);
	objects_get(bench.objects, OBJECT_CONFIGMAP, "ns", "cm", on_got, &bench);
	objects_unregister_pod(bench.objects, "u-1");
	loop_run(bench.loop);
	CHECK_INT("dropped", bench.code, ==, -EINVAL);
	register_pod(&bench, "u-1", USES_CM);
	bench.code = 0;
	objects_get(bench.objects, OBJECT_CONFIGMAP, "ns", "cm", on_got, &bench);
	objects_free(bench.objects);
	CHECK_INT("not inside the call", bench.code, ==, 0);
	loop_run(bench.loop);
	CHECK_INT("freed", bench.code, ==, -EINVAL);
	bench.objects = NULL;
	bench_end(&bench);
}
