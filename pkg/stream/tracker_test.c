/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/stream/tracker.h"

#include <string.h>
#include <zlib.h>

#include "pkg/base/base.h"
#include "pkg/stream/spdy_dictionary.h"
#include "pkg/test/test.h"

/* What spdystream sends, recorded: client SYN_STREAMs of error (1) and stdout (3), and the server's frames. */
#define SYN_ERROR                                                                                                      \
	"\x80\x03\x00\x01\x00\x00\x00\x28\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x78\xf9\xe3\xc6\xa7\xc2\x02\xa6\x23" \
	"\x46\x70\x3a\x2b\x29\x4a\x4d\xcc\x85\x16\x25\xac\xa9\xa0\x80\x06\x00\x00\x00\xff\xff"
#define SYN_STDOUT                                                                                                     \
	"\x80\x03\x00\x01\x00\x00\x00\x19\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\xc2\x2a\x05\x4c\xcc\x29\xf9\xa5\x25" \
	"\x00\x00\x00\x00\xff\xff"
#define REPLY_1                                                                                                        \
	"\x80\x03\x00\x02\x00\x00\x00\x14\x00\x00\x00\x01\x78\xf9\xe3\xc6\xa7\xc2\x02\xa6\x23\x06\x00\x00\x00\x00\xff" \
	"\xff"
#define OUT_ABC                            \
	"\x00\x00\x00\x03\x00\x00\x00\x03" \
	"abc"
#define OUT_FIN "\x00\x00\x00\x03\x01\x00\x00\x00"
#define STATUS                             \
	"\x00\x00\x00\x01\x00\x00\x00\x14" \
	"{\"status\":\"Success\"}"
#define RST_ERROR "\x80\x03\x00\x03\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x00\x05"
#define PING "\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01"
#define GOAWAY "\x80\x03\x00\x07\x00\x00\x00\x08\x00\x00\x00\x03\x00\x00\x00\x00"

#define WS_HELLO "\x82\x01\x01"
#define WS_OUT         \
	"\x82\x04\x01" \
	"abc"
#define WS_STATUS "\x82\x15\x03{\"status\":\"Success\"}"
#define WS_CLOSE_FRAME "\x88\x02\x03\xe8"

static struct tracker *make(const char *upgrade, const char *protocol, bool is_command)
{
	struct http_head answer;
	char *text = xasprintf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\nX-Stream-Protocol-Version: %s\r\n"
			       "Sec-WebSocket-Protocol: %s\r\n\r\n",
			       upgrade, protocol, protocol);
	struct tracker *tracker;
	size_t taken;

	http_head_init(&answer, true);
	CHECK_INT("head", http_head_feed(&answer, text, strlen(text), &taken), ==, 0);
	tracker = tracker_new(&answer, is_command);
	http_head_done(&answer);
	free(text);
	return tracker;
}

/* More bytes from the server: what may pass now is appended to `out`, the rest stays in `pending`. */
static void pass_more(struct tracker *tracker, const char *bytes, size_t size, struct buf *pending, struct buf *out)
{
	size_t n;

	buf_append(pending, bytes, size);
	n = tracker_from_server(tracker, pending->bytes, &pending->size);
	CHECK("no more than there is", n <= pending->size);
	buf_append(out, pending->bytes, n);
	buf_consume(pending, n);
}

/* Passes what may pass, whole or byte by byte as it comes in; what would reach the client is appended to `out`. */
static void pass(struct tracker *tracker, const char *bytes, size_t size, bool by_byte, struct buf *out)
{
	_cleanup_buf_ struct buf pending = BUF_INIT(1 << 20);

	for (size_t at = 0; at < size; at += by_byte ? 1 : size)
		pass_more(tracker, bytes + at, by_byte ? 1 : size, &pending, out);
}

TEST(the_dictionary_is_the_one_of_the_draft)
{
	CHECK_INT("adler", adler32(adler32(0, NULL, 0), spdy_dictionary(), SPDY_DICTIONARY_BYTES), ==, 0xe3c6a7c2);
}

#define BYTES(literal) literal, sizeof(literal) - 1

