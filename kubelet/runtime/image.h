/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The decisions about images: pure, and the small memories that they need. */
#include <stdbool.h>
#include <stdint.h>

#include "k8s/core.pb-c.h"
#include "pkg/base/arena.h"
#include "pkg/base/map.h"
#include "pkg/codec/imageref.h"

enum image_policy { IMAGE_IF_NOT_PRESENT, IMAGE_ALWAYS, IMAGE_NEVER };

enum {
	IMAGE_BACKOFF_FIRST_MS = 10 * 1000, /* the three as upstream */
	IMAGE_BACKOFF_MAX_MS = 300 * 1000,
	IMAGE_BACKOFF_FORGET_MS = 2 * IMAGE_BACKOFF_MAX_MS,
};

enum image_policy image_policy(const Core__Container *container);

/* As written, with ":latest" where neither tag nor digest is. */
const char *image_with_tag(const char *image, const struct imageref *ref, struct arena *arena);

/* The waiting reason and message for a pull that failed with this text of the runtime. */
struct image_failure {
	const char *reason, *message;
};
void image_failure(const char *image, const char *text, struct arena *arena, struct image_failure *ret_failure);

/* Back-off of pulls, by "<pod uid>_<image>". Times are the loop's. The map owns its values: free() them. */
struct image_backoff {
	int64_t delay_ms, failed_ms;
	char text[]; /* what went wrong last */
};
/* Milliseconds until a next try, 0: now. *ret_text is what went wrong last, valid until the next call. */
int64_t image_backoff_left(struct map *backoffs, const char *key, int64_t now_ms, const char **ret_text);
int64_t image_backoff_failed(struct map *backoffs, const char *key, const char *text, int64_t now_ms);
void image_backoff_collect(struct map *backoffs, int64_t now_ms);
