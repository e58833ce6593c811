/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/crash_loop.h"

#include "pkg/base/base.h"

enum {
	INITIAL_MS = 10000, /* upstream's fixed numbers */
	LIMIT_MS = 300000,
	FORGET_MS = 10 * 60 * 1000, /* whatever the configured limit */
};

struct crash_loop_policy crash_loop_policy(int64_t limit_ms)
{
	if (limit_ms <= 0)
		limit_ms = LIMIT_MS;
	return (struct crash_loop_policy){ MIN((int64_t)INITIAL_MS, limit_ms), limit_ms };
}

static bool is_forgotten(const struct crash_loop *loop, int64_t finished_ms)
{
	return loop->delay_ms == 0 || finished_ms - loop->restarted_ms > FORGET_MS;
}

int64_t crash_loop_wait(const struct crash_loop *loop, int64_t finished_ms, int64_t now_ms)
{
	int64_t left = finished_ms + loop->delay_ms - now_ms;

	if (is_forgotten(loop, finished_ms) || left <= 0)
		return 0;
	return MIN(left, loop->delay_ms); /* a clock set back must not make the wait longer */
}

void crash_loop_restarted(struct crash_loop *loop, const struct crash_loop_policy *policy, int64_t finished_ms,
			  int64_t now_ms)
{
	int64_t next = is_forgotten(loop, finished_ms) ? policy->initial_ms : loop->delay_ms * 2;

	loop->delay_ms = MIN(next, policy->limit_ms);
	loop->restarted_ms = now_ms;
}
