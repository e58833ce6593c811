/* SPDX-License-Identifier: Apache-2.0 */
/* Both directions of a session: no crash, no more passed than there is, never held back for ever. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head answer;
	struct tracker *tracker;
	_cleanup_buf_ struct buf pending = BUF_INIT(1 << 20), end = BUF_INIT(20 << 20);
	const char *text = answers[size ? data[0] % ARRAY_LEN(answers) : 0];
	size_t taken, client;

	if (size < 3)
		return 0;
	http_head_init(&answer, true);
	http_head_feed(&answer, text, strlen(text), &taken);
	tracker = tracker_new(&answer, true);
	http_head_done(&answer);
	client = MIN((size_t)data[1], size - 2);
	tracker_from_client(tracker, data + 2, client);
	for (size_t at = 2 + client; at < size;) {
		size_t part = MIN((size_t)data[1] + 1, size - at), n;

		buf_append(&pending, data + at, part);
		at += part;
		n = tracker_from_server(tracker, pending.bytes, pending.size);
		base_assert(n <= pending.size);
		buf_consume(&pending, n);
		base_assert(tracker_ends_without_status(tracker) || pending.size < TRACKER_FRAME_BYTES + 64);
	}
	tracker_break(tracker, "x", &end);
	tracker_free(tracker);
	return 0;
}
