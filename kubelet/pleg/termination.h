/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a container left to say: the end of its termination file, or of its log. Blocking, for the pool. Limits and
 * texts as in the stock kubelet (v1.37): 4,096 bytes of the file; 80 lines and 2,048 bytes of the log.
 *
 * The container owned the file: it may hold anything, so the result is made valid UTF-8 without zero bytes.
 */
#include <stdbool.h>

#include "pkg/base/arena.h"

enum {
	TERMINATION_FILE_BYTES = 4096,
	TERMINATION_LOG_BYTES = 2048,
	TERMINATION_LOG_LINES = 80,
};

/*
 * `file` may be NULL (none is mounted). The log is asked only if `from_log` and the file has nothing. "" when there is
 * nothing to say; a file that cannot be read is told in its place.
 */
const char *termination_message(const char *file, bool from_log, const char *log, struct arena *arena);
