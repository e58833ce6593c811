/* SPDX-License-Identifier: Apache-2.0 */
/* The kubelet's answer: its head in Go's manner, its body from the message itself or from a socket. */
#include <string.h>
#include <strings.h>

#include "kubelet/gate/child/internal.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"

enum {
	WRITE_MS = 600 * 1000,         /* for the last 64 KiB of an answer; stock waits 4 h */
	END_MS = 10 * 1000,            /* between the end of a body's bytes and the word that it is whole */
	DISCARD_MAX_BYTES = 256 << 10, /* of an unread request body, as Go; then the connection ends */
};

static bool is_header(const Gate__Header *header, const char *name)
{
	return header->name.len == strlen(name) &&
	       strncasecmp((const char *)header->name.data, name, header->name.len) == 0;
}

static bool is_long_body(const struct client *client)
{
	return client->discarded > DISCARD_MAX_BYTES ||
	       (client->head.framing == HTTP_LENGTH && client->head.content_length >= DISCARD_MAX_BYTES);
}

/* Whether the rest of the request's body is worth to be read to its end: the connection could live on then. */
static bool waits_for_body(const struct client *client)
{
	return client->head.keep_alive && client->after == AFTER_NEXT && !client->client_ended && !client->body.done &&
	       !client->head.wants_continue && !client->broken_body && !is_long_body(client);
}

/* Writes the status line and the headers that do not depend on what becomes of the connection. */
static void put_head(struct client *client, const Gate__Answer *answer, bool streams)
{
	struct buf *out = &client->out;
	bool is_head = strcmp(client->head.method, "HEAD") == 0;
	bool no_body = is_head || answer->status == 204 || answer->status == 304, counted = false;
	char date[32];

	client->answer.end = BODY_OPEN;
	client->answer.promised = -1;
	client->after = AFTER_NEXT;
	buf_printf(out, "HTTP/1.%d %u %s\r\n", MIN(client->head.minor, 1), answer->status,
		   http_reason((int)answer->status));
	for (size_t i = 0; i < answer->n_headers; i++) {
		const Gate__Header *header = answer->headers[i];

		if (is_header(header, "Content-Length")) {
			_cleanup_free_ char *text = xstrndup((const char *)header->value.data, header->value.len);

			if (str_to_i64(text, 0, INT64_MAX, &client->answer.promised) < 0 ||
			    client->answer.promised > COUNTED_BODY_BYTES)
				continue;
			counted = true;
		} else if (is_header(header, "Connection") && header->value.len == 5) {
			client->after = AFTER_CLOSE;
			continue;
		}
		buf_append(out, header->name.data, header->name.len);
		buf_puts(out, ": ");
		buf_append(out, header->value.data, header->value.len);
		buf_puts(out, "\r\n");
	}
	http_date(clock_wall_s(), date);
	buf_printf(out, "Date: %s\r\n", date);
	if (!streams && !counted && !no_body && answer->body.len <= COUNTED_BODY_BYTES) {
		counted = true;
		buf_printf(out, "Content-Length: %zu\r\n", answer->body.len);
	}
	if (no_body)
		client->answer.framing = HTTP_NO_BODY;
	else if (counted)
		client->answer.framing = HTTP_LENGTH;
	else
		client->answer.framing = client->head.minor >= 1 ? HTTP_CHUNKED : HTTP_UNTIL_EOF;
	if (!no_body)
		buf_append(&client->answer.held, answer->body.data, answer->body.len);
}

/* The rest of the head: whether the connection lives on, and how the client sees the end of the body. */
static void end_head(struct client *client)
{
	struct buf *out = &client->out;
	bool chunked = client->answer.framing == HTTP_CHUNKED;

	if (!client->head.keep_alive || !client->body.done || client->head.wants_continue || is_long_body(client) ||
	    client->answer.framing == HTTP_UNTIL_EOF)
		client->after = AFTER_CLOSE;
	if (client->after == AFTER_CLOSE && client->head.minor >= 1)
		buf_puts(out, "Connection: close\r\n");
	else if (client->after == AFTER_NEXT && client->head.minor < 1)
		buf_puts(out, "Connection: keep-alive\r\n");
	if (chunked)
		buf_puts(out, "Transfer-Encoding: chunked\r\n");
	buf_puts(out, "\r\n");
	if (client->answer.framing == HTTP_NO_BODY)
		client->answer.promised = 0;
	if (client->peer.fd >= 0) {
		loop_timer_stop(&client->timer);
		client->state = STATE_ANSWER;
		return;
	}
	if (chunked) {
		http_chunk_append(out, client->answer.held.bytes, client->answer.held.size);
		buf_puts(out, HTTP_LAST_CHUNK);
	} else {
		buf_append(out, client->answer.held.bytes, client->answer.held.size);
	}
	buf_clear(&client->answer.held);
	client->state = STATE_FLUSH;
	loop_timer_start(&client->timer, WRITE_MS);
}

/* Go reads on to the end of a short body before it answers, for then it knows whether the connection can live on. */
void answer_step_held(struct client *client)
{
	head_discard_body(client);
	if (!waits_for_body(client))
		end_head(client);
}

void client_answer(struct gate_child *child, const Gate__Answer *answer, int fd)
{
	struct client *client = client_find(child, answer->id);

	if (!client || client->state != STATE_WAIT) {
		fd_done(&fd);
		return;
	}
	put_head(client, answer, fd >= 0);
	if (fd < 0)
		client->known = false;
	else if (!client_set_peer(client, fd))
		client_abort(client);
	client->state = STATE_HELD;
	loop_timer_start(&client->timer, WRITE_MS);
	client_step(client);
}

void answer_add(struct client *client, const void *bytes, size_t size)
{
	struct answer *answer = &client->answer;

	if (answer->promised >= 0) {
		size = (size_t)MIN((int64_t)size, answer->promised); /* more than promised is nobody's */
		answer->promised -= (int64_t)size;
	}
	if (answer->framing == HTTP_CHUNKED)
		http_chunk_append(&client->out, bytes, size);
	else
		buf_append(&client->out, bytes, size);
}

void answer_step(struct client *client)
{
	bool whole;

	head_discard_body(client);
	if (client->client_ended && client->answer.promised < 0) { /* stock ends its work for a client that left */
		client_abort(client);
		return;
	}
	if (client->answer.end != BODY_CUT && !client->peer.ended)
		return;
	if (client->answer.end == BODY_OPEN) {
		/* The word that it is whole comes another way. */
		if (!loop_timer_is_running(&client->timer))
			loop_timer_start(&client->timer, END_MS);
		return;
	}
	whole = client->answer.end == BODY_WHOLE && client->answer.promised <= 0;
	loop_timer_start(&client->timer, WRITE_MS);
	client_close_peer(client);
	client_tell_gone(client);
	client->state = STATE_FLUSH;
	if (whole && client->answer.framing == HTTP_CHUNKED)
		buf_puts(&client->out, HTTP_LAST_CHUNK);
	if (!whole)
		client->after = client->answer.framing == HTTP_UNTIL_EOF ? AFTER_RESET : AFTER_CLOSE;
}
