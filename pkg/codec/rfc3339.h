/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Times as RFC 3339 texts, for the years 1 to 9999. Seconds count from 1970 UTC and may be negative. */
#include <stdint.h>

enum { RFC3339_MAX = 40 }; /* "9999-12-31T23:59:59.999999999+00:00" and its zero */

/* Whole text, any offset, up to nine digits of a second. -EINVAL otherwise. */
int rfc3339_parse(const char *text, int64_t *ret_seconds, int32_t *ret_nanos);

/* UTC with `digits` (0, 3, 6, 9) behind the point; -1 writes as many as are needed, as Go's RFC3339Nano does. */
void rfc3339_format(int64_t seconds, int32_t nanos, int digits, char into[RFC3339_MAX]);
