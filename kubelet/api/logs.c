/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /containerLogs: a file of the runtime on its way to a client, filtered line by line, followed when asked.
 *
 * At most one piece of 64 KiB is read a turn, and only when the client has taken the last one: a slow client costs a
 * buffer, a long file never the loop. While following, the folder is watched; a rotated file is read to its end before
 * the new one of the same name.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kubelet/api/call.h"
#include "kubelet/api/logfilter.h"
#include "kubelet/api/sink.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"

enum {
	PIECE = 64 * 1024,
	LOOK_MS = 1000, /* what inotify did not tell: the end of the container, a file system without it */
};

struct reading {
	struct call *call;
	struct sink sink;
	struct log_filter filter;
	const char *path, *uid, *container_id;
	int fd, inotify;
	struct loop_fd *watch;
	struct loop_timer look;
	struct buf line; /* begun and not ended yet */
	bool ended, waiting;
};

/* ---- the end ---- */

static void let_go(struct reading *reading)
{
	sink_close(&reading->sink);
	loop_timer_stop(&reading->look);
	loop_fd_unwatch(reading->watch);
	reading->watch = NULL;
	fd_done(&reading->fd);
	fd_done(&reading->inotify);
	buf_done(&reading->line);
}

static void logs_stop(struct call *call)
{
	let_go(call->work);
}

static void logs_broken(void *owner)
{
	struct reading *reading = owner;
	struct call *call = reading->call;

	let_go(reading);
	gate_abort(call->api->gate, call->id);
	call_end(call);
}

static void logs_finish(struct reading *reading)
{
	struct call *call = reading->call;

	let_go(reading);
	gate_end(call->api->gate, call->id);
	call_end(call);
}

/* ---- reading ---- */

/* 1: the client has all that it asked for. */
static int take_line(struct reading *reading, const char *line, size_t size, bool whole)
{
	struct err err;
	int code = log_filter_line(&reading->filter, line, size, whole, &reading->sink.out, &err);

	if (code < 0) {
		/* The answer has begun, so the reason can only be part of it, as in stock. */
		buf_printf(&reading->sink.out, "%s", err.text);
		return 1;
	}
	return code;
}

static int take_bytes(struct reading *reading, const char *bytes, size_t size)
{
	while (size > 0) {
		const char *newline = memchr(bytes, '\n', size);
		size_t part = newline ? (size_t)(newline - bytes) : size;

		if (!newline || reading->line.size > 0)
			buf_append(&reading->line, bytes, part);
		if (!newline)
			return 0;
		int code = reading->line.overflow   ? 0
			   : reading->line.size > 0 ? take_line(reading, reading->line.bytes, reading->line.size, true)
						    : take_line(reading, bytes, part, true);
		buf_clear(&reading->line);
		if (code != 0)
			return code;
		bytes += part + 1;
		size -= part + 1;
	}
	return 0;
}

static bool is_running(const struct reading *reading)
{
	const struct api_pods *pods = &reading->call->api->options.pods;
	const struct runtime_pod *observed = pods->observed(pods->owner, reading->uid);

	for (size_t i = 0; observed && i < observed->n_containers; i++)
		if (str_eq(observed->containers[i].id, reading->container_id))
			return observed->containers[i].state == RUNTIME_RUNNING ||
			       observed->containers[i].state == RUNTIME_CREATED;
	return false;
}

/* The runtime closed this file and opened a new one of its name. */
static bool open_rotated(struct reading *reading)
{
	struct stat ours, there;

	if (fstat(reading->fd, &ours) < 0 || stat(reading->path, &there) < 0 ||
	    (ours.st_ino == there.st_ino && ours.st_dev == there.st_dev))
		return false;
	int fd = open(reading->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return false;
	fd_done(&reading->fd);
	reading->fd = fd;
	return true;
}

/* The last line of a log that nobody writes any more may lack its newline. */
static void finish_file(struct reading *reading)
{
	if (reading->line.size > 0 && !reading->line.overflow)
		take_line(reading, reading->line.bytes, reading->line.size, false);
	reading->ended = true;
}

static void read_more(struct reading *reading)
{
	char piece[PIECE];

	while (!reading->ended && reading->sink.out.size == 0) {
		ssize_t n = read(reading->fd, piece, sizeof piece);

		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0) {
			if (take_bytes(reading, piece, (size_t)n) != 0)
				reading->ended = true;
			continue;
		}
		if (n == 0 && open_rotated(reading))
			continue;
		if (n == 0 && reading->filter.options.follow && is_running(reading))
			return;
		/* It may have written between our read and its end. */
		n = n == 0 ? read(reading->fd, piece, sizeof piece) : n;
		if (n > 0 && take_bytes(reading, piece, (size_t)n) == 0)
			continue;
		finish_file(reading);
	}
}

static void logs_next(void *owner)
{
	struct reading *reading = owner;

	if (reading->ended) {
		logs_finish(reading);
		return;
	}
	read_more(reading);
	reading->waiting = reading->sink.out.size == 0 && !reading->ended;
	if (reading->waiting)
		sink_rest(&reading->sink);
	else
		sink_push(&reading->sink);
}

