/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/runtime.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kubelet/runtime/action.h"
#include "kubelet/runtime/pull_store.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/codec/pb.h"
#include "pkg/sys/huge_pages.h"

enum {
	CPUS_MAX = 8192,             /* CONFIG_NR_CPUS of the largest distribution kernels */
	GRACE_DEFAULT_S = 30,        /* of the API */
	OWN_CGROUPS_MAX = 64 * 1024, /* /proc/self/cgroup: one line on v2 */
};

/* Docker's list, as every runtime has it (moby oci/defaults.go). */
static const char *const masked_paths[] = {
	"/proc/asound",      "/proc/acpi",          "/proc/interrupts", "/proc/kcore",
	"/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
	"/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap",
};

struct texts {
	const char **texts;
	size_t n_texts;
};

static void read_masked_paths(struct arena *arena, struct runtime_request_node *node)
{
	struct texts list = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(masked_paths); i++)
		PB_APPEND(arena, &list, texts, masked_paths[i]);
	for (int cpu = 0; cpu < CPUS_MAX; cpu++) {
		char path[PATH_MAX];

		snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d", cpu);
		if (access(path, F_OK) < 0)
			break;
		snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/thermal_throttle", cpu);
		if (access(path, F_OK) == 0)
			PB_APPEND(arena, &list, texts, arena_strdup(arena, path));
	}
	node->masked_paths = list.texts;
	node->n_masked_paths = list.n_texts;
}

static void read_hugepage_sizes(struct arena *arena, struct runtime_request_node *node)
{
	struct huge_page pages[HUGE_PAGES_MAX];
	size_t n = huge_pages_read(pages);
	struct texts list = { 0 };

	for (size_t i = 0; i < n; i++)
		PB_APPEND(arena, &list, texts, arena_strdup(arena, pages[i].name));
	node->hugepage_sizes = list.texts;
	node->n_hugepage_sizes = list.n_texts;
}

static bool has_swap_limits(bool cgroup_v2)
{
	_cleanup_buf_ struct buf own = BUF_INIT(OWN_CGROUPS_MAX);
	char path[PATH_MAX];
	const char *line;
	struct err err = { 0 };

	if (!cgroup_v2)
		return access("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", F_OK) == 0;
	/* The root has no such file: look into our own group. */
	if (file_read("/proc/self/cgroup", &own, &err) < 0 || !(line = strstr(buf_text(&own), "0::")))
		return false;
	snprintf(path, sizeof path, "/sys/fs/cgroup%.*s/memory.swap.max", (int)strcspn(line + 3, "\n"), line + 3);
	return access(path, F_OK) == 0;
}

static const char *copy(struct arena *arena, const char *text)
{
	return text ? arena_strdup(arena, text) : NULL;
}

int runtime_make_folders(const char *image_records_dir, struct err *err)
{
	return pull_store_make_folders(image_records_dir, err);
}

struct runtime *runtime_new(const struct runtime_options *options)
{
	struct runtime *runtime = xcalloc(1, sizeof *runtime);
	struct arena *arena = arena_new();
	struct runtime_options *own = &runtime->options;
	const char **servers = arena_alloc(arena, (options->n_cluster_dns + 1) * sizeof *servers);
	const char **allowlist = arena_alloc(arena, (options->n_image_allowlist + 1) * sizeof *allowlist);

	runtime->arena = arena;
	*own = *options;
	own->pod_logs_dir = copy(arena, str_or(options->pod_logs_dir, "/var/log/pods"));
	own->container_logs_dir = copy(arena, options->container_logs_dir);
	own->seccomp_dir = copy(arena, options->seccomp_dir);
	own->cluster_domain = copy(arena, options->cluster_domain);
	own->resolv_conf = copy(arena, options->resolv_conf);
	own->node_ip = copy(arena, options->node_ip);
	for (size_t i = 0; i < options->n_cluster_dns; i++)
		servers[i] = copy(arena, options->cluster_dns[i]);
	own->cluster_dns = servers;
	own->image_records_dir = copy(arena, options->image_records_dir);
	own->image_verification = copy(arena, options->image_verification);
	for (size_t i = 0; i < options->n_image_allowlist; i++)
		allowlist[i] = copy(arena, options->image_allowlist[i]);
	own->image_allowlist = allowlist;

	read_masked_paths(arena, &runtime->node);
	read_hugepage_sizes(arena, &runtime->node);
	runtime->node.swap_limits = has_swap_limits(own->cgroup_v2);
	runtime->images = images_new(runtime);
	return runtime;
}

void runtime_free(struct runtime *runtime)
{
	if (!runtime)
		return;
	base_assert(runtime->n_actions == 0);
	images_free(runtime->images);
	arena_free(runtime->arena);
	free(runtime);
}

int64_t runtime_grace_s(const Core__Pod *pod)
{
	int64_t grace = GRACE_DEFAULT_S;

	if (pod->metadata->has_deletiongraceperiodseconds)
		grace = pod->metadata->deletiongraceperiodseconds;
	else if (pod->spec->has_terminationgraceperiodseconds)
		grace = pod->spec->terminationgraceperiodseconds;
	return MAX(grace, (int64_t)1);
}
