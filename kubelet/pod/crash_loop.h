/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How long a container that keeps exiting waits before it is started again (CrashLoopBackOff).
 *
 * A pure decision: clock and history come in, the answer goes out. The history is one small struct a container, owned
 * by the pod's worker; a kubelet restart may forget it, as the stock kubelet does. Another image starts a new history.
 *
 * Rules as in kubelet v1.37 (doBackOff): the first restart is immediate and sets the delay to `initial`; each further
 * one doubles it up to `limit`. A delay counts from the end of the last instance. An instance that ended more than ten
 * minutes after the restart before it starts from the beginning, whatever `limit`.
 */
#include <stdint.h>

struct crash_loop_policy {
	int64_t initial_ms; /* 10,000; lowered to the limit when that is below it */
	int64_t limit_ms;
};

/* `limit_ms` is crashLoopBackOff.maxContainerRestartPeriod; 0 or less is upstream's 300,000. */
struct crash_loop_policy crash_loop_policy(int64_t limit_ms);

struct crash_loop {
	int64_t delay_ms;     /* 0: never restarted */
	int64_t restarted_ms; /* when crash_loop_restarted() was last called */
};

/* Milliseconds until the instance that ended at finished_ms may be started again; 0 is now. Both on one clock. */
int64_t crash_loop_wait(const struct crash_loop *loop, int64_t finished_ms, int64_t now_ms);

/* The instance that ended at finished_ms is being started again now. */
void crash_loop_restarted(struct crash_loop *loop, const struct crash_loop_policy *policy, int64_t finished_ms,
			  int64_t now_ms);
