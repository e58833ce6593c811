/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Amounts that a configuration has as texts: what is reserved, and hard thresholds. Inside kubelet/config only. */
#include "config/kubelet.pb-c.h"
#include "pkg/base/err.h"

/* -EINVAL, in stock's words, for the first of them that is none. */
int amounts_check(const Config__KubeletConfiguration *config, struct err *err);
