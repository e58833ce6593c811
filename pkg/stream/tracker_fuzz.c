/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both directions of a session: no crash, no more passed than there is, never held back for ever; and however the
 * server's bytes come, each stream brings the same content and end.
 */
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/stream/tracker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const answers[] = {
	"HTTP/1.1 101 S\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n",
	"HTTP/1.1 101 S\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: channel.k8s.io\r\n\r\n",
	"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n",
	"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: v4.base64.channel.k8s.io\r\n\r\n",
};

/* The server's bytes in parts: what passes is appended to `passed`. */
static void pass(struct tracker *tracker, const uint8_t *data, size_t size, size_t part, struct buf *passed)
{
	_cleanup_buf_ struct buf pending = BUF_INIT(1 << 20);

	for (size_t at = 0; at < size; at += part) {
		size_t before, n;

		part = MIN(part, size - at);
		buf_append(&pending, data + at, part);
		before = pending.size;
		n = tracker_from_server(tracker, pending.bytes, &pending.size);
		base_assert(n <= pending.size && pending.size <= before);
		buf_append(passed, pending.bytes, n);
		buf_consume(&pending, n);
		base_assert(tracker_ends_without_status(tracker) || pending.size < TRACKER_FRAME_BYTES + 64);
	}
}

/* SPDY frames without the borders of data: the content of frames that could be one, then how they ended. */
static void flatten(const struct buf *frames, struct buf *into)
{
	const uint8_t *at = (const uint8_t *)buf_text(frames), *end = at + frames->size, *data = NULL;

	while (end - at >= 8) {
		size_t length = (size_t)at[5] << 16 | (size_t)at[6] << 8 | at[7];
		size_t part = MIN(length, (size_t)(end - at) - 8);

		if (!data || (at[0] & 0x80) || memcmp(at, data, 4) != 0 || (data[4] & 1)) {
			buf_putc(into, data ? (char)data[4] : 0);
			buf_append(into, at, at[0] & 0x80 ? 8 : 4);
		}
		buf_append(into, at + 8, part);
		data = at[0] & 0x80 ? NULL : at;
		at += 8 + part;
	}
	buf_putc(into, data ? (char)data[4] : 0);
	if (end > at)
		buf_append(into, at, (size_t)(end - at));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = answers[size ? data[0] % ARRAY_LEN(answers) : 0];
	_cleanup_buf_ struct buf end = BUF_INIT(20 << 20), in_parts = BUF_INIT(2 << 20), at_once = BUF_INIT(2 << 20);
	size_t client, taken;

	if (size < 3)
		return 0;
	client = MIN((size_t)data[1], size - 2);
	for (int whole = 0; whole < 2; whole++) {
		_cleanup_buf_ struct buf passed = BUF_INIT(1 << 20);
		struct http_head answer;
		struct tracker *tracker;

		http_head_init(&answer, true);
		http_head_feed(&answer, text, strlen(text), &taken);
		tracker = tracker_new(&answer, !(data[0] & 0x80));
		http_head_done(&answer);
		tracker_from_client(tracker, data + 2, client);
		pass(tracker, data + 2 + client, size - 2 - client, whole ? size : (size_t)data[1] + 1, &passed);
		flatten(&passed, whole ? &at_once : &in_parts);
		tracker_break(tracker, "x", &end);
		tracker_free(tracker);
	}
	base_assert(in_parts.size == at_once.size && memcmp(in_parts.bytes, at_once.bytes, at_once.size) == 0);
	return 0;
}
