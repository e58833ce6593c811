/* SPDX-License-Identifier: Apache-2.0 */
/* Ends of containers and sandboxes. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kubelet/runtime/action.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/quote.h"

enum { GRACE_MIN_S = 2 }; /* so that a process has a moment to end by itself, as upstream */

/* What is gone is stopped. */
static void keep_failure(struct action *action, const char *reason, const struct err *err)
{
	if (!err || err->code == -ENOENT || action->err.code)
		return;
	action->err = *err;
	action->outcome.reason = reason;
	action->outcome.message = action->err.text;
}

/* After the last step. */
static void end_with(struct action *action, const char *reason, const struct err *err)
{
	action->step = NULL;
	keep_failure(action, reason, err);
	action_end(action);
}

/* After a step that another one follows; false when the action has ended. */
static bool goes_on_after(struct action *action, const char *reason, const struct err *err)
{
	keep_failure(action, reason, err);
	if (!action_goes_on(action))
		return false;
	if (action->err.code == 0)
		return true;
	action_end(action);
	return false;
}

static void request_stop(Cri__StopContainerRequest *request, const char *id, int64_t grace_s)
{
	*request = (Cri__StopContainerRequest)CRI__STOP_CONTAINER_REQUEST__INIT;
	request->container_id = (char *)(uintptr_t)id;
	request->timeout = MAX(grace_s, (int64_t)GRACE_MIN_S);
}

static const Core__Container *find_container(const Core__Pod *pod, const char *name)
{
	for (size_t i = 0; pod && i < pod->spec->n_containers; i++)
		if (str_eq(pod->spec->containers[i]->name, name))
			return pod->spec->containers[i];
	return NULL;
}

static void tell_killing(struct action *action, const Core__Pod *pod, const char *name, enum runtime_kill why)
{
	const Core__Container *container = find_container(pod, name);

	switch (why) {
	case RUNTIME_KILL_STOP:
		action_event(action, pod, container, "Normal", "Killing", "Stopping container %s", name);
		break;
	case RUNTIME_KILL_CHANGED:
		action_event(action, pod, container, "Normal", "Killing",
			     "Container %s definition changed, will be restarted", name);
		break;
	case RUNTIME_KILL_UNKNOWN:
		action_event(action, pod, container, "Normal", "Killing",
			     "Container is in \"unknown\" state, try killing it before restart");
		break;
	}
}

/* ---- one container ---- */

struct kill {
	struct action action;
	const Core__Pod *pod;
	const char *id, *name;
	enum runtime_kill why;
	int64_t grace_s;
};

static void kill_done(void *owner, const void *result, const struct err *err)
{
	end_with(owner, "KillContainerError", err);
}

static void kill_begin(struct action *action)
{
	struct kill *kill = container_of(action, struct kill, action);
	Cri__StopContainerRequest request;

	tell_killing(action, kill->pod, kill->name, kill->why);
	request_stop(&request, kill->id, kill->grace_s);
	action_call(action, CRI_STOP_CONTAINER, &request.base, 0, kill_done);
}

struct task *runtime_kill_container(struct runtime *runtime, const Core__Pod *pod, const char *container_id,
				    const char *container_name, enum runtime_kill why, int64_t grace_s,
				    task_done_fn *done, void *owner)
{
	struct kill *kill = action_new(runtime, sizeof *kill, kill_begin, done, owner);
	struct arena *arena = kill->action.arena;

	kill->pod = pod;
	kill->id = arena_strdup(arena, container_id);
	kill->name = arena_strdup(arena, container_name);
	kill->why = why;
	kill->grace_s = grace_s;
	return &kill->action.task;
}

/* ---- a whole pod ---- */

struct kill_pod {
	struct action action;
	const Core__Pod *pod;
	const char *pod_uid;
	const char **ids, **names, **sandboxes;
	size_t n_ids, n_sandboxes;
	struct one_kill {
		struct kill_pod *pod;
		struct task *task;
	} * kills;
	size_t n_running;
	int64_t grace_s;
	const char *failures; /* told in the event FailedKillPod */
	size_t n_failures;
	struct task step; /* stands for all kills at once */
};

static void cancel_kills(struct task *task)
{
	struct kill_pod *kill = container_of(task, struct kill_pod, step);

	for (size_t i = 0; i < kill->n_ids; i++)
		task_cancel(kill->kills[i].task);
}

