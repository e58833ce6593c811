/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pleg/termination.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/codec/crilog.h"
#include "pkg/codec/utf8.h"

/* Holds the last line whole whatever its length (a runtime splits at 16 KiB), and 80 short ones with their times. */
enum { LOG_CHUNK_BYTES = 64 * 1024 };

/* The last bytes of a regular file; a pipe or device in its place would block or never end. */
static int read_end(const char *path, size_t most, struct buf *into)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct stat st;
	char *room;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (lseek(fd, MAX(st.st_size - (off_t)most, (off_t)0), SEEK_SET) < 0)
		return -errno;
	while (into->size < most && (room = buf_reserve(into, most - into->size))) {
		ssize_t n = read(fd, room, most - into->size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		buf_grow(into, (size_t)n);
	}
	return 0;
}

static const char *clean(const char *bytes, size_t size, struct arena *arena)
{
	_cleanup_buf_ struct buf text = BUF_INIT(4 * TERMINATION_FILE_BYTES);

	utf8_sanitize_zeros(bytes, size, &text); /* no text of ours can hold a zero byte */
	return arena_strdup(arena, buf_text(&text));
}

static const char *end_of_log(const char *path, struct arena *arena)
{
	_cleanup_buf_ struct buf chunk = BUF_INIT(LOG_CHUNK_BYTES), text = BUF_INIT(LOG_CHUNK_BYTES);
	size_t begin, lines = 0, skip;
	int code = read_end(path, LOG_CHUNK_BYTES, &chunk);

	if (code < 0)
		return arena_printf(arena,
				    "Error on reading termination message from logs: failed to try resolving symlinks "
				    "in path \"%s\": %s",
				    path, strerror(-code));
	for (begin = chunk.size; begin > 0 && lines < TERMINATION_LOG_LINES;) {
		const char *newline = begin > 1 ? memrchr(chunk.bytes, '\n', begin - 1) : NULL;

		begin = newline ? (size_t)(newline + 1 - chunk.bytes) : 0;
		lines++;
	}
	while (begin < chunk.size) {
		const char *line = chunk.bytes + begin, *newline = memchr(line, '\n', chunk.size - begin);
		size_t size = newline ? (size_t)(newline - line) : chunk.size - begin;
		struct crilog_line parsed;

		begin += size + 1;
		if (crilog_parse(line, size, &parsed) < 0)
			continue; /* cut by the chunk's start, or by a crash */
		buf_append(&text, parsed.text, parsed.size);
		if (!parsed.partial)
			buf_putc(&text, '\n');
	}
	skip = text.size > TERMINATION_LOG_BYTES ? text.size - TERMINATION_LOG_BYTES : 0;
	return clean(text.bytes + skip, text.size - skip, arena);
}

const char *termination_message(const char *file, bool from_log, const char *log, struct arena *arena)
{
	_cleanup_buf_ struct buf text = BUF_INIT(TERMINATION_FILE_BYTES);
	int code = file ? read_end(file, TERMINATION_FILE_BYTES, &text) : 0;

	if (code < 0 && code != -ENOENT)
		return arena_printf(arena, "Error on reading termination log %s: %s", file, strerror(-code));
	if (text.size)
		return clean(text.bytes, text.size, arena);
	return from_log && !str_empty(log) ? end_of_log(log, arena) : "";
}
