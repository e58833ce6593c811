/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/loop/loop.h"
#include "pkg/test/test.h"

static void stop(void *owner)
{
	loop_stop(owner);
}

void test_run(struct loop *loop, int64_t ms)
{
	struct loop_timer timer;

	loop_timer_init(&timer, loop, stop, loop);
	loop_timer_start(&timer, ms);
	loop_run(loop);
	loop_timer_stop(&timer); /* something else may have stopped the loop */
}
