/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pleg/termination.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/test/test.h"

static char *put(const char *name, const char *bytes, size_t size)
{
	char *path = xasprintf("%s/%s", test_folder(), name);
	struct err err = { 0 };

	CHECK_OK(file_replace(path, bytes, size, 0644, &err), &err);
	return path;
}

TEST(what_a_container_said)
{
	static const struct row {
		const char *rule, *file, *log;
		bool from_log;
		const char *want;
	} rows[] = {
		{ "the file", "bye", "2026-01-01T00:00:00Z stdout F x\n", true, "bye" },
		{ "no file, no wish for the log", NULL, "2026-01-01T00:00:00Z stdout F x\n", false, "" },
		{ "an empty file makes room for the log", "", "2026-01-01T00:00:00Z stdout F x\n", true, "x\n" },
		{ "parts are joined, both streams", NULL,
		  "2026-01-01T00:00:00Z stdout P a\n2026-01-01T00:00:00Z stdout F b\n2026-01-01T00:00:00Z stderr F c\n",
		  true, "ab\nc\n" },
		{ "a broken line is left out", NULL, "garbage\n2026-01-01T00:00:00Z stdout F x\n", true, "x\n" },
		{ "what is no UTF-8 is marked", "a\xff", NULL, false, "a\xef\xbf\xbd" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		_cleanup_free_ char *file = rows[i].file ? put("file", rows[i].file, strlen(rows[i].file)) : NULL;
		_cleanup_free_ char *log = rows[i].log ? put("log", rows[i].log, strlen(rows[i].log)) : NULL;

		CHECK_STR(rows[i].rule, termination_message(file, rows[i].from_log, log, arena), rows[i].want);
	}
}

TEST(only_the_end_counts)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf log = BUF_INIT(1 << 20);
	char big[5000];

	memset(big, 'a', sizeof big);
	memcpy(big + sizeof big - 3, "end", 3);
	_cleanup_free_ char *file = put("big", big, sizeof big);
	const char *message = termination_message(file, false, NULL, arena);

	CHECK_INT("file", strlen(message), ==, TERMINATION_FILE_BYTES);
	CHECK("its end", str_has_suffix(message, "end"));

	for (int i = 0; i < 100; i++)
		buf_printf(&log, "2026-01-01T00:00:00Z stdout F line %d\n", i);
	_cleanup_free_ char *path = put("log", log.bytes, log.size);

	message = termination_message(NULL, true, path, arena);
	CHECK("80 lines", str_has_prefix(message, "line 20\n") && str_has_suffix(message, "line 99\n"));

	for (int i = 0; i < 100; i++)
		buf_printf(&log, "2026-01-01T00:00:00Z stdout F %0100d\n", i);
	_cleanup_free_ char *longer = put("longer", log.bytes, log.size);

	CHECK_INT("2048 bytes", strlen(termination_message(NULL, true, longer, arena)), ==, TERMINATION_LOG_BYTES);
}

TEST(a_pipe_in_place_of_the_file_does_not_block)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_free_ char *path = xasprintf("%s/pipe", test_folder());

	CHECK_INT("made", mkfifo(path, 0666), ==, 0);
	CHECK("told",
	      str_has_prefix(termination_message(path, false, NULL, arena), "Error on reading termination log "));
}
