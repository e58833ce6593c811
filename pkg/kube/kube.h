/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The API server, as a node sees it: objects in and out as the structs of proto/k8s, JSON on the wire.
 *
 * Every request is a task. Requests that the server asks to repeat later (429, or 5xx with Retry-After) are repeated,
 * at most KUBE_RETRIES times. See listwatch.h for keeping a set of objects, event.h for telling users.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "k8s/core.pb-c.h"
#include "k8s/meta.pb-c.h"
#include "pkg/base/arena.h"
#include "pkg/base/err.h"
#include "pkg/kube/kubeconfig.h"
#include "pkg/loop/loop.h"

enum {
	KUBE_RETRIES = 10,         /* client-go's */
	KUBE_TIMEOUT_MS = 60000,   /* the API server gives up on its side after 60 s */
	KUBE_OBJECT_MAX = 64 << 20 /* memory of one decoded answer */
};

#define KUBE_JSON "application/json"
#define KUBE_MERGE_PATCH "application/merge-patch+json"
#define KUBE_STRATEGIC_PATCH "application/strategic-merge-patch+json"

struct kube;

/* The config is copied as far as needed. `user_agent` as stock: "kubelet/v1.37.2 (linux/amd64) kubernetes/...". */
struct kube *kube_new(struct loop *loop, const struct kubeconfig *config, const char *user_agent);
void kube_free(struct kube *kube); /* all its tasks must have ended */

struct kube_ask {
	const char *method;             /* GET, POST, PUT, PATCH, DELETE */
	const char *path;               /* "/api/v1/namespaces/default/pods/nginx"; names of objects need no escaping */
	const char *query;              /* escaped, without '?'; NULL is none */
	const char *content_type;       /* NULL is KUBE_JSON */
	const ProtobufCMessage *object; /* the body, or */
	const char *json;               /* the body as it goes out, or NULL for none */
	const ProtobufCMessageDescriptor *reply; /* type of the answer; NULL: it is not looked at */
	int64_t timeout_ms;                      /* 0 is KUBE_TIMEOUT_MS */
};

/*
 * The result is the decoded answer (`const Core__Pod *`), NULL with reply NULL; it dies with `done`, PB_COPY keeps it.
 * err.text of a refusal is the server's sentence: `pods "x" not found`. err.code: -ENOENT 404, -EEXIST 409
 * AlreadyExists, -ESTALE 409 Conflict and 410, -EACCES 401 and 403, -EINVAL 400 and 422, -EAGAIN 429 and 5xx, others
 * -EREMOTEIO; without an answer those of http_call().
 */
struct task *kube_ask(struct kube *kube, const struct kube_ask *ask, task_done_fn *done, void *owner);

/* A query value, percent-encoded, in the arena. */
char *kube_escape(struct arena *arena, const char *text);

/*
 * The query for the objects whose field has this value, in the arena: "fieldSelector=metadata.name%3Dnginx". The value
 * can be any text: of what a pod names, the API server checks some names only by looking for them.
 */
char *kube_field_query(struct arena *arena, const char *field, const char *value);

enum { KUBE_POD_NAME_MAX = 512 }; /* the API allows 63 + 253 bytes, and 36 of a uid are the usual */

/* For logs "default/nginx", for users "nginx_default(uid)"; "" of NULL. They answer `into`. */
const char *kube_pod_name(const Core__Pod *pod, char into[KUBE_POD_NAME_MAX]);
const char *kube_pod_text(const Core__Pod *pod, char into[KUBE_POD_NAME_MAX]);

/* ---- for listwatch.c: a streaming GET, each line of the answer to `line` ---- */
struct task *kube_watch(struct kube *kube, const char *path, const char *query,
			void (*line)(void *owner, const char *json, size_t size), task_done_fn *done, void *owner);
struct loop *kube_loop(const struct kube *kube);