TEST(sessions_and_what_a_break_adds)
{
	static const struct {
		const char *rule, *upgrade, *protocol;
		const char *server;
		size_t size, passes; /* of it */
		bool needs_status, ends_silently;
		const char *added; /* the break's bytes hold this; NULL: nothing is added */
	} rows[] = {
		{ "status whole", "SPDY/3.1", "v4.channel.k8s.io", BYTES(REPLY_1 OUT_ABC STATUS), 28 + 11 + 28, false,
		  false, NULL },
		{ "nothing yet", "SPDY/3.1", "v4.channel.k8s.io", BYTES(REPLY_1), 28, true, false,
		  "\"status\":\"Failure\"" },
		{ "output only", "SPDY/3.1", "v4.channel.k8s.io", BYTES(REPLY_1 OUT_FIN PING), 28 + 8 + 12, true, false,
		  "\"status\":\"Failure\"" },
		{ "status cut", "SPDY/3.1", "v4.channel.k8s.io", "\x00\x00\x00\x01\x00\x00\x00\x14{\"st", 12, 0, true,
		  false, "\"status\":\"Failure\"" },
		{ "reset instead of a status", "SPDY/3.1", "v4.channel.k8s.io", BYTES(OUT_ABC RST_ERROR GOAWAY), 11,
		  true, true, "\"status\":\"Failure\"" },
		{ "goodbye instead of a status", "SPDY/3.1", "v4.channel.k8s.io", BYTES(OUT_ABC GOAWAY), 11, true, true,
		  "\"status\":\"Failure\"" },
		{ "reset behind the status", "SPDY/3.1", "v4.channel.k8s.io", BYTES(STATUS RST_ERROR GOAWAY),
		  28 + 16 + 16, false, false, NULL },
		{ "old protocol ends without words", "SPDY/3.1", "v2.channel.k8s.io", BYTES(OUT_ABC RST_ERROR), 11 + 16,
		  false, false, NULL },
		{ "old protocol breaks", "SPDY/3.1", "v2.channel.k8s.io", BYTES(OUT_ABC), 11, true, false, "it broke" },
		{ "ws status", "websocket", "v4.channel.k8s.io", BYTES(WS_HELLO WS_OUT WS_STATUS), 3 + 6 + 23, false,
		  false, NULL },
		{ "ws close without status", "websocket", "v4.channel.k8s.io", BYTES(WS_OUT WS_CLOSE_FRAME), 6, true,
		  true, "\x03{\"metadata\":{},\"status\":\"Failure\"" },
		{ "ws greeting on channel 3 is no status", "websocket", "v4.channel.k8s.io", BYTES("\x82\x01\x03"), 3,
		  true, false, "\"status\":\"Failure\"" },
		{ "ws frame cut", "websocket", "v4.channel.k8s.io", BYTES("\x82\x7e\x01"), 0, true, false,
		  "\"status\":\"Failure\"" },
		{ "ws base64", "websocket", "v4.base64.channel.k8s.io",
		  BYTES("\x81\x02"
			"1Y"),
		  4, true, false, "3eyJtZXRhZGF0YSI6e30sInN0YXR1cyI6IkZhaWx1cmUi" },
		{ "ws base64 status", "websocket", "v4.base64.channel.k8s.io",
		  BYTES("\x81\x05"
			"3YWJj"),
		  7, false, false, NULL },
		{ "ws old protocol closes", "websocket", "channel.k8s.io", BYTES(WS_OUT WS_CLOSE_FRAME), 10, false,
		  false, NULL },
		{ "end of the stream cut, which has not ended then", "SPDY/3.1", "v4.channel.k8s.io",
		  BYTES("\x00\x00\x00\x03\x01\x00\x00\x03"
			"a"),
		  0, true, false, "\3\1" },
		{ "ws fragments stay apart", "websocket", "v4.channel.k8s.io",
		  BYTES("\x02\x02\x01"
			"a\0\6\0\0\0\0\0\0\0\6\0\0\0\0\0\0"),
		  20, true, false, "\x80" },
		{ "ws open message is closed first", "websocket", "v4.channel.k8s.io",
		  BYTES("\x02\x02\x01"
			"a"),
		  4, true, false, "\x80" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int by_byte = 0; by_byte < 2; by_byte++) {
			struct tracker *tracker = make(rows[i].upgrade, rows[i].protocol, true);
			_cleanup_buf_ struct buf out = BUF_INIT(1 << 20), added = BUF_INIT(1 << 20);
			static const char opening[] = SYN_ERROR SYN_STDOUT;

			for (size_t at = 0; *rows[i].upgrade == 'S' && at < sizeof opening - 1;
			     at += by_byte ? 1 : sizeof opening - 1)
				tracker_from_client(tracker, opening + at, by_byte ? 1 : sizeof opening - 1);
			pass(tracker, rows[i].server, rows[i].size, by_byte, &out);
			CHECK_MEM(rows[i].rule, out.bytes, out.size, rows[i].server, rows[i].passes);
			CHECK_INT(rows[i].rule, tracker_needs_status(tracker), ==, rows[i].needs_status);
			CHECK_INT(rows[i].rule, tracker_ends_without_status(tracker), ==, rows[i].ends_silently);
			CHECK(rows[i].rule, tracker_break(tracker, "it broke", &added));
			if (rows[i].added)
				CHECK(rows[i].rule,
				      memmem(added.bytes, added.size, rows[i].added, strlen(rows[i].added)) != NULL);
			else
				CHECK_INT(rows[i].rule, added.size, ==, 0);
			CHECK(rows[i].rule, !tracker_needs_status(tracker));
			tracker_free(tracker);
		}
}

TEST(the_frames_that_end_a_spdy_session)
{
	struct tracker *tracker = make("SPDY/3.1", "v4.channel.k8s.io", true);
	_cleanup_buf_ struct buf added = BUF_INIT(1 << 20), want = BUF_INIT(1 << 20);
	_cleanup_buf_ struct buf json = BUF_INIT(4096);

	tracker_from_client(tracker, SYN_ERROR SYN_STDOUT, sizeof(SYN_ERROR SYN_STDOUT) - 1);
	CHECK("break", tracker_break(tracker, "a \"b\"\n", &added));
	tracker_failure_json(&json, "a \"b\"\n");
	CHECK_STR("json", buf_text(&json),
		  "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"a "
		  "\\\"b\\\"\\u000a\",\"reason\":\"InternalError\","
		  "\"code\":500}");
	buf_append(&want, "\x00\x00\x00\x01\x01\x00\x00", 7);
	buf_putc(&want, (char)json.size);
	buf_append(&want, json.bytes, json.size);
	buf_append(&want, OUT_FIN, 8);
	CHECK_MEM("frames", added.bytes, added.size, want.bytes, want.size);
	tracker_free(tracker);
}

TEST(a_long_frame_streams_and_is_filled)
{
	struct tracker *tracker = make("SPDY/3.1", "v4.channel.k8s.io", true);
	char *frame = xcalloc(1, 100008);
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20), added = BUF_INIT(1 << 20);

	memcpy(frame, "\x00\x00\x00\x03\x00\x01\x86\xa0", 8);
	tracker_from_client(tracker, SYN_ERROR SYN_STDOUT, sizeof(SYN_ERROR SYN_STDOUT) - 1);
	pass(tracker, frame, 70000, false, &out);
	CHECK_INT("streams", out.size, ==, 70000);
	CHECK("break", tracker_break(tracker, "x", &added));
	CHECK("filled, then the error stream",
	      added.size > 30008 && memcmp(added.bytes + 30008, "\x00\x00\x00\x01\x01", 5) == 0);
	free(frame);
	tracker_free(tracker);
}

