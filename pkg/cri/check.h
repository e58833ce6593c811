/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an answer of the runtime must hold, as the stock kubelet's client (cri-client) demands it. Without this an empty
 * answer would read as "there is no such container", and a second one would be started.
 */
#include "pkg/cri/cri.h"

/* `answer` is the decoded message of the method. -EBADMSG with stock's words; methods without a rule always pass. */
int cri_check_answer(enum cri_method method, const void *answer, struct err *err);
