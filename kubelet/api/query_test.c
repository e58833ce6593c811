/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/query.h"

#include <errno.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/test/test.h"

TEST(pairs_are_read_as_go_reads_them)
{
	static const struct {
		const char *rule, *text, *key, *want;
		size_t n;
	} rows[] = {
		{ "one", "a=b", "a", "b", 1 },
		{ "the first of several", "a=b&a=c", "a", "b", 2 },
		{ "a plus is a blank", "a=b+c%2Bd", "a", "b c+d", 1 },
		{ "no sign is an empty value", "a&b=1", "a", "", 2 },
		{ "empty pairs do not count", "&&a=1&", "a", "1", 1 },
		{ "a bad escape drops its pair", "a=%zz&b=1", "a", NULL, 1 },
		{ "a cut escape too", "a=%4&b=1", "a", NULL, 1 },
		{ "a semicolon too", "a=1;b=2&c=3", "a", NULL, 1 },
		{ "keys are decoded", "%61=x", "a", "x", 1 },
		{ "a second sign belongs to the value", "a=b=c", "a", "b=c", 1 },
		{ "nothing", "", "a", NULL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct query query;

		query_parse(rows[i].text, arena, &query);
		CHECK_INT(rows[i].rule, query.n, ==, rows[i].n);
		CHECK_STR(rows[i].rule, str_or(query_get(&query, rows[i].key), "absent or empty"),
			  str_or(rows[i].want, "absent or empty"));
	}
}

TEST(a_zero_byte_is_told)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct query query;

	query_parse("command=a%00b&command=c&x%00y=1", arena, &query);
	CHECK("command", query_has_zero_byte(&query, "command"));
	CHECK("other", !query_has_zero_byte(&query, "x"));
	CHECK_INT("a key with one is no key", query.n, ==, 2);
	CHECK_STR("second", query_get_nth(&query, "command", 1), "c");
}

TEST(too_many_pairs_are_none)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	size_t size = 2 * (QUERY_MAX + 1);
	char *text = arena_alloc(arena, size + 1);
	struct query query;

	for (size_t i = 0; i < size; i += 2)
		memcpy(text + i, "a&", 2);
	text[size - 1] = 0;
	query_parse(text, arena, &query);
	CHECK_INT("over the limit", query.n, ==, 0);
	text[size - 3] = 0;
	query_parse(text, arena, &query);
	CHECK_INT("at the limit", query.n, ==, QUERY_MAX);
}

TEST(numbers)
{
	static const struct {
		const char *text;
		int code;
		int64_t want;
	} rows[] = {
		{ "0", 0, 0 },
		{ "+5", 0, 5 },
		{ "-5", 0, -5 },
		{ "007", 0, 7 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "-9223372036854775808", 0, INT64_MIN },
		{ "9223372036854775808", -EINVAL, 0 },
		{ "-9223372036854775809", -EINVAL, 0 },
		{ "99999999999999999999", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "-", -EINVAL, 0 },
		{ "1_0", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1.0", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t value = 0;

		CHECK_INT(rows[i].text, query_int(rows[i].text, &value), ==, rows[i].code);
		CHECK_INT(rows[i].text, value, ==, rows[i].want);
	}
	CHECK("empty is true", query_bool(""));
	CHECK("FALSE is false", !query_bool("FALSE"));
	CHECK("0 is false", !query_bool("0"));
	CHECK("no is true", query_bool("no"));
}
