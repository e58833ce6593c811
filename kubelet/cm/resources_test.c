/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/cm/resources.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

static const struct {
	const char *rule, *spec;
	enum cm_qos qos;
	struct cm_values want;
} rows[] = {
	{ "nothing asked", "{'containers':[{'name':'a'}]}", CM_BEST_EFFORT, { 2, -1, -1, -1, -1 } },
	{ "zero is nothing",
	  "{'containers':[{'name':'a','resources':{'requests':{'cpu':'0'}}}]}",
	  CM_BEST_EFFORT,
	  { 2, -1, -1, -1, -1 } },
	{ "other resources alone are nothing",
	  "{'containers':[{'resources':{'limits':{'ephemeral-storage':'1Gi'}}}]}",
	  CM_BEST_EFFORT,
	  { 2, -1, -1, -1, -1 } },
	{ "a request alone",
	  "{'containers':[{'resources':{'requests':{'cpu':'250m'}}}]}",
	  CM_BURSTABLE,
	  { 256, -1, -1, -1, -1 } },
	{ "memory alone, limited",
	  "{'containers':[{'resources':{'requests':{'memory':'64Mi'},'limits':{'memory':'64Mi'}}}]}",
	  CM_BURSTABLE,
	  { 2, -1, -1, 64 << 20, -1 } },
	{ "guaranteed, two containers",
	  "{'containers':[{'resources':{'requests':{'cpu':'100m','memory':'1Mi'},'limits':{'cpu':'0.1','memory':'"
	  "1024Ki'}}},"
	  "{'resources':{'requests':{'cpu':'1','memory':'1Mi'},'limits':{'cpu':'1','memory':'1Mi'}}}]}",
	  CM_GUARANTEED,
	  { 1126, 110000, 100000, 2 << 20, -1 } },
	{ "guaranteed and best effort make burstable, no limits for the pod",
	  "{'containers':[{'resources':{'requests':{'cpu':'1','memory':'1Mi'},'limits':{'cpu':'1','memory':'1Mi'}}},"
	  "{'name':'b'}]}",
	  CM_BURSTABLE,
	  { 1024, -1, -1, -1, -1 } },
	{ "burstable with all limits",
	  "{'containers':[{'resources':{'requests':{'cpu':'1m','memory':'1Mi'},'limits':{'cpu':'5m','memory':'4Mi'}}}]"
	  "}",
	  CM_BURSTABLE,
	  { 2, 1000, 100000, 4 << 20, -1 } },
	{ "the larger of init and containers, sidecars beside both",
	  "{'initContainers':[{'resources':{'requests':{'cpu':'100m'}},'restartPolicy':'Always'},"
	  "{'resources':{'requests':{'cpu':'900m'}}}],'containers':[{'resources':{'requests':{'cpu':'500m'}}}]}",
	  CM_BURSTABLE,
	  { 1024, -1, -1, -1, -1 } },
	{ "a sidecar after the init container counts later only",
	  "{'initContainers':[{'resources':{'requests':{'cpu':'500m'}}},"
	  "{'resources':{'requests':{'cpu':'100m'}},'restartPolicy':'Always'}],"
	  "'containers':[{'resources':{'requests':{'cpu':'500m'}}}]}",
	  CM_BURSTABLE,
	  { 614, -1, -1, -1, -1 } },
	{ "overhead is added to what is limited",
	  "{'overhead':{'cpu':'250m','memory':'1Mi'},"
	  "'containers':[{'resources':{'requests':{'cpu':'1','memory':'1Mi'},'limits':{'cpu':'1','memory':'1Mi'}}}]}",
	  CM_GUARANTEED,
	  { 1280, 125000, 100000, 2 << 20, -1 } },
	{ "the pod's own resources decide",
	  "{'resources':{'requests':{'cpu':'2','memory':'8Mi'},'limits':{'cpu':'2','memory':'8Mi'}},"
	  "'containers':[{'resources':{'requests':{'cpu':'1'}}}]}",
	  CM_GUARANTEED,
	  { 2048, 200000, 100000, 8 << 20, -1 } },
	{ "an empty struct of the pod counts as none",
	  "{'resources':{},'containers':[{'name':'a'}]}",
	  CM_BEST_EFFORT,
	  { 2, -1, -1, -1, -1 } },
};

