/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /containerLogs: a container's log file to a client, once or as it grows.
 *
 * All on the loop, one piece of at most 64 KiB a turn, and only while the client takes what was sent before. A log that
 * is followed is watched with inotify on its folder, so that a rotated file (renamed, then made anew) is seen: what the
 * old one still got is read first, then the new one from its start. Once a second the runtime is asked whether the
 * container still runs; when it does not, the rest is read and the answer ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kubelet/api/call.h"
#include "kubelet/api/logfilter.h"
#include "kubelet/api/sink.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/cri/cri.h"

enum {
	PIECE_BYTES = 64 << 10, /* read at a time; then other clients have their turn */
	ASK_PERIOD_MS = 1000,   /* stock's logForceCheckPeriod */
	EVENTS_BYTES = 4096,    /* of inotify at a time, more than one of them can have */
};

struct log_stream {
	struct call *call;
	struct sink sink;
	struct logfilter filter;
	char *container_id, *full_id; /* in the call's arena */
	char path[PATH_MAX];
	const char *name; /* of the file, in path */

	int fd;
	int64_t offset;  /* of the next read; for the tail, of the block looked at */
	struct buf line; /* the beginning of a line whose end was not read yet */
	struct logfilter_tail tail;
	bool finding_tail;

	int notify_fd;
	struct loop_fd *notify;
	struct loop_timer timer;
	bool waiting;   /* at the end, for more */
	bool changed;   /* something came while there was no waiting */
	bool made_anew; /* the name stands for another file now */
	bool is_over;   /* the container has ended: stop at the end of the file */
	bool last;      /* what is in the sink is the last */
};

/* ---- end ---- */

static void stream_close(struct log_stream *stream)
{
	sink_close(&stream->sink);
	loop_timer_stop(&stream->timer);
	if (stream->notify)
		loop_fd_unwatch(stream->notify);
	stream->notify = NULL;
	fd_done(&stream->notify_fd);
	stream->notify_fd = -1;
	fd_done(&stream->fd);
	stream->fd = -1;
	buf_done(&stream->line);
}

static void stream_stop(struct call *call)
{
	stream_close(call->work);
}

static void stream_broken(void *owner)
{
	struct log_stream *stream = owner;
	struct call *call = stream->call;

	stream_close(stream);
	gate_abort(call->api->gate, call->id);
	call->gone = true;
	call->stop_work = NULL;
	if (call->task)
		task_cancel(call->task);
	else
		call_end(call);
}

/* The head is out, so whatever goes wrong now is told in the body, as stock does. */
static void stream_fail(struct log_stream *stream, const char *text)
{
	buf_puts(&stream->sink.out, text);
	stream->last = true;
	stream->waiting = false;
	sink_push(&stream->sink);
}

static void stream_finish(struct log_stream *stream)
{
	stream->last = true;
	stream->waiting = false;
	sink_push(&stream->sink);
}

/* ---- reading ---- */

