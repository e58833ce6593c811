/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/cm/cm.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kubelet/cm/resources.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/base/map.h"
#include "pkg/codec/amount.h"
#include "pkg/sys/cgroup.h"
#include "pkg/sys/huge_pages.h"

enum {
	UID_MAX = 128,            /* the API server's have 36, those of files 32 */
	DESTROY_FIRST_MS = 10,    /* a killed process needs some to go */
	DESTROY_TRIES = 9,        /* doubled each time: 5 s in all */
	GROUP_MAX = PATH_MAX / 2, /* leaves room for mount, container and file */
};

#define HUGE_PAGES_ALL (1LL << 62) /* stock's "no limit" */

struct cm {
	struct cm_options options;
	struct cgroup_layout layout;
	char *pods, *of_qos[3];                      /* groups, by enum cm_qos; that of Guaranteed is `pods` itself */
	struct huge_page huge_pages[HUGE_PAGES_MAX]; /* as when the kubelet started: pages come and go */
	size_t n_huge_pages;
};

/* ---- values ---- */

static int put(const struct cm *cm, enum cgroup_controller controller, const char *group, const char *file,
	       int64_t value, struct err *err)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRId64, value);
	return cgroup_write(&cm->layout, controller, group, file, text, err);
}

static int apply_quota(const struct cm *cm, const char *group, const struct cm_values *values, struct err *err)
{
	char text[64];
	struct err first;

	if (values->quota_us < 0)
		return 0;
	if (cm->layout.v2) {
		if (values->quota_us > 0)
			snprintf(text, sizeof text, "%" PRId64 " %" PRId64, values->quota_us, values->period_us);
		else
			snprintf(text, sizeof text, "max %" PRId64, values->period_us);
		return cgroup_write(&cm->layout, CGROUP_CPU, group, "cpu.max", text, err);
	}
	/* A shorter period can be refused while the old, larger quota is there: then the quota goes first. */
	int code = put(cm, CGROUP_CPU, group, "cpu.cfs_period_us", values->period_us, &first);

	if (put(cm, CGROUP_CPU, group, "cpu.cfs_quota_us", values->quota_us > 0 ? values->quota_us : -1, err) < 0)
		return err->code;
	return code < 0 ? put(cm, CGROUP_CPU, group, "cpu.cfs_period_us", values->period_us, err) : 0;
}

static int apply(const struct cm *cm, const char *group, const struct cm_values *values, struct err *err)
{
	bool v2 = cm->layout.v2;
	int code = 0;

	if (values->memory_bytes > 0)
		code = put(cm, CGROUP_MEMORY, group, v2 ? "memory.max" : "memory.limit_in_bytes", values->memory_bytes,
			   err);
	if (code == 0 && values->shares >= 0)
		code = put(cm, CGROUP_CPU, group, v2 ? "cpu.weight" : "cpu.shares",
			   v2 ? cm_weight(values->shares) : values->shares, err);
	if (code == 0)
		code = apply_quota(cm, group, values, err);
	if (code == 0 && values->pids > 0 && cm->layout.has[CGROUP_PIDS])
		code = put(cm, CGROUP_PIDS, group, "pids.max", values->pids, err);
	return code;
}

/* ---- huge pages ---- */

/* A group below one that reserves may do so too; older kernels know no reservations. */
static int limit_huge_page(const struct cm *cm, const char *group, const struct huge_page *page, int64_t bytes,
			   struct err *err)
{
	bool v2 = cm->layout.v2;
	char file[64];

	if (!cm->layout.has[CGROUP_HUGETLB])
		return 0;
	snprintf(file, sizeof file, "hugetlb.%s.%s", page->name, v2 ? "max" : "limit_in_bytes");
	if (put(cm, CGROUP_HUGETLB, group, file, bytes, err) < 0)
		return err->code;
	snprintf(file, sizeof file, "hugetlb.%s.rsvd.%s", page->name, v2 ? "max" : "limit_in_bytes");
	if (put(cm, CGROUP_HUGETLB, group, file, bytes, err) < 0 && err->code != -ENOENT)
		return err->code;
	return 0;
}

