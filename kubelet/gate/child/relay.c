/* SPDX-License-Identifier: Apache-2.0 */
/* A session: the client and the runtime are joined, and a command that breaks off ends with a Failure status. */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "kubelet/gate/child/internal.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"

enum {
	DRAIN_MS = 5 * 1000, /* for a runtime to notice that the client has left */
	RESPONSE_HEAD_MAX = 64 << 10,
};

void client_relay(struct gate_child *child, const Gate__Relay *relay, int fd)
{
	struct client *client = client_find(child, relay->id);

	if (!client || client->state != STATE_WAIT || fd < 0) {
		fd_done(&fd);
		return;
	}
	if (client_set_peer(client, fd)) {
		http_head_init(&client->relay.head, true);
		client->relay.session = relay->session;
		client->state = STATE_RELAY_HEAD;
	} else {
		client_abort(client);
	}
	client_step(client);
}

static void put_error(struct client *client, const char *text)
{
	struct buf *out = &client->out;
	char date[32];

	buf_clear(out);
	http_date(clock_wall_s(), date);
	buf_printf(
		out,
		"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"X-Content-Type-Options: nosniff\r\nDate: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
		date, strlen(text) + 1, text);
	client_close_peer(client);
	client_tell_gone(client);
	client_last_answer(client);
}

/* The runtime said no: its answer is written anew, as stock does, and the connection ends after it. */
static void pass_refusal(struct client *client)
{
	const struct http_head *answer = &client->relay.head;
	struct buf rest = client->out;

	client->out = BUF_INIT(OUT_LIMIT_BYTES);
	buf_printf(&client->out, "HTTP/1.1 %d %s\r\n", answer->status,
		   str_or(answer->reason, http_reason(answer->status)));
	for (size_t i = 0; i < answer->n_headers; i++) {
		const struct http_header *header = &answer->headers[i];

		if (strcasecmp(header->name, "Connection") == 0 || strcasecmp(header->name, "Transfer-Encoding") == 0)
			continue;
		buf_printf(&client->out, "%s: %s\r\n", header->name, header->value);
	}
	/* The connection ends in any case; stock says so only when nothing else tells where the body ends. */
	if (answer->framing != HTTP_LENGTH || !answer->keep_alive)
		buf_puts(&client->out, "Connection: close\r\n");
	buf_puts(&client->out, "\r\n");
	client->relay.passed = client->out.size;
	buf_append(&client->out, rest.bytes, rest.size);
	buf_done(&rest);
	http_body_init(&client->relay.body, answer);
	client->state = STATE_RELAY_BODY;
}

void relay_step_head(struct client *client)
{
	size_t taken;

	/* Everything so far is in `out`; the parser is fed from its start each time, for heads are short. */
	http_head_reset(&client->relay.head);
	if (client->out.size && http_head_feed(&client->relay.head, client->out.bytes, client->out.size, &taken) < 0) {
		put_error(client, "error reading the runtime's answer: malformed HTTP response");
		return;
	}
	if (!client->relay.head.complete) {
		if (client->peer.ended)
			put_error(client, client->out.size ? "unexpected EOF" : "EOF");
		else if (client->out.size > RESPONSE_HEAD_MAX)
			put_error(client, "error reading the runtime's answer: its head is too long");
		return;
	}
	if (client->relay.head.status == 101) {
		client->relay.tracker = tracker_new(&client->relay.head, client->relay.session == GATE_COMMAND);
		client->relay.passed = taken;
		client->state = STATE_RELAY;
	} else if (client->relay.head.status >= 400) {
		buf_consume(&client->out, taken);
		pass_refusal(client);
	} else {
		_cleanup_free_ char *text =
			xasprintf("invalid upgrade response: status code %d", client->relay.head.status);

		put_error(client, text);
	}
}

/* Moves the content among the unpassed bytes to the passed ones. */
void relay_step_body(struct client *client)
{
	struct buf *out = &client->out;

	while (client->relay.passed < out->size && !client->relay.body.done) {
		size_t taken, size;
		const char *content;
		char *at = out->bytes + client->relay.passed;

		if (http_body_step(&client->relay.body, at, out->size - client->relay.passed, &taken, &content, &size) <
		    0) {
			client->peer.ended = true;
			break;
		}
		memmove(at, content, size);
		memmove(at + size, at + taken, out->size - client->relay.passed - taken);
		out->size -= taken - size;
		client->relay.passed += size;
	}
	if (!client->relay.body.done && !client->peer.ended)
		return;
	out->size = client->relay.passed;
	client_close_peer(client);
	client_tell_gone(client);
	client_last_answer(client);
}

void relay_break(struct client *client, const char *why)
{
	bool told;

	client->out.size = client->relay.passed; /* a frame that came in part only */
	told = tracker_break(client->relay.tracker, why, &client->out);
	client_close_peer(client);
	client_tell_gone(client);
	client->after = told ? AFTER_CLOSE : AFTER_RESET;
	client->state = STATE_FLUSH;
	loop_timer_start(&client->timer, LINGER_MS);
}

void relay_step(struct client *client)
{
	size_t fresh = client->out.size - client->relay.passed;

	if (fresh) {
		char *bytes = client->out.bytes + client->relay.passed;
		size_t left = fresh;

		client->relay.passed += tracker_from_server(client->relay.tracker, bytes, &left);
		client->out.size -= fresh - left;
	}
	if (client->client_ended) {
		/* What the client sent goes on, then the runtime sees the end of it. */
		struct tls_conn *conn = steal_pointer(&client->conn);

		tls_conn_finish(conn, LINGER_BAD_MS);
		client->state = STATE_DRAIN;
		loop_timer_start(&client->timer, DRAIN_MS);
	} else if (client->peer.ended || tracker_ends_without_status(client->relay.tracker)) {
		relay_break(client, "the container runtime ended the session before the command's status arrived");
	}
}

bool relay_write(struct client *client)
{
	ssize_t n;

	if (client->state != STATE_RELAY && client->state != STATE_DRAIN)
		return false;
	if (!client->body.done) {
		head_discard_body(client);
		client->discarded = 0;
	}
	if (client->peer.fd < 0 || !client->in.size || !client->body.done)
		return false;
	n = send(client->peer.fd, client->in.bytes, client->in.size, MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0) { /* it reads no more, but may still have said something: the reader finds its end */
		buf_clear(&client->in);
		client->client_ended = client->client_ended || client->state == STATE_DRAIN;
		return false;
	}
	tracker_from_client(client->relay.tracker, client->in.bytes, (size_t)n);
	buf_consume(&client->in, (size_t)n);
	return true;
}

void relay_step_drain(struct client *client)
{
	char drop[READ_BYTES];
	ssize_t n = 0;

	while (relay_write(client))
		;
	if (!client->in.size)
		shutdown(client->peer.fd, SHUT_WR);
	for (int i = 0; i < 16; i++) {
		n = recv(client->peer.fd, drop, sizeof drop, 0);
		if (n <= 0)
			break;
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		client->dead = true;
}
