/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The loop owns everything: all state of a process changes on the thread that runs it, and nothing on it blocks.
 *
 * Other threads reach it by loop_post() alone. Callbacks are never called from inside the function that registered
 * them. Only this folder knows that libuv is underneath.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkg/base/err.h"
#include "pkg/loop/task.h"

struct loop;

/* Callbacks run on one thread and must not wait: for the network, a child or a file system that may hang there are
 * tasks. Small files of procfs, sysfs, cgroupfs and of our own root folder may be read and written in place, but for
 * values that the kernel first has to make true, such as a lower limit of memory. */
struct loop *loop_new(void);
void loop_free(struct loop *loop); /* after loop_run() has returned; timers and watches must be stopped by then */
void loop_run(struct loop *loop);  /* until loop_stop() */
void loop_stop(struct loop *loop); /* from the loop thread; the current callback still ends */

int64_t loop_now_ms(const struct loop *loop); /* monotonic, milliseconds */

/*
 * A timer is a plain member of whatever waits; stopping it is immediate and final, there is nothing to close.
 * It fires once; who wants a period starts it again.
 */
struct loop_timer {
	struct loop *loop;
	void (*fire)(void *owner);
	void *owner;
	int64_t due_ms; /* private */
	size_t place;   /* private: heap index + 1, 0 while stopped */
};

void loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*fire)(void *owner), void *owner);
void loop_timer_start(struct loop_timer *timer, int64_t delay_ms); /* restarts a running one; below 0 counts as 0 */
void loop_timer_stop(struct loop_timer *timer);                    /* harmless on a stopped or zeroed one */
bool loop_timer_is_running(const struct loop_timer *timer);

/* Readiness of a descriptor, level-triggered. The descriptor stays the caller's. */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 }; /* HANGUP is reported together with READ or WRITE only */

struct loop_fd;
typedef void loop_fd_fn(void *owner, int events);

/* One watch per descriptor. `events` may be 0 at first. Fails (NULL, errno) only for regular files and bad descriptors.
 */
struct loop_fd *loop_fd_watch(struct loop *loop, int fd, int events, loop_fd_fn *ready, void *owner);
void loop_fd_set(struct loop_fd *watch, int events);
void loop_fd_unwatch(struct loop_fd *watch); /* no callback after it; close the descriptor after it, not before */

/* Runs call(arg) on the loop thread, in order of posting. From any thread; also the way to do something "next". */
void loop_post(struct loop *loop, void (*call)(void *arg), void *arg);

/*
 * Short blocking file work on the pool (at most 4 threads): `work` runs there and may touch only what `owner` gave it
 * for the time; `done` comes on the loop with result NULL. A cancel before it began gives -ECANCELED; once it runs it
 * runs to its end.
 */
struct task *loop_work(struct loop *loop, void (*work)(void *owner), task_done_fn *done, void *owner);

/* Calls back for every delivery of a signal; NULL takes the handler away. One handler per signal. */
void loop_on_signal(struct loop *loop, int signal, void (*call)(void *owner, int signal), void *owner);