/* Of a pod, or with NULL of a group of the node: classes take what the node has, which its own group limits. */
static int limit_huge_pages(const struct cm *cm, const char *group, const Core__Pod *pod, struct err *err)
{
	for (size_t i = 0; i < cm->n_huge_pages; i++) {
		const struct huge_page *page = &cm->huge_pages[i];
		int64_t bytes = group == cm->pods ? page->total_bytes : HUGE_PAGES_ALL;

		if (limit_huge_page(cm, group, page, pod ? cm_pod_huge_pages(pod, page->bytes) : bytes, err) < 0)
			return err->code;
	}
	return 0;
}

static int limit_class_huge_pages(struct cm *cm, struct err *err)
{
	int code = limit_huge_pages(cm, cm->of_qos[CM_BURSTABLE], NULL, err);

	return code == 0 ? limit_huge_pages(cm, cm->of_qos[CM_BEST_EFFORT], NULL, err) : code;
}

static int64_t read_number(const char *path)
{
	_cleanup_buf_ struct buf text = BUF_INIT(256);
	struct err ignored;
	int64_t number;

	if (file_read(path, &text, &ignored) < 0)
		return -1;

	_cleanup_free_ char *digits = xstrndup(buf_text(&text), strcspn(buf_text(&text), "\n"));

	return str_to_i64(digits, 0, INT64_MAX, &number) < 0 ? -1 : number;
}

/* ---- the node's groups ---- */

/* Processes and threads; 0 when the kernel does not say. */
static int64_t machine_pids(void)
{
	int64_t pids = read_number("/proc/sys/kernel/pid_max"), threads = read_number("/proc/sys/kernel/threads-max");

	if (pids < 0 || threads < 0)
		return MAX(MAX(pids, threads), (int64_t)0);
	return MIN(pids, threads);
}

int cm_new(const struct cm_options *options, struct cm **ret_cm, struct err *err)
{
	const char *root = str_or(options->cgroup_root, "/");
	struct cgroup_layout layout;

	if (cgroup_detect(&layout, err) < 0)
		return err->code;
	if (strlen(root) >= GROUP_MAX)
		return err_set(err, -ENAMETOOLONG, "cgroupRoot is longer than %d characters", GROUP_MAX);
	if (!cgroup_exists(&layout, root))
		return err_set(err, -ENOENT, "invalid configuration: cgroup-root \"%s\" doesn't exist", root);

	struct cm *cm = xcalloc(1, sizeof *cm);
	_cleanup_free_ char *top = xasprintf("%s%s", *root == '/' ? "" : "/", root);

	for (size_t n = strlen(top); n > 0 && top[n - 1] == '/'; n--)
		top[n - 1] = 0;
	cm->options = *options;
	cm->options.cgroup_root = NULL;
	if (cm->options.cpu_cfs_quota_period_us <= 0)
		cm->options.cpu_cfs_quota_period_us = CM_PERIOD_US;
	if (cm->options.capacity_pids <= 0)
		cm->options.capacity_pids = machine_pids();
	cm->layout = layout;
	cm->pods = xasprintf("%s/kubepods", top);
	cm->of_qos[CM_GUARANTEED] = xstrdup(cm->pods);
	cm->of_qos[CM_BURSTABLE] = xasprintf("%s/burstable", cm->pods);
	cm->of_qos[CM_BEST_EFFORT] = xasprintf("%s/besteffort", cm->pods);
	cm->n_huge_pages = huge_pages_read(cm->huge_pages);
	*ret_cm = cm;
	return 0;
}

void cm_free(struct cm *cm)
{
	if (!cm)
		return;
	free(cm->pods);
	for (size_t i = 0; i < ARRAY_LEN(cm->of_qos); i++)
		free(cm->of_qos[i]);
	free(cm);
}

bool cm_is_v2(const struct cm *cm)
{
	return cm->layout.v2;
}

static int64_t allocatable(const struct cm *cm, int64_t capacity, int64_t reserved)
{
	return cm->options.enforce_pods ? MAX(capacity - reserved, (int64_t)0) : capacity;
}

