/* SPDX-License-Identifier: Apache-2.0 */
/* The small formats on one text: what parses must print to something that parses to the same. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/base64.h"
#include "pkg/codec/crilog.h"
#include "pkg/codec/duration.h"
#include "pkg/codec/imageref.h"
#include "pkg/codec/quantity.h"
#include "pkg/codec/rfc3339.h"
#include "pkg/codec/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_quantity(const char *text, struct arena *arena)
{
	struct quantity quantity, again;
	struct err err;

	if (quantity_parse(text, &quantity, &err) < 0)
		return;
	base_assert(quantity_parse(quantity_text(arena, &quantity), &again, &err) == 0);
}

static void check_time(const char *text)
{
	char written[RFC3339_MAX];
	int64_t seconds, again;
	int32_t nanos;

	if (rfc3339_parse(text, &seconds, &nanos) < 0)
		return;
	rfc3339_format(seconds, nanos, -1, written);
	if (seconds >= INT64_C(-62167219200) && seconds <= INT64_C(253402300799))
		base_assert(rfc3339_parse(written, &again, &nanos) == 0 && again == seconds);
}

static void check_duration(const char *text)
{
	char written[DURATION_TEXT_MAX];
	int64_t ns, again;

	if (duration_parse(text, &ns) < 0)
		return;
	duration_format(ns, written);
	base_assert(duration_parse(written, &again) == 0);
}

static void check_reference(const char *text, struct arena *arena)
{
	struct imageref ref, again;
	struct err err;

	if (imageref_parse(text, arena, &ref, &err) == 0)
		base_assert(imageref_parse(imageref_text(&ref, arena), arena, &again, &err) == 0 || strlen(text) > 200);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf clean = BUF_INIT(1 << 20);
	const char *text = arena_strndup(arena, (const char *)data, size);
	struct crilog_line line;
	uint8_t *bytes = arena_alloc(arena, base64_decoded_max(size));
	size_t n;

	check_quantity(text, arena);
	check_time(text);
	check_duration(text);
	check_reference(text, arena);
	base64_decode(text, size, bytes, &n);
	base64url_decode(text, size, bytes, &n);
	crilog_parse(text, size, &line);
	utf8_sanitize(text, size, &clean);
	base_assert(clean.overflow || utf8_valid(buf_text(&clean), clean.size));
	return 0;
}
