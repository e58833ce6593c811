/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"

static struct {
	_Atomic int format, verbosity, fd;
} log_state = { LOG_TEXT, 0, STDERR_FILENO };

void log_set_format(enum log_format format)
{
	log_state.format = format;
}

void log_set_verbosity(int verbosity)
{
	log_state.verbosity = verbosity;
}

int log_verbosity(void)
{
	return log_state.verbosity;
}

void log_set_fd(int fd)
{
	log_state.fd = fd;
}

enum {
	END_MAX = 16,  /* what may follow a cut: the rest of a UTF-8 character, dots, quote, brace, line end */
	PAIR_MIN = 64, /* room below which a further pair is left out */
};

static size_t room(const struct buf *line)
{
	return line->size < LOG_LINE_MAX - END_MAX ? LOG_LINE_MAX - END_MAX - line->size : 0;
}

/*
 * The escapes of Go's %q and of JSON agree on what text needs; other control bytes differ in form only. A text that
 * does not fit ends with dots.
 */
static void put_escaped(struct buf *line, const char *text, size_t size, bool json)
{
	for (const char *end = text + size; text < end; text++) {
		unsigned char c = (unsigned char)*text;
		bool inside = (c & 0xc0) == 0x80; /* a character */

		if (!room(line) && (!inside || line->size > LOG_LINE_MAX - END_MAX + 8)) {
			buf_puts(line, "...");
			break;
		}
		if (c == '"' || c == '\\')
			buf_printf(line, "\\%c", c);
		else if (c == '\n')
			buf_puts(line, "\\n");
		else if (c == '\t')
			buf_puts(line, "\\t");
		else if (c == '\r')
			buf_puts(line, "\\r");
		else if (c < 0x20 || c == 0x7f)
			buf_printf(line, json ? "\\u%04x" : "\\x%02x", c);
		else
			buf_putc(line, (char)c);
	}
}

static void put_quoted(struct buf *line, const char *text, bool json)
{
	buf_putc(line, '"');
	put_escaped(line, text, strlen(text), json);
	buf_putc(line, '"');
}

/* A text of several lines, as klog has it: each behind a tab, between "<" and " >" on a line of its own. */
static void put_lines(struct buf *line, const char *text)
{
	buf_putc(line, '<');
	while (*text && room(line)) {
		size_t size = strcspn(text, "\n");

		buf_puts(line, "\n\t");
		put_escaped(line, text, size, false);
		text += size + (text[size] == '\n');
	}
	buf_puts(line, "\n >");
}

static void put_text_head(struct buf *line, char severity, const struct timespec *now, const char *file, int at)
{
	struct tm tm;

	localtime_r(&now->tv_sec, &tm);
	buf_printf(line, "%c%02d%02d %02d:%02d:%02d.%06ld %7d %s:%d] ", severity, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		   tm.tm_min, tm.tm_sec, now->tv_nsec / 1000, getpid(), file, at);
}

static void put_pair(struct buf *line, const char *key, const char *value, bool json)
{
	if (room(line) < strlen(key) + PAIR_MIN)
		return;
	if (json) {
		buf_putc(line, ',');
		put_quoted(line, key, true);
		buf_putc(line, ':');
	} else {
		buf_printf(line, " %s=", key);
	}
	if (!json && value && strchr(value, '\n'))
		put_lines(line, value);
	else
		put_quoted(line, value ? value : "", json);
}

void log_write(char severity, int level, const char *file, int line, const char *error, const char *message, ...)
{
	_cleanup_buf_ struct buf out = BUF_INIT(LOG_LINE_MAX);
	bool json = log_state.format == LOG_JSON;
	const char *slash = strrchr(file, '/');
	struct timespec now;
	va_list pairs;

	clock_gettime(CLOCK_REALTIME, &now);
	file = slash ? slash + 1 : file;
	if (json) {
		buf_printf(&out, "{\"ts\":%" PRId64 ".%03ld,\"caller\":\"%s:%d\",\"msg\":",
			   (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, now.tv_nsec / 1000 % 1000, file, line);
		put_quoted(&out, message, true);
		if (severity == 'I')
			buf_printf(&out, ",\"v\":%d", level);
	} else {
		put_text_head(&out, severity, &now, file, line);
		put_quoted(&out, message, false);
	}
	if (error)
		put_pair(&out, "err", error, json);
	va_start(pairs, message);
	for (const char *key; (key = va_arg(pairs, const char *));)
		put_pair(&out, key, va_arg(pairs, const char *), json);
	va_end(pairs);
	buf_puts(&out, json ? "}\n" : "\n");
	(void)!write(log_state.fd, out.bytes, out.size); /* a full or closed log must not stop the work */
}

const char *log_i64(int64_t value)
{
	static _Thread_local char texts[4][24];
	static _Thread_local unsigned next;
	char *text = texts[next++ % ARRAY_LEN(texts)];

	snprintf(text, sizeof texts[0], "%" PRId64, value);
	return text;
}
