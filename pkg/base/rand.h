/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Randomness from the kernel. For seeds, names and tokens alike; it never fails and never blocks after boot. */
#include <stddef.h>
#include <stdint.h>

void rand_bytes(void *bytes, size_t size);
uint32_t rand_below(uint32_t limit); /* uniform in [0, limit), limit > 0 */