/* All failures are told at once, as upstream joins the results of a kill. */
static void keep_result(struct kill_pod *kill, const char *what, const char *target, const char *reason,
			const struct err *err)
{
	struct action *action = &kill->action;
	_cleanup_buf_ struct buf text = BUF_INIT(4 * ERR_TEXT_MAX);

	keep_failure(action, reason, err);
	if (!err || err->code == -ENOENT)
		return;
	buf_printf(&text, "%s%sfailed to \"%s\" for \"%s\" with %s: ", str_or(kill->failures, ""),
		   kill->failures ? ", " : "", what, target, reason);
	quote_go(&text, err->text);
	kill->failures = arena_strdup(action->arena, buf_text(&text));
	action->outcome.message =
		++kill->n_failures > 1 ? arena_printf(action->arena, "[%s]", kill->failures) : kill->failures;
}

static void stop_next_sandbox(struct kill_pod *kill);

static void sandbox_stopped(void *owner, const void *result, const struct err *err)
{
	struct action *action = owner;
	struct kill_pod *kill = container_of(action, struct kill_pod, action);

	keep_result(kill, "KillPodSandbox", kill->pod_uid, "KillPodSandboxError", err);
	kill->n_sandboxes--;
	if (action_goes_on(action))
		stop_next_sandbox(kill);
}

/* Each of them, also the ones that are not ready: stopping is what frees a sandbox's network. */
static void stop_next_sandbox(struct kill_pod *kill)
{
	Cri__StopPodSandboxRequest request = CRI__STOP_POD_SANDBOX_REQUEST__INIT;

	if (kill->n_sandboxes == 0) {
		action_end(&kill->action);
		return;
	}
	request.pod_sandbox_id = (char *)(uintptr_t)kill->sandboxes[kill->n_sandboxes - 1];
	action_call(&kill->action, CRI_STOP_POD_SANDBOX, &request.base, 0, sandbox_stopped);
}

static void one_killed(void *owner, const void *result, const struct err *err)
{
	struct one_kill *one = owner;
	struct kill_pod *kill = one->pod;

	one->task = NULL;
	keep_result(kill, "KillContainer", kill->names[one - kill->kills], "KillContainerError", err);
	if (--kill->n_running == 0 && action_goes_on(&kill->action))
		stop_next_sandbox(kill);
}

static void kill_pod_begin(struct action *action)
{
	struct kill_pod *kill = container_of(action, struct kill_pod, action);

	kill->n_running = kill->n_ids;
	for (size_t i = 0; i < kill->n_ids; i++) {
		Cri__StopContainerRequest request;

		tell_killing(action, kill->pod, kill->names[i], RUNTIME_KILL_STOP);
		request_stop(&request, kill->ids[i], kill->grace_s);
		kill->kills[i].pod = kill;
		kill->kills[i].task = cri_call(action->runtime->options.cri, CRI_STOP_CONTAINER, &request.base, 0,
					       one_killed, &kill->kills[i]);
	}
	kill->step.cancel = cancel_kills;
	if (kill->n_ids)
		action->step = &kill->step;
	else
		stop_next_sandbox(kill);
}

struct task *runtime_kill_pod(struct runtime *runtime, const Core__Pod *pod, const struct runtime_pod *observed,
			      int64_t grace_s, task_done_fn *done, void *owner)
{
	struct kill_pod *kill = action_new(runtime, sizeof *kill, kill_pod_begin, done, owner);
	struct arena *arena = kill->action.arena;

	kill->pod = pod;
	kill->pod_uid = arena_text(arena, observed->uid);
	kill->grace_s = grace_s;
	kill->ids = arena_alloc(arena, (observed->n_containers + 1) * sizeof *kill->ids);
	kill->names = arena_alloc(arena, (observed->n_containers + 1) * sizeof *kill->names);
	kill->kills = arena_alloc(arena, (observed->n_containers + 1) * sizeof *kill->kills);
	kill->sandboxes = arena_alloc(arena, (observed->n_sandboxes + 1) * sizeof *kill->sandboxes);
	for (size_t i = 0; i < observed->n_containers; i++) {
		const struct runtime_container *container = &observed->containers[i];

		if (container->state != RUNTIME_RUNNING && container->state != RUNTIME_UNKNOWN)
			continue;
		kill->ids[kill->n_ids] = arena_strdup(arena, container->id);
		kill->names[kill->n_ids++] = arena_text(arena, container->name);
	}
	for (size_t i = 0; i < observed->n_sandboxes; i++)
		kill->sandboxes[kill->n_sandboxes++] = arena_strdup(arena, observed->sandboxes[i].id);
	return &kill->action.task;
}

