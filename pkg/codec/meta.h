/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Small things of the API's metadata. */
#include <stdint.h>

#include "k8s/meta.pb-c.h"
#include "pkg/base/arena.h"

/* Whole seconds since 1970, with every member set as in one that was read, so that the two compare equal. */
Meta__Time *meta_time(struct arena *arena, int64_t seconds);
