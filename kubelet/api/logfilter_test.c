/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/logfilter.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/test/test.h"

enum { NOW_S = 1764054600 };

TEST(options)
{
	static const struct {
		const char *rule, *query;
		int status;
		struct logfilter_options want;
	} rows[] = {
		{ "nothing", "", 200, { .tail_lines = -1, .limit_bytes = -1, .since_s = INT64_MIN } },
		{ "flags", "follow=true&timestamps=1&previous=x", 200, { true, true, true, -1, -1, INT64_MIN, 0 } },
		{ "false flags",
		  "follow=false&timestamps=0",
		  200,
		  { .tail_lines = -1, .limit_bytes = -1, .since_s = INT64_MIN } },
		{ "numbers",
		  "tailLines=0&limitBytes=1",
		  200,
		  { .tail_lines = 0, .limit_bytes = 1, .since_s = INT64_MIN } },
		{ "tail wins",
		  "tailLines=9&tail=3",
		  200,
		  { .tail_lines = 3, .limit_bytes = -1, .since_s = INT64_MIN } },
		{ "tail=all",
		  "tailLines=x&tail=all",
		  200,
		  { .tail_lines = -1, .limit_bytes = -1, .since_s = INT64_MIN } },
		{ "since", "sinceSeconds=10", 200, { .tail_lines = -1, .limit_bytes = -1, .since_s = NOW_S - 10 } },
		{ "since before 1970",
		  "sinceSeconds=2000000000",
		  200,
		  { .tail_lines = -1, .limit_bytes = -1, .since_s = NOW_S - 2000000000 } },
		{ "as stock, more than 64 bits of nanoseconds wrap round",
		  "sinceSeconds=9223372036854775807",
		  200,
		  { .tail_lines = -1, .limit_bytes = -1, .since_s = NOW_S + 1 } },
		{ "since a time",
		  "sinceTime=1970-01-01T00:00:05.5Z",
		  200,
		  { .tail_lines = -1, .limit_bytes = -1, .since_s = 5, .since_nanos = 500000000 } },
		{ "an empty time", "sinceTime=", 200, { .tail_lines = -1, .limit_bytes = -1, .since_s = INT64_MIN } },
		{ "all streams", "stream=All", 200, { .tail_lines = -1, .limit_bytes = -1, .since_s = INT64_MIN } },
		{ "no number", "tailLines=x", 400, { 0 } },
		{ "an empty number", "limitBytes=", 400, { 0 } },
		{ "no time", "sinceTime=yesterday", 400, { 0 } },
		{ "a time in lower case", "sinceTime=2020-01-01t00:00:00z", 400, { 0 } },
		{ "one stream is an alpha feature", "stream=Stdout", 400, { 0 } },
		{ "negative tail", "tailLines=-1", 422, { 0 } },
		{ "no bytes", "limitBytes=0", 422, { 0 } },
		{ "no seconds", "sinceSeconds=0", 422, { 0 } },
		{ "both since", "sinceSeconds=1&sinceTime=", 422, { 0 } },
		{ "unknown stream", "stream=both", 422, { 0 } },
		{ "one stream with tail", "stream=Stderr&tailLines=1", 422, { 0 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct logfilter_options got = { 0 };
		struct query query;
		struct err err;

		query_parse(rows[i].query, arena, &query);
		CHECK_INT(rows[i].rule, logfilter_options_parse(&query, (int64_t)NOW_S * 1000000000, &got, &err), ==,
			  rows[i].status);
		if (rows[i].status != 200)
			continue;
		CHECK_INT(rows[i].rule, got.follow, ==, rows[i].want.follow);
		CHECK_INT(rows[i].rule, got.previous, ==, rows[i].want.previous);
		CHECK_INT(rows[i].rule, got.timestamps, ==, rows[i].want.timestamps);
		CHECK_INT(rows[i].rule, got.tail_lines, ==, rows[i].want.tail_lines);
		CHECK_INT(rows[i].rule, got.limit_bytes, ==, rows[i].want.limit_bytes);
		CHECK_INT(rows[i].rule, got.since_s, ==, rows[i].want.since_s);
		CHECK_INT(rows[i].rule, got.since_nanos, ==, rows[i].want.since_nanos);
	}
}

/* Each row: id of the running, the terminated, the last terminated instance (NULL: no such state), waiting reason. */
TEST(whose_log)
{
	static const struct {
		const char *rule, *running, *ended, *last, *waiting;
		bool previous;
		const char *want; /* the id, or the end of the sentence */
	} rows[] = {
		{ "running", "containerd://a", NULL, NULL, NULL, false, "a" },
		{ "running wins over the last", "containerd://a", NULL, "containerd://b", NULL, false, "a" },
		{ "previous", "containerd://a", NULL, "containerd://b", NULL, true, "b" },
		{ "no previous", "containerd://a", NULL, NULL, NULL, true,
		  "previous terminated container \"c\" in pod \"p\" not found" },
		{ "previous without an id", "containerd://a", NULL, "", NULL, true,
		  "previous terminated container \"c\" in pod \"p\" not found" },
		{ "ended", NULL, "containerd://a", NULL, NULL, false, "a" },
		{ "the next did not start", NULL, "", "containerd://b", NULL, false, "b" },
		{ "never started", NULL, "", NULL, NULL, false, "container \"c\" in pod \"p\" is terminated" },
		{ "waits again", NULL, NULL, "containerd://b", "CrashLoopBackOff", false, "b" },
		{ "waits, last without id", NULL, NULL, "", "CrashLoopBackOff", false,
		  "container \"c\" in pod \"p\" is terminated" },
		{ "waits", NULL, NULL, NULL, "ContainerCreating", false,
		  "container \"c\" in pod \"p\" is waiting to start: ContainerCreating" },
		{ "no image", NULL, NULL, NULL, "ErrImagePull", false,
		  "container \"c\" in pod \"p\" is waiting to start: image can't be pulled" },
		{ "still no image", NULL, NULL, NULL, "ImagePullBackOff", false,
		  "container \"c\" in pod \"p\" is waiting to start: trying and failing to pull image" },
		{ "nothing known", NULL, NULL, NULL, NULL, false,
		  "container \"c\" in pod \"p\" is waiting to start - no logs yet" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		Core__ContainerStateRunning running = { 0 };
		Core__ContainerStateWaiting waiting = { .reason = (char *)(uintptr_t)rows[i].waiting };
		Core__ContainerStateTerminated ended = { .containerid = (char *)(uintptr_t)rows[i].ended };
		Core__ContainerStateTerminated last = { .containerid = (char *)(uintptr_t)rows[i].last };
		Core__ContainerState state = { .running = rows[i].running ? &running : NULL,
					       .terminated = rows[i].ended ? &ended : NULL,
					       .waiting = rows[i].waiting ? &waiting : NULL };
		Core__ContainerState last_state = { .terminated = rows[i].last ? &last : NULL };
		Core__ContainerStatus container = { .name = (char[]){ "c" },
						    .state = &state,
						    .laststate = &last_state,
						    .containerid = (char *)(uintptr_t)rows[i].running };
		Core__ContainerStatus *all[] = { &container };
		Core__PodStatus status = { .containerstatuses = all, .n_containerstatuses = 1 };
		const char *id = NULL, *full;
		struct err err = { 0 };

		logfilter_container_id(&status, "p", "c", rows[i].previous, &id, &full, &err);
		CHECK_STR(rows[i].rule, id ? id : err.text, rows[i].want);
		CHECK_INT("another container", logfilter_container_id(&status, "p", "x", false, &id, &full, &err), ==,
			  -EINVAL);
		CHECK_STR("another container", err.text, "container \"x\" in pod \"p\" is not available");
	}
}

static const char *filtered(struct arena *arena, const struct logfilter_options *options, const char *log)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
	struct logfilter filter;
	struct err err;
	int code = 0;

	logfilter_init(&filter, options);
	while (*log && code == 0 && !logfilter_is_done(&filter)) {
		size_t size = strcspn(log, "\n");

		code = logfilter_line(&filter, log, size, log[size] == '\n', &out, &err);
		log += size + (log[size] == '\n');
	}
	return code < 0 ? arena_strdup(arena, err.text) : arena_strdup(arena, buf_text(&out));
}

#define T1 "2025-11-25T07:10:00.1Z"
#define T2 "2025-11-25T07:10:01.000000002+02:00"
#define T3 "2025-11-25T07:10:02Z"

TEST(lines)
{
	static const struct {
		const char *rule;
		struct logfilter_options options;
		const char *log, *want;
	} rows[] = {
		{ "both streams",
		  { .tail_lines = -1, .limit_bytes = -1 },
		  T1 " stdout F a\n" T1 " stderr F b\n",
		  "a\nb\n" },
		{ "a partial line loses its newline",
		  { .tail_lines = -1, .limit_bytes = -1 },
		  T1 " stdout P a\n" T1 " stdout F b\n",
		  "ab\n" },
		{ "tags may be joined", { .tail_lines = -1, .limit_bytes = -1 }, T1 " stdout P:X a\n", "a" },
		{ "the time stands at line starts only",
		  { .timestamps = true, .tail_lines = -1, .limit_bytes = -1 },
		  T1 " stdout P a\n" T2 " stdout F b\n" T3 " stdout F c\n",
		  "2025-11-25T07:10:00.100000000Z ab\n2025-11-25T07:10:02.000000000Z c\n" },
		{ "the zone is kept",
		  { .timestamps = true, .tail_lines = -1, .limit_bytes = -1 },
		  T2 " stdout F b\n",
		  "2025-11-25T07:10:01.000000002+02:00 b\n" },
		{ "UTC is Z, and there are nine digits",
		  { .timestamps = true, .tail_lines = -1, .limit_bytes = -1 },
		  "2025-11-25T07:10:01+00:00 stdout F a\n2025-11-25T07:10:01.1234567891-00:00 stdout F b\n",
		  "2025-11-25T07:10:01.000000000Z a\n2025-11-25T07:10:01.123456789Z b\n" },
		{ "the limit cuts",
		  { .tail_lines = -1, .limit_bytes = 3 },
		  T1 " stdout F a\n" T1 " stdout F bc\n",
		  "a\nb" },
		{ "the limit counts times",
		  { .timestamps = true, .tail_lines = -1, .limit_bytes = 5 },
		  T1 " stdout F a\n",
		  "2025-" },
		{ "only so many lines",
		  { .tail_lines = 1, .limit_bytes = -1 },
		  T1 " stdout F a\n" T1 " stdout F b\n",
		  "a\n" },
		{ "none of them", { .tail_lines = 0, .limit_bytes = -1 }, T1 " stdout F a\n", "" },
		{ "follow goes on",
		  { .follow = true, .tail_lines = 1, .limit_bytes = -1 },
		  T1 " stdout F a\n" T1 " stdout F b\n",
		  "a\nb\n" },
		{ "since",
		  { .tail_lines = -1, .limit_bytes = -1, .since_s = NOW_S, .since_nanos = 100000001 },
		  T1 " stdout F a\n" T3 " stdout F b\n",
		  "b\n" },
		{ "since is inclusive",
		  { .tail_lines = -1, .limit_bytes = -1, .since_s = NOW_S, .since_nanos = 100000000 },
		  T1 " stdout F a\n",
		  "a\n" },
		{ "no newline at the end", { .tail_lines = -1, .limit_bytes = -1 }, T1 " stdout F a", "a" },
		{ "an empty line", { .tail_lines = -1, .limit_bytes = -1 }, T1 " stdout F \n", "\n" },
		{ "blanks stay", { .tail_lines = -1, .limit_bytes = -1 }, T1 " stdout F  a b \r\n", " a b \r\n" },
		{ "a broken line is left out",
		  { .tail_lines = -1, .limit_bytes = -1 },
		  T1 " stdout F a\nbroken\n" T1 " stdout F b\n",
		  "a\nb\n" },
		{ "a broken first line ends it",
		  { .tail_lines = -1, .limit_bytes = -1 },
		  "broken\n" T1 " stdout F b\n",
		  "failed to get parse function: unsupported log format: \"broken\\n\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();

		CHECK_STR(rows[i].rule, filtered(arena, &rows[i].options, rows[i].log), rows[i].want);
	}
}

TEST(the_last_lines_are_found_from_the_end)
{
	static const char log[] = "one\ntwo\nthree\nfour";
	static const struct {
		int64_t wanted;
		size_t start;
	} rows[] = { { 0, 14 }, { 1, 8 }, { 2, 4 }, { 3, 0 }, { 9, 0 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t block = 1; block < sizeof log; block++) {
			struct logfilter_tail tail = { .wanted = rows[i].wanted };
			size_t right = sizeof log - 1, skip = 0, start = 0;

			while (right > 0) {
				size_t size = MIN(block, right);

				right -= size;
				if (logfilter_tail_step(&tail, log + right, size, &skip)) {
					start = right + skip;
					break;
				}
			}
			CHECK_INT("start", start, ==, rows[i].start);
		}
	}
}
