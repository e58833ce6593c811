/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/gate/channel/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/file.h"
#include "pkg/base/list.h"
#include "pkg/codec/pb.h"

enum {
	PACKETS_PER_TURN = 64,
	ARENA_BYTES = 16 << 20, /* 10,000 headers of a 1 MiB head take 3 MB decoded */
	FDS_MAX = 4,            /* more than one is an attack; the room lets us see and close them */
};

/* First byte of a packet. */
enum { PACKET_LAST = 0, PACKET_MORE = 1 };

struct packet {
	struct list link;
	int fd;
	size_t size;
	char bytes[];
};

struct channel {
	int fd;
	struct loop_fd *watch;
	const ProtobufCMessageDescriptor *incoming;
	channel_message_fn *message;
	channel_closed_fn *closed;
	void *owner;
	struct list queue;
	size_t queued;
	struct buf partial; /* packets of a message whose last one has not come */
	bool broken, busy, freed;
};

int channel_pair(int fds[2], struct err *err)
{
	int room = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return err_errno(err, "cannot make the gate's socket");
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room); /* less is only slower */
	return 0;
}

static void really_free(struct channel *channel)
{
	while (!list_empty(&channel->queue)) {
		struct packet *packet = list_first(&channel->queue, struct packet, link);

		list_remove(&packet->link);
		fd_done(&packet->fd);
		free(packet);
	}
	buf_done(&channel->partial);
	loop_fd_unwatch(channel->watch);
	close(channel->fd);
	free(channel);
}

void channel_free(struct channel *channel)
{
	if (!channel)
		return;
	channel->freed = true;
	if (!channel->busy)
		really_free(channel);
}

static void break_off(struct channel *channel, const char *problem)
{
	if (channel->broken || channel->freed)
		return;
	channel->broken = true;
	loop_fd_set(channel->watch, 0);
	channel->closed(channel->owner, problem);
}

/* The one descriptor of a packet, -1 without; -EBADMSG when there are more. */
static int take_fd(struct msghdr *header)
{
	int found = -1, n = 0;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (part->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
			if (n++ == 0)
				found = fd;
			else
				close(fd);
		}
	}
	if (n > 1 || (header->msg_flags & MSG_CTRUNC)) {
		fd_done(&found);
		return -EBADMSG;
	}
	return found;
}

/* A whole message has come together. */
static void deliver(struct channel *channel, int fd)
{
	struct arena *arena = arena_new_limited(ARENA_BYTES);
	ProtobufCMessage *message = NULL;
	struct err err;

	if (pb_decode(channel->incoming, channel->partial.bytes, channel->partial.size, arena, &message, &err) < 0) {
		fd_done(&fd);
		break_off(channel, "a message that cannot be read");
	} else {
		buf_clear(&channel->partial);
		channel->message(channel->owner, message, fd);
	}
	arena_free(arena);
}

/* False when there is nothing more to read. */
static bool receive(struct channel *channel)
{
	static char bytes[CHANNEL_PACKET_BYTES + 1];
	char control[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof bytes };
	struct msghdr header = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
	};
	ssize_t n = recvmsg(channel->fd, &header, MSG_CMSG_CLOEXEC);
	int fd;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		break_off(channel, NULL);
		return false;
	}
	fd = take_fd(&header);
	if (fd == -EBADMSG || (header.msg_flags & MSG_TRUNC) || (bytes[0] != PACKET_LAST && bytes[0] != PACKET_MORE) ||
	    (fd >= 0 && bytes[0] == PACKET_MORE)) {
		if (fd >= 0)
			close(fd);
		break_off(channel, "a packet that is none");
		return false;
	}
	buf_append(&channel->partial, bytes + 1, (size_t)n - 1);
	if (channel->partial.overflow) {
		fd_done(&fd);
		break_off(channel, "a message that is too long");
		return false;
	}
	if (bytes[0] == PACKET_LAST)
		deliver(channel, fd);
	return !channel->broken && !channel->freed;
}

/* 0, -EAGAIN or the end of the channel. */
static int send_packet(struct channel *channel, const struct packet *packet)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (char *)(uintptr_t)packet->bytes, .iov_len = packet->size };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (packet->fd >= 0) {
		struct cmsghdr *part;

		header.msg_control = control;
		header.msg_controllen = sizeof control;
		part = CMSG_FIRSTHDR(&header);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(part), &packet->fd, sizeof(int));
	}
	if (sendmsg(channel->fd, &header, MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? -EAGAIN : -errno;
}

static int flush_queue(struct channel *channel)
{
	int code = 0;

	while (!list_empty(&channel->queue)) {
		struct packet *packet = list_first(&channel->queue, struct packet, link);

		code = send_packet(channel, packet);
		if (code < 0)
			break;
		list_remove(&packet->link);
		channel->queued -= packet->size;
		fd_done(&packet->fd);
		free(packet);
	}
	loop_fd_set(channel->watch, LOOP_READ | (list_empty(&channel->queue) ? 0 : LOOP_WRITE));
	return code == -EAGAIN ? 0 : code;
}

static void ready(void *owner, int events)
{
	struct channel *channel = owner;

	channel->busy = true;
	if (events & LOOP_READ)
		for (int n = 0; n < PACKETS_PER_TURN && receive(channel); n++)
			;
	if (!channel->broken && !channel->freed && flush_queue(channel) < 0)
		break_off(channel, NULL);
	channel->busy = false;
	if (channel->freed)
		really_free(channel);
}

struct channel *channel_new(struct loop *loop, int fd, const ProtobufCMessageDescriptor *incoming,
			    channel_message_fn *message, channel_closed_fn *closed, void *owner)
{
	struct channel *channel = xcalloc(1, sizeof *channel);

	*channel = (struct channel){
		.fd = fd, .incoming = incoming, .message = message, .closed = closed, .owner = owner
	};
	channel->partial = BUF_INIT(CHANNEL_MESSAGE_BYTES);
	list_init(&channel->queue);
	channel->watch = loop_fd_watch(loop, fd, LOOP_READ, ready, channel);
	return channel;
}

int channel_send(struct channel *channel, const ProtobufCMessage *message, int fd)
{
	_cleanup_buf_ struct buf bytes = BUF_INIT(CHANNEL_MESSAGE_BYTES);
	struct err err;
	size_t at = 0;

	if (channel->broken || pb_encode(message, &bytes, &err) < 0 || bytes.overflow ||
	    channel->queued + bytes.size > CHANNEL_QUEUE_BYTES) {
		fd_done(&fd);
		return channel->broken ? -EPIPE : -ENOBUFS;
	}
	do {
		size_t part = MIN(bytes.size - at, (size_t)CHANNEL_PACKET_BYTES);
		struct packet *packet = xmalloc(sizeof *packet + part + 1);
		bool last = at + part == bytes.size;

		packet->size = part + 1;
		packet->bytes[0] = last ? PACKET_LAST : PACKET_MORE;
		if (part)
			memcpy(packet->bytes + 1, bytes.bytes + at, part);
		packet->fd = last ? fd : -1;
		list_append(&channel->queue, &packet->link);
		channel->queued += packet->size;
		at += part;
	} while (at < bytes.size);
	/* A broken pipe is found by the reader, too, which tells the owner: not from inside a call of the owner's. */
	flush_queue(channel);
	return 0;
}
