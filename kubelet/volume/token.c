/* SPDX-License-Identifier: Apache-2.0 */
/* Service-account tokens of pods (upstream's token manager). */
#include <inttypes.h>

#include "k8s/authentication.pb-c.h"
#include "kubelet/volume/internal.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/log.h"
#include "pkg/base/rand.h"
#include "pkg/codec/pb.h"
#include "pkg/kube/kube.h"

enum {
	AGE_MAX_S = 24 * 3600, /* a token is renewed after a day, however long it lives */
	JITTER_S = 10,         /* stock's: not all tokens of a node are asked for at once */
	DEFAULT_LIFE_S = 3600, /* what the API server sets when a projection says nothing */
	SEEN_MS = 200,         /* the API server's own watch tells it where a pod is no sooner than ours tells us */
};

struct token {
	char *text;
	int64_t renew_at_s, expires_at_s; /* wall clock */
};

struct request {
	struct task task;
	struct task *ask; /* NULL: a timer runs */
	struct arena *arena;
	struct kube_ask call;
	bool asked_again, canceled;
	struct volumes *volumes;
	char *key;
	char *text; /* from the cache: the pod may be forgotten before it arrives */
	task_done_fn *done;
	void *owner;
	struct loop_timer at_once, again;
};

static int64_t now_s(void)
{
	return clock_wall_s();
}

static char *key_of(const Core__Pod *pod, const Core__ServiceAccountTokenProjection *wanted)
{
	return xasprintf("%s/%s/%s/%s/%" PRId64, pod->metadata->uid, pod->metadata->namespace_,
			 str_or(pod->spec->serviceaccountname, "default"), str_or(wanted->audience, ""),
			 wanted->has_expirationseconds ? wanted->expirationseconds : DEFAULT_LIFE_S);
}

static void token_free(struct token *token)
{
	if (!token)
		return;
	free(token->text);
	free(token);
}

static void request_end(struct request *request, const char *text, const struct err *err)
{
	loop_timer_stop(&request->at_once);
	loop_timer_stop(&request->again);
	request->done(request->owner, text, err);
	arena_free(request->arena);
	free(request->key);
	free(request->text);
	free(request);
}

static void answer_from_cache(void *owner)
{
	struct request *request = owner;

	request_end(request, request->text, NULL);
}

/* Without a token that can still be used the volume fails; the texts are upstream's. */
static void refresh_failed(struct request *request, const struct err *err)
{
	const struct token *old = map_get(request->volumes->tokens, request->key);
	struct err said;

	if (err->code == -ECANCELED) {
		request_end(request, NULL, err);
		return;
	}
	if (old && now_s() < old->expires_at_s) {
		log_error(err, "Couldn't update token", "cacheKey", request->key, NULL);
		request_end(request, old->text, NULL);
		return;
	}
	if (old)
		err_set(&said, err->code, "token %s expired and refresh failed: %s", request->key, err->text);
	else
		err_set(&said, err->code, "failed to fetch token: %s", err->text);
	request_end(request, NULL, &said);
}

static void send(void *owner);

static void token_came(void *owner, const void *result, const struct err *err)
{
	struct request *request = owner;
	const Authentication__TokenRequest *answer = result;
	struct err none;

	request->ask = NULL;
	if (err && (err->code == -EACCES || err->code == -ENOENT) && !request->asked_again && !request->canceled) {
		request->asked_again = true;
		loop_timer_start(&request->again, SEEN_MS);
		return;
	}
	if (err || !answer->status || str_empty(answer->status->token)) {
		err_set(&none, -EREMOTEIO, "the API server gave no token");
		refresh_failed(request, err ? err : &none);
		return;
	}
	struct token *token = xcalloc(1, sizeof *token);
	int64_t expires = answer->status->expirationtimestamp ? answer->status->expirationtimestamp->seconds : 0;
	int64_t life = MAX(expires - now_s(), (int64_t)0);

	token->text = xstrdup(answer->status->token);
	token->expires_at_s = expires;
	token->renew_at_s = now_s() + MIN(life * 8 / 10, (int64_t)AGE_MAX_S) - rand_below(JITTER_S);
	token_free(map_set(request->volumes->tokens, request->key, token));
	request_end(request, token->text, NULL);
}

