/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a client of /containerLogs asked for, and what of a log's lines it gets. Pure; behaviour of stock's log reader:
 * lines are counted as the runtime wrote them, a partial one loses its newline, a time goes before the beginning of a
 * line only, the limit of bytes cuts in mid-line.
 */
#include <stdbool.h>
#include <stdint.h>

#include "k8s/core.pb-c.h"
#include "kubelet/api/query.h"
#include "pkg/base/arena.h"
#include "pkg/base/buf.h"
#include "pkg/base/err.h"

enum { LOGFILTER_RECORD_MAX = 1 << 20 }; /* a line in the file; runtimes split at 16 KiB */

struct logfilter_options {
	bool follow, previous, timestamps;
	int64_t tail_lines;  /* -1: all */
	int64_t limit_bytes; /* -1: no limit */
	int64_t since_s;     /* lines before this time are left out; INT64_MIN: none are */
	int32_t since_nanos;
};

/*
 * 200, or the status of a refusal with its text in err: 400 for what cannot be read, 422 for what makes no sense.
 * `now_ns` is the wall clock, for sinceSeconds.
 */
int logfilter_options_parse(const struct query *query, int64_t now_ns, struct logfilter_options *ret_options,
			    struct err *err);

/*
 * Whose log a request means, from the pod's status: *ret_id is the container's id without "RUNTIME://", in the
 * status. -EINVAL with stock's sentence when there is nothing to show.
 */
int logfilter_container_id(const Core__PodStatus *status, const char *pod, const char *container, bool previous,
			   const char **ret_id, const char **ret_full_id, struct err *err);

struct logfilter {
	struct logfilter_options options;
	int64_t lines_left; /* -1: no end */
	int64_t bytes_left; /* -1: no end */
	bool at_line_start;
	bool format_known;
};

void logfilter_init(struct logfilter *filter, const struct logfilter_options *options);

/*
 * One line of the file. `whole` says that a newline followed. Appends what the client gets. 0: go on; 1: the client has
 * all it asked for; -EBADMSG: the first line shows that this is no log (later broken lines are left out).
 */
int logfilter_line(struct logfilter *filter, const char *line, size_t size, bool whole, struct buf *into,
		   struct err *err);

/* True when nothing more can come, before any line is read: tailLines 0 without follow. */
bool logfilter_is_done(const struct logfilter *filter);

/*
 * Looking for the place where the last n lines begin, from the end of the file backwards. Blocks are given in turn;
 * true when the place is found: *ret_skip is where in this block they begin.
 */
struct logfilter_tail {
	int64_t wanted, seen;
};
bool logfilter_tail_step(struct logfilter_tail *tail, const char *block, size_t size, size_t *ret_skip);
