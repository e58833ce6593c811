/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/stream/tracker.h"

#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "pkg/base/base.h"
#include "pkg/stream/spdy_dictionary.h"

enum {
	SPDY_HEAD_BYTES = 8,                /* of every frame */
	SPDY_BLOCK_MAX_BYTES = 64 << 10,    /* compressed; client-go's are below 200 */
	SPDY_HEADERS_MAX_BYTES = 256 << 10, /* inflated */
	SPDY_HEADERS_MAX = 1000,            /* as spdystream since CVE-2026-35469 */
	WS_ERROR_CHANNEL = 3,
};

enum { SYN_STREAM = 1, SYN_REPLY = 2, RST_STREAM = 3, GOAWAY = 7, HEADERS = 8 };
enum { FLAG_FIN = 1 };
enum { WS_CONTINUATION = 0, WS_TEXT = 1, WS_CLOSE = 8 };

enum wire { WIRE_BYTES, WIRE_SPDY, WIRE_WEBSOCKET };

/* A stream of a session that we must know by its id. */
struct spdy_stream {
	uint32_t id; /* 0: not seen */
	bool ended;  /* the server's FIN or RST has passed */
};

struct tracker {
	enum wire wire;
	bool is_command;
	bool has_status; /* v4 and later: a status always comes; before, silence is success */
	bool is_base64;
	bool status_passed, ended_silently;
	bool client_closed; /* WebSocket: it has said the end itself, and waits for no status */

	/* towards the client */
	uint64_t long_left; /* bytes of a long frame that have not passed */
	bool long_is_status;
	bool in_message; /* WebSocket: a message is open, its final fragment has not passed */
	bool message_is_error;

	/* towards the server */
	bool blind;           /* the client's frames make no sense */
	struct buf client;    /* a frame's head, or a control frame with a header block */
	uint64_t client_skip; /* bytes of a frame that nobody looks at */
	z_stream inflater;
	bool inflating;
	struct spdy_stream error, output, errors; /* streamtype error, stdout, stderr */
};

static uint32_t get_be32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_be32(struct buf *into, uint32_t value)
{
	unsigned char bytes[4] = { (unsigned char)(value >> 24), (unsigned char)(value >> 16),
				   (unsigned char)(value >> 8), (unsigned char)value };

	buf_append(into, bytes, sizeof bytes);
}

struct tracker *tracker_new(const struct http_head *answer, bool is_command)
{
	struct tracker *tracker = xcalloc(1, sizeof *tracker);
	const char *upgrade = str_or(http_head_get(answer, "Upgrade"), "");
	const char *protocol = "";

	tracker->is_command = is_command;
	if (strncasecmp(upgrade, "SPDY/3.1", 8) == 0) {
		tracker->wire = WIRE_SPDY;
		protocol = str_or(http_head_get(answer, "X-Stream-Protocol-Version"), "");
	} else if (strcasecmp(upgrade, "websocket") == 0) {
		tracker->wire = WIRE_WEBSOCKET;
		protocol = str_or(http_head_get(answer, "Sec-WebSocket-Protocol"), "");
	}
	tracker->is_base64 = strstr(protocol, "base64") != NULL;
	tracker->has_status = str_has_prefix(protocol, "v4.") || str_has_prefix(protocol, "v5.");
	tracker->client = BUF_INIT(SPDY_HEAD_BYTES + 10 + SPDY_BLOCK_MAX_BYTES);
	return tracker;
}

void tracker_free(struct tracker *tracker)
{
	if (!tracker)
		return;
	if (tracker->inflating)
		inflateEnd(&tracker->inflater);
	buf_done(&tracker->client);
	free(tracker);
}

/* ---- the client's frames ---- */

