/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Cgroups as folders of files, on v1 (each controller its own hierarchy, "hybrid" included) and on v2.
 *
 * A group is named by its path from the top ("/kubepods/burstable"), the same in every hierarchy. No policy here: which
 * groups and which values is the caller's. Every call is short, none waits for a process.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pkg/base/err.h"

enum cgroup_controller {
	CGROUP_CPU,
	CGROUP_CPUSET,
	CGROUP_MEMORY,
	CGROUP_PIDS,
	CGROUP_HUGETLB,
	/* v1 only: hierarchies that also hold the processes of pods, so their folders are made and removed too */
	CGROUP_CPUACCT,
	CGROUP_BLKIO,
	CGROUP_DEVICES,
	CGROUP_FREEZER,
	CGROUP_NET_CLS,
	CGROUP_NET_PRIO,
	CGROUP_PERF_EVENT,
	CGROUP_SYSTEMD,
	CGROUP_UNIFIED, /* hybrid: v2 without controllers beside v1, where runtimes put their processes too */
	CGROUP_CONTROLLERS
};

enum { CGROUP_MOUNT_MAX = 256 }; /* "/sys/fs/cgroup/net_cls,net_prio" is the longest in practice */

struct cgroup_layout {
	bool v2;
	bool has[CGROUP_CONTROLLERS];
	char mount[CGROUP_CONTROLLERS][CGROUP_MOUNT_MAX]; /* v2: all the same */
};

/* What is mounted here. -ENOENT when there are no cgroups, or (v2) neither cpu nor memory. */
int cgroup_detect(struct cgroup_layout *ret_layout, struct err *err);

/* The same over a given /proc/self/mountinfo text and v2 controller list, for tests. */
int cgroup_detect_in(const char *mountinfo, size_t size, const char *v2_controllers, struct cgroup_layout *ret_layout,
		     struct err *err);

/*
 * Makes the group in every hierarchy, with its parents; v2: turns the controllers on for it. An existing one is fine.
 * v1 cpuset: an empty group gets the parent's cpus and mems, or nothing could ever run in it.
 */
int cgroup_make(const struct cgroup_layout *layout, const char *group, struct err *err);

/* In every hierarchy that counts for the kubelet (cpu, cpuacct, cpuset, memory, pids, hugetlb, systemd). */
bool cgroup_exists(const struct cgroup_layout *layout, const char *group);

/* One value in one file ("memory.max"). -ENOENT when the controller or the group is not there. */
int cgroup_write(const struct cgroup_layout *layout, enum cgroup_controller controller, const char *group,
		 const char *file, const char *value, struct err *err);
int cgroup_read(const struct cgroup_layout *layout, enum cgroup_controller controller, const char *group,
		const char *file, char *into, size_t size, struct err *err); /* first line, without its newline */

/* SIGKILL to every process in the group and below, in all hierarchies. Returns how many were there. */
int cgroup_kill(const struct cgroup_layout *layout, const char *group);

/* Removes the group and what is below it, in all hierarchies. Gone is a success; -EBUSY while processes are in it. */
int cgroup_remove(const struct cgroup_layout *layout, const char *group, struct err *err);

/* The groups right below, each name once although it may exist in one hierarchy only. No such group: no call. */
int cgroup_each(const struct cgroup_layout *layout, const char *group, void (*found)(void *owner, const char *name),
		void *owner, struct err *err);
