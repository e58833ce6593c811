/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The one rule for everything that does not finish at once (a CRI call, a child process, an HTTP request, a mount).
 *
 * An operation ends exactly once, by calling `done` on the loop thread, and never before the call that started it has
 * returned. task_cancel() does not end it: it asks it to end soon, and `done` still comes, with -ECANCELED or with the
 * result that was already on its way. So the owner of a task frees nothing until `done`, needs no flag "already
 * finished?", and a life cycle is a list of states with one place that leaves each of them.
 *
 * A start function returns the task; it cannot fail by itself, what goes wrong at the start is reported by `done` too.
 * The pointer is valid until `done` is called.
 */
#include "pkg/base/err.h"

/* An operation embeds this as a member and gets back to itself with container_of(). */
struct task {
	void (*cancel)(struct task *task);
};

/* `result` belongs to the operation and is valid during the call only; `err` is NULL on success. */
typedef void task_done_fn(void *owner, const void *result, const struct err *err);

/* Asks a running task to end soon. Harmless on one that is about to end, and a second time. NULL is fine. */
static inline void task_cancel(struct task *task)
{
	if (task)
		task->cancel(task);
}
