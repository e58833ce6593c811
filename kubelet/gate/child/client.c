/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/gate/child/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/codec/pb.h"
#include "pkg/stream/http_head.h"
#include "pkg/stream/tracker.h"

enum {
	HEAD_MS = 30 * 1000,           /* for handshake and head; stock waits 4 h (listed deviation) */
	IDLE_MS = 90 * 1000,           /* keep-alive, as stock */
	WRITE_MS = 600 * 1000,         /* for the last 64 KiB of an answer; stock waits 4 h */
	LINGER_MS = 30 * 1000,         /* for a client that is slow to read the end of a session */
	LINGER_BAD_MS = 2 * 1000,      /* for one that is sent away */
	END_MS = 10 * 1000,            /* between the end of a body's bytes and the word that it is whole */
	DRAIN_MS = 5 * 1000,           /* for a runtime to notice that the client has left */
	READ_BYTES = 32 << 10,         /* one step of the pump */
	IN_MAX_BYTES = 64 << 10,       /* from the client, waiting */
	OUT_MAX_BYTES = 64 << 10,      /* to the client, waiting: no more is read then */
	OUT_LIMIT_BYTES = 18 << 20,    /* a broken frame of 16 MiB is filled up at once */
	DISCARD_MAX_BYTES = 256 << 10, /* of an unread request body, as Go; then the connection ends */
	RESPONSE_HEAD_MAX = 64 << 10,
	SLOT_BITS = 12, /* of an id; CLIENTS_MAX of them */
};

enum state {
	STATE_HEAD,       /* reading a request */
	STATE_WAIT,       /* the kubelet has it */
	STATE_HELD,       /* answered, but the client has not sent all of the request's body yet */
	STATE_ANSWER,     /* the body comes from `peer` */
	STATE_RELAY_HEAD, /* the runtime's answer comes from `peer` */
	STATE_RELAY_BODY, /* it refused, its body follows */
	STATE_RELAY,      /* a session */
	STATE_FLUSH,      /* the answer is complete in `out` */
	STATE_DRAIN,      /* the client has left; what it sent goes on to `peer` */
};

/* What becomes of the connection when all of `out` is sent. */
enum after {
	AFTER_NEXT, /* another request may come */
	AFTER_CLOSE,
	AFTER_RESET, /* the answer is cut, and a plain end would look like the whole */
};

/* What the kubelet has said about the body of an answer that comes from the peer. */
enum body_end { BODY_OPEN, BODY_WHOLE, BODY_CUT };

/* The socket that the kubelet has passed: its own with the body of an answer, or the runtime's. */
struct peer {
	int fd; /* -1: none */
	struct loop_fd *watch;
	int wanted;
	bool may_read, ended;
};

/* The kubelet's answer. */
struct answer {
	enum http_framing framing;
	enum body_end end;
	int64_t promised; /* bytes of the body that are still to come, -1 unknown */
	struct buf held;  /* STATE_HELD: the body */
};

/* A session with the runtime. */
struct relay {
	enum gate_session session;
	struct http_head head; /* of the runtime's answer; so `body` */
	struct http_body body;
	struct tracker *tracker;
	size_t passed; /* bytes at the front of `out` that may go */
};

struct client {
	struct gate_child *child;
	uint64_t id;
	size_t slot;
	enum gate_listener listener;
	enum state state;
	bool stepping, dead;
	struct tls_conn *conn; /* NULL while draining */
	int wanted;
	bool may_read; /* nothing has said EAGAIN since the last event; so of `peer_may_read` */
	bool client_ended;
	struct buf in, out;
	struct loop_timer timer;
	int64_t idle_since_ms;

	struct http_head head; /* of the request; so `body` */
	struct http_body body;
	size_t discarded;
	bool broken_body; /* what follows cannot be told from a new request */
	bool after_post;  /* the former request was one */
	bool served_one;  /* at least one request on this connection */
	bool known;       /* the kubelet knows the id */

	struct peer peer;
	struct answer answer;
	struct relay relay;
	enum after after;
};

static void client_step(struct client *client);
static void peer_ready(void *owner, int events);

/* ---- life ---- */