static void look_again(void *owner)
{
	struct reading *reading = owner;

	loop_timer_start(&reading->look, LOOK_MS);
	if (reading->waiting)
		logs_next(reading);
}

static void folder_changed(void *owner, int events)
{
	struct reading *reading = owner;
	char buffer[4096];

	(void)events;
	while (read(reading->inotify, buffer, sizeof buffer) > 0)
		;
	if (reading->waiting)
		logs_next(reading);
}

/* ---- the start ---- */

static void follow(struct reading *reading)
{
	const char *slash = strrchr(reading->path, '/');
	const char *folder = arena_strndup(reading->call->arena, reading->path, (size_t)(slash - reading->path));

	reading->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (reading->inotify >= 0 &&
	    inotify_add_watch(reading->inotify, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) >= 0)
		reading->watch = loop_fd_watch(reading->call->api->options.loop, reading->inotify, LOOP_READ,
					       folder_changed, reading);
	loop_timer_start(&reading->look, LOOK_MS);
}

/* Puts the file's position where the last n lines begin. */
static void seek_tail(struct reading *reading)
{
	struct log_tail tail = { .wanted = reading->filter.options.tail_lines };
	char block[PIECE];
	off_t end = lseek(reading->fd, 0, SEEK_END);

	while (end > 0) {
		size_t size = (size_t)MIN(end, (off_t)sizeof block), skip;

		if (pread(reading->fd, block, size, end - (off_t)size) != (ssize_t)size)
			break;
		end -= (off_t)size;
		if (log_tail_step(&tail, block, size, &skip)) {
			end += (off_t)skip;
			break;
		}
	}
	lseek(reading->fd, MAX(end, (off_t)0), SEEK_SET);
}

static const struct runtime_container *observed_container(struct call *call, const char *uid, const char *id)
{
	const struct api_pods *pods = &call->api->options.pods;
	const struct runtime_pod *observed = pods->observed(pods->owner, uid);

	for (size_t i = 0; observed && i < observed->n_containers; i++)
		if (str_eq(observed->containers[i].id, id))
			return &observed->containers[i];
	return NULL;
}

static void start_reading(struct call *call, const struct log_options *options, const char *uid,
			  const struct runtime_container *container, const char *full_id)
{
	static const struct gate_header headers[] = { { "Content-Type", "text/plain; charset=utf-8" } };
	struct reading *reading = arena_alloc(call->arena, sizeof *reading);

	reading->call = call;
	reading->inotify = -1;
	reading->line = BUF_INIT(LOG_RECORD_MAX);
	reading->path = arena_strdup(call->arena, str_or(container->log_path, ""));
	reading->uid = arena_strdup(call->arena, uid);
	reading->container_id = arena_strdup(call->arena, container->id);
	reading->fd = open(reading->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (reading->fd < 0) {
		log_warn("Failed to open a container's log", "path", reading->path, "reason", strerror(errno), NULL);
		call_refuse(call, 400, "unable to retrieve container logs for %s", full_id);
		return;
	}
	log_filter_init(&reading->filter, options);
	if (options->tail_lines >= 0)
		seek_tail(reading);
	loop_timer_init(&reading->look, call->api->options.loop, look_again, reading);
	if (sink_open(&reading->sink, call->api->options.loop, call->api->gate, call->id, headers, ARRAY_LEN(headers),
		      logs_next, logs_broken, reading) < 0) {
		let_go(reading);
		call_end(call);
		return;
	}
	reading->ended = log_filter_is_done(&reading->filter);
	call->work = reading;
	call->stop_work = logs_stop;
	if (options->follow)
		follow(reading);
}

void logs_serve(struct call *call)
{
	const struct api_pods *pods = &call->api->options.pods;
	const char *name = call->match.container, *id, *full_id;
	struct log_options options;
	struct err err;
	bool in_spec;
	int status = log_options_parse(&call->query, clock_wall_ns(), &options, &err);

	if (status != 200) {
		call_refuse(call, status, "%s", err.text);
		return;
	}
	const Core__Pod *pod = pods->find(pods->owner, call->match.namespace_, call->match.pod);
	if (!pod) {
		call_refuse(call, 404, "pod \"%s\" does not exist", call->match.pod);
		return;
	}
	api_container_spec(pod, name, &in_spec);
	if (!in_spec) {
		call_refuse(call, 404, "container \"%s\" not found in pod \"%s\"", name, call->match.pod);
		return;
	}
	if (!pod->status ||
	    log_container_id(pod->status, call->match.pod, name, options.previous, &id, &full_id, &err) < 0) {
		call_refuse(call, 400, "%s",
			    pod->status
				    ? err.text
				    : arena_printf(call->arena, "container \"%s\" in pod \"%s\" is waiting to start",
						   name, call->match.pod));
		return;
	}
	const struct runtime_container *container = observed_container(call, pod->metadata->uid, id);
	if (!container)
		call_refuse(call, 400, "unable to retrieve container logs for %s", full_id);
	else
		start_reading(call, &options, pod->metadata->uid, container, full_id);
}
