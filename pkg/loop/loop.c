/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/loop/loop.h"

#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

#include "pkg/base/base.h"
#include "pkg/base/clock.h"

enum { SIGNALS_MAX = 65 }; /* Linux numbers them from 1 to 64 */

struct posted {
	struct posted *next;
	void (*call)(void *arg);
	void *arg;
};

struct signal_handler {
	uv_signal_t uv;
	void (*call)(void *owner, int signal);
	void *owner;
};

struct loop {
	uv_loop_t uv;

	uv_timer_t alarm;           /* rings for the earliest of `timers` */
	struct loop_timer **timers; /* a binary heap by due time */
	size_t n_timers, timers_room;

	uv_async_t wake;
	pthread_mutex_t posted_lock;
	struct posted *posted, **posted_end;

	struct signal_handler *signals[SIGNALS_MAX];
};

static void uv_must(int code, const char *what)
{
	if (code < 0)
		base_bug(what);
}

static struct loop *loop_of(const uv_handle_t *handle)
{
	return handle->loop->data;
}

/* ---- timers ---- */

static void heap_put(struct loop *loop, size_t at, struct loop_timer *timer)
{
	loop->timers[at] = timer;
	timer->place = at + 1;
}

static void heap_up(struct loop *loop, size_t at)
{
	struct loop_timer *timer = loop->timers[at];

	for (; at > 0 && loop->timers[(at - 1) / 2]->due_ms > timer->due_ms; at = (at - 1) / 2)
		heap_put(loop, at, loop->timers[(at - 1) / 2]);
	heap_put(loop, at, timer);
}

static void heap_down(struct loop *loop, size_t at)
{
	struct loop_timer *timer = loop->timers[at];

	for (;;) {
		size_t child = at * 2 + 1;

		if (child >= loop->n_timers)
			break;
		if (child + 1 < loop->n_timers && loop->timers[child + 1]->due_ms < loop->timers[child]->due_ms)
			child++;
		if (loop->timers[child]->due_ms >= timer->due_ms)
			break;
		heap_put(loop, at, loop->timers[child]);
		at = child;
	}
	heap_put(loop, at, timer);
}

static void alarm_rings(uv_timer_t *alarm);

static void alarm_set(struct loop *loop)
{
	if (loop->n_timers == 0) {
		uv_timer_stop(&loop->alarm);
		return;
	}
	int64_t wait = loop->timers[0]->due_ms - clock_mono_ms();

	uv_update_time(&loop->uv);
	uv_must(uv_timer_start(&loop->alarm, alarm_rings, (uint64_t)MAX(wait, (int64_t)0), 0), "uv_timer_start");
}

static void alarm_rings(uv_timer_t *alarm)
{
	struct loop *loop = loop_of((uv_handle_t *)alarm);
	int64_t now = clock_mono_ms();

	/* Timers started by these callbacks with delay 0 wait for the next turn: nobody starves the descriptors. */
	while (loop->n_timers > 0 && loop->timers[0]->due_ms <= now) {
		struct loop_timer *timer = loop->timers[0];

		loop_timer_stop(timer);
		timer->fire(timer->owner);
		if (loop->n_timers > 0 && loop->timers[0]->due_ms == now)
			break;
	}
	alarm_set(loop);
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*fire)(void *owner), void *owner)
{
	*timer = (struct loop_timer){ .loop = loop, .fire = fire, .owner = owner };
}

void loop_timer_start(struct loop_timer *timer, int64_t delay_ms)
{
	struct loop *loop = timer->loop;

	loop_timer_stop(timer);
	if (loop->n_timers == loop->timers_room) {
		loop->timers_room = loop->timers_room ? loop->timers_room * 2 : 32;
		loop->timers = xrealloc(loop->timers, loop->timers_room * sizeof *loop->timers);
	}
	timer->due_ms = clock_mono_ms() + MAX(delay_ms, (int64_t)0);
	heap_put(loop, loop->n_timers++, timer);
	heap_up(loop, loop->n_timers - 1);
	if (loop->timers[0] == timer)
		alarm_set(loop);
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (timer->place == 0)
		return;
	struct loop *loop = timer->loop;
	size_t at = timer->place - 1;
	struct loop_timer *last = loop->timers[--loop->n_timers];

	timer->place = 0;
	if (last != timer) {
		heap_put(loop, at, last);
		heap_up(loop, at);
		heap_down(loop, last->place - 1);
	}
	if (at == 0)
		alarm_set(loop);
}

bool loop_timer_is_running(const struct loop_timer *timer)
{
	return timer->place != 0;
}

/* ---- posting ---- */

void loop_post(struct loop *loop, void (*call)(void *arg), void *arg)
{
	struct posted *posted = xmalloc(sizeof *posted);

	*posted = (struct posted){ .call = call, .arg = arg };
	pthread_mutex_lock(&loop->posted_lock);
	*loop->posted_end = posted;
	loop->posted_end = &posted->next;
	pthread_mutex_unlock(&loop->posted_lock);
	uv_must(uv_async_send(&loop->wake), "uv_async_send");
}

static void run_posted(uv_async_t *wake)
{
	struct loop *loop = loop_of((uv_handle_t *)wake);

	pthread_mutex_lock(&loop->posted_lock);
	struct posted *posted = steal_pointer(&loop->posted);
	loop->posted_end = &loop->posted;
	pthread_mutex_unlock(&loop->posted_lock);

	while (posted) {
		struct posted *next = posted->next;

		posted->call(posted->arg);
		free(posted);
		posted = next;
	}
}

/* ---- the loop ---- */

struct loop *loop_new(void)
{
	struct loop *loop = xcalloc(1, sizeof *loop);

