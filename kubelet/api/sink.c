/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/sink.h"

#include <errno.h>
#include <sys/socket.h>

#include "pkg/base/file.h"

static void writable(void *owner, int events)
{
	struct sink *sink = owner;

	(void)events;
	while (sink->out.size > 0) {
		ssize_t n = send(sink->fd, sink->out.bytes, sink->out.size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0) {
			loop_fd_set(sink->watch, 0);
			sink->broken(sink->owner);
			return;
		}
		buf_consume(&sink->out, (size_t)n);
	}
	sink->drained(sink->owner);
}

int sink_open(struct sink *sink, struct loop *loop, struct gate *gate, uint64_t id, const struct gate_header *headers,
	      size_t n_headers, void (*drained)(void *owner), void (*broken)(void *owner), void *owner)
{
	int fd, code = gate_answer_stream(gate, id, 200, headers, n_headers, &fd);

	if (code < 0)
		return code;
	*sink = (struct sink){
		.fd = fd, .out = BUF_INIT(SINK_PIECE_MAX), .drained = drained, .broken = broken, .owner = owner
	};
	sink->watch = loop_fd_watch(loop, fd, LOOP_WRITE, writable, sink);
	return 0;
}

void sink_push(struct sink *sink)
{
	loop_fd_set(sink->watch, LOOP_WRITE);
}

void sink_rest(struct sink *sink)
{
	loop_fd_set(sink->watch, 0);
}

void sink_close(struct sink *sink)
{
	if (!sink->watch)
		return;
	loop_fd_unwatch(sink->watch);
	sink->watch = NULL;
	fd_done(&sink->fd);
	buf_done(&sink->out);
}