#define DATA_1                             \
	"\x00\x00\x00\x01\x00\x00\x00\x02" \
	"xy"

/* What whole SPDY frames bring: content of data, with all else between. */
static void content_of(const char *frames, size_t size, struct buf *into)
{
	for (size_t at = 0, part; at < size; at += part) {
		size_t head = frames[at] & 0x80 ? 0 : 8;

		part = 8 + (size_t)(unsigned char)frames[at + 7];
		buf_append(into, frames + at + head, part - head);
	}
}

TEST(data_frames_of_a_stream_become_one)
{
	static const struct {
		const char *rule, *protocol, *server;
		size_t size;
		const char *client;
		size_t passes;
	} rows[] = {
		{ "two", "v4.channel.k8s.io", BYTES(OUT_ABC OUT_ABC), BYTES("\0\0\0\3\0\0\0\6abcabc") },
		{ "many, the last in part", "v4.channel.k8s.io", BYTES(OUT_ABC OUT_ABC OUT_ABC "\0\0\0\3\0\0\0\2x"),
		  BYTES("\0\0\0\3\0\0\0\x09"
			"abcabcabc") },
		{ "with the end", "v4.channel.k8s.io", BYTES(OUT_ABC OUT_FIN), BYTES("\0\0\0\3\1\0\0\3abc") },
		{ "not behind the end", "v4.channel.k8s.io", BYTES(OUT_FIN OUT_ABC), BYTES(OUT_FIN OUT_ABC) },
		{ "of another stream", "v4.channel.k8s.io", BYTES(OUT_ABC DATA_1 OUT_ABC),
		  BYTES(OUT_ABC DATA_1 OUT_ABC) },
		{ "not across a control frame", "v4.channel.k8s.io", BYTES(OUT_ABC PING OUT_ABC),
		  BYTES(OUT_ABC PING OUT_ABC) },
		{ "behind it again", "v4.channel.k8s.io", BYTES(OUT_ABC PING OUT_ABC OUT_ABC RST_ERROR),
		  BYTES(OUT_ABC PING "\0\0\0\3\0\0\0\6abcabc") },
		{ "port-forward", "portforward.k8s.io", BYTES(OUT_ABC OUT_ABC REPLY_1 DATA_1 DATA_1),
		  BYTES("\0\0\0\3\0\0\0\6abcabc" REPLY_1 "\0\0\0\1\0\0\0\4xyxy") },
	};

	/* At once, and in two parts at each byte: however it comes, what is held back comes out with the rest. */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t cut = 0; cut < rows[i].size; cut++) {
			struct tracker *tracker = make("SPDY/3.1", rows[i].protocol, *rows[i].protocol == 'v');
			_cleanup_buf_ struct buf out = BUF_INIT(1 << 20), pending = BUF_INIT(1 << 20);

			tracker_from_client(tracker, SYN_ERROR SYN_STDOUT, sizeof(SYN_ERROR SYN_STDOUT) - 1);
			pass_more(tracker, rows[i].server, cut, &pending, &out);
			pass_more(tracker, rows[i].server + cut, rows[i].size - cut, &pending, &out);
			if (cut == 0)
				CHECK_MEM(rows[i].rule, out.bytes, out.size, rows[i].client, rows[i].passes);
			_cleanup_buf_ struct buf content = BUF_INIT(1 << 20), want = BUF_INIT(1 << 20);
			content_of(out.bytes, out.size, &content);
			content_of(rows[i].client, rows[i].passes, &want);
			CHECK_MEM(rows[i].rule, content.bytes, content.size, want.bytes, want.size);
			tracker_free(tracker);
		}
}

