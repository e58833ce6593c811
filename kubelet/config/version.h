/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The value of --version that names a version to be reported. Inside kubelet/config only. */
#include "pkg/base/err.h"

/* Whether `text` ("v1.37.2-mine+1") is ours but for what follows the three numbers. -EINVAL in stock's words. */
int version_check(const char *text, const char *ours, struct err *err);
