/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One end of the packet socket between kubelet and gate. A message longer than one packet travels as several; the last
 * one may carry a descriptor. What cannot be sent at once waits here, up to a limit. Messages arrive whole and in
 * order.
 */
#include <stddef.h>
#include <stdint.h>

#include "pkg/base/arena.h"
#include "pkg/base/err.h"
#include "pkg/codec/pb.h"
#include "pkg/loop/loop.h"

enum {
	CHANNEL_PACKET_BYTES = 64 << 10, /* well below any socket's send limit, and the kernel need not find 1 MiB */
	CHANNEL_MESSAGE_BYTES = 3 << 20, /* a 1 MiB head in the worst encoding, or a large CA bundle */
	CHANNEL_QUEUE_BYTES = 64 << 20,  /* waiting to be sent: 4,096 ordinary heads and some large ones */
};

struct channel;

/* `fd` is -1 or the callee's; the message lives in the arena, which the channel frees after the call. */
typedef void channel_message_fn(void *owner, const ProtobufCMessage *message, int fd);
/* The other side is gone, or said something that is no message (then `problem` is not NULL). Called once, at the end.
 */
typedef void channel_closed_fn(void *owner, const char *problem);

struct channel *channel_new(struct loop *loop, int fd, const ProtobufCMessageDescriptor *incoming,
			    channel_message_fn *message, channel_closed_fn *closed, void *owner);
void channel_free(struct channel *channel); /* also from inside its callbacks */

/* Takes `fd` (-1: none) in every case. -ENOBUFS when too much waits, -EPIPE when the other side is gone. */
int channel_send(struct channel *channel, const ProtobufCMessage *message, int fd);

/* Both ends, with room for several packets in each direction. */
int channel_pair(int fds[2], struct err *err);
