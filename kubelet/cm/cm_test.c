/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/cm/cm.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/codec/pbjson.h"
#include "pkg/sys/cgroup.h"
#include "pkg/test/test.h"

static char root[64];
static struct cgroup_layout layout;

static void setup(void)
{
	struct err err;

	if (geteuid() != 0 || cgroup_detect(&layout, &err) < 0)
		test_skip("needs root and cgroups");
	snprintf(root, sizeof root, "/cubelet-test-cm-%d", (int)getpid());
	CHECK_OK(cgroup_make(&layout, root, &err), &err);
}

static void teardown(void)
{
	struct err err;

	cgroup_kill(&layout, root);
	for (int i = 0; i < 50 && cgroup_remove(&layout, root, &err) < 0; i++)
		poll(NULL, 0, 20);
}

static const char *read_value(const char *group, enum cgroup_controller controller, const char *v1, const char *v2)
{
	static char value[ERR_TEXT_MAX];
	char path[256];
	struct err err;

	snprintf(path, sizeof path, "%s%s", root, group);
	if (cgroup_read(&layout, controller, path, layout.v2 ? v2 : v1, value, sizeof value, &err) < 0)
		snprintf(value, sizeof value, "%s", err.text);
	return value;
}

static struct cm *cm_for(struct loop *loop)
{
	struct cm_options options = {
		.loop = loop,
		.cgroup_root = root,
		.enforce_pods = true,
		.capacity_milli_cpu = 4000,
		.reserved_milli_cpu = 1000,
		.capacity_memory_bytes = 2LL << 30,
		.reserved_memory_bytes = 1LL << 30,
		.capacity_pids = 30000,
		.reserved_pids = 1000,
		.pod_pids_limit = 99,
		.cpu_cfs_quota = true,
	};
	struct cm *cm;
	struct err err;

	CHECK_OK(cm_new(&options, &cm, &err), &err);
	return cm;
}

static Core__Pod *pod_of(struct arena *arena, const char *uid, const char *resources)
{
	char *json =
		arena_printf(arena, "{\"metadata\":{\"uid\":\"%s\"},\"spec\":{\"containers\":[{\"resources\":%s}]}}",
			     uid, resources);
	ProtobufCMessage *pod = NULL;
	struct err err;

	CHECK_OK(pbjson_decode(&core__pod__descriptor, json, strlen(json), arena, &pod, &err), &err);
	return (Core__Pod *)(void *)pod;
}

struct seen {
	struct loop *loop;
	int code, n;
	char names[256];
};

static void destroyed(void *owner, const void *result, const struct err *err)
{
	struct seen *seen = owner;

	(void)result;
	seen->code = err ? err->code : 0;
	loop_stop(seen->loop);
}

static void found(void *owner, const char *uid)
{
	struct seen *seen = owner;

	seen->n += str_eq(uid, "u-1") || str_eq(uid, "u-2");
}

