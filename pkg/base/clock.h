/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The two clocks. Waiting and ages use the monotonic one; what users see uses the wall. */
#include <stdint.h>

int64_t clock_mono_ms(void); /* milliseconds since boot, does not count suspend */
int64_t clock_wall_ns(void); /* nanoseconds since 1970 UTC */
