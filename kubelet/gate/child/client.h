/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One connection of a client inside the gate process, from its first byte to its last: heads, answers, sessions. And
 * the gate process itself as far as the connections need it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "gate.pb-c.h"
#include "kubelet/gate/channel/channel.h"
#include "kubelet/gate/channel/terms.h"
#include "pkg/base/list.h"
#include "pkg/loop/loop.h"
#include "pkg/net/tls_server.h"

enum {
	CLIENTS_MAX = 4096, /* above it the longest idle one makes room; 2,000 idle ones are an ordinary attack */
	HEAD_MEMORY_BYTES = 64 << 20, /* heads of all clients together, unfinished ones and those being answered */
};

struct client;

/* The gate process. */
struct gate_child {
	struct loop *loop;
	struct tls_server *server;
	struct channel *channel; /* NULL once the kubelet is gone */
	struct {
		struct gate_child *child;
		struct tls_listener *listener;
	} listeners[GATE_LISTENERS];
	struct client *clients[CLIENTS_MAX];
	size_t n_clients;
	size_t head_bytes; /* sum of what each client has counted */
	uint64_t serial;
	bool ending;
	struct loop_timer end;
	struct loop_timer trim; /* what many clients needed goes back to the system some time after */
};

/* An accepted connection becomes a client, or is turned away. */
void client_accept(struct gate_child *child, enum gate_listener listener, struct tls_conn *conn);

/* What the kubelet says; the descriptor is taken. Ids that are not known any more are no error: it crossed a gone. */
void client_answer(struct gate_child *child, const Gate__Answer *answer, int fd);
void client_relay(struct gate_child *child, const Gate__Relay *relay, int fd);
void client_end(struct gate_child *child, const Gate__End *end);
void client_again(struct gate_child *child, const Gate__Again *again);

/* The kubelet is gone: requests are cut, sessions get their status, idle connections end. */
void clients_end_all(struct gate_child *child);

/* Called when one is gone. */
void gate_child_client_gone(struct gate_child *child);
