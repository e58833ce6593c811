/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/action.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"

static void cancel(struct task *task)
{
	struct action *action = container_of(task, struct action, task);

	action->cancelled = true;
	task_cancel(action->step);
}

static void begin(void *arg)
{
	struct action *action = arg;

	if (action_goes_on(action))
		action->begin(action);
}

void *action_new(struct runtime *runtime, size_t size, void (*begin_fn)(struct action *action), task_done_fn *done,
		 void *owner)
{
	struct arena *arena = arena_new();
	struct action *action = arena_alloc(arena, size);

	*action = (struct action){
		.task.cancel = cancel,
		.runtime = runtime,
		.arena = arena,
		.done = done,
		.owner = owner,
		.begin = begin_fn,
		.outcome = { .id = "", .reason = "", .message = "" },
	};
	runtime->n_actions++;
	loop_post(runtime->options.loop, begin, action);
	return action;
}

bool action_goes_on(struct action *action)
{
	action->step = NULL;
	if (!action->cancelled)
		return true;
	err_canceled(&action->err);
	action_end(action);
	return false;
}

void action_end(struct action *action)
{
	action_end_with(action, &action->outcome);
}

void action_end_with(struct action *action, const void *result)
{
	action->runtime->n_actions--;
	action->done(action->owner, result, action->err.code ? &action->err : NULL);
	arena_free(action->arena);
}

void action_fail(struct action *action, const char *reason, const char *message)
{
	action->outcome.reason = reason;
	action->outcome.message = arena_strdup(action->arena, message);
	action_end(action);
}

void action_call(struct action *action, enum cri_method method, const ProtobufCMessage *request, int64_t timeout_ms,
		 task_done_fn *done)
{
	action->step = cri_call(action->runtime->options.cri, method, request, timeout_ms, done, action);
}

void action_work(struct action *action, void (*work)(void *owner), task_done_fn *done)
{
	action->step = loop_work(action->runtime->options.loop, work, done, action);
}

const char *action_plain(const char *error_text)
{
	const char *text = str_has_prefix(error_text, "rpc error: code = ") ? strstr(error_text, " desc = ") : NULL;

	return text ? text + sizeof " desc = " - 1 : error_text;
}

void action_event(struct action *action, const Core__Pod *pod, const Core__Container *container, const char *type,
		  const char *reason, const char *format, ...)
{
	const struct runtime_options *options = &action->runtime->options;
	char message[2 * ERR_TEXT_MAX];
	va_list args;

	if (!options->event || !pod)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	options->event(options->event_owner, pod, container ? container->name : NULL, type, reason, message);
}
