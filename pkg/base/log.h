/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Log lines in the form that people's tools know from the stock programs (klog), or as JSON.
 *
 *   I1125 07:10:00.123456    1234 pod_worker.c:87] "Started container" pod="default/nginx" container="nginx"
 *   {"ts":1764054600123.456,"caller":"pod_worker.c:87","msg":"Started container","v":0,"pod":"default/nginx"}
 *
 * A line is a fixed message and pairs of key and value; values are quoted as Go quotes them, but of text with
 * several lines each stands behind a tab on a line of its own, as klog has it. What is longer than LOG_LINE_MAX ends
 * with dots, in a form that is whole. One write(2) a line, so lines of several processes do not mix. Safe from every
 * thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkg/base/err.h"

enum {
	LOG_LINE_MAX = 8192, /* an event's message is at most 1 KiB; CRI errors a few; the rest is garbage of a peer */
	LOG_DEBUG = 4,       /* -v at which the stock kubelet tells every step */
};

enum log_format { LOG_TEXT, LOG_JSON };

void log_set_format(enum log_format format);
void log_set_verbosity(int verbosity); /* -v; lines of log_v() above it are dropped */
int log_verbosity(void);
void log_set_fd(int fd); /* stderr by default */

/*
 * log_info("Started container", "pod", name, "container", c, NULL): keys and values are texts, NULL ends the list
 * (a NULL value is printed as empty: pass str_or()). log_error adds err="..." first, as klog.ErrorS does.
 */
#define log_info(...) log_write('I', 0, __FILE__, __LINE__, NULL, __VA_ARGS__)
#define log_v(level, ...) \
	((level) <= log_verbosity() ? log_write('I', level, __FILE__, __LINE__, NULL, __VA_ARGS__) : (void)0)
#define log_warn(...) log_write('W', 0, __FILE__, __LINE__, NULL, __VA_ARGS__)
#define log_error(err, ...) log_write('E', 0, __FILE__, __LINE__, (err)->text, __VA_ARGS__)
#define log_fatal(err, ...) log_write('F', 0, __FILE__, __LINE__, (err)->text, __VA_ARGS__)
__attribute__((sentinel)) void log_write(char severity, int level, const char *file, int line, const char *error,
					 const char *message, ...);

/* A number as the text that log_* wants, in one of a few rotating buffers: good for the same statement only. */
const char *log_i64(int64_t value);