static Core__Pod *pod_of(struct arena *arena, const char *spec)
{
	char *json = arena_printf(arena, "{\"spec\":%s}", spec);
	ProtobufCMessage *pod = NULL;
	struct err err;

	for (char *c = json; *c; c++)
		if (*c == '\'')
			*c = '"';
	CHECK_OK(pbjson_decode(&core__pod__descriptor, json, strlen(json), arena, &pod, &err), &err);
	return (Core__Pod *)(void *)pod;
}

TEST(class_and_values_of_pods)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		const Core__Pod *pod = pod_of(arena, rows[i].spec);
		struct cm_values got = cm_pod_values(pod, true, CM_PERIOD_US, -1);

		CHECK_STR(rows[i].rule, cm_qos_name(cm_qos_class(pod)), cm_qos_name(rows[i].qos));
		CHECK_INT(rows[i].rule, got.shares, ==, rows[i].want.shares);
		CHECK_INT(rows[i].rule, got.quota_us, ==, rows[i].want.quota_us);
		CHECK_INT(rows[i].rule, got.period_us, ==, rows[i].want.period_us);
		CHECK_INT(rows[i].rule, got.memory_bytes, ==, rows[i].want.memory_bytes);
		CHECK_INT(rows[i].rule, got.pids, ==, -1);
	}
}

TEST(without_cfs_quota_the_quota_is_taken_away)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const Core__Pod *pod = pod_of(arena, "{'containers':[{'resources':{'limits':{'cpu':'1','memory':'1'},"
					     "'requests':{'cpu':'1','memory':'1'}}}]}");
	struct cm_values got = cm_pod_values(pod, false, CM_PERIOD_US, 100);

	CHECK_INT("quota", got.quota_us, ==, 0);
	CHECK_INT("pids", got.pids, ==, 100);
}

TEST(units_of_the_kernel)
{
	static const struct {
		int64_t milli_cpu, shares, weight, quota_us;
	} units[] = {
		{ 0, 2, 1, 0 },
		{ 1, 2, 1, 1000 },
		{ 10, 10, 1, 1000 },
		{ 100, 102, 4, 10000 },
		{ 1000, 1024, 39, 100000 },
		{ 2500, 2560, 98, 250000 },
		{ 256000, 262144, 10000, 25600000 },
		{ INT64_MAX, 262144, 10000, INT64_MAX / 1000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		CHECK_INT("shares", cm_shares(units[i].milli_cpu), ==, units[i].shares);
		CHECK_INT("weight", cm_weight(cm_shares(units[i].milli_cpu)), ==, units[i].weight);
		CHECK_INT("quota", cm_quota_us(units[i].milli_cpu, CM_PERIOD_US), ==, units[i].quota_us);
	}
}

TEST(huge_pages_of_a_pod)
{
	static const struct {
		const char *rule, *spec;
		int64_t page_bytes, want;
	} huge[] = {
		{ "none", "{'containers':[{'resources':{'requests':{'cpu':'1'}}}]}", 2 << 20, 0 },
		{ "of that size only",
		  "{'containers':[{'resources':{'requests':{'hugepages-2Mi':'4Mi','hugepages-1Gi':'1Gi'}}}]}", 2 << 20,
		  4 << 20 },
		{ "the same size in other words",
		  "{'containers':[{'resources':{'requests':{'hugepages-2Mi':'4Mi'}}},"
		  "{'resources':{'requests':{'hugepages-2048Ki':'2Mi'}}}]}",
		  2 << 20, 6 << 20 },
		{ "a larger init container",
		  "{'initContainers':[{'resources':{'requests':{'hugepages-2Mi':'2Mi'}},'restartPolicy':'Always'},"
		  "{'resources':{'requests':{'hugepages-2Mi':'8Mi'}}}],"
		  "'containers':[{'resources':{'requests':{'hugepages-2Mi':'4Mi'}}}]}",
		  2 << 20, 10 << 20 },
		{ "the pod's own word",
		  "{'resources':{'requests':{'hugepages-2Mi':'16Mi'}},"
		  "'containers':[{'resources':{'requests':{'hugepages-2Mi':'4Mi'}}}]}",
		  2 << 20, 16 << 20 },
		{ "with overhead",
		  "{'overhead':{'hugepages-2Mi':'2Mi'},"
		  "'containers':[{'resources':{'requests':{'hugepages-2Mi':'4Mi'}}}]}",
		  2 << 20, 6 << 20 },
	};

	for (size_t i = 0; i < ARRAY_LEN(huge); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();

		CHECK_INT(huge[i].rule, cm_pod_huge_pages(pod_of(arena, huge[i].spec), huge[i].page_bytes), ==,
			  huge[i].want);
	}
}
