/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Private to kubelet/runtime: the frame of every action. An action is a row of steps; each step is one task, and its
 * `done` either begins the next step or ends the action. Cancel goes to the step that runs.
 */
#include "kubelet/runtime/request.h"
#include "kubelet/runtime/runtime.h"
#include "pkg/base/list.h"
#include "pkg/cri/cri.h"
#include "pkg/loop/task.h"

struct images;

struct runtime {
	struct runtime_options options;
	struct arena *arena; /* texts of the options and of the node */
	struct runtime_request_node node;
	struct images *images;
	size_t n_actions;
};

struct action {
	struct task task;
	struct runtime *runtime;
	struct arena *arena; /* the action itself lives in it */
	task_done_fn *done;
	void *owner;
	void (*begin)(struct action *action);
	struct task *step; /* NULL between steps */
	bool cancelled;
	struct runtime_outcome outcome;
	struct err err;
};

/*
 * A struct that begins with a struct action; `begin` runs from the loop, so it may end the action at once. `done` gets
 * the outcome unless the action's own code gives another result to action_end_with().
 */
void *action_new(struct runtime *runtime, size_t size, void (*begin)(struct action *action), task_done_fn *done,
		 void *owner);

/*
 * False when the action was cancelled, and has ended by it: the first line of every step's done that goes on to another
 * step. A last step's done may just end the action: what was done is done, cancelled or not.
 */
bool action_goes_on(struct action *action);

void action_end(struct action *action);                                           /* with what outcome and err say */
void action_end_with(struct action *action, const void *result);                  /* with another result */
void action_fail(struct action *action, const char *reason, const char *message); /* err must be set */

/* One call of the runtime as the next step. */
void action_call(struct action *action, enum cri_method method, const ProtobufCMessage *request, int64_t timeout_ms,
		 task_done_fn *done);
/* File work on the pool as the next step. */
void action_work(struct action *action, void (*work)(void *owner), task_done_fn *done);

/* "rpc error: code = Unknown desc = x" → "x": how upstream shows a runtime's errors in events and status. */
const char *action_plain(const char *error_text);

__attribute__((format(printf, 6, 7))) void action_event(struct action *action, const Core__Pod *pod,
							const Core__Container *container, const char *type,
							const char *reason, const char *format, ...);

/* ---- image.c ---- */

struct pull_store;

/* Records for images whose pull an earlier kubelet began (pull_adopt.c). `done` gets no error. */
struct task *pull_adopt(struct runtime *runtime, struct pull_store *store, task_done_fn *done, void *owner);

struct images *images_new(struct runtime *runtime);
void images_free(struct images *images);

struct image_result {
	struct runtime_request_image image;
	const char *reason, *message; /* on failure */
	int64_t retry_after_ms;
};

/*
 * The image of a container, pulled if its policy asks for it. Result: const struct image_result *, on failure too
 * unless it was cancelled.
 */
struct task *image_ensure(struct runtime *runtime, const Core__Pod *pod, const Core__Container *container,
			  task_done_fn *done, void *owner);