/* Frames as containerd makes them: 32 KiB of content. No frame holds more than 64, and a long one stands alone. */
TEST(joined_frames_have_a_limit)
{
	struct tracker *tracker = make("SPDY/3.1", "portforward.k8s.io", false);
	_cleanup_buf_ struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
	_cleanup_buf_ struct buf pending = BUF_INIT(1 << 20);
	static const char content[100000];
	size_t cut;

	for (int i = 0; i < 3; i++) {
		buf_append(&in, "\0\0\0\3\0\0\x80\0", 8);
		buf_append(&in, content, 32768);
	}
	buf_append(&in, "\0\0\0\3\0\1\x86\xa0", 8);
	cut = in.size + 70000;
	buf_append(&in, content, sizeof content);
	memcpy(in.bytes + cut, "\0\0\0\3\0\0\0\1", 8); /* content that looks like a frame */
	buf_append(&in, OUT_ABC OUT_ABC, 22);
	pass_more(tracker, in.bytes, cut, &pending, &out);
	pass_more(tracker, in.bytes + cut, in.size - cut, &pending, &out);
	CHECK_INT("size", out.size, ==, 8 + 65536 + 8 + 32768 + 8 + sizeof content + 8 + 6);
	CHECK_MEM("the first two", out.bytes, 8, "\0\0\0\3\0\1\0\0", 8);
	CHECK_MEM("the third", out.bytes + 8 + 65536, 8, "\0\0\0\3\0\0\x80\0", 8);
	CHECK_MEM("the long one", out.bytes + 8 + 65536 + 8 + 32768, 8, "\0\0\0\3\0\1\x86\xa0", 8);
	CHECK_MEM("what follows", out.bytes + out.size - 14, 14, "\0\0\0\3\0\0\0\6abcabc", 14);
	tracker_free(tracker);
}