/* Inflates one header block; false when it is broken. */
static bool inflate_block(struct tracker *tracker, const char *block, size_t size, struct buf *into)
{
	z_stream *z = &tracker->inflater;

	if (!tracker->inflating) {
		if (inflateInit(z) != Z_OK)
			return false;
		tracker->inflating = true;
	}
	z->next_in = (Bytef *)(uintptr_t)block;
	z->avail_in = (uInt)size;
	for (;;) {
		char *place = buf_reserve(into, 4096);
		int code;

		if (!place)
			return false;
		z->next_out = (Bytef *)place;
		z->avail_out = 4096;
		code = inflate(z, Z_SYNC_FLUSH);
		if (code == Z_NEED_DICT) {
			if (inflateSetDictionary(z, spdy_dictionary(), SPDY_DICTIONARY_BYTES) != Z_OK)
				return false;
			continue;
		}
		buf_grow(into, 4096 - z->avail_out);
		if (code == Z_BUF_ERROR || (code == Z_OK && !z->avail_in && z->avail_out))
			return !z->avail_in;
		if (code != Z_OK)
			return false;
	}
}

/* The value of the header streamtype, "" without; false when the block is malformed. */
static bool find_stream_type(const struct buf *headers, char type[16])
{
	const unsigned char *at = (const unsigned char *)headers->bytes;
	size_t left = headers->size;
	uint32_t count;

	*type = 0;
	if (left < 4)
		return false;
	count = get_be32(at);
	at += 4;
	left -= 4;
	if (count > SPDY_HEADERS_MAX)
		return false;
	for (uint32_t n = 0; n < count; n++) {
		const unsigned char *text[2];
		uint32_t size[2];

		for (int i = 0; i < 2; i++) {
			if (left < 4)
				return false;
			size[i] = get_be32(at);
			at += 4;
			left -= 4;
			if (size[i] > left)
				return false;
			text[i] = at;
			at += size[i];
			left -= size[i];
		}
		if (size[0] == 10 && memcmp(text[0], "streamtype", 10) == 0 && size[1] < 16) {
			memcpy(type, text[1], size[1]);
			type[size[1]] = 0;
		}
	}
	return true;
}

/* A whole control frame with a header block; false when it makes no sense. */
static bool see_header_block(struct tracker *tracker, int kind)
{
	const unsigned char *frame = (const unsigned char *)tracker->client.bytes;
	size_t skip = SPDY_HEAD_BYTES + (kind == SYN_STREAM ? 10 : 4);
	_cleanup_buf_ struct buf headers = BUF_INIT(SPDY_HEADERS_MAX_BYTES);
	struct spdy_stream *stream = NULL;
	char type[16];

	if (tracker->client.size < skip)
		return false;
	if (!inflate_block(tracker, tracker->client.bytes + skip, tracker->client.size - skip, &headers) ||
	    !find_stream_type(&headers, type))
		return false;
	if (kind != SYN_STREAM)
		return true;
	if (strcmp(type, "error") == 0)
		stream = &tracker->error;
	else if (strcmp(type, "stdout") == 0)
		stream = &tracker->output;
	else if (strcmp(type, "stderr") == 0)
		stream = &tracker->errors;
	if (stream && !stream->id)
		stream->id = get_be32(frame + 8) & INT32_MAX;
	return true;
}

/* The size of the head of a WebSocket frame, 0 while it is not complete, and how much follows it. */
static size_t websocket_head(const unsigned char *at, size_t size, uint64_t *ret_length)
{
	uint64_t length;
	size_t head = 2;

	if (size < 2)
		return 0;
	length = at[1] & 127;
	if (length == 126)
		head = 4;
	else if (length == 127)
		head = 10;
	if (at[1] & 128) /* servers do not mask; the mask would be in the way of the channel only */
		head += 4;
	if (size < head)
		return 0;
	if (length == 126)
		length = (uint64_t)at[2] << 8 | at[3];
	else if (length == 127)
		length = (uint64_t)get_be32(at + 2) << 32 | get_be32(at + 6);
	*ret_length = length & INT64_MAX;
	return head;
}

/* Only its Close is of interest: what the runtime does after it is no breaking off. */
static void websocket_from_client(struct tracker *tracker, const char *in, size_t size)
{
	while (size && !tracker->client_closed) {
		size_t part = (size_t)MIN((uint64_t)size, tracker->client_skip);
		uint64_t length;

		in += part;
		size -= part;
		tracker->client_skip -= part;
		if (!size)
			return;
		buf_putc(&tracker->client, *in++);
		size--;
		if (!websocket_head((const unsigned char *)tracker->client.bytes, tracker->client.size, &length))
			continue;
		tracker->client_closed = (tracker->client.bytes[0] & 15) == WS_CLOSE;
		tracker->client_skip = length;
		buf_clear(&tracker->client);
	}
}

