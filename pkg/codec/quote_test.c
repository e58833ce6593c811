/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/base/base.h"
#include "pkg/codec/quote.h"
#include "pkg/test/test.h"

/* Each pair is what strconv.Quote answers. */
static const struct {
	const char *text, *want;
} rows[] = {
	{ "", "\"\"" },
	{ "plain 1=2", "\"plain 1=2\"" },
	{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
	{ "\a\b\f\n\r\t\v", "\"\\a\\b\\f\\n\\r\\t\\v\"" },
	{ "\x01\x1b\x7f", "\"\\x01\\x1b\\x7f\"" },
	{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x8b", "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x8b\"" },
	{ "a\xc2\xa0z", "\"a\\u00a0z\"" },
	{ "\xe2\x80\x8b\xef\xbb\xbf", "\"\\u200b\\ufeff\"" },
	{ "\xf3\xa0\x80\x81", "\"\\U000e0001\"" },
	{ "\xff\xc3", "\"\\xff\\xc3\"" },
	{ "\xc3(\xe2\x82", "\"\\xc3(\\xe2\\x82\"" },
};

TEST(as_go_quotes)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_buf_ struct buf got = BUF_INIT(256);

		quote_go(&got, rows[i].text);
		CHECK_STR(rows[i].want, buf_text(&got), rows[i].want);
	}
}
