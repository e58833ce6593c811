/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Feature gates: names and defaults of v1.37. Inside kubelet/config only. */
#include <stdbool.h>

#include "config/kubelet.pb-c.h"
#include "pkg/base/err.h"

/* -EINVAL in stock's words for an unknown gate and for a locked one that is set otherwise. */
int features_check(const Config__KubeletConfiguration *config, struct err *err);

/*
 * As configured, else its default. AllBeta=false turns off what is beta in stock; AllAlpha changes nothing: no alpha of
 * stock is built here.
 */
bool feature_is_on(const Config__KubeletConfiguration *config, const char *name);