static void close_peer(struct client *client)
{
	if (client->peer.fd < 0)
		return;
	loop_fd_unwatch(client->peer.watch);
	client->peer.watch = NULL;
	close(client->peer.fd);
	client->peer.fd = -1;
}

static void tell_gone(struct client *client)
{
	struct gate_child *child = client->child;
	Gate__Gone gone = GATE__GONE__INIT;
	Gate__Up up = GATE__UP__INIT;

	if (!client->known || !child->channel)
		return;
	client->known = false;
	gone.id = client->id;
	up.gone = &gone;
	channel_send(child->channel, &up.base, -1);
}

static void client_free(struct client *client)
{
	struct gate_child *child = client->child;

	tell_gone(client);
	close_peer(client);
	loop_timer_stop(&client->timer);
	child->head_bytes -= client->head.bytes.size;
	http_head_done(&client->head);
	http_head_done(&client->relay.head);
	tracker_free(client->relay.tracker);
	buf_done(&client->in);
	buf_done(&client->out);
	buf_done(&client->answer.held);
	child->clients[client->slot] = NULL;
	child->n_clients--;
	free(client);
	gate_child_client_gone(child);
}

/* Rids us of the connection; the client itself dies at the end of the step. */
static void leave(struct client *client, int64_t linger_ms)
{
	struct tls_conn *conn = steal_pointer(&client->conn);

	if (conn)
		tls_conn_finish(conn, linger_ms);
	client->dead = true;
}

static void leave_hard(struct client *client)
{
	struct tls_conn *conn = steal_pointer(&client->conn);

	if (conn)
		tls_conn_abort(conn);
	client->dead = true;
}

/* ---- heads ---- */

static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)str_or(text, ""), .len = strlen(str_or(text, "")) };
}

static Gate__Identity *identity_message(struct client *client, struct arena *arena)
{
	const struct tls_identity *identity = tls_conn_identity(client->conn);
	Gate__Identity *message = PB_NEW(arena, Gate__Identity, gate__identity__descriptor);

	message->presented = identity->presented;
	message->verified = identity->verified;
	message->generation = identity->generation;
	message->has_problem = message->has_common_name = message->has_uid = message->has_fingerprint = true;
	message->problem = bytes_of(identity->problem);
	message->common_name = bytes_of(identity->common_name);
	message->uid = bytes_of(identity->uid);
	message->fingerprint = bytes_of(identity->fingerprint);
	message->n_organizations = identity->n_organizations;
	message->organizations = arena_alloc(arena, sizeof(ProtobufCBinaryData) * (identity->n_organizations + 1));
	for (size_t i = 0; i < identity->n_organizations; i++)
		message->organizations[i] = bytes_of(identity->organizations[i]);
	return message;
}

static void send_request(struct client *client)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const struct http_head *head = &client->head;
	Gate__Request *request = PB_NEW(arena, Gate__Request, gate__request__descriptor);
	Gate__Up up = GATE__UP__INIT;

	request->id = client->id;
	request->listener = client->listener;
	request->method = bytes_of(head->method);
	request->path = bytes_of(head->path);
	request->target = bytes_of(head->target);
	request->query = bytes_of(head->query);
	request->host = bytes_of(head->host);
	request->client = bytes_of(tls_conn_peer(client->conn));
	request->is_http10 = head->minor < 1;
	request->headers = arena_alloc(arena, sizeof(Gate__Header *) * (head->n_headers + 1));
	for (size_t i = 0; i < head->n_headers; i++) {
		Gate__Header *header = PB_NEW(arena, Gate__Header, gate__header__descriptor);

		header->name = bytes_of(head->headers[i].name);
		header->value = bytes_of(head->headers[i].value);
		request->headers[request->n_headers++] = header;
	}
	request->identity = identity_message(client, arena);
	up.request = request;
	client->known = true;
	if (!client->child->channel || channel_send(client->child->channel, &up.base, -1) < 0) {
		client->known = false;
		leave(client, LINGER_BAD_MS);
	}
}

/* The last answer of a connection: `out` holds it. */
static void finish_with_out(struct client *client)
{
	client->after = AFTER_CLOSE;
	client->state = STATE_FLUSH;
	loop_timer_start(&client->timer, HEAD_MS);
}