/* ---- a sandbox ---- */

struct sandbox {
	struct action action;
	const char *id;
};

static void stop_done(void *owner, const void *result, const struct err *err)
{
	end_with(owner, "KillPodSandboxError", err);
}

static void remove_stopped(void *owner, const void *result, const struct err *err)
{
	struct action *action = owner;
	struct sandbox *sandbox = container_of(action, struct sandbox, action);
	Cri__RemovePodSandboxRequest request = CRI__REMOVE_POD_SANDBOX_REQUEST__INIT;

	if (!goes_on_after(action, "KillPodSandboxError", err))
		return;
	request.pod_sandbox_id = (char *)(uintptr_t)sandbox->id;
	action_call(action, CRI_REMOVE_POD_SANDBOX, &request.base, 0, stop_done);
}

static void remove_sandbox_begin(struct action *action)
{
	struct sandbox *sandbox = container_of(action, struct sandbox, action);
	Cri__StopPodSandboxRequest request = CRI__STOP_POD_SANDBOX_REQUEST__INIT;

	/* Once more: a runtime that was restarted in between may hold the network still. */
	request.pod_sandbox_id = (char *)(uintptr_t)sandbox->id;
	action_call(action, CRI_STOP_POD_SANDBOX, &request.base, 0, remove_stopped);
}

struct task *runtime_remove_sandbox(struct runtime *runtime, const char *sandbox_id, task_done_fn *done, void *owner)
{
	struct sandbox *sandbox = action_new(runtime, sizeof *sandbox, remove_sandbox_begin, done, owner);

	sandbox->id = arena_strdup(sandbox->action.arena, sandbox_id);
	return &sandbox->action.task;
}

/* ---- removal of containers and of all that is left of a pod ---- */

struct removal {
	struct action action;
	struct runtime_container *containers;
	size_t n_containers, at;
	const char **links; /* of each container */
	const char **sandboxes;
	size_t n_sandboxes, sandbox_at;
	const char *log_dir; /* the pod's, when it goes too */
	bool busy;
};

/* <n>.log and what rotation made of it, <n>.log.<time>[.gz]: all that begin with the log's own name. */
static void remove_logs(const char *log_path)
{
	const char *slash = log_path ? strrchr(log_path, '/') : NULL;
	_cleanup_free_ char *folder = slash ? xstrndup(log_path, (size_t)(slash - log_path)) : NULL;
	_cleanup_dir_ DIR *open_folder = folder ? opendir(folder) : NULL;

	if (!open_folder)
		return;
	for (struct dirent *entry; (entry = readdir(open_folder));) {
		size_t size = strlen(slash + 1);

		if (strncmp(entry->d_name, slash + 1, size) == 0 &&
		    (entry->d_name[size] == 0 || entry->d_name[size] == '.'))
			unlinkat(dirfd(open_folder), entry->d_name, 0);
	}
}

static void remove_files(void *owner)
{
	struct action *action = owner;
	struct removal *removal = container_of(action, struct removal, action);
	struct err err = { 0 };

	for (size_t i = 0; i < removal->n_containers; i++) {
		remove_logs(removal->containers[i].log_path);
		if (removal->links[i])
			unlink(removal->links[i]);
	}
	if (removal->log_dir && dir_remove_all(removal->log_dir, &err) < 0)
		action->err = err;
}

static void files_removed(void *owner, const void *result, const struct err *err)
{
	struct action *action = owner;

	if (err && !action->err.code)
		action->err = *err;
	action->step = NULL;
	action_end(action);
}

static void remove_next(struct removal *removal);

static void one_removed(void *owner, const void *result, const struct err *err)
{
	struct action *action = owner;

	if (goes_on_after(action, "", err))
		remove_next(container_of(action, struct removal, action));
}

static void next_stopped(void *owner, const void *result, const struct err *err)
{
	struct action *action = owner;
	struct removal *removal = container_of(action, struct removal, action);
	Cri__RemovePodSandboxRequest request = CRI__REMOVE_POD_SANDBOX_REQUEST__INIT;

	if (!goes_on_after(action, "", err))
		return;
	request.pod_sandbox_id = (char *)(uintptr_t)removal->sandboxes[removal->sandbox_at++];
	action_call(action, CRI_REMOVE_POD_SANDBOX, &request.base, 0, one_removed);
}

