/* SPDX-License-Identifier: Apache-2.0 */
/* The small formats: one table each. */
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/base64.h"
#include "pkg/codec/crilog.h"
#include "pkg/codec/duration.h"
#include "pkg/codec/imageref.h"
#include "pkg/codec/quantity.h"
#include "pkg/codec/rfc3339.h"
#include "pkg/codec/utf8.h"
#include "pkg/test/test.h"

TEST(quantities_as_upstream)
{
	static const struct {
		const char *text, *canonical;
		int64_t value, milli;
	} rows[] = {
		{ "0", "0", 0, 0 },
		{ "1", "1", 1, 1000 },
		{ "100m", "100m", 1, 100 },
		{ "1500m", "1500m", 2, 1500 },
		{ "0.5", "500m", 1, 500 },
		{ "1k", "1k", 1000, 1000000 },
		{ "1000", "1k", 1000, 1000000 },
		{ "1Ki", "1Ki", 1024, 1024000 },
		{ "1024Ki", "1Mi", 1048576, 1048576000 },
		{ "1.5Gi", "1536Mi", 1610612736, 1610612736000 },
		{ "512", "512", 512, 512000 },
		{ "24683656Ki", "24683656Ki", INT64_C(25276063744), INT64_C(25276063744000) },
		{ "1e3", "1e3", 1000, 1000000 },
		{ "12E2", "1200", 1200, 1200000 },
		{ "-1", "-1", -1, -1000 },
		{ "1n", "1n", 1, 1 },
		{ "0.0000000001", "1n", 1, 1 },
		{ "100Ei", "9223372036854775807", INT64_MAX, INT64_MAX },
		{ "500Mi", "500Mi", 524288000, INT64_C(524288000000) },
		{ "1.", "1", 1, 1000 },
		{ ".5", "500m", 1, 500 },
		{ "62.5Ki", "64000", 64000, 64000000 },
		{ "0.000000001k", "1u", 1, 1 },
		{ "12345678901.123456789", "12345678901123456789n", INT64_C(12345678902), INT64_C(12345678901124) },
		{ "0.00000000000000000000000001Ei", "12n", 1, 1 },
	};
	_cleanup_arena_ struct arena *arena = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct quantity quantity;
		struct err err;

		CHECK_OK(quantity_parse(rows[i].text, &quantity, &err), &err);
		CHECK_INT(rows[i].text, quantity_value(&quantity), ==, rows[i].value);
		CHECK_INT(rows[i].text, quantity_milli(&quantity), ==, rows[i].milli);
		CHECK_STR(rows[i].text, quantity_text(arena, &quantity), rows[i].canonical);
	}
}

TEST(broken_quantities)
{
	static const char *const rows[] = { "x", "1x", "1 Gi", "--1", "1..5", "1Kib", "1e", "1mm" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct quantity quantity;
		struct err err;

		CHECK_INT(rows[i], quantity_parse(rows[i], &quantity, &err), ==, -EINVAL);
	}
}

TEST(times_both_ways)
{
	static const struct {
		const char *text;
		int64_t seconds;
		int32_t nanos;
		int digits;
		const char *written;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0, 0, 0, "1970-01-01T00:00:00Z" },
		{ "2026-11-25T07:10:00Z", 1795590600, 0, 0, "2026-11-25T07:10:00Z" },
		{ "2026-11-25T08:10:00+01:00", 1795590600, 0, 0, "2026-11-25T07:10:00Z" },
		{ "2026-11-25T07:10:00.5Z", 1795590600, 500000000, -1, "2026-11-25T07:10:00.5Z" },
		{ "2026-11-25T07:10:00.123456789Z", 1795590600, 123456789, 9, "2026-11-25T07:10:00.123456789Z" },
		{ "2026-11-25T07:10:00.123456Z", 1795590600, 123456000, 6, "2026-11-25T07:10:00.123456Z" },
		{ "2026-11-25T07:10:00Z", 1795590600, 0, -1, "2026-11-25T07:10:00Z" },
		{ "2024-02-29T23:59:59Z", 1709251199, 0, 0, "2024-02-29T23:59:59Z" },
		{ "1969-12-31T23:59:59Z", -1, 0, 0, "1969-12-31T23:59:59Z" },
		{ "0001-01-01T00:00:00Z", INT64_C(-62135596800), 0, 0, "0001-01-01T00:00:00Z" },
		{ "9999-12-31T23:59:59Z", INT64_C(253402300799), 0, 0, "9999-12-31T23:59:59Z" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char written[RFC3339_MAX];
		int64_t seconds;
		int32_t nanos;

		CHECK_INT(rows[i].text, rfc3339_parse(rows[i].text, &seconds, &nanos), ==, 0);
		CHECK_INT(rows[i].text, seconds, ==, rows[i].seconds);
		CHECK_INT(rows[i].text, nanos, ==, rows[i].nanos);
		rfc3339_format(seconds, nanos, rows[i].digits, written);
		CHECK_STR(rows[i].text, written, rows[i].written);
	}
}

