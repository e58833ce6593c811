/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/labels.h"

#include <string.h>

#include "kubelet/runtime/runtime.h"
#include "pkg/base/base.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

static Core__Pod *parse_pod(const char *json, struct arena *arena)
{
	ProtobufCMessage *message = NULL;
	struct err err = { 0 };

	CHECK_OK(pbjson_decode(&core__pod__descriptor, json, strlen(json), arena, &message, &err), &err);
	return (Core__Pod *)message;
}

TEST(hash_is_the_stock_kubelets)
{
	static const struct row {
		const char *rule, *name, *image;
		uint64_t want;
	} rows[] = {
		{ "upstream's own sample, stable since v1.31", "test_container", "foo/image:v1", 0x8e45cbd0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		Core__Container container = CORE__CONTAINER__INIT;

		container.name = (char *)(uintptr_t)rows[i].name;
		container.image = (char *)(uintptr_t)rows[i].image;
		CHECK_INT(rows[i].rule, runtime_container_hash(&container), ==, rows[i].want);
	}
}

static const char *annotation_of(const Cri__ContainerConfig *config, const char *key)
{
	for (size_t i = 0; i < config->n_annotations; i++)
		if (str_eq(config->annotations[i]->key, key))
			return config->annotations[i]->value;
	return NULL;
}

TEST(a_container_reads_back_as_it_was_written)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	Core__Pod *pod = parse_pod(
		"{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u-1\"},"
		"\"spec\":{\"terminationGracePeriodSeconds\":30,\"containers\":[{\"name\":\"nginx\","
		"\"image\":\"nginx:1\",\"terminationMessagePath\":\"/dev/termination-log\","
		"\"terminationMessagePolicy\":\"FallbackToLogsOnError\","
		"\"ports\":[{\"name\":\"http\",\"containerPort\":80,\"protocol\":\"TCP\"},{\"containerPort\":81}]}]}}",
		arena);
	Cri__ContainerConfig *config = PB_NEW(arena, Cri__ContainerConfig, cri__container_config__descriptor);
	Cri__ContainerStatus *status = PB_NEW(arena, Cri__ContainerStatus, cri__container_status__descriptor);
	struct labels_container got;

	labels_set_container(pod, pod->spec->containers[0], 7, config, arena);
	CHECK_STR("ports", annotation_of(config, "io.kubernetes.container.ports"),
		  "[{\"name\":\"http\",\"containerPort\":80,\"protocol\":\"TCP\"},{\"containerPort\":81}]");
	CHECK_STR("grace", annotation_of(config, "io.kubernetes.pod.terminationGracePeriod"), "30");
	CHECK("not being deleted", !annotation_of(config, "io.kubernetes.pod.deletionGracePeriod"));

	status->n_labels = config->n_labels;
	status->labels = (Cri__ContainerStatus__LabelsEntry **)config->labels;
	status->n_annotations = config->n_annotations;
	status->annotations = (Cri__ContainerStatus__AnnotationsEntry **)config->annotations;
	labels_get_container(status, &got);
	CHECK_STR("pod", got.pod_name, "web");
	CHECK_STR("namespace", got.pod_namespace, "shop");
	CHECK_STR("name", got.name, "nginx");
	CHECK_INT("restarts", got.restart_count, ==, 7);
	CHECK_INT("hash", got.hash, ==, runtime_container_hash(pod->spec->containers[0]));
	CHECK_STR("message path", got.termination_message_path, "/dev/termination-log");
	CHECK("message policy", got.termination_message_from_logs);
}

TEST(broken_annotations_count_as_absent)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	Cri__ContainerStatus *status = PB_NEW(arena, Cri__ContainerStatus, cri__container_status__descriptor);
	static const char *const pairs[][2] = {
		{ "io.kubernetes.container.hash", "12345678901234567" },
		{ "io.kubernetes.container.restartCount", "-3" },
	};
	struct labels_container got;

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		Cri__ContainerStatus__AnnotationsEntry *entry =
			PB_NEW(arena, Cri__ContainerStatus__AnnotationsEntry,
			       cri__container_status__annotations_entry__descriptor);

		entry->key = arena_strdup(arena, pairs[i][0]);
		entry->value = arena_strdup(arena, pairs[i][1]);
		PB_APPEND(arena, status, annotations, entry);
	}
	labels_get_container(status, &got);
	CHECK_INT("hash", got.hash, ==, 0);
	CHECK_INT("restarts", got.restart_count, ==, 0);
	CHECK("no name", !got.name);
}

TEST(a_sandbox_carries_the_pods_labels_but_keeps_its_own_identity)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	Core__Pod *pod = parse_pod(
		"{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u-1\",\"labels\":{\"app\":\"x\","
		"\"io.kubernetes.pod.uid\":\"forged\"},\"annotations\":{\"a\":\"b\"}},\"spec\":{}}",
		arena);
	Cri__PodSandboxConfig *config = PB_NEW(arena, Cri__PodSandboxConfig, cri__pod_sandbox_config__descriptor);
	const char *uid = NULL, *app = NULL;

	labels_set_sandbox(pod, config, arena);
	CHECK_INT("labels", config->n_labels, ==, 4);
	for (size_t i = 0; i < config->n_labels; i++) {
		if (str_eq(config->labels[i]->key, "io.kubernetes.pod.uid"))
			uid = config->labels[i]->value;
		if (str_eq(config->labels[i]->key, "app"))
			app = config->labels[i]->value;
	}
	CHECK_STR("uid", uid, "u-1");
	CHECK_STR("app", app, "x");
	CHECK_INT("annotations", config->n_annotations, ==, 1);
}
