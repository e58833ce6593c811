/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/crash_loop.h"

#include "pkg/base/base.h"
#include "pkg/test/test.h"

static const struct crash_loop_policy stock = { .initial_ms = 10000, .limit_ms = 300000 };

/* Each row: ends that were followed by a restart (a zero closes the list), then the last end and the moment. */
TEST(waits)
{
	static const struct {
		const char *rule;
		struct {
			int64_t finished_ms, restarted_ms;
		} lives[7];
		int64_t finished_ms, now_ms, want_ms;
	} rows[] = {
		{ "the first exit restarts at once", { { 0 } }, 1000, 1000, 0 },
		{ "the second waits ten seconds", { { 1000, 1000 } }, 2000, 2000, 10000 },
		{ "counted from its end", { { 1000, 1000 } }, 2000, 9000, 3000 },
		{ "then the delay doubles", { { 1000, 1000 }, { 2000, 12000 } }, 13000, 13000, 20000 },
		{ "up to the limit",
		  { { 1, 2 }, { 3, 4 }, { 5, 6 }, { 7, 8 }, { 9, 10 }, { 11, 12 } },
		  13,
		  13,
		  300000 },
		{ "ten minutes of running are not enough", { { 1000, 1000 } }, 601000, 601000, 10000 },
		{ "one millisecond more forgets", { { 1000, 1000 } }, 601001, 601001, 0 },
		{ "a clock set back waits one delay at most", { { 1000, 1000 } }, 9000, 2000, 10000 },
		{ "a late look never goes negative", { { 1000, 1000 } }, 2000, 99000, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct crash_loop loop = { 0 };

		for (size_t n = 0; rows[i].lives[n].finished_ms; n++)
			crash_loop_restarted(&loop, &stock, rows[i].lives[n].finished_ms,
					     rows[i].lives[n].restarted_ms);
		CHECK_INT(rows[i].rule, crash_loop_wait(&loop, rows[i].finished_ms, rows[i].now_ms), ==,
			  rows[i].want_ms);
	}
}

TEST(the_first_wait_is_never_longer_than_the_longest)
{
	static const struct {
		int64_t limit_ms, want_initial_ms, want_limit_ms;
	} rows[] = { { 0, 10000, 300000 }, { -1, 10000, 300000 }, { 60000, 10000, 60000 }, { 1000, 1000, 1000 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct crash_loop_policy policy = crash_loop_policy(rows[i].limit_ms);

		CHECK_INT("initial", policy.initial_ms, ==, rows[i].want_initial_ms);
		CHECK_INT("limit", policy.limit_ms, ==, rows[i].want_limit_ms);
	}
}