/* Left by an earlier kubelet that reserved memory for pods; 0 is the kernel's default. */
static void forget_memory_protection(struct cm *cm)
{
	static const char *const files[] = { "memory.min", "memory.low" };
	struct err ignored;

	for (size_t i = 0; cm->layout.v2 && i < ARRAY_LEN(files); i++)
		(void)cgroup_write(&cm->layout, CGROUP_MEMORY, cm->pods, files[i], "0", &ignored);
	if (cm->layout.v2)
		(void)cgroup_write(&cm->layout, CGROUP_MEMORY, cm->of_qos[CM_BURSTABLE], "memory.low", "0", &ignored);
}

int cm_setup_node(struct cm *cm, struct err *err)
{
	struct cm_values best_effort = { CM_SHARES_MIN, -1, -1, -1, -1 };

	for (size_t i = 0; i < ARRAY_LEN(cm->of_qos); i++)
		if (cgroup_make(&cm->layout, cm->of_qos[i], err) < 0)
			return err->code;
	if (apply(cm, cm->of_qos[CM_BEST_EFFORT], &best_effort, err) < 0)
		return err_wrap(err, "failed to update top level BestEffort QOS cgroup");
	if (limit_class_huge_pages(cm, err) < 0)
		return err_wrap(err, "failed to update top level QOS cgroups");
	forget_memory_protection(cm);
	return 0;
}

int cm_limit_node(const struct cm *cm, struct err *err)
{
	const struct cm_options *options = &cm->options;
	struct cm_values node = {
		.shares = cm_shares(allocatable(cm, options->capacity_milli_cpu, options->reserved_milli_cpu)),
		.quota_us = -1,
		.period_us = -1,
		.memory_bytes = allocatable(cm, options->capacity_memory_bytes, options->reserved_memory_bytes),
		.pids = allocatable(cm, options->capacity_pids, options->reserved_pids),
	};

	if (apply(cm, cm->pods, &node, err) < 0 || limit_huge_pages(cm, cm->pods, NULL, err) < 0)
		return err_wrap(err, "Failed to update Node Allocatable Limits \"%s\"", cm->pods);
	return 0;
}

int cm_update_qos(struct cm *cm, const Core__Pod *const *pods, size_t n_pods, struct err *err)
{
	struct cm_values burstable = { 0, -1, -1, -1, -1 }, best_effort = { CM_SHARES_MIN, -1, -1, -1, -1 };
	int64_t milli_cpu = 0;

	for (size_t i = 0; i < n_pods; i++)
		if (cm_qos_class(pods[i]) == CM_BURSTABLE)
			milli_cpu = amount_add(milli_cpu, cm_pod_sums(pods[i]).request_milli_cpu);
	burstable.shares = cm_shares(milli_cpu);
	if (apply(cm, cm->of_qos[CM_BURSTABLE], &burstable, err) < 0)
		return err->code;
	if (apply(cm, cm->of_qos[CM_BEST_EFFORT], &best_effort, err) < 0)
		return err->code;
	return limit_class_huge_pages(cm, err);
}

/* ---- groups of pods ---- */

static bool is_uid(const char *uid)
{
	return !str_empty(uid) && strlen(uid) < UID_MAX && !strchr(uid, '/') && !str_has_prefix(uid, ".");
}

static char *pod_group(const struct cm *cm, enum cm_qos qos, const char *uid)
{
	return xasprintf("%s/pod%s", cm->of_qos[qos], uid);
}

int cm_pod_path(const struct cm *cm, const Core__Pod *pod, char path[PATH_MAX], struct err *err)
{
	const char *uid = pod->metadata ? pod->metadata->uid : NULL;

	if (!is_uid(uid))
		return err_set(err, -EINVAL, "the pod's uid cannot be the name of a cgroup");
	_cleanup_free_ char *group = pod_group(cm, cm_qos_class(pod), uid);
	snprintf(path, PATH_MAX, "%s", group);
	return 0;
}

int cm_pod_create(const struct cm *cm, const Core__Pod *pod, struct err *err)
{
	const struct cm_options *options = &cm->options;
	struct cm_values values =
		cm_pod_values(pod, options->cpu_cfs_quota, options->cpu_cfs_quota_period_us, options->pod_pids_limit);
	char group[PATH_MAX];

	if (cm_pod_path(cm, pod, group, err) < 0)
		return err->code;
	if (cgroup_make(&cm->layout, group, err) < 0 || apply(cm, group, &values, err) < 0 ||
	    limit_huge_pages(cm, group, pod, err) < 0)
		return err_wrap(err, "failed to create container for %s", group);
	return 0;
}

