/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How often something may be done: a bucket of permissions, and the wait that doubles. Pure; the clock comes in. */
#include <stdbool.h>
#include <stdint.h>

/* Starts full when `left` is `burst`; per_second 0 or less is no limit. */
struct rate {
	double per_second, burst, left;
	int64_t at_ms; /* when `left` was so */
};

bool rate_take(struct rate *rate, int64_t now_ms); /* false: not now */

/* What to wait after `delay_ms` was not enough; 0 begins with `first_ms`. */
int64_t rate_back_off(int64_t delay_ms, int64_t first_ms, int64_t last_ms);
