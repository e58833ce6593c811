/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/stream/http_head.h"

#include <errno.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/test/test.h"

/* Feeds whole or byte by byte; returns the code and how much was taken. */
static int feed(struct http_head *head, const char *text, size_t size, bool by_byte, size_t *ret_taken)
{
	size_t taken = 0, part;
	int code = 0;

	if (!by_byte)
		return http_head_feed(head, text, size, ret_taken);
	while (taken < size && !head->complete && code >= 0) {
		code = http_head_feed(head, text + taken, 1, &part);
		taken += part;
	}
	*ret_taken = taken;
	return code;
}

TEST(refused_and_accepted_as_stock)
{
	static const struct {
		const char *head;
		int refusal; /* 0: accepted */
		const char *text;
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL },
		{ "GET / HTTP/1.1\nHost: a\n\n", 0, NULL },
		{ "get / HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL },
		{ "GET / HTTP/1.0\r\n\r\n", 0, NULL },
		{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0, NULL },
		{ "GET / HTTP/1.1\r\n\r\n", 400, "missing required Host header" },
		{ "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, NULL },
		{ "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "malformed Host header" },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, NULL },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 0, NULL },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400, NULL },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400, NULL },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 0, NULL },
		{ "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, NULL },
		{ "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501,
		  NULL },
		{ "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL },
		{ "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL },
		{ "GET /?%zz HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL },
		{ "GET /a\x01 HTTP/1.1\r\n", 400, NULL },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n", 400, NULL },
		{ "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400, NULL },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400, "invalid header name" },
		{ "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, NULL },
		{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "unsupported protocol version" },
		{ "GET / HTTP/1.1 \r\n", 400, NULL },
		{ "GET /\r\n", 400, NULL },
		{ "\r\n", 400, NULL },
		{ "GET  HTTP/1.1\r\n", 400, NULL },
		{ "G(T / HTTP/1.1\r\n", 400, NULL },
		{ "GET pods HTTP/1.1\r\n", 400, NULL },
		{ "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417, NULL },
		{ "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nExpect: 100-continue\r\n\r\n", 417, NULL },
		{ "GET http://[::1/x HTTP/1.1\r\n", 400, NULL },
		{ "GET http://[::1]:80/x HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL },
		{ "GET http://[1.2.3.4]/x HTTP/1.1\r\n", 400, NULL },
		{ "GET http://a:b/x HTTP/1.1\r\n", 400, NULL },
		{ "GET http://a:1:2/x HTTP/1.1\r\n", 400, NULL },
		{ "GET http://a:/x HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL },
		{ "GET http://a%41/x HTTP/1.1\r\n", 400, NULL },
		{ "GET http://a%c3%a4/x HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL },
		{ "GET http://u:p@a/x HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL },
		{ "GET http://u[@a/x HTTP/1.1\r\n", 400, NULL },
		{ "GET a_b://c/x HTTP/1.1\r\n", 400, NULL },
		{ "GET 1a://c/x HTTP/1.1\r\n", 400, NULL },
		{ "GET mailto:x HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL },
		{ "CONNECT a:443 HTTP/1.1\r\n\r\n", 0, NULL },
		{ "CONNECT a:b HTTP/1.1\r\n", 400, NULL },
		{ "PRI * HTTP/2.0\r\n\r\n", 0, NULL },
		{ "PRI * HTTP/2.0\r\nX: y\r\n\r\n", 400, "missing required Host header" },
		{ "GET * HTTP/2.0\r\n\r\n", 505, "unsupported protocol version" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int by_byte = 0; by_byte < 2; by_byte++) {
			struct http_head head;
			size_t taken;

			http_head_init(&head, false);
			int code = feed(&head, rows[i].head, strlen(rows[i].head), by_byte, &taken);

			CHECK_INT(rows[i].head, head.refusal, ==, rows[i].refusal);
			CHECK_INT(rows[i].head, code, ==, rows[i].refusal ? -EBADMSG : 0);
			CHECK_STR(rows[i].head, str_or(head.refusal_text, ""), str_or(rows[i].text, ""));
			CHECK_INT(rows[i].head, head.complete, ==, !rows[i].refusal);
			http_head_done(&head);
		}
}

TEST(values_of_a_head)
{
	static const char text[] =
		"POST /exec/a/b%20c%2Fd?command=%20x&y HTTP/1.1\r\nHost: h:1\r\nX-A:  one \t\r\n two\r\n"
		"\tthree\r\nx-a: second\r\nConnection: keep-alive, Upgrade\r\nContent-Length: 3\r\n\r\nabcNEXT";

	for (int by_byte = 0; by_byte < 2; by_byte++) {
		struct http_head head;
		size_t taken;

		http_head_init(&head, false);
		CHECK_INT("feed", feed(&head, text, sizeof text - 1, by_byte, &taken), ==, 0);
		CHECK("complete", head.complete);
		CHECK_STR("rest", text + taken, "abcNEXT");
		CHECK_STR("method", head.method, "POST");
		CHECK_STR("path", head.path, "/exec/a/b c/d");
		CHECK_STR("query", head.query, "command=%20x&y");
		CHECK_STR("target", head.target, "/exec/a/b%20c%2Fd?command=%20x&y");
		CHECK_STR("host", head.host, "h:1");
		CHECK_STR("folded", http_head_get(&head, "X-a"), "one two three");
		CHECK_STR("second", http_head_get_nth(&head, "X-A", 1), "second");
		CHECK("no third", !http_head_get_nth(&head, "X-A", 2));
		CHECK("upgrade", head.wants_upgrade);
		CHECK("keep", head.keep_alive);
		CHECK_INT("framing", head.framing, ==, HTTP_LENGTH);
		CHECK_INT("length", head.content_length, ==, 3);
		http_head_reset(&head);
		CHECK("empty again", !head.complete && !head.n_headers);
		http_head_done(&head);
	}
}

TEST(absolute_targets_and_zero_bytes)
{
	static const struct {
		const char *target, *path, *host;
	} rows[] = {
		{ "http://other:1/a%41?q", "/aA", "other:1" },
		{ "//pods", "//pods", "a" },
		{ "/a/../b", "/a/../b", "a" },
		{ "/pods%00x", "/pods\xef\xbf\xbdx", "a" },
		{ "*", "*", "a" },
		{ "/a#b", "/a#b", "a" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_head head;
		char *text = xasprintf("GET %s HTTP/1.1\r\nHost: a\r\n\r\n", rows[i].target);
		size_t taken;

		http_head_init(&head, false);
		CHECK_INT(rows[i].target, http_head_feed(&head, text, strlen(text), &taken), ==, 0);
		CHECK_STR(rows[i].target, head.path, rows[i].path);
		CHECK_STR(rows[i].target, head.host, rows[i].host);
		http_head_done(&head);
		free(text);
	}
}

TEST(an_expectation_that_cannot_be_met_is_417_with_a_date)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n";
	struct http_head head;
	struct buf answer = BUF_INIT(1000);
	size_t taken;

	http_head_init(&head, false);
	CHECK_INT("feed", http_head_feed(&head, text, strlen(text), &taken), ==, -EBADMSG);
	http_head_refuse(&answer, &head, 784887151);
	CHECK_STR("answer", buf_text(&answer),
		  "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\n"
		  "Content-Length: 0\r\n\r\n");
	buf_done(&answer);
	http_head_done(&head);
}

TEST(a_head_past_the_limit_is_431)
{
	struct http_head head;
	char *text = xmalloc(2 << 20);
	size_t taken;

	memset(text, 'a', 2 << 20);
	memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
	http_head_init(&head, false);
	CHECK_INT("feed", http_head_feed(&head, text, 900 << 10, &taken), ==, 0);
	CHECK_INT("feed", http_head_feed(&head, text + (900 << 10), 1 << 20, &taken), ==, -EBADMSG);
	CHECK_INT("status", head.refusal, ==, 431);
	struct buf answer = BUF_INIT(1000);

	http_head_refuse(&answer, &head, 0);
	CHECK_STR("answer", buf_text(&answer),
		  "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n"
		  "Connection: close\r\n\r\n431 Request Header Fields Too Large");
	buf_done(&answer);
	http_head_done(&head);
	free(text);
}

TEST(bodies)
{
	static const struct {
		enum http_framing framing;
		int64_t length;
		const char *bytes, *content;
		bool done;
		int code;
	} rows[] = {
		{ HTTP_NO_BODY, 0, "abc", "", true, 0 },
		{ HTTP_LENGTH, 2, "abc", "ab", true, 0 },
		{ HTTP_LENGTH, 4, "abc", "abc", false, 0 },
		{ HTTP_CHUNKED, 0, "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\nX", "abcde", true, 0 },
		{ HTTP_CHUNKED, 0, "A \r\nabcdefghij\r\n0\r\nTrailer: x\r\n\r\nX", "abcdefghij", true, 0 },
		{ HTTP_CHUNKED, 0, "1\na\r\n0\r\n\r\n", "", false, -EBADMSG },
		{ HTTP_CHUNKED, 0, "1;x\na\r\n0\r\n\r\n", "", false, -EBADMSG },
		{ HTTP_CHUNKED, 0, "1\r\na\n0\r\n\r\n", "a", false, -EBADMSG },
		{ HTTP_CHUNKED, 0, "1;\rx\r\na\r\n0\r\n\r\n", "", false, -EBADMSG },
		{ HTTP_CHUNKED, 0, "0\r\nnonsense\r\n\r\n", "", false, -EBADMSG },
		{ HTTP_CHUNKED, 0, "0\r\n: x\r\n\r\n", "", false, -EBADMSG },
		{ HTTP_CHUNKED, 0, "3\r\nabcd\r\n", "abc", false, -EBADMSG },
		{ HTTP_CHUNKED, 0, "\r\n", "", false, -EBADMSG },
		{ HTTP_CHUNKED, 0, "x\r\n", "", false, -EBADMSG },
		{ HTTP_CHUNKED, 0, "fffffffffffffffff\r\n", "", false, -EBADMSG },
		{ HTTP_UNTIL_EOF, 0, "abc", "abc", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int by_byte = 0; by_byte < 2; by_byte++) {
			struct http_head head = { .framing = rows[i].framing, .content_length = rows[i].length };
			struct http_body body;
			struct buf content = BUF_INIT(1000);
			size_t size = strlen(rows[i].bytes), at = 0;
			int code = 0;

			http_body_init(&body, &head);
			while (at < size && !body.done && code >= 0) {
				size_t taken, part;
				const char *place;

				code = http_body_step(&body, rows[i].bytes + at, by_byte ? 1 : size - at, &taken,
						      &place, &part);
				buf_append(&content, place, part);
				at += taken;
			}
			CHECK_INT(rows[i].bytes, code, ==, rows[i].code);
			CHECK_STR(rows[i].bytes, buf_text(&content), rows[i].content);
			CHECK_INT(rows[i].bytes, body.done, ==, rows[i].done);
			buf_done(&content);
		}
}

TEST(response_heads)
{
	static const struct {
		const char *head;
		int status; /* 0: refused */
		enum http_framing framing;
	} rows[] = {
		{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n", 101, HTTP_NO_BODY },
		{ "HTTP/1.1 403 Forbidden\r\n\r\n", 403, HTTP_UNTIL_EOF },
		{ "HTTP/1.1 404\r\nContent-Length: 5\r\n\r\n", 404, HTTP_LENGTH },
		{ "HTTP/1.1 99 x\r\n\r\n", 0, HTTP_NO_BODY },
		{ "HTTP/2 200 OK\r\n\r\n", 0, HTTP_NO_BODY },
		{ "SSH-2.0-x\r\n\r\n", 0, HTTP_NO_BODY },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_head head;
		size_t taken;

		http_head_init(&head, true);
		http_head_feed(&head, rows[i].head, strlen(rows[i].head), &taken);
		CHECK_INT(rows[i].head, head.complete ? head.status : 0, ==, rows[i].status);
		CHECK_INT(rows[i].head, head.framing, ==, rows[i].framing);
		http_head_done(&head);
	}
}

TEST(dates)
{
	char text[32];

	http_date(784887151, text);
	CHECK_STR("date", text, "Tue, 15 Nov 1994 08:12:31 GMT");
}