bool cm_pod_exists(const struct cm *cm, const Core__Pod *pod)
{
	char group[PATH_MAX];
	struct err ignored;

	return cm_pod_path(cm, pod, group, &ignored) == 0 && cgroup_exists(&cm->layout, group);
}

struct destroy {
	struct task task;
	struct cm *cm;
	task_done_fn *done;
	void *owner;

	char uid[UID_MAX];
	int tries;
	bool canceled;
	struct loop_timer timer;
	struct err err;
};

static void destroy_end(struct destroy *destroy)
{
	loop_timer_stop(&destroy->timer);
	destroy->done(destroy->owner, NULL, destroy->err.code ? &destroy->err : NULL);
	free(destroy);
}

static void destroy_work(void *owner)
{
	struct destroy *destroy = owner;
	const struct cm *cm = destroy->cm;

	destroy->err.code = 0;
	for (size_t i = 0; i < ARRAY_LEN(cm->of_qos); i++) {
		_cleanup_free_ char *group = pod_group(cm, i, destroy->uid);
		struct err err;

		cgroup_kill(&cm->layout, group);
		if (cgroup_remove(&cm->layout, group, &err) < 0) {
			destroy->err = err;
			err_wrap(&destroy->err, "failed to delete cgroup paths for %s", group);
		}
	}
}

static void destroy_again(void *owner);

static void destroy_worked(void *owner, const void *result, const struct err *err)
{
	struct destroy *destroy = owner;

	(void)result;
	if (err)
		destroy->err = *err;
	if (destroy->err.code != -EBUSY || destroy->canceled || ++destroy->tries >= DESTROY_TRIES) {
		destroy_end(destroy);
		return;
	}
	loop_timer_start(&destroy->timer, DESTROY_FIRST_MS << (destroy->tries - 1));
}

static void destroy_again(void *owner)
{
	struct destroy *destroy = owner;

	loop_work(destroy->cm->options.loop, destroy_work, destroy_worked, destroy);
}

static void destroy_cancel(struct task *task)
{
	struct destroy *destroy = container_of(task, struct destroy, task);

	destroy->canceled = true;
	if (loop_timer_is_running(&destroy->timer))
		loop_timer_start(&destroy->timer, 0); /* one more try, then the end */
}

static void destroy_refused(void *arg)
{
	destroy_end(arg);
}

struct task *cm_pod_destroy(struct cm *cm, const char *pod_uid, task_done_fn *done, void *owner)
{
	struct destroy *destroy = xcalloc(1, sizeof *destroy);

	*destroy = (struct destroy){ .task.cancel = destroy_cancel, .cm = cm, .done = done, .owner = owner };
	loop_timer_init(&destroy->timer, cm->options.loop, destroy_again, destroy);
	if (!is_uid(pod_uid)) {
		err_set(&destroy->err, -EINVAL, "the pod's uid cannot be the name of a cgroup");
		loop_post(cm->options.loop, destroy_refused, destroy);
		return &destroy->task;
	}
	snprintf(destroy->uid, sizeof destroy->uid, "%s", pod_uid);
	destroy_again(destroy);
	return &destroy->task;
}

/* ---- listing ---- */

struct each {
	struct map *seen;
};

static void each_group(void *owner, const char *name)
{
	struct each *each = owner;

	if (str_has_prefix(name, "pod") && is_uid(name + 3))
		map_set(each->seen, name + 3, each);
}

int cm_each_pod(const struct cm *cm, void (*found)(void *owner, const char *pod_uid), void *owner, struct err *err)
{
	_cleanup_map_ struct map *seen = map_new();
	struct each each = { .seen = seen };
	const char *uid;
	void *value;

	for (size_t i = 0; i < ARRAY_LEN(cm->of_qos); i++)
		if (cgroup_each(&cm->layout, cm->of_qos[i], each_group, &each, err) < 0)
			return err->code;
	for (size_t at = 0; map_next(seen, &at, &uid, &value);)
		found(owner, uid);
	return 0;
}