static void refuse_head(struct client *client)
{
	http_head_refuse(&client->out, &client->head);
	finish_with_out(client);
}

static void start_head(struct client *client)
{
	client->after_post = client->head.complete && strcmp(client->head.method, "POST") == 0;
	client->child->head_bytes -= client->head.bytes.size;
	http_head_reset(&client->head);
	client->state = STATE_HEAD;
	client->idle_since_ms = loop_now_ms(client->child->loop);
	client->discarded = 0;
	client->peer.ended = client->broken_body = false;
	loop_timer_start(&client->timer, client->served_one ? IDLE_MS : HEAD_MS);
}

/* Takes content of the request's body out of `in`; nobody here wants it. */
static void discard_body(struct client *client)
{
	while (!client->body.done && !client->broken_body && client->in.size) {
		size_t taken, size;
		const char *content;

		if (http_body_step(&client->body, client->in.bytes, client->in.size, &taken, &content, &size) < 0) {
			client->broken_body = true;
			return;
		}
		buf_consume(&client->in, taken);
		client->discarded += taken;
	}
}

static void take_head(struct client *client)
{
	struct gate_child *child = client->child;
	size_t taken, before = client->head.bytes.size;
	bool started = before > 0;
	int code;

	/* Go forgives old clients that end a POST's body with an empty line too many. */
	while (client->after_post && !started && client->in.size &&
	       (client->in.bytes[0] == '\r' || client->in.bytes[0] == '\n') && client->discarded++ < 4)
		buf_consume(&client->in, 1);
	if (client->in.size) {
		code = http_head_feed(&client->head, client->in.bytes, client->in.size, &taken);
		child->head_bytes += client->head.bytes.size - before;
		if (code < 0) {
			refuse_head(client);
			return;
		}
		buf_consume(&client->in, taken);
		if (!started && client->served_one) /* the first one's time runs since the connection was made */
			loop_timer_start(&client->timer, HEAD_MS);
		if (client->head.complete) {
			client->id = ++child->serial << SLOT_BITS | client->slot;
			client->served_one = true;
			client->state = STATE_WAIT;
			client->discarded = 0;
			loop_timer_stop(&client->timer);
			http_body_init(&client->body, &client->head);
			send_request(client);
			return;
		}
		if (child->head_bytes > HEAD_MEMORY_BYTES) {
			leave(client, LINGER_BAD_MS);
			return;
		}
	}
	if (!client->client_ended)
		return;
	/* As Go: a head that breaks off is a bad one. */
	if (client->head.bytes.size > 0) {
		client->head.refusal = 400;
		refuse_head(client);
	} else {
		leave(client, LINGER_BAD_MS);
	}
}

/* ---- answers ---- */

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
	http_date(clock_wall_ns() / 1000000000, date);
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
static void step_held(struct client *client)
{
	discard_body(client);
	if (!waits_for_body(client))
		end_head(client);
}

static struct client *find(struct gate_child *child, uint64_t id)
{
	struct client *client = child->clients[id & (CLIENTS_MAX - 1)];

	return client && client->id == id && client->known ? client : NULL;
}

static bool set_peer(struct client *client, int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	client->peer.watch = loop_fd_watch(client->child->loop, fd, 0, peer_ready, client);
	if (!client->peer.watch) {
		close(fd);
		return false;
	}
	client->peer.fd = fd;
	client->peer.wanted = 0;
	client->peer.may_read = client->peer.ended = false;
	return true;
}

void client_answer(struct gate_child *child, const Gate__Answer *answer, int fd)
{
	struct client *client = find(child, answer->id);

	if (!client || client->state != STATE_WAIT) {
		fd_done(&fd);
		return;
	}
	put_head(client, answer, fd >= 0);
	if (fd < 0)
		client->known = false;
	else if (!set_peer(client, fd))
		leave_hard(client);
	client->state = STATE_HELD;
	loop_timer_start(&client->timer, WRITE_MS);
	client_step(client);
}

