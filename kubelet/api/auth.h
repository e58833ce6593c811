/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who asks, and may they: authentication and authorisation of one request, as the stock kubelet does both.
 *
 * Authentication: a verified client certificate with a common name; else a bearer token that the API server confirms
 * (TokenReview); else anonymous, where configured, unless a credential was presented that failed. Authorisation: one
 * SubjectAccessReview for each subresource of nodes until one is allowed. Answers are kept for a time: a confirmed
 * token, an allowed and a denied review. Tokens themselves are not kept, only keyed digests of them.
 */
#include <stdbool.h>
#include <stdint.h>

#include "k8s/authentication.pb-c.h"
#include "kubelet/gate/gate.h"
#include "pkg/base/arena.h"
#include "pkg/loop/loop.h"

struct auth;
struct kube;

enum {
	AUTH_TOKENS_MAX = 4096,   /* kept answers; the oldest goes first */
	AUTH_REVIEWS_MAX = 8192,  /* stock's number */
	AUTH_PENDING_MAX = 1000,  /* different tokens being looked up at once; beyond: 401, so nobody fills memory */
	AUTH_TOKEN_MAX = 64 << 10 /* a service-account token is about 1 KiB */
};

struct auth_options {
	struct loop *loop;
	struct kube *kube;
	const char *node_name;
	bool token_reviews; /* authentication.webhook.enabled */
	bool anonymous;
	bool always_allow; /* authorization.mode AlwaysAllow */
	int64_t token_ttl_ms, allow_ttl_ms, deny_ttl_ms;
};

struct auth *auth_new(const struct auth_options *options);
void auth_free(struct auth *auth); /* all checks must have ended */

/* Ends the lookups that nobody waits for any more; true when none is out. Ask again after `auth_idle`. */
bool auth_stop(struct auth *auth, void (*idle)(void *owner), void *owner);

struct auth_verdict {
	int status;       /* 200: let it in; 401, 403, 500 with stock's text */
	const char *text; /* the body of a refusal */
	const Authentication__UserInfo *user;
	const char *protocols; /* Sec-WebSocket-Protocol without the token that was in it; NULL: as it was */
};

/* The result is a `const struct auth_verdict *`; err is set for a cancelled check only. The request is copied. */
struct task *auth_check(struct auth *auth, const struct gate_request *request, task_done_fn *done, void *owner);

/* ---- pure parts ---- */

/* The token of an Authorization header; NULL when it holds none. In the arena. */
const char *auth_bearer(const char *header, struct arena *arena);

/*
 * The token among WebSocket subprotocols ("base64url.bearer.authorization.k8s.io.TOKEN") and the other protocols. 1: a
 * token, 0: none, -EINVAL: it is not as it must be.
 */
int auth_protocol_token(const char *const *values, size_t n, struct arena *arena, const char **ret_token,
			const char **ret_rest);

/* The user that a certificate stands for; NULL when it names nobody or is not verified. */
Authentication__UserInfo *auth_certificate_user(const struct gate_identity *identity, struct arena *arena);
