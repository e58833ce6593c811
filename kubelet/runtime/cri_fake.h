/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests only: a runtime in memory that stands in for pkg/cri at link time. It keeps images, sandboxes and
 * containers, writes down the calls, and fails where it is told to. A test file includes it once.
 */
#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/codec/pb.h"
#include "pkg/cri/cri.h"
#include "pkg/loop/loop.h"

enum { FAKE_MAX = 64 };

struct fake_container {
	char id[32];
	Cri__ContainerConfig *config;
	const char *sandbox_id;
	Cri__ContainerState state;
	int exit_code;
	const char *reason, *message;
	int64_t created, started, finished;
};

struct fake_sandbox {
	char id[32];
	Cri__PodSandboxConfig *config;
	bool ready;
	int64_t created;
};

struct fake {
	struct loop *loop;
	struct arena *arena;
	const char *images[FAKE_MAX]; /* names that are present */
	struct fake_container containers[FAKE_MAX];
	struct fake_sandbox sandboxes[FAKE_MAX];
	size_t n_images, n_containers, n_sandboxes;
	int64_t clock;
	struct buf calls; /* names of the methods that change something, and ImageStatus */
	struct err fail[CRI_METHODS];
	size_t n_fails[CRI_METHODS]; /* how often from now on */
	bool hangs[CRI_METHODS];     /* no answer until it is cancelled */
	size_t n_out, n_hanging;
};

static struct fake fake;

struct fake_cri_call {
	struct task task;
	task_done_fn *done;
	void *owner;
	const ProtobufCMessage *result;
	struct err err;
	bool hangs, cancelled;
};

static inline void fake_cri_begin(struct loop *loop)
{
	fake = (struct fake){ .loop = loop, .arena = arena_new(), .calls = BUF_INIT(65536) };
}

static inline void fake_cri_end(void)
{
	buf_done(&fake.calls);
	arena_free(fake.arena);
}

static inline void fake_fail(enum cri_method method, int code, const char *text, size_t times)
{
	err_set(&fake.fail[method], code, "%s", text);
	fake.n_fails[method] = times;
}

static void fake_cri_answer(void *arg)
{
	struct fake_cri_call *call = arg;

	if (call->cancelled)
		err_set(&call->err, -ECANCELED, "rpc error: code = Canceled desc = context canceled");
	fake.n_out--;
	call->done(call->owner, call->err.code ? NULL : call->result, call->err.code ? &call->err : NULL);
	free(call);
}

static void fake_cri_cancel(struct task *task)
{
	struct fake_cri_call *call = container_of(task, struct fake_cri_call, task);

	if (call->hangs && !call->cancelled) {
		fake.n_hanging--;
		loop_post(fake.loop, fake_cri_answer, call);
	}
	call->cancelled = true;
}

static inline struct fake_container *fake_find(const char *id)
{
	for (size_t i = 0; i < fake.n_containers; i++)
		if (str_eq(fake.containers[i].id, id))
			return &fake.containers[i];
	return NULL;
}

static inline void fake_exit(const char *id, int code, const char *reason)
{
	struct fake_container *container = fake_find(id);

	container->state = CRI__CONTAINER_STATE__CONTAINER_EXITED;
	container->exit_code = code;
	container->reason = reason;
	container->finished = ++fake.clock;
}

#include "kubelet/runtime/cri_fake_answers.h"

static const ProtobufCMessage *fake_do(enum cri_method method, const ProtobufCMessage *request, struct err *err)
{
	if (fake.n_fails[method]) {
		fake.n_fails[method]--;
		*err = fake.fail[method];
		return NULL;
	}
	switch (method) {
	case CRI_LIST_POD_SANDBOX:
		return fake_list_sandboxes((const Cri__ListPodSandboxRequest *)request);
	case CRI_LIST_CONTAINERS:
		return fake_list_containers((const Cri__ListContainersRequest *)request);
	case CRI_CONTAINER_STATUS:
		return fake_container_status(((const Cri__ContainerStatusRequest *)request)->container_id, err);
	case CRI_POD_SANDBOX_STATUS:
		return fake_sandbox_status(((const Cri__PodSandboxStatusRequest *)request)->pod_sandbox_id, err);
	case CRI_LIST_IMAGES:
		return fake_list_images();
	case CRI_IMAGE_STATUS:
		return fake_image_status(((const Cri__ImageStatusRequest *)request)->image);
	default:
		return fake_change(method, request, err);
	}
}

static const char *fake_name(enum cri_method method)
{
	switch (method) {
	case CRI_PULL_IMAGE:
		return "Pull ";
	case CRI_RUN_POD_SANDBOX:
		return "Run ";
	case CRI_STOP_POD_SANDBOX:
		return "StopSandbox ";
	case CRI_REMOVE_POD_SANDBOX:
		return "RemoveSandbox ";
	case CRI_CREATE_CONTAINER:
		return "Create ";
	case CRI_START_CONTAINER:
		return "Start ";
	case CRI_STOP_CONTAINER:
		return "Stop ";
	case CRI_REMOVE_CONTAINER:
		return "Remove ";
	case CRI_CONTAINER_STATUS:
		return "Status ";
	default:
		return "";
	}
}

struct task *cri_call(struct cri *cri, enum cri_method method, const ProtobufCMessage *request, int64_t timeout_ms,
		      task_done_fn *done, void *owner)
{
	struct fake_cri_call *call = xcalloc(1, sizeof *call);

	call->task.cancel = fake_cri_cancel;
	call->done = done;
	call->owner = owner;
	buf_puts(&fake.calls, fake_name(method));
	call->result = fake_do(method, request, &call->err);
	call->hangs = fake.hangs[method];
	fake.n_out++;
	if (call->hangs)
		fake.n_hanging++;
	else
		loop_post(fake.loop, fake_cri_answer, call);
	return &call->task;
}