void client_end(struct gate_child *child, const Gate__End *end)
{
	struct client *client = find(child, end->id);

	if (!client)
		return;
	client->known = false;
	if (client->state == STATE_ANSWER || client->state == STATE_HELD) {
		client->answer.end = end->whole ? BODY_WHOLE : BODY_CUT;
	} else if (client->state == STATE_WAIT) { /* an abort before any answer */
		leave_hard(client);
	} else if (client->state >= STATE_RELAY_HEAD && client->state <= STATE_RELAY) {
		client->peer.ended = true;
	}
	client_step(client);
}

void client_again(struct gate_child *child, const Gate__Again *again)
{
	struct client *client = find(child, again->id);

	if (!client || client->state != STATE_WAIT)
		return;
	send_request(client);
	client_step(client);
}

/* In a session the unpassed part is at most one frame, as the tracker promises. */
static bool has_room(const struct client *client)
{
	return (client->state == STATE_ANSWER ? client->out.size : client->relay.passed) < OUT_MAX_BYTES;
}

/* Reads what fits; true when something came or the end did. */
static bool read_peer(struct client *client)
{
	char bytes[READ_BYTES];
	ssize_t n;

	if (client->peer.fd < 0 || client->state == STATE_HELD || client->peer.ended || !client->peer.may_read ||
	    !has_room(client))
		return false;
	n = recv(client->peer.fd, bytes, sizeof bytes, 0);
	/* A short read has most likely emptied it; an event tells if not. */
	client->peer.may_read = n == (ssize_t)sizeof bytes;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		client->peer.ended = true;
		return true;
	}
	if (client->state == STATE_ANSWER) {
		if (client->answer.promised >= 0) {
			n = (ssize_t)MIN((int64_t)n, client->answer.promised); /* more than promised is nobody's */
			client->answer.promised -= n;
		}
		if (client->answer.framing == HTTP_CHUNKED)
			http_chunk_append(&client->out, bytes, (size_t)n);
		else
			buf_append(&client->out, bytes, (size_t)n);
	} else {
		buf_append(&client->out, bytes, (size_t)n);
	}
	return true;
}

