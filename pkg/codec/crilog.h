/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One line of a container's log as every CRI runtime writes it:
 *
 *   2026-11-25T07:10:00.123456789Z stdout F some text
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crilog_line {
	int64_t seconds;
	int32_t nanos;
	const char *time; /* as written, in the line */
	size_t time_size;
	bool is_stderr;
	bool partial; /* tag P: the text goes on in the next line of the same stream */
	const char *text;
	size_t size; /* without the newline */
};

/* `line` without its newline. -EBADMSG when it is not such a line. Points into `line`. */
int crilog_parse(const char *line, size_t size, struct crilog_line *ret_line);
