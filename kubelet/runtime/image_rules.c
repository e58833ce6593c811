/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kubelet/runtime/image.h"
#include "pkg/base/base.h"
#include "pkg/base/rate.h"

enum image_policy image_policy(const Core__Container *container)
{
	const char *policy = container->imagepullpolicy;

	return str_eq(policy, "Always") ? IMAGE_ALWAYS : str_eq(policy, "Never") ? IMAGE_NEVER : IMAGE_IF_NOT_PRESENT;
}

const char *image_with_tag(const char *image, const struct imageref *ref, struct arena *arena)
{
	const char *tag = str_or(ref->tag, "latest");

	if (!str_empty(ref->digest) || str_has_suffix(image, arena_printf(arena, ":%s", tag)))
		return arena_strdup(arena, image);
	return arena_printf(arena, "%s:%s", image, tag);
}

void image_failure(const char *image, const char *text, struct arena *arena, struct image_failure *ret_failure)
{
	static const struct {
		const char *reason, *words;
	} known[] = {
		{ "RegistryUnavailable", "the registry is unavailable" },
		{ "SignatureValidationFailed", "the signature validation failed" },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_has_prefix(text, known[i].reason)) {
			*ret_failure = (struct image_failure){
				known[i].reason,
				arena_printf(arena, "image pull failed for %s because %s%s", image, known[i].words,
					     text + strlen(known[i].reason)),
			};
			return;
		}
	*ret_failure = (struct image_failure){ "ErrImagePull", text };
}

int64_t image_backoff_left(struct map *backoffs, const char *key, int64_t now_ms, const char **ret_text)
{
	struct image_backoff *backoff = map_get(backoffs, key);
	int64_t passed = backoff ? now_ms - backoff->failed_ms : 0;

	if (!backoff || passed >= backoff->delay_ms)
		return 0;
	*ret_text = backoff->text;
	return backoff->delay_ms - passed;
}

int64_t image_backoff_failed(struct map *backoffs, const char *key, const char *text, int64_t now_ms)
{
	struct image_backoff *before = map_get(backoffs, key);
	struct image_backoff *made = xcalloc(1, sizeof *made + strlen(text) + 1);

	if (before && now_ms - before->failed_ms > IMAGE_BACKOFF_FORGET_MS)
		before = NULL;
	made->delay_ms = rate_back_off(before ? before->delay_ms : 0, IMAGE_BACKOFF_FIRST_MS, IMAGE_BACKOFF_MAX_MS);
	made->failed_ms = now_ms;
	memcpy(made->text, text, strlen(text) + 1);
	free(map_set(backoffs, key, made));
	return made->delay_ms;
}

void image_backoff_collect(struct map *backoffs, int64_t now_ms)
{
	size_t at = 0;
	const char *key;
	void *value;

	while (map_next(backoffs, &at, &key, &value)) {
		struct image_backoff *backoff = value;

		if (now_ms - backoff->failed_ms > IMAGE_BACKOFF_FORGET_MS) {
			map_remove(backoffs, key);
			free(backoff);
		}
	}
}
