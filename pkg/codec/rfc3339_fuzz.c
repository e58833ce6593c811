/* SPDX-License-Identifier: Apache-2.0 */
/* Times and durations: no overflow, and what is written reads as the same moment. */
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/duration.h"
#include "pkg/codec/rfc3339.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_numbers(const uint8_t *data, size_t size)
{
	static const int digits[] = { -1, 0, 3, 6, 9 };
	char text[RFC3339_MAX], span[DURATION_TEXT_MAX];
	int64_t seconds = 0, ns;
	int32_t nanos = 0;

	memcpy(&seconds, data, MIN(size, sizeof seconds));
	if (size > sizeof seconds)
		memcpy(&nanos, data + sizeof seconds, MIN(size - sizeof seconds, sizeof nanos));
	for (size_t i = 0; i < ARRAY_LEN(digits); i++)
		rfc3339_format(seconds, nanos, digits[i], text);
	duration_format(seconds, span);
	if (seconds > INT64_MIN) {
		base_assert(duration_parse(span, &ns) == 0);
		base_assert(ns == seconds);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	char again[RFC3339_MAX], span[DURATION_TEXT_MAX];
	int64_t seconds, seconds_again, ns, ns_again;
	int32_t nanos, nanos_again;

	check_numbers(data, size);
	if (rfc3339_parse(text, &seconds, &nanos) == 0 && seconds >= -62135596800 && seconds <= 253402300799) {
		rfc3339_format(seconds, nanos, -1, again);
		base_assert(rfc3339_parse(again, &seconds_again, &nanos_again) == 0);
		base_assert(seconds == seconds_again && nanos == nanos_again);
	}
	if (duration_parse(text, &ns) == 0) {
		duration_format(ns, span);
		base_assert(duration_parse(span, &ns_again) == 0);
		base_assert(ns == ns_again);
	}
	return 0;
}
