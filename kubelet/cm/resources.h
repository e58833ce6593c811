/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a pod's resources mean for the kernel. Pure; rules of kubelet v1.37 (qos.go, helpers_linux.go,
 * component-helpers/resource).
 */
#include <stdbool.h>
#include <stdint.h>

#include "k8s/core.pb-c.h"

enum cm_qos { CM_GUARANTEED, CM_BURSTABLE, CM_BEST_EFFORT };

enum {
	CM_SHARES_MIN = 2, /* the kernel's least, and its most */
	CM_SHARES_MAX = 262144,
	CM_QUOTA_MIN_US = 1000, /* the kernel's least quota */
	CM_PERIOD_US = 100000,  /* the kernel's default, and stock's */
};

enum cm_qos cm_qos_class(const Core__Pod *pod);
const char *cm_qos_name(enum cm_qos qos); /* "Guaranteed", "Burstable", "BestEffort": status.qosClass */

int64_t cm_shares(int64_t milli_cpu);
int64_t cm_weight(int64_t shares);                         /* cgroup v2, 1 to 10000 */
int64_t cm_quota_us(int64_t milli_cpu, int64_t period_us); /* 0: no quota */

/* Sums over a pod: the larger of containers (with sidecars) and the init phase, overhead added. */
struct cm_sums {
	int64_t request_milli_cpu, limit_milli_cpu;
	int64_t request_memory, limit_memory;
	bool every_cpu_limited, every_memory_limited; /* each container has the limit, or the pod itself has */
};
struct cm_sums cm_pod_sums(const Core__Pod *pod);

/* What the pod asks of "hugepages-2Mi" and the like, for pages of that size; 0 is none. Overhead counts. */
int64_t cm_pod_huge_pages(const Core__Pod *pod, int64_t page_bytes);

/* Values of a cgroup; -1 is "leave it alone". */
struct cm_values {
	int64_t shares;
	int64_t quota_us, period_us; /* quota 0: no quota */
	int64_t memory_bytes;
	int64_t pids;
};
struct cm_values cm_pod_values(const Core__Pod *pod, bool cfs_quota, int64_t period_us, int64_t pids_limit);
