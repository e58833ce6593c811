/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Follows a session between a client and a runtime's streaming server just enough to end it honestly.
 *
 * client-go takes a session that ends without a status for success. So the tracker knows, at every moment, where a
 * frame ends and whether the command's own status has passed; when the runtime's side breaks before, it makes the
 * frames that tell the client of the failure. It holds back no more than one frame of 64 KiB.
 *
 * SPDY data frames of one stream that follow each other become one on the way to the client: what a frame costs
 * client-go (it wakes three goroutines, one after the other) costs more than its bytes. Nothing else is changed.
 *
 * A WebSocket client that has sent its Close has left: nothing is made up for it.
 *
 * SPDY/3.1 (error stream found in the client's SYN_STREAMs) and the WebSocket channel protocols (channel 3). Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkg/base/buf.h"
#include "pkg/stream/http_head.h"

enum { TRACKER_FRAME_BYTES = 64 << 10 }; /* longer frames stream, and are filled up if they break */

struct tracker;

/* What a 101 answer of the runtime agreed on. is_command: exec or attach; else nothing is ever made up. */
struct tracker *tracker_new(const struct http_head *answer, bool is_command);
void tracker_free(struct tracker *tracker);

/* Bytes on their way to the server, in order. */
void tracker_from_client(struct tracker *tracker, const void *bytes, size_t size);

/*
 * Bytes from the server that have not been passed on: how many of the first of them may be now. They count as passed.
 * The rest comes again, with more behind it. Frames are whole unless longer than TRACKER_FRAME_BYTES. Where frames were
 * joined, `size` is less than before.
 */
size_t tracker_from_server(struct tracker *tracker, void *bytes, size_t *size);

/* The server ends the session in good form but without a status: what it says next must not pass, break instead. */
bool tracker_ends_without_status(const struct tracker *tracker);

/* Whether a break now would look like success to the client. */
bool tracker_needs_status(const struct tracker *tracker);

/*
 * The server's side broke: appends what completes a frame that has passed in part, a Failure status with the message,
 * and the end of the streams. Nothing when the status has passed. False when no status can be told, for the stream for
 * it is not open or the client's frames are malformed: then only an abort is left.
 */
bool tracker_break(struct tracker *tracker, const char *message, struct buf *into);

/* The body of the error stream: a v1 Status of reason InternalError. */
void tracker_failure_json(struct buf *into, const char *message);
