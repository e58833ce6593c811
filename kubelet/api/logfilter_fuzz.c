/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kubelet/api/logfilter.h"
#include "pkg/base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A query up to the first newline, then a log. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
	char *text = arena_strndup(arena, (const char *)data, size), *log = strchr(text, '\n');
	struct logfilter_options options;
	struct logfilter filter;
	struct query query;
	struct err err;
	int code = 0;

	if (!log)
		return 0;
	*log++ = 0;
	query_parse(text, arena, &query);
	if (logfilter_options_parse(&query, 1764054600000000000, &options, &err) != 200)
		return 0;
	logfilter_init(&filter, &options);
	while (*log && code == 0 && !logfilter_is_done(&filter)) {
		size_t line = strcspn(log, "\n");

		code = logfilter_line(&filter, log, line, log[line] == '\n', &out, &err);
		log += line + (log[line] == '\n');
	}
	base_assert(options.limit_bytes < 0 || (int64_t)out.size <= options.limit_bytes);
	return 0;
}
