/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/node/status.h"

#include <string.h>

#include "kubelet/config/config.h"
#include "pkg/base/base.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

#define GI (INT64_C(1) << 30)

static const struct node_facts machine = {
	.cpus = 4,
	.memory_bytes = 16 * GI,
	.disk_bytes = 100000000001,
	.hugepages = { { .bytes = GI, .total_bytes = 0 }, { .bytes = 2 << 20, .total_bytes = GI } },
	.n_hugepages = 2,
	.machine_id = "m",
	.system_uuid = "s",
	.boot_id = "b",
	.kernel = "6.1",
	.os_image = "Debian",
	.architecture = "amd64",
};

static Config__KubeletConfiguration *config_of(struct arena *arena, const char *json)
{
	ProtobufCMessage *message;
	struct err err;

	CHECK_OK(pbjson_decode(&config__kubelet_configuration__descriptor, json, strlen(json), arena, &message, &err),
		 &err);
	return (Config__KubeletConfiguration *)message;
}

static const char *value_of(const Core__NodeStatus *status, const char *key, bool allocatable)
{
	for (size_t i = 0; !allocatable && i < status->n_capacity; i++)
		if (str_eq(status->capacity[i]->key, key))
			return status->capacity[i]->value->string;
	for (size_t i = 0; allocatable && i < status->n_allocatable; i++)
		if (str_eq(status->allocatable[i]->key, key))
			return status->allocatable[i]->value->string;
	return "none";
}

TEST(what_a_node_has_and_what_pods_may_use)
{
	static const struct {
		const char *rule, *config, *key, *capacity, *allocatable;
	} rows[] = {
		{ "all of it", "{}", "cpu", "4", "4" },
		{ "hugepages are no memory", "{}", "memory", "16Gi", "15Gi" },
		{ "hugepages", "{}", "hugepages-2Mi", "1Gi", "1Gi" },
		{ "none of a size", "{}", "hugepages-1Gi", "0", "0" },
		{ "pods", "{\"maxPods\":30}", "pods", "30", "30" },
		{ "kube and system are added",
		  "{\"kubeReserved\":{\"cpu\":\"500m\"},\"systemReserved\":{\"cpu\":\"1\"}}", "cpu", "4", "2500m" },
		{ "reserved memory", "{\"systemReserved\":{\"memory\":\"1Gi\"}}", "memory", "16Gi", "14Gi" },
		{ "eviction by amount", "{\"evictionHard\":{\"memory.available\":\"512Mi\"}}", "memory", "16Gi",
		  "14848Mi" },
		/* float32(10)/100 is 0.100000001490116, as in stock */
		{ "eviction by percentage", "{\"evictionHard\":{\"nodefs.available\":\"10%\"}}", "ephemeral-storage",
		  "100000000001", "89999999852" },
		{ "never below zero", "{\"kubeReserved\":{\"ephemeral-storage\":\"1Ti\"}}", "ephemeral-storage",
		  "100000000001", "0" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct node_status_input input = {
			.facts = &machine, .config = config_of(arena, rows[i].config), .name = "n", .now_s = 1
		};
		const Core__NodeStatus *status = node_status_compute(&input, arena);

		CHECK_STR(rows[i].rule, value_of(status, rows[i].key, false), rows[i].capacity);
		CHECK_STR(rows[i].rule, value_of(status, rows[i].key, true), rows[i].allocatable);
	}
}

TEST(more_reserved_than_there_is)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct err err;

	CHECK_INT("fits",
		  node_status_check_reserved(&machine, config_of(arena, "{\"kubeReserved\":{\"cpu\":\"4\"}}"), &err),
		  ==, 0);
	CHECK_INT(
		"cpu",
		node_status_check_reserved(&machine, config_of(arena, "{\"kubeReserved\":{\"cpu\":\"4001m\"}}"), &err),
		==, -EINVAL);
	CHECK_INT("memory",
		  node_status_check_reserved(&machine, config_of(arena, "{\"kubeReserved\":{\"memory\":\"17Gi\"}}"),
					     &err),
		  ==, -EINVAL);
}

