/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection, and the pump that moves its bytes. */
#include "kubelet/gate/child/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kubelet/gate/child/internal.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/codec/pb.h"

enum {
	IN_MAX_BYTES = 64 << 10,  /* from the client, waiting */
	OUT_MAX_BYTES = 64 << 10, /* to the client, waiting: no more is read then */
};

/* ---- life ---- */

void client_tell_gone(struct client *client)
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

	client_tell_gone(client);
	client_close_peer(client);
	loop_timer_stop(&client->timer);
	head_done(client);
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

void client_leave(struct client *client, int64_t linger_ms)
{
	struct tls_conn *conn = steal_pointer(&client->conn);

	if (conn)
		tls_conn_finish(conn, linger_ms);
	client->dead = true;
}

void client_abort(struct client *client)
{
	struct tls_conn *conn = steal_pointer(&client->conn);

	if (conn)
		tls_conn_abort(conn);
	client->dead = true;
}

void client_last_answer(struct client *client)
{
	client->after = AFTER_CLOSE;
	client->state = STATE_FLUSH;
	loop_timer_start(&client->timer, HEAD_MS);
}

/* ---- the peer ---- */

static void peer_ready(void *owner, int events)
{
	struct client *client = owner;

	if (events & ~LOOP_WRITE)
		client->peer.may_read = true;
	client_step(client);
}

bool client_set_peer(struct client *client, int fd)
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

void client_close_peer(struct client *client)
{
	if (client->peer.fd < 0)
		return;
	loop_fd_unwatch(client->peer.watch);
	client->peer.watch = NULL;
	close(client->peer.fd);
	client->peer.fd = -1;
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

	if (client->peer.fd < 0 || client->state == STATE_HELD || client->state == STATE_DRAIN || client->peer.ended ||
	    !client->peer.may_read || !has_room(client))
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
	if (client->state == STATE_ANSWER)
		answer_add(client, bytes, (size_t)n);
	else
		buf_append(&client->out, bytes, (size_t)n);
	return true;
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
			client_leave(client, LINGER_BAD_MS);
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
			client_leave(client, LINGER_BAD_MS);
		buf_clear(&client->out);
		client->relay.passed = 0;
		return true;
	}
	buf_consume(&client->out, (size_t)n);
	client->relay.passed -= MIN(client->relay.passed, (size_t)n);
	return true;
}

static void step_flush(struct client *client)
{
	if (client->out.size)
		return;
	if (client->after == AFTER_RESET)
		client_abort(client);
	else if (client->after == AFTER_CLOSE)
		client_leave(client, client->served_one && client->head.complete ? LINGER_MS : LINGER_BAD_MS);
	else
		head_start(client);
}

static void step_state(struct client *client)
{
	switch (client->state) {
	case STATE_HEAD:
		head_step(client);
		break;
	case STATE_WAIT:
		head_discard_body(client);
		break;
	case STATE_HELD:
		answer_step_held(client);
		break;
	case STATE_ANSWER:
		answer_step(client);
		break;
	case STATE_RELAY_HEAD:
		if (client->client_ended)
			client_leave(client, LINGER_BAD_MS);
		else
			relay_step_head(client);
		break;
	case STATE_RELAY_BODY:
		relay_step_body(client);
		break;
	case STATE_RELAY:
		relay_step(client);
		break;
	case STATE_FLUSH:
		step_flush(client);
		break;
	case STATE_DRAIN:
		relay_step_drain(client);
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
void client_step(struct client *client)
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
		moved = relay_write(client) || moved;
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
		client_abort(client);
		break;
	default:
		client_leave(client, LINGER_BAD_MS);
	}
	client_free(client);
}

/* ---- what the kubelet says of any request ---- */

struct client *client_find(struct gate_child *child, uint64_t id)
{
	struct client *client = child->clients[id & (CLIENTS_MAX - 1)];

	return client && client->id == id && client->known ? client : NULL;
}

void client_end(struct gate_child *child, const Gate__End *end)
{
	struct client *client = client_find(child, end->id);

	if (!client)
		return;
	client->known = false;
	if (client->state == STATE_ANSWER || client->state == STATE_HELD) {
		client->answer.end = end->whole ? BODY_WHOLE : BODY_CUT;
	} else if (client->state == STATE_WAIT) { /* an abort before any answer */
		client_abort(client);
	} else if (client->state >= STATE_RELAY_HEAD && client->state <= STATE_RELAY) {
		client->peer.ended = true;
	}
	client_step(client);
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
	client_abort(oldest);
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
	head_start(client);
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
			relay_break(client, "the kubelet ended before the command's status arrived");
			client_step(client);
		} else if (client->state == STATE_HEAD) {
			client_leave(client, LINGER_BAD_MS);
			client_free(client);
		} else if (client->state != STATE_FLUSH && client->state != STATE_DRAIN) {
			client_abort(client);
			client_free(client);
		} else if (client->after == AFTER_NEXT) {
			client->after = AFTER_CLOSE;
		}
	}
}
