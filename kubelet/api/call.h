/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One request on its way through the API, and how it is answered. Inside kubelet/api only.
 *
 * A call has at most one task out or one piece of work that holds its client (a stream); whichever it is ends before
 * the call is freed. When the client leaves, the task is cancelled and its `done` sees call->gone.
 */
#include "kubelet/api/api.h"
#include "kubelet/api/auth.h"
#include "kubelet/api/query.h"
#include "kubelet/api/route.h"
#include "pkg/base/list.h"

enum {
	API_CALLS_MAX = 4096, /* at once; a busy node has tens. Beyond: 503, so no client fills memory */
};

struct call {
	struct api *api;
	struct list link;
	uint64_t id;
	struct arena *arena;
	struct gate_request request; /* a copy in the arena */
	struct query query;
	enum route_kind kind;
	struct route_match match;
	struct auth_verdict verdict;

	struct task *task;
	bool gone;                            /* nobody waits for an answer */
	void *work;                           /* of a handler */
	void (*stop_work)(struct call *);     /* lets go of it; the call is freed after */
	bool relayed;                         /* a session that lives in the gate now */
	const char *container_id, *not_found; /* of exec, attach and run; what to say when it does not run any more */
};

struct api {
	struct api_options options;
	struct gate *gate;
	struct auth *auth;
	struct list calls;
	size_t n_calls, n_sessions;
	void (*stopped)(void *owner);
	void *stopped_owner;
};

/* Each of these ends the call, which is freed. */
void call_answer(struct call *call, int status, const struct gate_header *headers, size_t n_headers, const void *body,
		 size_t size);
/* go-restful's form: the text alone. */
__attribute__((format(printf, 3, 4))) void call_refuse(struct call *call, int status, const char *format, ...);
/* net/http's form: a newline behind the text, nosniff. */
__attribute__((format(printf, 3, 4))) void call_error(struct call *call, int status, const char *format, ...);
/*
 * The runtime refused a command with `text`. What runs is read once a second only; stock asks before each command, so a
 * container that has ended since is not there in its words.
 */
void call_refuse_command(struct call *call, const char *text);
void call_end(struct call *call); /* the answer went through a stream, or nobody wants it */

/* First in every `done`: true when the client is gone; then the call is freed. */
bool call_is_over(struct call *call);

/* The handlers. */
void health_serve(struct call *call);
void pods_serve(struct call *call);
void running_pods_serve(struct call *call);
void configz_serve(struct call *call);
void logs_serve(struct call *call);
void run_serve(struct call *call);
void session_serve(struct call *call); /* exec, attach, portForward */

/* What several handlers look up. */
const Core__Pod *call_find_pod(struct call *call); /* NULL after a 404 "pod does not exist" */
const struct runtime_container *api_running_container(struct api *api, const Core__Pod *pod, const char *name);
const Core__Container *api_container_spec(const Core__Pod *pod, const char *name, bool *ret_found);