static void step_answer(struct client *client)
{
	bool whole;

	discard_body(client);
	if (client->client_ended && client->answer.promised < 0) { /* stock ends its work for a client that left */
		leave_hard(client);
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
	close_peer(client);
	tell_gone(client);
	client->state = STATE_FLUSH;
	if (whole && client->answer.framing == HTTP_CHUNKED)
		buf_puts(&client->out, HTTP_LAST_CHUNK);
	if (!whole)
		client->after = client->answer.framing == HTTP_UNTIL_EOF ? AFTER_RESET : AFTER_CLOSE;
}

static void step_flush(struct client *client)
{
	if (client->out.size)
		return;
	if (client->after == AFTER_RESET)
		leave_hard(client);
	else if (client->after == AFTER_CLOSE)
		leave(client, client->served_one && client->head.complete ? LINGER_MS : LINGER_BAD_MS);
	else
		start_head(client);
}

/* ---- sessions ---- */

void client_relay(struct gate_child *child, const Gate__Relay *relay, int fd)
{
	struct client *client = find(child, relay->id);

	if (!client || client->state != STATE_WAIT || fd < 0) {
		fd_done(&fd);
		return;
	}
	if (set_peer(client, fd)) {
		http_head_init(&client->relay.head, true);
		client->relay.session = relay->session;
		client->state = STATE_RELAY_HEAD;
	} else {
		leave_hard(client);
	}
	client_step(client);
}

static void put_error(struct client *client, const char *text)
{
	struct buf *out = &client->out;
	char date[32];

	buf_clear(out);
	http_date(clock_wall_ns() / 1000000000, date);
	buf_printf(
		out,
		"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"X-Content-Type-Options: nosniff\r\nDate: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
		date, strlen(text) + 1, text);
	close_peer(client);
	tell_gone(client);
	finish_with_out(client);
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

static void step_relay_head(struct client *client)
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
static void step_relay_body(struct client *client)
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
	close_peer(client);
	tell_gone(client);
	finish_with_out(client);
}

static void end_session(struct client *client, const char *why)
{
	bool told;

	client->out.size = client->relay.passed; /* a frame that came in part only */
	told = tracker_break(client->relay.tracker, why, &client->out);
	close_peer(client);
	tell_gone(client);
	client->after = told ? AFTER_CLOSE : AFTER_RESET;
	client->state = STATE_FLUSH;
	loop_timer_start(&client->timer, LINGER_MS);
}

static void step_relay(struct client *client)
{
	if (client->relay.passed < client->out.size)
		client->relay.passed +=
			tracker_from_server(client->relay.tracker, client->out.bytes + client->relay.passed,
					    client->out.size - client->relay.passed);
	if (client->client_ended) {
		/* What the client sent goes on, then the runtime sees the end of it. */
		struct tls_conn *conn = steal_pointer(&client->conn);

		tls_conn_finish(conn, LINGER_BAD_MS);
		client->state = STATE_DRAIN;
		loop_timer_start(&client->timer, DRAIN_MS);
	} else if (client->peer.ended || tracker_ends_without_status(client->relay.tracker)) {
		end_session(client, "the container runtime ended the session before the command's status arrived");
	}
}

/* False when the runtime does not take any more. */
static bool write_peer(struct client *client)
{
	ssize_t n;

	if (client->state != STATE_RELAY && client->state != STATE_DRAIN)
		return false;
	if (!client->body.done) {
		discard_body(client);
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

static void step_drain(struct client *client)
{
	char drop[READ_BYTES];
	ssize_t n = 0;

	while (write_peer(client))
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

/* ---- the pump ---- */

static bool read_client(struct client *client)
{
	char bytes[READ_BYTES];
	ssize_t n;

	if (!client->conn || client->client_ended || client->in.size >= IN_MAX_BYTES || !client->may_read ||
	    !(client->wanted & LOOP_READ))
		return false;
	n = tls_conn_read(client->conn, bytes, sizeof bytes);
	client->may_read = n > 0;
	if (n == -EAGAIN)
		return false;
	if (n < 0) {
		/* A session's runtime still gets what came before; everything else is over. */
		client->client_ended = true;
		if (client->state != STATE_RELAY)
			leave(client, LINGER_BAD_MS);
		return true;
	}
	if (n == 0)
		client->client_ended = true;
	buf_append(&client->in, bytes, (size_t)n);
	return true;
}

static size_t sendable(const struct client *client)
{
	if (client->state == STATE_RELAY_HEAD || client->state == STATE_HELD)
		return 0;
	return client->state == STATE_RELAY || client->state == STATE_RELAY_BODY ? client->relay.passed
										 : client->out.size;
}

static bool write_client(struct client *client)
{
	size_t size = sendable(client);
	ssize_t n;

	if (!client->conn || !size)
		return false;
	n = tls_conn_write(client->conn, client->out.bytes, size);
	if (n == -EAGAIN)
		return false;
	if (n < 0) {
		if (client->state == STATE_RELAY)
			client->client_ended = true;
		else
			leave(client, LINGER_BAD_MS);
		buf_clear(&client->out);
		client->relay.passed = 0;
		return true;
	}
	buf_consume(&client->out, (size_t)n);
	client->relay.passed -= MIN(client->relay.passed, (size_t)n);
	return true;
}

static void step_state(struct client *client)
{
	switch (client->state) {
	case STATE_HEAD:
		take_head(client);
		break;
	case STATE_WAIT:
		discard_body(client);
		break;
	case STATE_HELD:
		step_held(client);
		break;
	case STATE_ANSWER:
		step_answer(client);
		break;
	case STATE_RELAY_HEAD:
		if (client->client_ended)
			leave(client, LINGER_BAD_MS);
		else
			step_relay_head(client);
		break;
	case STATE_RELAY_BODY:
		step_relay_body(client);
		break;
	case STATE_RELAY:
		step_relay(client);
		break;
	case STATE_FLUSH:
		step_flush(client);
		break;
	case STATE_DRAIN:
		step_drain(client);
		break;
	}
}

static void update_wants(struct client *client)
{
	int wanted = 0, peer_wanted = 0;

	if (!client->client_ended && client->in.size < IN_MAX_BYTES && client->state != STATE_FLUSH)
		wanted |= LOOP_READ;
	if (sendable(client))
		wanted |= LOOP_WRITE;
	client->wanted = wanted;
	if (client->conn)
		tls_conn_want(client->conn, wanted);
	if (client->peer.fd < 0)
		return;
	if (client->state == STATE_DRAIN || (client->state != STATE_HELD && !client->peer.ended && has_room(client)))
		peer_wanted |= LOOP_READ;
	if (client->in.size && client->body.done && (client->state == STATE_RELAY || client->state == STATE_DRAIN))
		peer_wanted |= LOOP_WRITE;
	if (peer_wanted != client->peer.wanted)
		loop_fd_set(client->peer.watch, peer_wanted);
	client->peer.wanted = peer_wanted;
}

/* Everything that can be done now is done, a bounded amount of it; then it is said what to wait for. */
static void client_step(struct client *client)
{
	if (client->stepping)
		return;
	client->stepping = true;
	for (int turn = 0; turn < 4 && !client->dead; turn++) {
		enum state before = client->state;
		bool moved = false;

		/* A client's frames come as many small records: they go on together. */
		while (!client->dead && read_client(client))
			moved = true;
		if (client->dead)
			break;
		moved = read_peer(client) || moved;
		step_state(client);
		if (client->dead)
			break;
		moved = write_peer(client) || moved;
		moved = write_client(client) || moved;
		if (client->dead)
			break;
		step_state(client);
		if (!moved && before == client->state)
			break;
	}
	client->stepping = false;
	if (client->dead)
		client_free(client);
	else
		update_wants(client);
}

static void conn_ready(void *owner, int events)
{
	struct client *client = owner;

	if (events & ~LOOP_WRITE)
		client->may_read = true;
	client_step(client);
}

static void peer_ready(void *owner, int events)
{
	struct client *client = owner;

	if (events & ~LOOP_WRITE)
		client->peer.may_read = true;
	client_step(client);
}

static void time_is_up(void *owner)
{
	struct client *client = owner;

	switch (client->state) {
	case STATE_ANSWER:
		client->answer.end = BODY_CUT;
		client_step(client);
		return;
	case STATE_DRAIN:
		break;
	case STATE_FLUSH:
		leave_hard(client);
		break;
	default:
		leave(client, LINGER_BAD_MS);
	}
	client_free(client);
}

/* ---- all of them ---- */

static void make_room(struct gate_child *child)
{
	struct client *oldest = NULL;

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = child->clients[i];

		if (client && client->state == STATE_HEAD && (!oldest || client->idle_since_ms < oldest->idle_since_ms))
			oldest = client;
	}
	if (!oldest)
		return;
	leave_hard(oldest);
	client_free(oldest);
}

void client_accept(struct gate_child *child, enum gate_listener listener, struct tls_conn *conn)
{
	struct client *client;
	size_t slot = 0;

	if (child->n_clients + tls_server_lingering(child->server) >= CLIENTS_MAX)
		make_room(child);
	while (slot < CLIENTS_MAX && child->clients[slot])
		slot++;
	if (slot == CLIENTS_MAX) {
		tls_conn_abort(conn);
		return;
	}
	client = xcalloc(1, sizeof *client);
	client->child = child;
	client->slot = slot;
	client->listener = listener;
	client->conn = conn;
	client->peer.fd = -1;
	client->in = BUF_INIT(IN_MAX_BYTES + READ_BYTES);
	client->out = BUF_INIT(OUT_LIMIT_BYTES);
	client->answer.held = BUF_INIT(OUT_LIMIT_BYTES);
	http_head_init(&client->head, false);
	http_head_init(&client->relay.head, true);
	loop_timer_init(&client->timer, child->loop, time_is_up, client);
	child->clients[slot] = client;
	child->n_clients++;
	tls_conn_set_owner(conn, conn_ready, client);
	start_head(client);
	update_wants(client);
}

void clients_end_all(struct gate_child *child)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = child->clients[i];

		if (!client)
			continue;
		client->known = false;
		if (client->state == STATE_RELAY) {
			end_session(client, "the kubelet ended before the command's status arrived");
			client_step(client);
		} else if (client->state == STATE_HEAD) {
			leave(client, LINGER_BAD_MS);
			client_free(client);
		} else if (client->state != STATE_FLUSH && client->state != STATE_DRAIN) {
			leave_hard(client);
			client_free(client);
		} else if (client->after == AFTER_NEXT) {
			client->after = AFTER_CLOSE;
		}
	}
}