/* A runtime's answer with both conditions; NULL leaves one out, "" is true, other text is false with that message. */
static Cri__StatusResponse *runtime_says(struct arena *arena, const char *runtime, const char *network)
{
	Cri__StatusResponse *response = PB_NEW(arena, Cri__StatusResponse, cri__status_response__descriptor);
	const char *const says[][2] = { { "RuntimeReady", runtime }, { "NetworkReady", network } };

	response->status = PB_NEW(arena, Cri__RuntimeStatus, cri__runtime_status__descriptor);
	for (size_t i = 0; i < ARRAY_LEN(says); i++) {
		Cri__RuntimeCondition *condition;

		if (!says[i][1])
			continue;
		condition = PB_NEW(arena, Cri__RuntimeCondition, cri__runtime_condition__descriptor);
		condition->type = arena_strdup(arena, says[i][0]);
		condition->status = says[i][1][0] == 0;
		condition->reason = arena_strdup(arena, "R");
		condition->message = arena_strdup(arena, says[i][1]);
		PB_APPEND(arena, response->status, conditions, condition);
	}
	return response;
}

TEST(readiness_in_the_words_of_stock)
{
	static const struct {
		const char *rule;
		bool asked, ready, down;
		const char *runtime, *network, *unhealthy, *message;
	} rows[] = {
		{ "well", true, true, false, "", "", NULL, "kubelet is posting ready status" },
		{ "not asked yet", false, false, false, "", "", NULL,
		  "[container runtime status check may not have completed yet, network state unknown]" },
		{ "no network", true, true, false, "", "cni plugin not initialized", NULL,
		  "container runtime network not ready: NetworkReady=false reason:R message:cni plugin not "
		  "initialized" },
		{ "down", true, true, true, "", "", NULL, "container runtime is down" },
		{ "in order", true, true, true, "a", "b", "PLEG is not healthy: x",
		  "[container runtime is down, PLEG is not healthy: x, container runtime not ready: RuntimeReady=false "
		  "reason:R message:a, container runtime network not ready: NetworkReady=false reason:R message:b]" },
		{ "never ready so far", true, false, false, "a", "", NULL,
		  "[container runtime status check may not have completed yet, container runtime not ready: "
		  "RuntimeReady=false reason:R message:a]" },
		{ "it says nothing", true, true, false, "", NULL, NULL, "container runtime network not ready: <nil>" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct node_status_input input = {
			.facts = &machine,
			.config = config_of(arena, "{}"),
			.name = "n",
			.runtime = rows[i].asked ? runtime_says(arena, rows[i].runtime, rows[i].network) : NULL,
			.runtime_was_ready = rows[i].ready,
			.runtime_is_down = rows[i].down,
			.unhealthy = rows[i].unhealthy,
			.now_s = 1,
		};
		const Core__NodeStatus *status = node_status_compute(&input, arena);
		static const char *const order[] = { "MemoryPressure", "DiskPressure", "PIDPressure", "Ready" };

		CHECK_INT(rows[i].rule, status->n_conditions, ==, 4);
		for (size_t c = 0; c < ARRAY_LEN(order); c++)
			CHECK_STR(rows[i].rule, status->conditions[c]->type, order[c]);
		CHECK_STR(rows[i].rule, status->conditions[3]->message, rows[i].message);
		CHECK_STR(rows[i].rule, status->conditions[3]->status, i == 0 ? "True" : "False");
		CHECK_STR(rows[i].rule, status->conditions[3]->reason, i == 0 ? "KubeletReady" : "KubeletNotReady");
	}
}

TEST(times_of_transitions_stay_while_nothing_turns)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct node_status_input input = {
		.facts = &machine, .config = config_of(arena, "{}"), .name = "n", .now_s = 100
	};
	const Core__NodeStatus *first = node_status_compute(&input, arena);

	input.before = first;
	input.now_s = 200;
	const Core__NodeStatus *second = node_status_compute(&input, arena);
	CHECK_INT("heartbeat", second->conditions[3]->lastheartbeattime->seconds, ==, 200);
	CHECK_INT("transition", second->conditions[3]->lasttransitiontime->seconds, ==, 100);
	CHECK("heartbeats alone are no change", node_status_is_same(first, second));
	input.before = second;
	input.now_s = 300;
	input.runtime = runtime_says(arena, "", "");
	input.runtime_was_ready = true;
	const Core__NodeStatus *third = node_status_compute(&input, arena);
	CHECK_INT("ready turned", third->conditions[3]->lasttransitiontime->seconds, ==, 300);
	CHECK_INT("the others did not", third->conditions[0]->lasttransitiontime->seconds, ==, 100);
	CHECK("a change", !node_status_is_same(second, third));
}