static void send(void *owner)
{
	struct request *request = owner;
	struct err canceled;

	if (request->canceled) {
		err_canceled(&canceled);
		request_end(request, NULL, &canceled);
		return;
	}
	request->ask = kube_ask(request->volumes->options.kube, &request->call, token_came, request);
}

static void request_cancel(struct task *task)
{
	struct request *request = container_of(task, struct request, task);

	request->canceled = true;
	task_cancel(request->ask); /* an answer from the cache comes all the same */
}

static void ask_api(struct request *request, const Core__Pod *pod, const Core__ServiceAccountTokenProjection *wanted)
{
	struct arena *arena = request->arena = arena_new();
	Authentication__TokenRequest *body =
		PB_NEW(arena, Authentication__TokenRequest, authentication__token_request__descriptor);
	Authentication__TokenRequestSpec *spec =
		PB_NEW(arena, Authentication__TokenRequestSpec, authentication__token_request_spec__descriptor);
	Authentication__BoundObjectReference *bound =
		PB_NEW(arena, Authentication__BoundObjectReference, authentication__bound_object_reference__descriptor);

	body->spec = spec;
	if (!str_empty(wanted->audience))
		PB_APPEND(arena, spec, audiences, arena_strdup(arena, wanted->audience));
	spec->has_expirationseconds = 1;
	spec->expirationseconds = wanted->has_expirationseconds ? wanted->expirationseconds : DEFAULT_LIFE_S;
	spec->boundobjectref = bound;
	bound->kind = arena_strdup(arena, "Pod");
	bound->apiversion = arena_strdup(arena, "v1");
	bound->name = arena_strdup(arena, pod->metadata->name);
	bound->uid = arena_strdup(arena, pod->metadata->uid);
	request->call = (struct kube_ask){
		.method = "POST",
		.path = arena_printf(arena, "/api/v1/namespaces/%s/serviceaccounts/%s/token", pod->metadata->namespace_,
				     str_or(pod->spec->serviceaccountname, "default")),
		.object = &body->base,
		.reply = &authentication__token_request__descriptor,
	};
	send(request);
}

struct task *token_get(struct volumes *volumes, const Core__Pod *pod, const Core__ServiceAccountTokenProjection *wanted,
		       task_done_fn *done, void *owner)
{
	struct request *request = xcalloc(1, sizeof *request);

	*request = (struct request){
		.task.cancel = request_cancel,
		.volumes = volumes,
		.key = key_of(pod, wanted),
		.done = done,
		.owner = owner,
	};
	loop_timer_init(&request->at_once, volumes->options.loop, answer_from_cache, request);
	loop_timer_init(&request->again, volumes->options.loop, send, request);
	const struct token *token = map_get(volumes->tokens, request->key);
	if (token && now_s() < token->renew_at_s) {
		request->text = xstrdup(token->text);
		loop_timer_start(&request->at_once, 0);
	} else {
		ask_api(request, pod, wanted);
	}
	return &request->task;
}

/* Without a uid: all. */
static void forget(struct volumes *volumes, const char *pod_uid)
{
	_cleanup_free_ char *prefix = xasprintf("%s/", pod_uid ? pod_uid : "");
	const char *key;
	void *token;
	size_t at = 0;

	while (map_next(volumes->tokens, &at, &key, &token)) {
		if (pod_uid && !str_has_prefix(key, prefix))
			continue;
		_cleanup_free_ char *copy = xstrdup(key);
		map_remove(volumes->tokens, copy);
		token_free(token);
	}
}

void token_forget_pod(struct volumes *volumes, const char *pod_uid)
{
	forget(volumes, pod_uid);
}

void token_free_all(struct volumes *volumes)
{
	forget(volumes, NULL);
}