TEST(broken_times)
{
	static const char *const rows[] = {
		"",
		"2026",
		"2026-13-01T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01 00:00:00Z",
		"2026-01-01T00:00:00",
		"2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00Zx",
		"2026-01-01T00:00:00+1:00",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t seconds;
		int32_t nanos;

		CHECK_INT(rows[i], rfc3339_parse(rows[i], &seconds, &nanos), ==, -EINVAL);
	}
}

TEST(durations_as_go_has_them)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "5", "time: missing unit in duration \"5\"" },
		{ "1m5", "time: missing unit in duration \"1m5\"" },
		{ "5d", "time: unknown unit \"d\" in duration \"5d\"" },
		{ "1h5 s", "time: unknown unit \" s\" in duration \"1h5 s\"" },
		{ ".s", "time: invalid duration \".s\"" },
		{ "", "time: invalid duration \"\"" },
	};
	struct err err;
	static const struct {
		const char *text;
		int64_t ns;
		const char *written;
	} rows[] = {
		{ "0", 0, "0s" },
		{ "0s", 0, "0s" },
		{ "10s", INT64_C(10000000000), "10s" },
		{ "1m30s", INT64_C(90000000000), "1m30s" },
		{ "1.5h", INT64_C(5400000000000), "1h30m0s" },
		{ "100ms", 100000000, "100ms" },
		{ "1500us", 1500000, "1.5ms" },
		{ "-2s", INT64_C(-2000000000), "-2s" },
		{ "4h0m0s", INT64_C(14400000000000), "4h0m0s" },
		{ "7ns", 7, "7ns" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char written[DURATION_TEXT_MAX];
		int64_t ns;

		CHECK_INT(rows[i].text, duration_parse(rows[i].text, &ns), ==, 0);
		CHECK_INT(rows[i].text, ns, ==, rows[i].ns);
		duration_format(ns, written);
		CHECK_STR(rows[i].text, written, rows[i].written);
	}
	int64_t ns;
	CHECK_INT("no unit", duration_parse("5", &ns), ==, -EINVAL);
	CHECK_INT("empty", duration_parse("", &ns), ==, -EINVAL);
	CHECK_INT("unknown unit", duration_parse("5d", &ns), ==, -EINVAL);
	CHECK_INT("too long", duration_parse("9999999h", &ns), ==, -EINVAL);
	CHECK_INT("no digits", duration_parse(".s", &ns), ==, -EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_INT(bad[i].text, duration_read(bad[i].text, &ns, &err), ==, -EINVAL);
		CHECK_STR(bad[i].text, err.text, bad[i].says);
	}
}

TEST(base64_both_ways)
{
	static const struct {
		const char *plain, *coded;
	} rows[] = { { "", "" },        { "f", "Zg==" },        { "fo", "Zm8=" },
		     { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "\xff\xfe", "//4=" } };
	static const char *const broken[] = { "Z", "Zg", "Zg=", "Zg===", "Z?==", "Zg==Zg==" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_buf_ struct buf coded = BUF_INIT(100);
		uint8_t plain[64];
		size_t size;

		base64_encode(rows[i].plain, strlen(rows[i].plain), &coded);
		CHECK_STR("encode", buf_text(&coded), rows[i].coded);
		CHECK_INT("decode", base64_decode(rows[i].coded, strlen(rows[i].coded), plain, &size), ==, 0);
		CHECK_MEM("decode", plain, size, rows[i].plain, strlen(rows[i].plain));
	}
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		uint8_t plain[64];
		size_t size;

		CHECK_INT(broken[i], base64_decode(broken[i], strlen(broken[i]), plain, &size), ==, -EBADMSG);
	}
	uint8_t plain[64];
	size_t size;
	CHECK_INT("URL alphabet without padding", base64url_decode("__4", 3, plain, &size), ==, 0);
	CHECK_MEM("URL alphabet", plain, size, "\xff\xfe", 2);
}

TEST(utf8_is_checked_and_mended)
{
	static const struct {
		const char *text, *mended;
	} rows[] = {
		{ "plain", "plain" },
		{ "\xc3\xa9", "\xc3\xa9" },
		{ "\xff", "\xef\xbf\xbd" },
		{ "a\xc3", "a\xef\xbf\xbd" },
		{ "\xed\xa0\x80x", "\xef\xbf\xbdx" },
		{ "\xc0\x80", "\xef\xbf\xbd" },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_buf_ struct buf mended = BUF_INIT(100);

		CHECK_INT("valid", utf8_valid(rows[i].text, strlen(rows[i].text)), ==,
			  strcmp(rows[i].text, rows[i].mended) == 0);
		utf8_sanitize(rows[i].text, strlen(rows[i].text), &mended);
		CHECK_STR("mended", buf_text(&mended), rows[i].mended);
	}
}