	uv_must(uv_loop_init(&loop->uv), "uv_loop_init");
	loop->uv.data = loop;
	uv_must(uv_timer_init(&loop->uv, &loop->alarm), "uv_timer_init");
	uv_must(uv_async_init(&loop->uv, &loop->wake, run_posted), "uv_async_init");
	pthread_mutex_init(&loop->posted_lock, NULL);
	loop->posted_end = &loop->posted;
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	base_assert(loop->n_timers == 0);
	for (int i = 0; i < SIGNALS_MAX; i++)
		if (loop->signals[i])
			loop_on_signal(loop, i, NULL, NULL);
	run_posted(&loop->wake);
	uv_close((uv_handle_t *)&loop->alarm, NULL);
	uv_close((uv_handle_t *)&loop->wake, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT); /* lets the close callbacks come */
	uv_must(uv_loop_close(&loop->uv), "a watch or a task was still open when its loop ended");
	pthread_mutex_destroy(&loop->posted_lock);
	free(loop->timers);
	free(loop);
}

void loop_run(struct loop *loop)
{
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

int64_t loop_now_ms(const struct loop *loop)
{
	(void)loop;
	return clock_mono_ms();
}

/* ---- descriptors ---- */

struct loop_fd {
	uv_poll_t uv;
	int events; /* that libuv watches for */
	loop_fd_fn *ready;
	void *owner;
};

static void fd_is_ready(uv_poll_t *uv, int status, int events)
{
	struct loop_fd *watch = container_of(uv, struct loop_fd, uv);
	int seen = 0;

	/* An error on the descriptor is for the owner's next read or write to find. libuv has stopped watching. */
	if (status < 0) {
		watch->events = 0;
		seen = LOOP_READ | LOOP_WRITE | LOOP_HANGUP;
	}
	if (events & UV_READABLE)
		seen |= LOOP_READ;
	if (events & UV_WRITABLE)
		seen |= LOOP_WRITE;
	if (events & UV_DISCONNECT)
		seen |= LOOP_HANGUP;
	watch->ready(watch->owner, seen);
}

struct loop_fd *loop_fd_watch(struct loop *loop, int fd, int events, loop_fd_fn *ready, void *owner)
{
	struct loop_fd *watch = xcalloc(1, sizeof *watch);
	int code;

	watch->ready = ready;
	watch->owner = owner;
	code = uv_poll_init(&loop->uv, &watch->uv, fd);
	if (code < 0) {
		free(watch);
		errno = -code;
		return NULL;
	}
	loop_fd_set(watch, events);
	return watch;
}

void loop_fd_set(struct loop_fd *watch, int events)
{
	int want = 0;

	if (events & LOOP_READ)
		want |= UV_READABLE;
	if (events & LOOP_WRITE)
		want |= UV_WRITABLE;
	if (events & LOOP_HANGUP)
		want |= UV_DISCONNECT;
	if (want == watch->events) /* libuv would take the descriptor out of epoll and put it in again */
		return;
	watch->events = want;
	if (want)
		uv_must(uv_poll_start(&watch->uv, want, fd_is_ready), "uv_poll_start");
	else
		uv_poll_stop(&watch->uv);
}

static void free_watch(uv_handle_t *handle)
{
	free(container_of((uv_poll_t *)handle, struct loop_fd, uv));
}

void loop_fd_unwatch(struct loop_fd *watch)
{
	if (!watch)
		return;
	uv_poll_stop(&watch->uv);
	uv_close((uv_handle_t *)&watch->uv, free_watch);
}

/* ---- work on the pool ---- */

struct work {
	struct task task;
	uv_work_t uv;
	void (*call)(void *owner);
	task_done_fn *done;
	void *owner;
};

static void work_runs(uv_work_t *uv)
{
	struct work *work = container_of(uv, struct work, uv);

	work->call(work->owner);
}

static void work_ended(uv_work_t *uv, int status)
{
	struct work *work = container_of(uv, struct work, uv);
	struct err err;

	if (status == UV_ECANCELED) {
		err_canceled(&err);
		work->done(work->owner, NULL, &err);
	} else {
		work->done(work->owner, NULL, NULL);
	}
	free(work);
}

static void work_cancel(struct task *task)
{
	uv_cancel((uv_req_t *)&container_of(task, struct work, task)->uv);
}

struct task *loop_work(struct loop *loop, void (*call)(void *owner), task_done_fn *done, void *owner)
{
	struct work *work = xcalloc(1, sizeof *work);

	*work = (struct work){ .task.cancel = work_cancel, .call = call, .done = done, .owner = owner };
	uv_must(uv_queue_work(&loop->uv, &work->uv, work_runs, work_ended), "uv_queue_work");
	return &work->task;
}

/* ---- signals ---- */

static void signal_came(uv_signal_t *uv, int signal)
{
	struct signal_handler *handler = container_of(uv, struct signal_handler, uv);

	handler->call(handler->owner, signal);
}

static void free_signal(uv_handle_t *handle)
{
	free(container_of((uv_signal_t *)handle, struct signal_handler, uv));
}

void loop_on_signal(struct loop *loop, int signal, void (*call)(void *owner, int signal), void *owner)
{
	base_assert(signal > 0 && signal < SIGNALS_MAX);
	if (loop->signals[signal]) {
		uv_close((uv_handle_t *)&loop->signals[signal]->uv, free_signal);
		loop->signals[signal] = NULL;
	}
	if (!call)
		return;
	struct signal_handler *handler = xcalloc(1, sizeof *handler);

	handler->call = call;
	handler->owner = owner;
	uv_must(uv_signal_init(&loop->uv, &handler->uv), "uv_signal_init");
	uv_must(uv_signal_start(&handler->uv, signal_came, signal), "uv_signal_start");
	loop->signals[signal] = handler;
}