TEST(a_client_that_has_closed_waits_for_no_status)
{
	static const struct {
		const char *rule, *client;
		size_t size;
		bool closed;
	} rows[] = {
		{ "close", BYTES("\x88\x82\1\2\3\4\x02\xea"), true },
		{ "behind input", BYTES("\x82\x83\1\2\3\4\x88\x88\x88\x88\x80\1\2\3\4"), true },
		{ "behind a long frame that came in part", BYTES("\x82\xff\0\0\0\0\0\1\0\0\1\2\3\4\x88\x80\1\2\3\4"),
		  false },
		{ "what looks like one in input", BYTES("\x82\x86\1\2\3\4\x88\x80\1\2\3\4"), false },
		{ "a ping", BYTES("\x89\x80\1\2\3\4"), false },
		{ "half of a head", BYTES("\x88\x80\1\2\3"), false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step <= rows[i].size; step += rows[i].size - 1) {
			struct tracker *tracker = make("websocket", "v4.channel.k8s.io", true);
			_cleanup_buf_ struct buf out = BUF_INIT(1 << 20), added = BUF_INIT(1 << 20);

			for (size_t at = 0; at < rows[i].size; at += step)
				tracker_from_client(tracker, rows[i].client + at, MIN(step, rows[i].size - at));
			pass(tracker, BYTES(WS_OUT WS_CLOSE_FRAME), false, &out);
			CHECK_INT(rows[i].rule, out.size, ==, rows[i].closed ? 10 : 6);
			CHECK_INT(rows[i].rule, tracker_ends_without_status(tracker), ==, !rows[i].closed);
			CHECK(rows[i].rule, tracker_break(tracker, "x", &added));
			CHECK_INT(rows[i].rule, added.size == 0, ==, rows[i].closed);
			tracker_free(tracker);
		}
}

TEST(sessions_where_nothing_is_made_up)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20), added = BUF_INIT(1 << 20);
	struct tracker *forward = make("SPDY/3.1", "portforward.k8s.io", false);
	struct tracker *forward_ws = make("websocket", "portforward.k8s.io", false);
	struct tracker *unopened = make("SPDY/3.1", "v4.channel.k8s.io", true);
	struct tracker *blind = make("SPDY/3.1", "v4.channel.k8s.io", true);

	pass(forward, OUT_ABC "\x00", 12, false, &out);
	CHECK_INT("port-forward passes whole frames", out.size, ==, 11);
	CHECK("port-forward", tracker_break(forward, "x", &added) && !added.size);
	pass(forward_ws, "\x82\x7e\x01", 3, false, &out);
	CHECK_INT("with WebSockets it passes as it comes", out.size, ==, 11 + 3);
	CHECK("no stream to tell it on", !tracker_break(unopened, "x", &added) && !added.size);
	tracker_from_client(blind, "\x80\x03\x00\x01\x00\x00\x00\x0cgarbagegarba", 20);
	tracker_from_client(blind, SYN_ERROR, sizeof SYN_ERROR - 1);
	CHECK("frames without sense", !tracker_break(blind, "x", &added) && !added.size);
	tracker_free(forward);
	tracker_free(forward_ws);
	tracker_free(unopened);
	tracker_free(blind);
}
