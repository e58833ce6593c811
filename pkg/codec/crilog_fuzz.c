/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines, and the small formats beside them: no crash, and what is found lies inside what was given. */
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/base64.h"
#include "pkg/codec/crilog.h"
#include "pkg/codec/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_base64(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf text = BUF_INIT(SIZE_MAX);
	_cleanup_free_ uint8_t *bytes = xmalloc(base64_decoded_max(size));
	size_t n;

	if (base64url_decode((const char *)data, size, bytes, &n) == 0)
		base_assert(n <= base64_decoded_max(size));
	if (base64_decode((const char *)data, size, bytes, &n) == 0)
		base_assert(n <= base64_decoded_max(size));
	base64_encode(data, size, &text);
	_cleanup_free_ uint8_t *back = xmalloc(base64_decoded_max(text.size));
	base_assert(base64_decode(buf_text(&text), text.size, back, &n) == 0);
	base_assert(n == size && (size == 0 || memcmp(back, data, size) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf clean = BUF_INIT(SIZE_MAX);
	const char *line = (const char *)data;
	struct crilog_line got;

	if (crilog_parse(line, size, &got) == 0) {
		base_assert(got.time == line && got.time_size < size);
		base_assert(got.text >= line && got.text + got.size == line + size);
	}
	utf8_sanitize(line, size, &clean);
	base_assert(utf8_valid(buf_text(&clean), clean.size));
	if (utf8_valid(line, size))
		base_assert(clean.size == size);
	check_base64(data, size);
	return 0;
}