TEST(groups_of_the_node_and_of_pods)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct seen seen = { .loop = loop_new() };
	char parent[PATH_MAX], want[256];
	struct err err;

	setup();
	struct cm *cm = cm_for(seen.loop);
	Core__Pod *burstable = pod_of(arena, "u-1", "{\"requests\":{\"cpu\":\"500m\"}}");
	Core__Pod *guaranteed = pod_of(arena, "u-2",
				       "{\"requests\":{\"cpu\":\"1\",\"memory\":\"64Mi\"},"
				       "\"limits\":{\"cpu\":\"1\",\"memory\":\"64Mi\"}}");
	const Core__Pod *pods[] = { burstable, guaranteed };

	CHECK_OK(cm_setup_node(cm, &err), &err);
	CHECK_OK(cm_setup_node(cm, &err), &err);
	CHECK_OK(cm_limit_node(cm, &err), &err);
	CHECK_STR("node memory", read_value("/kubepods", CGROUP_MEMORY, "memory.limit_in_bytes", "memory.max"),
		  "1073741824");
	CHECK_STR("node cpu", read_value("/kubepods", CGROUP_CPU, "cpu.shares", "cpu.weight"),
		  layout.v2 ? "118" : "3072");
	CHECK_STR("node pids", read_value("/kubepods", CGROUP_PIDS, "pids.max", "pids.max"), "29000");
	CHECK_STR("best effort", read_value("/kubepods/besteffort", CGROUP_CPU, "cpu.shares", "cpu.weight"),
		  layout.v2 ? "1" : "2");

	CHECK("not there", !cm_pod_exists(cm, burstable));
	CHECK_OK(cm_pod_create(cm, burstable, &err), &err);
	CHECK_OK(cm_pod_path(cm, burstable, parent, &err), &err);
	snprintf(want, sizeof want, "%s/kubepods/burstable/podu-1", root);
	CHECK_STR("parent", parent, want);
	CHECK("there", cm_pod_exists(cm, burstable));
	CHECK_OK(cm_pod_create(cm, guaranteed, &err), &err);
	CHECK_OK(cm_pod_path(cm, guaranteed, parent, &err), &err);
	snprintf(want, sizeof want, "%s/kubepods/podu-2", root);
	CHECK_STR("parent", parent, want);
	CHECK_STR("memory", read_value("/kubepods/podu-2", CGROUP_MEMORY, "memory.limit_in_bytes", "memory.max"),
		  "67108864");
	CHECK_STR("quota", read_value("/kubepods/podu-2", CGROUP_CPU, "cpu.cfs_quota_us", "cpu.max"),
		  layout.v2 ? "100000 100000" : "100000");
	CHECK_STR("pids", read_value("/kubepods/podu-2", CGROUP_PIDS, "pids.max", "pids.max"), "99");
	CHECK_OK(cm_update_qos(cm, pods, 2, &err), &err);
	CHECK_STR("burstable", read_value("/kubepods/burstable", CGROUP_CPU, "cpu.shares", "cpu.weight"),
		  layout.v2 ? "20" : "512");
	CHECK_OK(cm_each_pod(cm, found, &seen, &err), &err);
	CHECK_INT("both found", seen.n, ==, 2);

	/* a process is left in a container's group below the pod */
	snprintf(want, sizeof want, "%s/kubepods/podu-2/c", root);
	CHECK_OK(cgroup_make(&layout, want, &err), &err);
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	char pid[16];
	int status;

	snprintf(pid, sizeof pid, "%d", (int)child);
	CHECK_OK(cgroup_write(&layout, CGROUP_PIDS, want, "cgroup.procs", pid, &err), &err);
	cm_pod_destroy(cm, "u-2", destroyed, &seen);
	loop_run(seen.loop);
	CHECK_INT("destroyed", seen.code, ==, 0);
	waitpid(child, &status, 0);
	CHECK("killed", WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK("gone", !cm_pod_exists(cm, guaranteed));
	cm_pod_destroy(cm, "u-2", destroyed, &seen);
	loop_run(seen.loop);
	CHECK_INT("again", seen.code, ==, 0);
	cm_pod_destroy(cm, "../burstable", destroyed, &seen);
	loop_run(seen.loop);
	CHECK_INT("no way out of the tree", seen.code, ==, -EINVAL);
	cm_free(cm);
	loop_free(seen.loop);
	teardown();
}

TEST(pods_have_as_many_processes_as_the_kernel_allows)
{
	struct cm_options options = { .cgroup_root = root, .enforce_pods = true, .reserved_pids = 1 };
	struct cm *cm;
	struct err err;

	setup();
	CHECK_OK(cm_new(&options, &cm, &err), &err);
	CHECK_OK(cm_setup_node(cm, &err), &err);
	CHECK_OK(cm_limit_node(cm, &err), &err);

	_cleanup_buf_ struct buf text = BUF_INIT(64);
	int64_t pid_max = 0, limit = 0;

	CHECK_OK(file_read("/proc/sys/kernel/pid_max", &text, &err), &err);
	text.bytes[strcspn(text.bytes, "\n")] = 0;
	CHECK_INT("pid_max", str_to_i64(text.bytes, 1, INT64_MAX, &pid_max), ==, 0);
	CHECK_INT("pids.max",
		  str_to_i64(read_value("/kubepods", CGROUP_PIDS, "pids.max", "pids.max"), 1, INT64_MAX, &limit), ==,
		  0);
	CHECK_INT("less than there can be", limit, <, pid_max);
	CHECK_INT("but not by much, unless memory is short", limit, >, 1000);
	cm_free(cm);
	teardown();
}

TEST(a_missing_root_is_refused)
{
	struct cm_options options = { .cgroup_root = "/no/such/root" };
	struct cm *cm;
	struct err err;

	setup();
	teardown();
	CHECK_INT("code", cm_new(&options, &cm, &err), ==, -ENOENT);
}
