/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The two clocks. Waiting and ages use the monotonic one; what users see uses the wall. */
#include <stdint.h>

enum {
	NS_PER_S = 1000000000,
	NS_PER_MS = 1000000,
	US_PER_MS = 1000,
	MS_PER_S = 1000,
};

int64_t clock_mono_ms(void); /* milliseconds since boot, does not count suspend */
int64_t clock_wall_ns(void); /* nanoseconds since 1970 UTC */
int64_t clock_wall_ms(void);
int64_t clock_wall_s(void);
