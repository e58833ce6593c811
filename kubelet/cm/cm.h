/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The cgroups of pods, with the cgroupfs driver, on cgroup v1 (also "hybrid") and v2.
 *
 *   ROOT/kubepods                      what the node lets pods have together
 *   ROOT/kubepods/pod<uid>             Guaranteed
 *   ROOT/kubepods/burstable/pod<uid>   Burstable
 *   ROOT/kubepods/besteffort/pod<uid>  BestEffort
 *
 * Names and values are the stock kubelet's (v1.37). Which pods have cgroups is read from the system, never remembered.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "k8s/core.pb-c.h"
#include "pkg/base/err.h"
#include "pkg/loop/loop.h"

struct cm;

struct cm_options {
	struct loop *loop;
	const char *cgroup_root; /* config cgroupRoot; NULL, "" and "/" are the top */

	bool enforce_pods;                                 /* enforceNodeAllocatable has "pods" */
	int64_t capacity_milli_cpu, capacity_memory_bytes; /* of the node */
	int64_t reserved_milli_cpu, reserved_memory_bytes; /* kubeReserved + systemReserved */
	int64_t reserved_pids, capacity_pids;              /* 0: what the kernel allows */

	int64_t pod_pids_limit;          /* podPidsLimit; 0 and below: none */
	bool cpu_cfs_quota;              /* cpuCFSQuota */
	int64_t cpu_cfs_quota_period_us; /* cpuCFSQuotaPeriod; 0 is 100,000 */
};

/* -ENOENT: no usable cgroups on this machine, or cgroup_root does not exist. */
int cm_new(const struct cm_options *options, struct cm **ret_cm, struct err *err);
void cm_free(struct cm *cm); /* no task may be running */

bool cm_is_v2(const struct cm *cm);

/* Makes kubepods and the QoS cgroups. Again at any time: a missing one is made. */
int cm_setup_node(struct cm *cm, struct err *err);

/*
 * Gives kubepods what the node has for pods. -EBUSY on v1 while pods hold more memory than they now may: try again
 * later, as they are only held by what they had until then. For the pool: v2 waits for that memory.
 */
int cm_limit_node(const struct cm *cm, struct err *err);

/* Values of the QoS cgroups for the pods that are active now: burstable gets the sum of their requests. */
int cm_update_qos(struct cm *cm, const Core__Pod *const *pods, size_t n_pods, struct err *err);

/* What the sandbox config wants: "/kubepods/burstable/pod<uid>". -EINVAL for a uid that is no single component. */
int cm_pod_path(const struct cm *cm, const Core__Pod *pod, char path[PATH_MAX], struct err *err);

/*
 * Makes the pod's cgroup or renews its values. A QoS cgroup that somebody removed is made again. For the pool, as
 * cm_limit_node() is.
 */
int cm_pod_create(const struct cm *cm, const Core__Pod *pod, struct err *err);
bool cm_pod_exists(const struct cm *cm, const Core__Pod *pod);

/*
 * Kills what is left in the pod's cgroup and removes it, whatever its QoS class is or was. No such cgroup is a success;
 * -EBUSY when processes do not die (kernel, dead file systems): call again later.
 */
struct task *cm_pod_destroy(struct cm *cm, const char *pod_uid, task_done_fn *done, void *owner);

/* Calls back for every pod that has a cgroup, once. */
int cm_each_pod(const struct cm *cm, void (*found)(void *owner, const char *pod_uid), void *owner, struct err *err);
