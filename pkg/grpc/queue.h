/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The process's one completion queue and the thread that waits on it. Inside pkg/grpc only.
 *
 * gRPC makes progress only while somebody waits on a queue: one thread parked there serves every client and server.
 */
#include <grpc/grpc.h>
#include <stdbool.h>

#include "pkg/loop/loop.h"

/* What a batch is started with; its `ended` runs on the loop. It lives until then. */
struct queue_tag {
	struct loop *loop;
	void (*ended)(void *owner, bool ok);
	void *owner;
	bool ok;
};

void queue_tag_init(struct queue_tag *tag, struct loop *loop, void (*ended)(void *owner, bool ok), void *owner);

void queue_take(void); /* starts gRPC and the thread with the first taker */
void queue_drop(void); /* the last one stops them; no batch may be out */
grpc_completion_queue *queue_get(void);
