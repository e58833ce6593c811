/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The rules of stock's ValidateKubeletConfiguration, in its order and words. Inside kubelet/config only. */
#include <stdbool.h>

#include "config/kubelet.pb-c.h"
#include "pkg/base/err.h"

/* Collects every broken rule: one sentence is said as it is, several as "[a, b]". -EINVAL. */
int validate_kubelet(const Config__KubeletConfiguration *config, bool cgroup_v1, struct err *err);
