/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The body of a long answer on its way to a client as slow as it likes: bytes are put into `out` piece by piece, and
 * `drained` asks for the next piece when all went out. Inside kubelet/api only.
 */
#include "kubelet/gate/gate.h"
#include "pkg/base/buf.h"

enum { SINK_PIECE_MAX = 4 << 20 }; /* largest that is put in at once: a pod is at most 1.5 MiB, a log's piece 64 KiB */

struct sink {
	int fd;
	struct loop_fd *watch;
	struct buf out;
	void (*drained)(void *owner);
	void (*broken)(void *owner); /* the client is gone, nothing more can be sent */
	void *owner;
};

/* -ENOENT when the request is gone already. `drained` is called first. */
int sink_open(struct sink *sink, struct loop *loop, struct gate *gate, uint64_t id, const struct gate_header *headers,
	      size_t n_headers, void (*drained)(void *owner), void (*broken)(void *owner), void *owner);
void sink_push(struct sink *sink); /* sends `out`, then calls `drained`; never from inside itself */
void sink_rest(struct sink *sink); /* nothing to send for now: no callback until the next push */
void sink_close(struct sink *sink);
