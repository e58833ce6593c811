/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Words and times that stock refuses after its validation, while it puts itself together. Inside kubelet/config only.
 */
#include "config/kubelet.pb-c.h"
#include "pkg/base/err.h"

int words_check(const Config__KubeletConfiguration *config, struct err *err);
