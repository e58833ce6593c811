/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/loop/loop.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/rand.h"
#include "pkg/test/test.h"

struct seen {
	struct loop *loop;
	struct loop_timer timers[4];
	char order[16];
	size_t n;
};

static void note(struct seen *seen, char what)
{
	seen->order[seen->n++] = what;
}

static void fire_a(void *owner)
{
	note(owner, 'a');
}

static void fire_b(void *owner)
{
	struct seen *seen = owner;

	note(seen, 'b');
	loop_timer_stop(&seen->timers[2]);
}

static void fire_c(void *owner)
{
	note(owner, 'c');
}

static void fire_end(void *owner)
{
	struct seen *seen = owner;

	note(seen, 'e');
	loop_stop(seen->loop);
}

TEST(timers_fire_once_in_order_and_stop_at_once)
{
	struct seen seen = { .loop = loop_new() };

	loop_timer_init(&seen.timers[0], seen.loop, fire_a, &seen);
	loop_timer_init(&seen.timers[1], seen.loop, fire_b, &seen);
	loop_timer_init(&seen.timers[2], seen.loop, fire_c, &seen);
	loop_timer_init(&seen.timers[3], seen.loop, fire_end, &seen);
	loop_timer_start(&seen.timers[3], 60);
	loop_timer_start(&seen.timers[2], 40);
	loop_timer_start(&seen.timers[1], 20);
	loop_timer_start(&seen.timers[0], 200);
	loop_timer_start(&seen.timers[0], 1); /* a restart moves it */
	loop_run(seen.loop);
	CHECK_STR("order", seen.order, "abe");
	CHECK("stopped", !loop_timer_is_running(&seen.timers[2]));
	loop_free(seen.loop);
}

struct many {
	struct loop *loop;
	struct one {
		struct many *many;
		struct loop_timer timer;
		int64_t due_ms;
	} ones[500];
	size_t n_fired, n_wanted;
	int64_t last_ms;
};

static void fire_one(void *owner)
{
	struct one *one = owner;
	struct many *many = one->many;

	CHECK_INT("not early", loop_now_ms(many->loop), >=, one->due_ms);
	CHECK_INT("in order", one->due_ms, >=, many->last_ms);
	many->last_ms = one->due_ms;
	if (++many->n_fired == many->n_wanted)
		loop_stop(many->loop);
}

TEST(many_timers_fire_in_order_whatever_is_stopped_between)
{
	static struct many many;
	size_t n = ARRAY_LEN(many.ones);

	many.loop = loop_new();
	for (size_t i = 0; i < n; i++) {
		struct one *one = &many.ones[i];
		int64_t delay_ms = 20 + rand_below(200);

		one->many = &many;
		loop_timer_init(&one->timer, many.loop, fire_one, one);
		loop_timer_start(&one->timer, 1 + rand_below(300));
		loop_timer_start(&one->timer, delay_ms); /* the later word counts */
		one->due_ms = one->timer.due_ms;
		many.n_wanted++;
	}
	for (size_t i = 0; i < n; i += 3) {
		loop_timer_stop(&many.ones[i].timer);
		loop_timer_stop(&many.ones[i].timer);
		many.n_wanted--;
	}
	loop_run(many.loop);
	CHECK_INT("each that was left, once", many.n_fired, ==, many.n_wanted);
	for (size_t i = 0; i < n; i++)
		CHECK("none runs", !loop_timer_is_running(&many.ones[i].timer));
	loop_free(many.loop);
}

static void posted(void *arg)
{
	note(arg, 'p');
}

static void posted_end(void *arg)
{
	loop_stop(((struct seen *)arg)->loop);
}

static void *post_from_thread(void *arg)
{
	struct seen *seen = arg;

	loop_post(seen->loop, posted, seen);
	loop_post(seen->loop, posted, seen);
	loop_post(seen->loop, posted_end, seen);
	return NULL;
}

TEST(posts_from_another_thread_arrive_in_order)
{
	struct seen seen = { .loop = loop_new() };
	pthread_t thread;

	pthread_create(&thread, NULL, post_from_thread, &seen);
	loop_run(seen.loop);
	pthread_join(thread, NULL);
	CHECK_STR("order", seen.order, "pp");
	loop_free(seen.loop);
}

struct pipe_end {
	struct seen seen;
	struct loop_fd *watch;
	int fd;
};

static void pipe_ready(void *owner, int events)
{
	struct pipe_end *end = owner;
	char byte;

	CHECK("readable", events & LOOP_READ);
	if (read(end->fd, &byte, 1) == 1) {
		note(&end->seen, byte);
		return;
	}
	loop_fd_unwatch(end->watch);
	loop_stop(end->seen.loop);
}

TEST(descriptors_report_data_and_end)
{
	struct pipe_end end = { .seen.loop = loop_new() };
	int fds[2];

	CHECK_INT("pipe", pipe(fds), ==, 0);
	end.fd = fds[0];
	end.watch = loop_fd_watch(end.seen.loop, fds[0], LOOP_READ, pipe_ready, &end);
	CHECK_INT("write", write(fds[1], "xy", 2), ==, 2);
	close(fds[1]);
	loop_run(end.seen.loop);
	CHECK_STR("bytes", end.seen.order, "xy");
	close(fds[0]);
	loop_free(end.seen.loop);
}

static void work_call(void *owner)
{
	note(owner, 'w');
}

static void work_done(void *owner, const void *result, const struct err *err)
{
	struct seen *seen = owner;

	CHECK("no result", !result && !err);
	note(seen, 'd');
	loop_stop(seen->loop);
}

TEST(work_ends_once_on_the_loop)
{
	struct seen seen = { .loop = loop_new() };
	struct task *task = loop_work(seen.loop, work_call, work_done, &seen);

	CHECK("a task", task != NULL);
	CHECK_INT("not before the start has returned", memchr(seen.order, 'd', sizeof seen.order) != NULL, ==, 0);
	loop_run(seen.loop);
	CHECK_STR("order", seen.order, "wd");
	loop_free(seen.loop);
}

static void signal_seen(void *owner, int number)
{
	struct seen *seen = owner;

	CHECK_INT("number", number, ==, SIGUSR1);
	loop_stop(seen->loop);
}

TEST(signals_arrive_on_the_loop)
{
	struct seen seen = { .loop = loop_new() };

	loop_on_signal(seen.loop, SIGUSR1, signal_seen, &seen);
	raise(SIGUSR1);
	loop_run(seen.loop);
	loop_free(seen.loop);
}
