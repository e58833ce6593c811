/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One connection as its four files and their test share it; nobody else includes this.
 *
 *   client.c   its life, and the pump that moves bytes and asks the others what is next
 *   head.c     a request: its head goes up to the kubelet, its body is thrown away
 *   answer.c   the kubelet's answer, whole or from a socket
 *   relay.c    a session with the runtime, up to the command's status
 *
 * Only client_step() runs the step functions. They change the state, fill `out` and take from `in`; who is done with
 * the connection calls client_leave(), and the pump frees the client.
 */
#include "kubelet/gate/child/client.h"
#include "pkg/base/buf.h"
#include "pkg/stream/http_head.h"
#include "pkg/stream/tracker.h"

enum {
	HEAD_MS = 30 * 1000,        /* for handshake and head; stock waits 4 h (listed deviation) */
	LINGER_MS = 30 * 1000,      /* for a client that is slow to read the end of a session */
	LINGER_BAD_MS = 2 * 1000,   /* for one that is sent away */
	READ_BYTES = 65 << 10,      /* one step of the pump: two frames of a Go server, to become one */
	OUT_LIMIT_BYTES = 18 << 20, /* a broken frame of 16 MiB is filled up at once */
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
	enum after after;
	bool stepping, dead;
	struct tls_conn *conn; /* NULL while draining */
	int wanted;
	bool may_read; /* nothing has said EAGAIN since the last event; so of the peer */
	bool client_ended;
	struct buf in, out;
	struct loop_timer timer;
	int64_t idle_since_ms;

	struct http_head head; /* of the request; so `body` */
	size_t head_bytes;     /* of it, as counted in the child's */
	struct http_body body;
	size_t discarded;
	bool broken_body; /* what follows cannot be told from a new request */
	bool after_post;  /* the former request was one */
	bool served_one;  /* at least one request on this connection */
	bool known;       /* the kubelet knows the id */

	struct peer peer;
	struct answer answer;
	struct relay relay;
};

/* ---- client.c ---- */

/* Rids us of the connection, in good form or by a reset; the client itself dies at the end of the step. */
void client_leave(struct client *client, int64_t linger_ms);
void client_abort(struct client *client);

/* The last answer of a connection: `out` holds it. */
void client_last_answer(struct client *client);

/* By the id that the kubelet knows it by, NULL when it does not any more. */
struct client *client_find(struct gate_child *child, uint64_t id);
void client_tell_gone(struct client *client); /* the kubelet, once, if it knows the id */

bool client_set_peer(struct client *client, int fd); /* takes fd */
void client_close_peer(struct client *client);

/* Everything that can be done now; the client may be gone after it. */
void client_step(struct client *client);

/* ---- head.c ---- */

void head_start(struct client *client); /* waits for the next one */
void head_step(struct client *client);
void head_done(struct client *client); /* frees it, for good */

/* Takes content of the request's body out of `in`; nobody here wants it. */
void head_discard_body(struct client *client);

/* ---- answer.c ---- */

void answer_step_held(struct client *client);
void answer_step(struct client *client);
void answer_add(struct client *client, const void *bytes, size_t size); /* of the body, come from the peer */

/* ---- relay.c ---- */

void relay_step_head(struct client *client);
void relay_step_body(struct client *client);
void relay_step(struct client *client);
void relay_step_drain(struct client *client);

/* What the client sent goes to the runtime; false when that takes no more now. */
bool relay_write(struct client *client);

/* Before the command's status has passed: the client is told that it failed. */
void relay_break(struct client *client, const char *why);