static int open_log(struct log_stream *stream, struct err *err)
{
	struct stat st;
	_cleanup_fd_ int fd = open(stream->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_errno(err, "failed to open log file \"%s\": open %s", stream->path, stream->path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "failed to open log file \"%s\": not a regular file", stream->path);
	fd_done(&stream->fd);
	stream->fd = fd_steal(&fd);
	stream->offset = 0;
	buf_clear(&stream->line);
	return 0;
}

/* Feeds whole lines to the filter and keeps the beginning of the next. 1: the client has all; < 0: err. */
static int take_lines(struct log_stream *stream, const char *bytes, size_t size, struct err *err)
{
	int code = 0;

	while (size > 0 && code == 0) {
		const char *end = memchr(bytes, '\n', size);
		size_t piece = end ? (size_t)(end - bytes) : size;

		if (stream->line.size > 0 || !end) {
			buf_append(&stream->line, bytes, piece);
			if (stream->line.overflow)
				return err_set(err, -EMSGSIZE, "a line of the log is longer than %d bytes",
					       LOGFILTER_RECORD_MAX);
		}
		if (end) {
			bool kept = stream->line.size > 0;

			code = logfilter_line(&stream->filter, kept ? stream->line.bytes : bytes,
					      kept ? stream->line.size : piece, true, &stream->sink.out, err);
			buf_clear(&stream->line);
			piece++;
		}
		bytes += piece;
		size -= piece;
	}
	return code;
}

/* The last block of the file first; then the one before, until enough newlines were seen. */
static int find_tail(struct log_stream *stream, char *piece, struct err *err)
{
	int64_t start = MAX(stream->offset - PIECE_BYTES, 0);
	size_t size = (size_t)(stream->offset - start), skip;
	ssize_t n = size ? pread(stream->fd, piece, size, start) : 0;

	if (n < 0 || (size_t)n != size) /* shorter: somebody cut the file; begin with what there is */
		start = 0;
	if (n < 0)
		return err_errno(err, "failed to tail %lld lines of log file \"%s\"", (long long)stream->tail.wanted,
				 stream->path);
	if ((size_t)n == size && logfilter_tail_step(&stream->tail, piece, size, &skip)) {
		stream->offset = start + (int64_t)skip;
		stream->finding_tail = false;
	} else {
		stream->offset = start;
		stream->finding_tail = start > 0;
	}
	return 0;
}

static void wait_for_more(struct log_stream *stream);

/* Nobody writes any more: a last line without its newline counts too. */
static void end_of_log(struct log_stream *stream)
{
	struct err err;

	if (stream->line.size > 0 && logfilter_line(&stream->filter, stream->line.bytes, stream->line.size, false,
						    &stream->sink.out, &err) < 0) {
		stream_fail(stream, err.text);
		return;
	}
	stream_finish(stream);
}

static void at_end(struct log_stream *stream)
{
	struct err err;
	int code;

	if (!stream->filter.options.follow) {
		end_of_log(stream);
	} else if (stream->made_anew) {
		stream->made_anew = false;
		code = open_log(stream, &err);
		if (code < 0 && code != -ENOENT) /* removed again: its next making will be seen */
			stream_fail(stream, err.text);
		else
			sink_push(&stream->sink);
	} else if (stream->is_over) {
		end_of_log(stream);
	} else {
		wait_for_more(stream);
	}
}

/* The next piece, whenever the client has taken the one before. */
static void stream_next(void *owner)
{
	struct log_stream *stream = owner;
	char piece[PIECE_BYTES];
	struct err err;
	ssize_t n;
	int code;

	if (stream->last) {
		struct call *call = stream->call;

		stream_close(stream);
		gate_end(call->api->gate, call->id);
		call->stop_work = NULL;
		call->gone = true; /* for a question to the runtime that may be out */
		if (call->task)
			task_cancel(call->task);
		else
			call_end(call);
		return;
	}
	if (stream->fd < 0 || stream->waiting) { /* not opened yet, or nothing new */
		sink_rest(&stream->sink);
		return;
	}
	if (stream->finding_tail) {
		if (find_tail(stream, piece, &err) < 0)
			stream_fail(stream, err.text);
		return; /* still writable: comes back at once */
	}
	if (logfilter_is_done(&stream->filter)) {
		stream_finish(stream);
		return;
	}
	n = pread(stream->fd, piece, sizeof piece, stream->offset);
	if (n < 0) {
		err_errno(&err, "failed to read log file \"%s\"", stream->path);
		stream_fail(stream, err.text);
		return;
	}
	if (n == 0) {
		at_end(stream);
		return;
	}
	stream->offset += n;
	code = take_lines(stream, piece, (size_t)n, &err);
	if (code < 0)
		stream_fail(stream, err.text);
	else if (code > 0)
		stream_finish(stream);
	else
		sink_push(&stream->sink);
}

/* ---- following ---- */

static void wake(struct log_stream *stream)
{
	stream->changed = !stream->waiting;
	if (!stream->waiting)
		return;
	stream->waiting = false;
	sink_push(&stream->sink);
}

static void still_running(void *owner, const void *result, const struct err *err)
{
	struct call *call = owner;
	const Cri__ContainerStatusResponse *response = result;
	struct log_stream *stream;

	if (call_is_over(call))
		return;
	stream = call->work;
	if (err && err->code == -ECONNREFUSED) /* a runtime that is away says nothing about its containers */
		return;
	/* A container that ended with its pod is removed at once, often before anybody asked: no reader's error. */
	const bool is_gone = err && err->code == -ENOENT;
	if (err && !is_gone) {
		stream_fail(stream, err->text);
		return;
	}
	if (is_gone || !response->status || response->status->state != CRI__CONTAINER_STATE__CONTAINER_RUNNING) {
		stream->is_over = true;
		wake(stream);
	}
}

static void ask_runtime(struct log_stream *stream)
{
	struct call *call = stream->call;
	Cri__ContainerStatusRequest request = CRI__CONTAINER_STATUS_REQUEST__INIT;

	if (call->task)
		return;
	request.container_id = stream->container_id;
	call->task = cri_call(call->api->options.cri, CRI_CONTAINER_STATUS, &request.base, 0, still_running, call);
}

static void tick(void *owner)
{
	struct log_stream *stream = owner;

	ask_runtime(stream);
	loop_timer_start(&stream->timer, ASK_PERIOD_MS);
	wake(stream); /* also for file systems that tell nothing */
}

static void notified(void *owner, int events)
{
	struct log_stream *stream = owner;
	char bytes[EVENTS_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	(void)events;
	while ((n = read(stream->notify_fd, bytes, sizeof bytes)) > 0) {
		for (char *at = bytes; at < bytes + n;) {
			const struct inotify_event *event = (const void *)at;

			if ((event->mask & (IN_CREATE | IN_MOVED_TO)) && event->len > 0 &&
			    strcmp(event->name, stream->name) == 0)
				stream->made_anew = true;
			at += sizeof *event + event->len;
		}
		wake(stream);
	}
}

static int watch_folder(struct log_stream *stream, struct err *err)
{
	char folder[PATH_MAX];
	size_t size = (size_t)(stream->name - stream->path) - 1;

	memcpy(folder, stream->path, size);
	folder[size] = 0;
	stream->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (stream->notify_fd < 0)
		return err_errno(err, "failed to create fsnotify watcher");
	if (inotify_add_watch(stream->notify_fd, size ? folder : "/",
			      IN_CREATE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE) < 0)
		return err_errno(err, "failed to watch directory \"%s\"", folder);
	stream->notify = loop_fd_watch(stream->call->api->options.loop, stream->notify_fd, LOOP_READ, notified, stream);
	return 0;
}

static void wait_for_more(struct log_stream *stream)
{
	struct err err;

	if (!stream->notify) {
		if (watch_folder(stream, &err) < 0) {
			stream_fail(stream, err.text);
			return;
		}
		loop_timer_start(&stream->timer, ASK_PERIOD_MS);
		ask_runtime(stream);
		return; /* reads again: what was written before the watch was not told */
	}
	if (stream->changed) { /* told while the client was slow */
		stream->changed = false;
		return;
	}
	stream->waiting = true;
	sink_rest(&stream->sink);
}

/* ---- start ---- */

/* Stock has announced chunks by the time that it finds what is wrong, so that is how its words come. */
static void refuse_in_chunks(struct call *call, const char *text)
{
	int fd;

	if (gate_answer_stream(call->api->gate, call->id, 400, NULL, 0, &fd) < 0) {
		call_end(call);
		return;
	}
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		log_v(4, "A client left before its answer", "path", call->request.path, NULL);
	close(fd);
	gate_end(call->api->gate, call->id);
	call_end(call);
}

static void start_reading(struct log_stream *stream, const char *log_path)
{
	struct stat st;
	struct err err;
	char *slash;

	if (!realpath(log_path, stream->path)) {
		err_errno(&err, "failed to try resolving symlinks in path \"%s\": lstat %s", log_path, log_path);
		stream_fail(stream, err.text);
		return;
	}
	slash = strrchr(stream->path, '/');
	stream->name = slash + 1;
	if (open_log(stream, &err) < 0) {
		stream_fail(stream, err.text);
		return;
	}
	if (stream->filter.options.tail_lines >= 0 && fstat(stream->fd, &st) == 0 && st.st_size > 0) {
		stream->tail.wanted = stream->filter.options.tail_lines;
		stream->offset = st.st_size;
		stream->finding_tail = true;
	}
	sink_push(&stream->sink);
}

static void path_known(void *owner, const void *result, const struct err *err)
{
	struct call *call = owner;
	const Cri__ContainerStatusResponse *response = result;
	struct log_stream *stream;
	char text[256];

	if (call_is_over(call))
		return;
	stream = call->work;
	if (err || !response->status) {
		struct err unknown;

		err_set(&unknown, -EREMOTEIO, "unable to retrieve container logs for %.200s", stream->full_id);
		memcpy(text, unknown.text, sizeof text);
		text[sizeof text - 1] = 0;
		stream_fail(stream, text);
		return;
	}
	start_reading(stream, response->status->log_path);
}

void logs_serve(struct call *call)
{
	const struct api_pods *pods = &call->api->options.pods;
	const struct route_match *match = &call->match;
	struct log_stream *stream = arena_alloc(call->arena, sizeof *stream);
	Cri__ContainerStatusRequest request = CRI__CONTAINER_STATUS_REQUEST__INIT;
	struct logfilter_options options;
	const Core__Pod *pod;
	const char *id, *full_id;
	struct err err;
	bool found;
	int status;

	if (!*match->pod || !*match->container || !*match->namespace_) {
		call_refuse(call, 400, "{\"message\": \"Missing %s.\"}",
			    !*match->pod         ? "podID"
			    : !*match->container ? "container name"
						 : "podNamespace");
		return;
	}
	status = logfilter_options_parse(&call->query, clock_wall_ns(), &options, &err);
	pod = status == 422 || (status == 400 && err.text[0] == '{')
		      ? NULL
		      : pods->find(pods->owner, match->namespace_, match->pod);
	if (!pod) {
		if (status != 200 && err.text[0] == '{')
			call_refuse(call, status, "%s", err.text);
		else
			call_refuse(call, 404, "pod \"%s\" does not exist", match->pod);
		return;
	}
	api_container_spec(pod, match->container, &found);
	if (!found) {
		call_refuse(call, 404, "container \"%s\" not found in pod \"%s\"", match->container, match->pod);
		return;
	}
	if (status != 200) {
		call_refuse(call, 400, "%s", err.text);
		return;
	}
	if (logfilter_container_id(pod->status, match->pod, match->container, options.previous, &id, &full_id, &err) <
	    0) {
		refuse_in_chunks(call, err.text);
		return;
	}
	*stream =
		(struct log_stream){ .call = call, .fd = -1, .notify_fd = -1, .line = BUF_INIT(LOGFILTER_RECORD_MAX) };
	stream->container_id = arena_strdup(call->arena, id);
	stream->full_id = arena_strdup(call->arena, full_id);
	logfilter_init(&stream->filter, &options);
	loop_timer_init(&stream->timer, call->api->options.loop, tick, stream);
	/* The head goes out before the first line, so that a client who follows knows that it was let in. */
	if (sink_open(&stream->sink, call->api->options.loop, call->api->gate, call->id, NULL, 0, stream_next,
		      stream_broken, stream) < 0) {
		call_end(call);
		return;
	}
	call->work = stream;
	call->stop_work = stream_stop;
	request.container_id = stream->container_id;
	call->task = cri_call(call->api->options.cri, CRI_CONTAINER_STATUS, &request.base, 0, path_known, call);
}
