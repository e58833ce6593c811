/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/grpc/queue.h"

#include <pthread.h>

#include "pkg/base/base.h"

enum { STACK_BYTES = 256 * 1024 }; /* gRPC's own callbacks stay far below */

static struct {
	int takers;
	grpc_completion_queue *queue;
	pthread_t thread;
} the;

void queue_tag_init(struct queue_tag *tag, struct loop *loop, void (*ended)(void *owner, bool ok), void *owner)
{
	*tag = (struct queue_tag){ .loop = loop, .ended = ended, .owner = owner };
}

static void on_loop(void *arg)
{
	struct queue_tag *tag = arg;

	tag->ended(tag->owner, tag->ok);
}

static void *wait_for_events(void *arg)
{
	grpc_completion_queue *queue = arg;

	for (;;) {
		grpc_event event = grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);

		if (event.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		if (event.type != GRPC_OP_COMPLETE)
			continue;
		struct queue_tag *tag = event.tag;

		tag->ok = event.success;
		loop_post(tag->loop, on_loop, tag);
	}
}

void queue_take(void)
{
	pthread_attr_t attributes;

	if (the.takers++ > 0)
		return;
	grpc_init();
	the.queue = grpc_completion_queue_create_for_next(NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	base_assert(pthread_create(&the.thread, &attributes, wait_for_events, the.queue) == 0);
	pthread_attr_destroy(&attributes);
}

void queue_drop(void)
{
	if (--the.takers > 0)
		return;
	grpc_completion_queue_shutdown(the.queue);
	pthread_join(the.thread, NULL);
	grpc_completion_queue_destroy(the.queue);
	grpc_shutdown();
}

grpc_completion_queue *queue_get(void)
{
	return the.queue;
}