static void remove_next(struct removal *removal)
{
	struct action *action = &removal->action;

	if (removal->at < removal->n_containers) {
		Cri__RemoveContainerRequest request = CRI__REMOVE_CONTAINER_REQUEST__INIT;

		request.container_id = (char *)(uintptr_t)removal->containers[removal->at++].id;
		action_call(action, CRI_REMOVE_CONTAINER, &request.base, 0, one_removed);
	} else if (removal->sandbox_at < removal->n_sandboxes) {
		Cri__StopPodSandboxRequest request = CRI__STOP_POD_SANDBOX_REQUEST__INIT;

		request.pod_sandbox_id = (char *)(uintptr_t)removal->sandboxes[removal->sandbox_at];
		action_call(action, CRI_STOP_POD_SANDBOX, &request.base, 0, next_stopped);
	} else {
		action_work(action, remove_files, files_removed);
	}
}

static void remove_begin(struct action *action)
{
	struct removal *removal = container_of(action, struct removal, action);

	if (removal->busy) {
		err_set(&action->err, -EBUSY, "a container of the pod is still running");
		action_end(action);
		return;
	}
	remove_next(removal);
}

static struct removal *remove_new(struct runtime *runtime, const struct runtime_container *containers,
				  size_t n_containers, const char *pod_name, const char *pod_namespace,
				  task_done_fn *done, void *owner)
{
	struct removal *removal = action_new(runtime, sizeof *removal, remove_begin, done, owner);
	struct arena *arena = removal->action.arena;

	removal->containers = arena_alloc(arena, (n_containers + 1) * sizeof *removal->containers);
	removal->links = arena_alloc(arena, (n_containers + 1) * sizeof *removal->links);
	removal->n_containers = n_containers;
	for (size_t i = 0; i < n_containers; i++) {
		removal->busy |= containers[i].state == RUNTIME_RUNNING;
		removal->containers[i].id = arena_strdup(arena, containers[i].id);
		if (containers[i].log_path)
			removal->containers[i].log_path = arena_strdup(arena, containers[i].log_path);
		if (runtime->options.container_logs_dir)
			removal->links[i] =
				runtime_request_log_link(runtime->options.container_logs_dir, pod_name, pod_namespace,
							 containers[i].name, containers[i].id, arena);
	}
	return removal;
}

struct task *runtime_remove_container(struct runtime *runtime, const struct runtime_container *observed,
				      const char *pod_name, const char *pod_namespace, task_done_fn *done, void *owner)
{
	return &remove_new(runtime, observed, 1, pod_name, pod_namespace, done, owner)->action.task;
}

struct task *runtime_remove_pod(struct runtime *runtime, const struct runtime_pod *observed, task_done_fn *done,
				void *owner)
{
	struct removal *removal = remove_new(runtime, observed->containers, observed->n_containers, observed->name,
					     observed->namespace_, done, owner);
	struct arena *arena = removal->action.arena;

	removal->sandboxes = arena_alloc(arena, (observed->n_sandboxes + 1) * sizeof *removal->sandboxes);
	for (size_t i = 0; i < observed->n_sandboxes; i++)
		removal->sandboxes[removal->n_sandboxes++] = arena_strdup(arena, observed->sandboxes[i].id);
	if (path_is_plain_name(observed->namespace_) && path_is_plain_name(observed->name) &&
	    path_is_plain_name(observed->uid))
		removal->log_dir = runtime_request_pod_log_dir(runtime->options.pod_logs_dir, observed->namespace_,
							       observed->name, observed->uid, arena);
	return &removal->action.task;
}

void runtime_remove_lost_logs(struct runtime *runtime, bool (*is_known)(void *owner, const char *uid), void *owner)
{
	const char *folder = runtime->options.pod_logs_dir;
	_cleanup_dir_ DIR *logs = opendir(folder);

	for (struct dirent *entry; logs && (entry = readdir(logs));) {
		const char *uid = strrchr(entry->d_name, '_'); /* namespace_name_uid, none of which has one */
		struct err err;

		if (!uid || strchr(entry->d_name, '_') == uid || uid[1] == 0 || is_known(owner, uid + 1))
			continue;
		_cleanup_free_ char *path = xasprintf("%s/%s", folder, entry->d_name);

		if (dir_remove_all(path, &err) < 0)
			log_error(&err, "Failed to remove the logs of a pod that is gone", "path", path, NULL);
	}
}