void tracker_from_client(struct tracker *tracker, const void *bytes, size_t size)
{
	const char *in = bytes;

	if (tracker->wire == WIRE_WEBSOCKET && tracker->is_command)
		websocket_from_client(tracker, bytes, size);
	if (tracker->wire != WIRE_SPDY || !tracker->is_command)
		return;
	while (size && !tracker->blind) {
		const unsigned char *head;
		size_t part = (size_t)MIN((uint64_t)size, tracker->client_skip), want = SPDY_HEAD_BYTES;
		int kind;

		in += part;
		size -= part;
		tracker->client_skip -= part;
		if (!size)
			break;
		if (tracker->client.size >= SPDY_HEAD_BYTES) {
			head = (const unsigned char *)tracker->client.bytes;
			want = SPDY_HEAD_BYTES + (get_be32(head + 4) & 0xffffff);
		}
		part = MIN(size, want - tracker->client.size);
		buf_append(&tracker->client, in, part);
		in += part;
		size -= part;
		if (tracker->client.size < want)
			continue;
		head = (const unsigned char *)tracker->client.bytes;
		kind = head[0] & 0x80 ? head[2] << 8 | head[3] : 0;
		if (tracker->client.size == SPDY_HEAD_BYTES) {
			uint32_t length = get_be32(head + 4) & 0xffffff;

			if ((kind == SYN_STREAM || kind == SYN_REPLY || kind == HEADERS) && length) {
				tracker->blind = length > SPDY_BLOCK_MAX_BYTES;
				continue;
			}
			tracker->client_skip = length;
		} else if (!see_header_block(tracker, kind)) {
			tracker->blind = true;
		}
		buf_clear(&tracker->client);
	}
}

/* ---- the server's frames ---- */

static struct spdy_stream *stream_of(struct tracker *tracker, uint32_t id)
{
	struct spdy_stream *known[] = { &tracker->error, &tracker->output, &tracker->errors };

	for (size_t i = 0; id && i < ARRAY_LEN(known); i++)
		if (known[i]->id == id)
			return known[i];
	return NULL;
}

/* Without a status so far, and this frame would end the stream that it belongs on. */
static bool ends_silently(struct tracker *tracker, bool ends_error_stream)
{
	if (!ends_error_stream || tracker->status_passed || tracker->client_closed || !tracker->is_command)
		return false;
	if (tracker->has_status) {
		tracker->ended_silently = true;
		return true;
	}
	tracker->status_passed = true; /* before v4 silence is success */
	return false;
}

/*
 * Each looks at the frame that starts here: its whole length, 0 when the head is not complete. `holds` is set when the
 * frame must not pass; `status` when it carries bytes of the command's status.
 */
static uint64_t spdy_frame(struct tracker *tracker, const unsigned char *at, size_t size, bool *holds, bool *status)
{
	uint32_t length;
	struct spdy_stream *stream = NULL;
	bool ends;
	int kind;

	if (size < SPDY_HEAD_BYTES)
		return 0;
	length = get_be32(at + 4) & 0xffffff;
	kind = at[0] & 0x80 ? at[2] << 8 | at[3] : 0;
	if (!kind) {
		stream = stream_of(tracker, get_be32(at));
		ends = at[4] & FLAG_FIN;
		*status = stream == &tracker->error && length > 0;
	} else if (kind == RST_STREAM || kind == SYN_REPLY) {
		if (size < SPDY_HEAD_BYTES + 4 && length >= 4)
			return 0;
		stream = length >= 4 ? stream_of(tracker, get_be32(at + 8) & INT32_MAX) : NULL;
		ends = kind == RST_STREAM || (at[4] & FLAG_FIN);
	} else {
		*holds = ends_silently(tracker, kind == GOAWAY);
		return SPDY_HEAD_BYTES + (uint64_t)length;
	}
	*holds = !*status && ends_silently(tracker, ends && stream == &tracker->error);
	if (!*holds && stream && ends)
		stream->ended = true;
	return SPDY_HEAD_BYTES + (uint64_t)length;
}

