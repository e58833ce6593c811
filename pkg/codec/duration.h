/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Durations as Go writes them: "1m30s", "1.5h", "300ms". Nanoseconds, up to about 292 years. */
#include <stdint.h>

#include "config/kubelet.pb-c.h"
#include "pkg/base/err.h"

enum { DURATION_TEXT_MAX = 32 }; /* "-2562047h47m16.854775808s" is the longest */

/* Whole text; -EINVAL on a missing or unknown unit and past the range. "0" needs no unit. */
int duration_parse(const char *text, int64_t *ret_ns);
int duration_read(const char *text, int64_t *ret_ns, struct err *err); /* the same, and says why not in Go's words */

/* Of a configuration's field; 0 when it is absent. */
int64_t duration_ms(const Config__Duration *duration);

void duration_format(int64_t ns, char into[DURATION_TEXT_MAX]); /* as Go's String(): "1m30s", "0s", "1.5ms" */