TEST(images_by_size_with_at_most_five_names)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	Cri__ListImagesResponse *images = PB_NEW(arena, Cri__ListImagesResponse, cri__list_images_response__descriptor);
	static const int sizes[] = { 10, 30, 20 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		Cri__Image *image = PB_NEW(arena, Cri__Image, cri__image__descriptor);

		image->size = (uint64_t)sizes[i];
		for (int t = 0; t < 4; t++)
			PB_APPEND(arena, image, repo_tags, arena_printf(arena, "i%zu:%d", i, t));
		for (int d = 0; d < 2; d++)
			PB_APPEND(arena, image, repo_digests, arena_printf(arena, "i%zu@%d", i, d));
		PB_APPEND(arena, images, images, image);
	}
	struct node_status_input input = { .facts = &machine,
					   .config = config_of(arena, "{\"nodeStatusMaxImages\":2}"),
					   .name = "n",
					   .images = images,
					   .now_s = 1 };
	const Core__NodeStatus *status = node_status_compute(&input, arena);
	CHECK_INT("at most", status->n_images, ==, 2);
	CHECK_INT("largest", status->images[0]->sizebytes, ==, 30);
	CHECK_INT("then", status->images[1]->sizebytes, ==, 20);
	CHECK_INT("names", status->images[0]->n_names, ==, 5);
	CHECK_STR("digests first", status->images[0]->names[0], "i1@0");
	CHECK_STR("then tags", status->images[0]->names[2], "i1:0");
}

TEST(the_runtimes_version_as_stock_prints_it)
{
	static const struct {
		const char *says, *shows;
	} rows[] = { { "v2.3.7", "c://2.3.7" }, { "2.3.7-rc.1", "c://2.3.7-rc.1" }, { "version", "c://version" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		Cri__VersionResponse *version = PB_NEW(arena, Cri__VersionResponse, cri__version_response__descriptor);
		struct node_status_input input = { .facts = &machine,
						   .config = config_of(arena, "{\"port\":10250}"),
						   .name = "n",
						   .ips = (const char *const[]){ "10.0.0.1", "fd00::1" },
						   .n_ips = 2,
						   .version = version,
						   .now_s = 1 };

		version->runtime_name = arena_strdup(arena, "c");
		version->runtime_version = arena_strdup(arena, rows[i].says);
		const Core__NodeStatus *status = node_status_compute(&input, arena);
		CHECK_STR(rows[i].says, status->nodeinfo->containerruntimeversion, rows[i].shows);
		CHECK_INT("addresses", status->n_addresses, ==, 3);
		CHECK_STR("second", status->addresses[1]->address, "fd00::1");
		CHECK_STR("host name last", status->addresses[2]->type, "Hostname");
		CHECK_INT("port", status->daemonendpoints->kubeletendpoint->port, ==, 10250);
	}
}

TEST(addresses_of_a_cloud_controller_stay)
{
	static const struct {
		const char *what, *provided;
		bool await;
		const char *first;
		size_t n;
	} rows[] = {
		{ "no controller", NULL, false, "10.0.0.1", 2 },
		{ "one that has not spoken", "{}", true, "n", 1 },
		{ "nor would it know better", "{}", false, "10.0.0.1", 2 },
		{ "one that has", "{\"addresses\":[{\"type\":\"ExternalIP\",\"address\":\"9.9.9.9\"}]}", false,
		  "9.9.9.9", 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct node_status_input input = { .facts = &machine,
						   .config = config_of(arena, "{\"port\":10250}"),
						   .name = "n",
						   .ips = (const char *const[]){ "10.0.0.1" },
						   .n_ips = 1,
						   .await_addresses = rows[i].await,
						   .now_s = 1 };
		ProtobufCMessage *message;
		struct err err;

		if (rows[i].provided) {
			CHECK_OK(pbjson_decode(&core__node_status__descriptor, rows[i].provided,
					       strlen(rows[i].provided), arena, &message, &err),
				 &err);
			input.provided = (const Core__NodeStatus *)message;
		}
		const Core__NodeStatus *status = node_status_compute(&input, arena);
		CHECK_INT(rows[i].what, status->n_addresses, ==, rows[i].n);
		CHECK_STR(rows[i].what, status->addresses[0]->address, rows[i].first);
	}
}

TEST(pods_per_core_lowers_the_number_of_pods)
{
	static const struct {
		const char *config;
		int64_t pods;
	} rows[] = { { "{\"maxPods\":110}", 110 },
		     { "{\"maxPods\":110,\"podsPerCore\":0}", 110 },
		     { "{\"maxPods\":110,\"podsPerCore\":10}", 20 },
		     { "{\"maxPods\":15,\"podsPerCore\":10}", 15 } };
	const struct node_facts facts = { .cpus = 2 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();

		CHECK_INT(rows[i].config, node_status_pods(&facts, config_of(arena, rows[i].config)), ==, rows[i].pods);
	}
}