static uint64_t websocket_frame(struct tracker *tracker, const unsigned char *at, size_t size, bool *holds,
				bool *status)
{
	uint64_t length;
	size_t head = websocket_head(at, size, &length);
	bool is_error = tracker->message_is_error;
	int opcode;

	if (!head)
		return 0;
	opcode = at[0] & 15;
	if (opcode == WS_CLOSE) {
		*holds = ends_silently(tracker, true);
		return head + length;
	}
	if (opcode > 2) /* ping, pong */
		return head + length;
	if (opcode != WS_CONTINUATION) {
		if (length && size == head)
			return 0; /* the channel decides */
		is_error = length && at[head] == (tracker->is_base64 ? '0' + WS_ERROR_CHANNEL : WS_ERROR_CHANNEL);
	}
	/* A message of the channel byte alone is the greeting, no status. */
	*status = is_error && (opcode == WS_CONTINUATION ? length > 0 : length > 1);
	tracker->message_is_error = is_error;
	tracker->in_message = !(at[0] & 128);
	return head + length;
}

/* How many bytes may pass next: a whole frame, or what has come of a long one; 0 when none may. */
static size_t next_part(struct tracker *tracker, const unsigned char *at, size_t size, bool *whole)
{
	/* A frame that cannot pass yet is looked at again: nothing may be remembered of it before. */
	struct tracker before = *tracker;
	bool holds = false, status = false;
	uint64_t length;

	*whole = false;
	if (!tracker->long_left) {
		if (size < 2)
			return 0;
		length = tracker->wire == WIRE_SPDY ? spdy_frame(tracker, at, size, &holds, &status)
						    : websocket_frame(tracker, at, size, &holds, &status);
		if (!length || holds)
			return 0;
		if (length <= TRACKER_FRAME_BYTES) {
			if (length > size)
				*tracker = before;
			else if (status)
				tracker->status_passed = true;
			*whole = length <= size;
			return *whole ? (size_t)length : 0;
		}
		tracker->long_left = length;
		tracker->long_is_status = status;
	}
	size = (size_t)MIN(tracker->long_left, (uint64_t)size);
	tracker->long_left -= size;
	if (!tracker->long_left && tracker->long_is_status)
		tracker->status_passed = true;
	return size;
}

/* Two SPDY data frames: the first takes over the second one's length and flags, when its content can follow too. */
static bool join(unsigned char *first, const unsigned char *second)
{
	uint32_t length = (get_be32(first + 4) & 0xffffff) + (get_be32(second + 4) & 0xffffff);

	if (get_be32(first) != get_be32(second) || (first[4] & FLAG_FIN) || length > TRACKER_FRAME_BYTES)
		return false;
	first[4] = second[4];
	first[5] = (unsigned char)(length >> 16);
	first[6] = (unsigned char)(length >> 8);
	first[7] = (unsigned char)length;
	return true;
}

size_t tracker_from_server(struct tracker *tracker, void *bytes, size_t *size)
{
	unsigned char *from = bytes, *to = bytes, *end = from + *size;
	unsigned char *data = NULL; /* the frame before, if one of data */
	size_t part;
	bool whole;

	if (tracker->wire == WIRE_BYTES || (tracker->wire == WIRE_WEBSOCKET && !tracker->is_command))
		return *size;
	while (from < end && !tracker->ended_silently &&
	       (part = next_part(tracker, from, (size_t)(end - from), &whole))) {
		bool is_data = whole && tracker->wire == WIRE_SPDY && !(from[0] & 0x80);
		size_t head = is_data && data && join(data, from) ? SPDY_HEAD_BYTES : 0;

		if (!head)
			data = is_data ? to : NULL;
		if (to != from + head)
			memmove(to, from + head, part - head);
		to += part - head;
		from += part;
	}
	if (to != from)
		memmove(to, from, (size_t)(end - from));
	*size -= (size_t)(from - to);
	return (size_t)(to - (unsigned char *)bytes);
}

bool tracker_ends_without_status(const struct tracker *tracker)
{
	return tracker->ended_silently;
}