TEST(image_references_are_completed)
{
	static const struct {
		const char *text, *whole;
	} rows[] = {
		{ "nginx", "docker.io/library/nginx:latest" },
		{ "nginx:1.25", "docker.io/library/nginx:1.25" },
		{ "me/app", "docker.io/me/app:latest" },
		{ "registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10" },
		{ "localhost/x", "localhost/x:latest" },
		{ "localhost:5000/x:y", "localhost:5000/x:y" },
		{ "a@sha256:0123456789012345678901234567890123456789012345678901234567890123",
		  "docker.io/library/a@sha256:0123456789012345678901234567890123456789012345678901234567890123" },
		{ "a_b.c/d", "a_b.c/d:latest" },
		{ "[::1]:5000/x", "[::1]:5000/x:latest" },
		{ "Host/x:T_.-", "Host/x:T_.-" },
		{ "index.docker.io/library/a", "docker.io/library/a:latest" },
	};
	static const struct {
		const char *text, *fault;
	} broken[] = {
		{ "", "invalid reference format" },
		{ "Nginx", "invalid reference format: repository name (library/Nginx) must be lowercase" },
		{ "a.b/Nginx:x", "invalid reference format: repository name (Nginx) must be lowercase" },
		{ "a b", "invalid reference format" },
		{ "a:", "invalid reference format" },
		{ "a@sha256:12", "invalid reference format" },
		{ "a@sha256:01234567890123456789012345678901", "invalid checksum digest length" },
		{ "a@md5:01234567890123456789012345678901", "unsupported digest algorithm" },
		{ "a//b", "invalid reference format" },
		{ "-a", "invalid reference format" },
		{ "a:b:c", "invalid reference format" },
		{ "a_-b/", "invalid reference format" },
		{ "http://x", "invalid reference format" },
		{ "-h.x/a", "invalid reference format" },
		{ "h:p/a", "invalid reference format" },
		{ "0123456789012345678901234567890123456789012345678901234567890123",
		  "invalid repository name (0123456789012345678901234567890123456789012345678901234567890123), cannot "
		  "specify 64-byte hexadecimal strings" },
	};
	_cleanup_arena_ struct arena *arena = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct imageref ref;
		struct err err;

		CHECK_OK(imageref_parse(rows[i].text, arena, &ref, &err), &err);
		CHECK_STR(rows[i].text, imageref_text(&ref, arena), rows[i].whole);
	}
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct imageref ref;
		struct err err;

		CHECK_INT(broken[i].text, imageref_parse(broken[i].text, arena, &ref, &err), ==, -EINVAL);
		CHECK_STR(broken[i].text, err.text,
			  arena_printf(arena, "couldn't parse image name \"%s\": %s", broken[i].text, broken[i].fault));
	}
}

TEST(image_references_without_tag_and_digest)
{
	static const char digest[] = "@sha256:0123456789012345678901234567890123456789012345678901234567890123";
	static const char *const names[] = { "nginx", "a/b", "localhost:5000/a", "reg.io:1/a/b",
					     "docker.io/library/nginx" };
	static const char *const tags[] = { "", ":latest", ":5000" };

	for (size_t n = 0; n < ARRAY_LEN(names); n++)
		for (size_t t = 0; t < 2 * ARRAY_LEN(tags); t++) {
			_cleanup_arena_ struct arena *arena = arena_new();
			const char *text = arena_printf(arena, "%s%s%s", names[n], tags[t / 2], t % 2 ? digest : "");
			struct imageref ref;
			struct err err = { 0 };

			CHECK_OK(imageref_parse(text, arena, &ref, &err), &err);
			CHECK_STR(text, imageref_trim(text, &ref, arena), names[n]);
		}
}

TEST(log_lines)
{
	static const struct {
		const char *line;
		bool is_stderr, partial;
		const char *text; /* NULL: no such line */
	} rows[] = {
		{ "2026-11-25T07:10:00.123456789Z stdout F some text", false, false, "some text" },
		{ "2026-11-25T07:10:00.123456789+01:00 stderr P part", true, true, "part" },
		{ "2026-11-25T07:10:00Z stdout F ", false, false, "" },
		{ "2026-11-25T07:10:00Z stdout P:X a  b", false, true, "a  b" },
		{ "2026-11-25T07:10:00Z stdout F", false, false, NULL },
		{ "2026-11-25T07:10:00Z stdin F x", false, false, NULL },
		{ "yesterday stdout F x", false, false, NULL },
		{ "", false, false, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct crilog_line line;
		int code = crilog_parse(rows[i].line, strlen(rows[i].line), &line);

		CHECK_INT(rows[i].line, code, ==, rows[i].text ? 0 : -EBADMSG);
		if (code < 0)
			continue;
		CHECK_INT(rows[i].line, line.is_stderr, ==, rows[i].is_stderr);
		CHECK_INT(rows[i].line, line.partial, ==, rows[i].partial);
		CHECK_MEM(rows[i].line, line.text, line.size, rows[i].text, strlen(rows[i].text));
	}
}

TEST(a_text_is_cut_between_characters)
{
	static const struct {
		const char *text;
		size_t limit, want;
	} rows[] = {
		{ "abc", 5, 3 },           { "abc", 3, 3 },           { "abc", 2, 2 },
		{ "a\xe2\x82\xac", 3, 1 }, { "a\xe2\x82\xac", 4, 4 }, { "\xf0\x9f\x90\x8b", 3, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(rows[i].text, utf8_cut(rows[i].text, strlen(rows[i].text), rows[i].limit), ==, rows[i].want);
}
