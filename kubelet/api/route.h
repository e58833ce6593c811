/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which handler a request belongs to, and the answers that need none: stock's mix of Go's ServeMux (roots, redirects)
 * and go-restful (paths below a root, methods). Pure.
 *
 * A root is looked up in the path as sent, piece by piece; what is below it in the decoded path. A root holds no slash,
 * so the decoded path that authorisation looks at always begins with the root that was routed to.
 */
#include <stdbool.h>
#include <stddef.h>

#include "pkg/base/arena.h"

enum route_kind {
	ROUTE_NONE,
	ROUTE_HEALTHZ,
	ROUTE_PODS,
	ROUTE_RUNNING_PODS,
	ROUTE_LOGS,
	ROUTE_EXEC,
	ROUTE_ATTACH,
	ROUTE_PORT_FORWARD,
	ROUTE_RUN,
	ROUTE_CONFIGZ,
	ROUTE_DEBUG_OFF, /* 405 with a sentence */
};

/* What a listener serves. */
enum route_set {
	ROUTES_ALL = 1,       /* 10250 */
	ROUTES_NO_DEBUG = 2,  /* 10250 with enableDebuggingHandlers: false */
	ROUTES_READ_ONLY = 4, /* 10255 */
	ROUTES_HEALTHZ = 8,   /* 10248 */
};

struct route {
	enum route_kind kind; /* ROUTE_NONE: 404 before authentication, or a redirect */
	const char *redirect; /* Location of a 307, before authentication */
	const char *root;     /* the pattern that matched: "/pods" */
};

/* `target` as sent ("/exec/a?x=y"). CONNECT's is not cleaned. Texts live in the arena. */
void route_find(enum route_set set, const char *method, const char *target, const char *query, struct arena *arena,
		struct route *ret_route);

/* What is below the root of a route, looked at after authorisation. */
struct route_match {
	int status;                                     /* 200: go on; 404, 405, 406 */
	const char *allow;                              /* with 405 */
	const char *representations;                    /* with 406 */
	const char *namespace_, *pod, *uid, *container; /* "" where the path has none */
	const char *check;                              /* of /healthz/NAME, "" for /healthz */
};

/* `accept` is the header or NULL. */
void route_match(enum route_kind kind, const char *method, const char *path, const char *accept, struct arena *arena,
		 struct route_match *ret_match);

/* The subresources of nodes that authorisation asks for, in this order; at most two. */
size_t route_subresources(const char *path, const char *ret_names[2]);
const char *route_verb(const char *method); /* "get"; "" for methods that Kubernetes has no verb for */