bool tracker_needs_status(const struct tracker *tracker)
{
	return tracker->is_command && tracker->wire != WIRE_BYTES && !tracker->status_passed && !tracker->client_closed;
}

/* ---- the end that we make ---- */

/* The one Status that is written by hand: a codec of streams knows neither the API's structs nor their walker. */
static void append_json_text(struct buf *into, const char *text)
{
	buf_putc(into, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			buf_printf(into, "\\%c", c);
		else if (c < 0x20)
			buf_printf(into, "\\u%04x", c);
		else
			buf_putc(into, (char)c);
	}
	buf_putc(into, '"');
}

void tracker_failure_json(struct buf *into, const char *message)
{
	buf_puts(into, "{\"metadata\":{},\"status\":\"Failure\",\"message\":");
	append_json_text(into, message);
	buf_puts(into, ",\"reason\":\"InternalError\",\"code\":500}");
}

static void spdy_data(struct buf *into, struct spdy_stream *stream, const void *bytes, size_t size)
{
	if (!stream->id || stream->ended)
		return;
	put_be32(into, stream->id);
	put_be32(into, (uint32_t)FLAG_FIN << 24 | (uint32_t)size);
	if (size)
		buf_append(into, bytes, size);
	stream->ended = true;
}

static void websocket_data(struct tracker *tracker, struct buf *into, const struct buf *status)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	_cleanup_buf_ struct buf payload = BUF_INIT(16 << 10);

	if (tracker->in_message) /* an empty last fragment closes what is open */
		buf_append(into, "\x80\x00", 2);
	buf_putc(&payload, tracker->is_base64 ? '0' + WS_ERROR_CHANNEL : WS_ERROR_CHANNEL);
	for (size_t i = 0; i < status->size && tracker->is_base64; i += 3) {
		size_t n = MIN(status->size - i, (size_t)3);
		const unsigned char *at = (const unsigned char *)status->bytes + i;
		uint32_t bits = (uint32_t)at[0] << 16 | (n > 1 ? (uint32_t)at[1] << 8 : 0) | (n > 2 ? at[2] : 0);

		buf_putc(&payload, digits[bits >> 18]);
		buf_putc(&payload, digits[bits >> 12 & 63]);
		buf_putc(&payload, n > 1 ? digits[bits >> 6 & 63] : '=');
		buf_putc(&payload, n > 2 ? digits[bits & 63] : '=');
	}
	if (!tracker->is_base64)
		buf_append(&payload, status->bytes, status->size);
	buf_putc(into, (char)(0x80 | (tracker->is_base64 ? WS_TEXT : 2)));
	if (payload.size < 126) {
		buf_putc(into, (char)payload.size);
	} else {
		buf_putc(into, 126);
		buf_putc(into, (char)(payload.size >> 8));
		buf_putc(into, (char)payload.size);
	}
	buf_append(into, payload.bytes, payload.size);
	buf_append(into, "\x88\x02\x03\xe8", 4); /* close 1000: with another code the client drops the status */
}

bool tracker_break(struct tracker *tracker, const char *message, struct buf *into)
{
	static const char zeros[4096];
	_cleanup_buf_ struct buf status = BUF_INIT(4096);

	if (!tracker_needs_status(tracker))
		return true;
	/* 16 MiB is the longest SPDY frame; a longer WebSocket one is nobody's, and not worth filling. */
	if (tracker->blind || (tracker->wire == WIRE_SPDY && (!tracker->error.id || tracker->error.ended)) ||
	    tracker->long_left > 1 << 24)
		return false;
	while (tracker->long_left) {
		size_t part = (size_t)MIN(tracker->long_left, (uint64_t)sizeof zeros);

		buf_append(into, zeros, part);
		tracker->long_left -= part;
	}
	if (tracker->has_status)
		tracker_failure_json(&status, message);
	else
		buf_puts(&status, message);
	if (tracker->wire == WIRE_WEBSOCKET) {
		websocket_data(tracker, into, &status);
	} else {
		spdy_data(into, &tracker->error, status.bytes, status.size);
		spdy_data(into, &tracker->output, NULL, 0);
		spdy_data(into, &tracker->errors, NULL, 0);
	}
	tracker->status_passed = true;
	return true;
}
