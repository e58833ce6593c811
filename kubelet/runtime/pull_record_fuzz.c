/* SPDX-License-Identifier: Apache-2.0 */
/* Records of image pulls: no crash; what was read is written so that it reads the same, and merging keeps it readable.
 */
#include <string.h>

#include "kubelet/runtime/pull_record.h"
#include "pkg/base/base.h"
#include "pkg/codec/pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Config__ImagePulledRecord *again(Config__ImagePulledRecord *record, struct arena *arena)
{
	_cleanup_buf_ struct buf json = BUF_INIT(SIZE_MAX);
	Config__ImagePulledRecord *made;
	bool old;
	struct err err;

	base_assert(pull_record_write(record, &json, &err) == 0);
	base_assert(pull_record_read(json.bytes, json.size, arena, &made, &old, &err) == 0 && !old);
	return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct pull_policy policy = { .verify = PULL_VERIFY_PULLED };
	struct pull_known known = { 0 };
	const Config__ImagePullSecret *learned;
	const char *image;
	bool old;
	struct err err;

	if (pull_intent_read((const char *)data, size, arena, &image, &old, &err) == 0) {
		_cleanup_buf_ struct buf json = BUF_INIT(SIZE_MAX);
		const char *same;

		base_assert(pull_intent_write(image, &json, &err) == 0);
		base_assert(pull_intent_read(json.bytes, json.size, arena, &same, &old, &err) == 0);
		base_assert(str_eq(image, same));
	}
	if (pull_record_read((const char *)data, size, arena, &known.record, &old, &err) < 0)
		return 0;
	known.record = again(known.record, arena);
	base_assert(pb_equal(&known.record->base, &again(known.record, arena)->base));
	pull_record_merge(&known.record, "a", "ref", pull_credentials(NULL, arena), 1, arena);
	known.record = again(known.record, arena);
	base_assert(pull_decide(&policy, "a:1", &known, NULL, 0, true, &learned) == PULL_ALLOWED);
	return 0;
}
