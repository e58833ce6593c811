/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/auth.h"

#include <string.h>
#include <strings.h>

#include "k8s/authorization.pb-c.h"
#include "kubelet/api/review.h"
#include "kubelet/api/route.h"
#include "pkg/base/base.h"
#include "pkg/base/list.h"
#include "pkg/base/log.h"
#include "pkg/base/map.h"
#include "pkg/base/rand.h"
#include "pkg/codec/base64.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/utf8.h"
#include "pkg/net/digest.h"

enum {
	KEY_BYTES = 32,            /* as many as the digest that it keys */
	PATH_CACHED_MAX = 10000,   /* stock keeps no answer for longer attributes */
	SPEC_MAX = 1 << 20,        /* a path and who asks for it: a head has no more */
	PROTOCOLS_MAX = 1 << 20,   /* the same */
	REVIEW_TIMEOUT_MS = 30000, /* an API server that answers at all answers far sooner; stock waits for ever */
};

#define AUTHENTICATED "system:authenticated"
#define BEARER_PROTOCOL "base64url.bearer.authorization.k8s.io."

struct auth {
	struct auth_options options;
	char *node_name;
	uint8_t key[KEY_BYTES];
	struct map *lookups; /* digest of a token → struct lookup */
	struct map *answers; /* digest of a review's spec → struct answer */
	size_t n_pending;
	bool stopping;
	void (*idle)(void *owner);
	void *idle_owner;
};

/* What is known of a token, or being asked. */
struct lookup {
	struct auth *auth;
	char key[DIGEST_HEX];
	struct arena *arena; /* of the user */
	struct review review;
	bool pending;
	struct list waiters;
	int64_t until_ms;
	Authentication__UserInfo *user; /* NULL: not a valid token */
};

struct answer {
	bool allowed;
	int64_t until_ms;
};

struct check {
	struct task task;
	struct auth *auth;
	struct arena *arena;
	task_done_fn *done;
	void *owner;
	bool cancelled, posted, reviewing;
	struct list waiting; /* on a lookup */
	struct review review;

	const char *method, *path;
	const char *token;
	bool failed; /* a credential was presented that is none */
	char answer_key[DIGEST_HEX];
	const char *subresources[2];
	size_t n_subresources, at;
	struct auth_verdict verdict;
};

/* ---- pure parts ---- */

const char *auth_bearer(const char *header, struct arena *arena)
{
	const char *token;
	size_t scheme;

	if (str_empty(header))
		return NULL;
	header += strspn(header, " \t\r\n");
	scheme = strcspn(header, " ");
	if (scheme != strlen("bearer") || strncasecmp(header, "bearer", scheme) != 0 || header[scheme] != ' ')
		return NULL;
	token = header + scheme + 1;
	size_t size = strcspn(token, " ");
	while (size > 0 && strchr("\t\r\n", token[size - 1])) /* blanks around the whole do not count */
		size--;
	return size > 0 ? arena_strndup(arena, token, size) : NULL;
}

static int decode_token(const char *text, struct arena *arena, const char **ret_token)
{
	size_t size = strlen(text);
	uint8_t *token = arena_alloc(arena, base64_decoded_max(size) + 1);

	if (strchr(text, '=') || base64url_decode(text, size, token, &size) < 0 ||
	    !utf8_valid((const char *)token, size) || strlen((const char *)token) != size)
		return -EINVAL;
	*ret_token = (const char *)token;
	return 0;
}

int auth_protocol_token(const char *const *values, size_t n, struct arena *arena, const char **ret_token,
			const char **ret_rest)
{
	_cleanup_buf_ struct buf rest = BUF_INIT(PROTOCOLS_MAX);
	const char *token = NULL;

	for (size_t i = 0; i < n; i++) {
		char *list = arena_strdup(arena, values[i]), *protocol;

		while ((protocol = strsep(&list, ","))) {
			protocol += strspn(protocol, " \t");
			protocol[strcspn(protocol, " \t")] = 0;
			if (!str_has_prefix(protocol, BEARER_PROTOCOL))
				buf_printf(&rest, "%s%s", rest.size ? "," : "", protocol);
			else if (token || decode_token(protocol + strlen(BEARER_PROTOCOL), arena, &token) < 0)
				return -EINVAL;
		}
	}
	if (str_empty(token))
		return 0;
	if (rest.size == 0)
		return -EINVAL;
	*ret_token = token;
	*ret_rest = arena_strdup(arena, buf_text(&rest));
	return 1;
}

static void add_group(Authentication__UserInfo *user, const char *group, struct arena *arena)
{
	for (size_t i = 0; i < user->n_groups; i++)
		if (strcmp(user->groups[i], group) == 0)
			return;
	PB_APPEND(arena, user, groups, arena_strdup(arena, group));
}

Authentication__UserInfo *auth_certificate_user(const struct gate_identity *identity, struct arena *arena)
{
	if (!identity->verified || str_empty(identity->common_name))
		return NULL;

	Authentication__UserInfo *user = PB_NEW(arena, Authentication__UserInfo, authentication__user_info__descriptor);
	Authentication__UserInfo__ExtraEntry *extra =
		PB_NEW(arena, Authentication__UserInfo__ExtraEntry, authentication__user_info__extra_entry__descriptor);

	user->username = arena_strdup(arena, identity->common_name);
	if (!str_empty(identity->uid))
		user->uid = arena_strdup(arena, identity->uid);
	for (size_t i = 0; i < identity->n_organizations; i++)
		PB_APPEND(arena, user, groups, arena_strdup(arena, identity->organizations[i]));
	add_group(user, AUTHENTICATED, arena);
	extra->key = arena_strdup(arena, "authentication.kubernetes.io/credential-id");
	extra->value = PB_NEW(arena, Authentication__ExtraValue, authentication__extra_value__descriptor);
	PB_APPEND(arena, extra->value, items, arena_printf(arena, "X509SHA256=%s", identity->fingerprint));
	PB_APPEND(arena, user, extra, extra);
	return user;
}

static Authentication__UserInfo *anonymous_user(struct arena *arena)
{
	Authentication__UserInfo *user = PB_NEW(arena, Authentication__UserInfo, authentication__user_info__descriptor);

	user->username = arena_strdup(arena, "system:anonymous");
	PB_APPEND(arena, user, groups, arena_strdup(arena, "system:unauthenticated"));
	return user;
}

/* ---- end of a check ---- */

static void finish(struct check *check)
{
	struct err err;

	if (check->cancelled) {
		err_canceled(&err);
		check->done(check->owner, NULL, &err);
	} else {
		check->done(check->owner, &check->verdict, NULL);
	}
	arena_free(check->arena);
	free(check);
}

static void finish_posted(void *arg)
{
	finish(arg);
}

static void refuse(struct check *check, int status, const char *text)
{
	check->verdict.status = status;
	check->verdict.text = text;
	finish(check);
}

static void check_cancel(struct task *task)
{
	struct check *check = container_of(task, struct check, task);

	if (check->cancelled)
		return;
	check->cancelled = true;
	if (check->reviewing) {
		review_cancel(&check->review);
	} else if (!list_empty(&check->waiting)) {
		list_remove(&check->waiting);
		loop_post(check->auth->options.loop, finish_posted, check);
	}
	/* Otherwise its beginning is posted, and sees it. */
}

/* ---- authorisation ---- */

static void authorize(struct check *check);

static const char *subresource_list(const struct check *check)
{
	return check->n_subresources == 2
		       ? arena_printf(check->arena, "%s %s", check->subresources[0], check->subresources[1])
		       : check->subresources[0];
}

static void forbid(struct check *check)
{
	refuse(check, 403,
	       arena_printf(check->arena, "Forbidden (user=%s, verb=%s, resource=nodes, subresource(s)=[%s])\n",
			    str_or(check->verdict.user->username, ""), route_verb(check->method),
			    subresource_list(check)));
}

static void next_answer(struct check *check, bool allowed)
{
	if (allowed) {
		check->verdict.status = 200;
		finish(check);
	} else if (++check->at < check->n_subresources) {
		authorize(check);
	} else {
		forbid(check);
	}
}

static void keep_answer(struct auth *auth, const char *key, bool allowed)
{
	int64_t ttl_ms = allowed ? auth->options.allow_ttl_ms : auth->options.deny_ttl_ms;
	struct answer *answer;

	if (ttl_ms <= 0)
		return;
	while (map_size(auth->answers) >= AUTH_REVIEWS_MAX) {
		const char *oldest;
		void *old;
		size_t at = 0;

		map_next(auth->answers, &at, &oldest, &old);
		free(map_remove(auth->answers, oldest));
	}
	answer = xcalloc(1, sizeof *answer);
	*answer = (struct answer){ allowed, loop_now_ms(auth->options.loop) + ttl_ms };
	free(map_set(auth->answers, key, answer));
}

static void authorization_failed(struct check *check, const struct err *err)
{
	log_error(err, "Authorization error", "user", str_or(check->verdict.user->username, ""), "verb",
		  route_verb(check->method), "resource", "nodes", "subresource", check->subresources[check->at], NULL);
	refuse(check, 500,
	       arena_printf(check->arena, "Authorization error (user=%s, verb=%s, resource=nodes, subresource=%s)",
			    str_or(check->verdict.user->username, ""), route_verb(check->method),
			    check->subresources[check->at]));
}

static void access_reviewed(void *owner, const void *result, const struct err *err)
{
	struct check *check = owner;
	const Authorization__SubjectAccessReview *review = result;
	const Authorization__SubjectAccessReviewStatus *status = review ? review->status : NULL;
	bool allowed = status && status->allowed, denied = status && status->denied;
	struct err both;

	check->reviewing = false;
	if (check->cancelled) {
		finish(check);
	} else if (err) {
		authorization_failed(check, err);
	} else if (allowed && denied) {
		err_set(&both, -EREMOTEIO, "webhook subject access review returned both allow and deny response");
		authorization_failed(check, &both);
	} else {
		if (strlen(check->path) < PATH_CACHED_MAX)
			keep_answer(check->auth, check->answer_key, allowed);
		next_answer(check, allowed);
	}
}

static Authorization__SubjectAccessReview *review_of(struct check *check)
{
	const Authentication__UserInfo *user = check->verdict.user;
	struct arena *arena = check->arena;
	Authorization__SubjectAccessReview *review =
		PB_NEW(arena, Authorization__SubjectAccessReview, authorization__subject_access_review__descriptor);
	Authorization__SubjectAccessReviewSpec *spec = PB_NEW(arena, Authorization__SubjectAccessReviewSpec,
							      authorization__subject_access_review_spec__descriptor);
	Authorization__ResourceAttributes *attributes =
		PB_NEW(arena, Authorization__ResourceAttributes, authorization__resource_attributes__descriptor);

	attributes->verb = arena_strdup(arena, route_verb(check->method));
	attributes->version = arena_strdup(arena, "v1");
	attributes->resource = arena_strdup(arena, "nodes");
	attributes->subresource = arena_strdup(arena, check->subresources[check->at]);
	attributes->name = check->auth->node_name;
	spec->resourceattributes = attributes;
	spec->user = user->username;
	spec->uid = user->uid;
	spec->n_groups = user->n_groups;
	spec->groups = user->groups;
	for (size_t i = 0; i < user->n_extra; i++) {
		Authorization__SubjectAccessReviewSpec__ExtraEntry *extra =
			PB_NEW(arena, Authorization__SubjectAccessReviewSpec__ExtraEntry,
			       authorization__subject_access_review_spec__extra_entry__descriptor);

		extra->key = user->extra[i]->key;
		extra->value = PB_NEW(arena, Authorization__ExtraValue, authorization__extra_value__descriptor);
		if (user->extra[i]->value) {
			extra->value->n_items = user->extra[i]->value->n_items;
			extra->value->items = user->extra[i]->value->items;
		}
		PB_APPEND(arena, spec, extra, extra);
	}
	review->spec = spec;
	return review;
}

static void authorize(struct check *check)
{
	struct auth *auth = check->auth;
	_cleanup_buf_ struct buf bytes = BUF_INIT(SPEC_MAX);
	Authorization__SubjectAccessReview *review;
	const struct answer *known;
	struct err err;

	if (auth->options.always_allow) {
		next_answer(check, true);
		return;
	}
	review = review_of(check);
	if (pb_encode(&review->spec->base, &bytes, &err) < 0) {
		authorization_failed(check, &err);
		return;
	}
	digest_hmac_sha256(auth->key, sizeof auth->key, buf_text(&bytes), bytes.size, check->answer_key);
	known = map_get(auth->answers, check->answer_key);
	if (known && loop_now_ms(auth->options.loop) < known->until_ms) {
		next_answer(check, known->allowed);
		return;
	}
	check->reviewing = true;
	check->review = (struct review){
		.loop = auth->options.loop,
		.kube = auth->options.kube,
		.path = "/apis/authorization.k8s.io/v1/subjectaccessreviews",
		.object = &review->base,
		.timeout_ms = REVIEW_TIMEOUT_MS,
		.done = access_reviewed,
		.owner = check,
	};
	review_start(&check->review);
}

static void authenticated(struct check *check, const Authentication__UserInfo *user)
{
	check->verdict.user = user;
	check->n_subresources = route_subresources(check->path, check->subresources);
	authorize(check);
}

/* ---- tokens ---- */

static void lookup_free(struct lookup *lookup)
{
	map_remove(lookup->auth->lookups, lookup->key);
	arena_free(lookup->arena);
	free(lookup);
}

static void unauthenticated(struct check *check)
{
	if (check->auth->options.anonymous && !check->failed)
		authenticated(check, anonymous_user(check->arena));
	else
		refuse(check, 401, "Unauthorized");
}

/* What the API server said is kept for the next ones; its errors and refusals with a reason are not. */
static void token_reviewed(void *owner, const void *result, const struct err *err)
{
	struct lookup *lookup = owner;
	struct auth *auth = lookup->auth;
	const Authentication__TokenReview *review = result;
	const Authentication__TokenReviewStatus *status = review ? review->status : NULL;
	struct list waiters;

	if (err && err->code != -ECANCELED)
		log_error(err, "Failed to make webhook authenticator request", NULL);
	lookup->pending = false;
	auth->n_pending--;
	if (status && status->authenticated) {
		static const Authentication__UserInfo nobody = { .base = PROTOBUF_C_MESSAGE_INIT(
									 &authentication__user_info__descriptor) };

		lookup->user =
			PB_COPY((Authentication__UserInfo *)(status->user ? status->user : &nobody), lookup->arena);
		add_group(lookup->user, AUTHENTICATED, lookup->arena);
	}
	lookup->until_ms = status && (lookup->user || str_empty(status->error))
				   ? loop_now_ms(auth->options.loop) + auth->options.token_ttl_ms
				   : 0;

	list_init(&waiters);
	list_for_each(check, &lookup->waiters, struct check, waiting) {
		list_remove(&check->waiting);
		list_append(&waiters, &check->waiting);
	}
	while (!list_empty(&waiters)) {
		struct check *check = list_first(&waiters, struct check, waiting);

		list_remove(&check->waiting);
		check->failed = true;
		if (lookup->user)
			authenticated(check, PB_COPY(lookup->user, check->arena));
		else
			unauthenticated(check);
	}
	if (loop_now_ms(auth->options.loop) >= lookup->until_ms)
		lookup_free(lookup);
	if (auth->stopping && auth->n_pending == 0 && auth->idle)
		auth->idle(auth->idle_owner);
}

static void drop_old_lookups(struct auth *auth)
{
	size_t at = 0, over = map_size(auth->lookups) >= AUTH_TOKENS_MAX;
	const char *key;
	void *value;

	while (over > 0 && map_next(auth->lookups, &at, &key, &value)) {
		struct lookup *lookup = value;

		if (!lookup->pending) {
			lookup_free(lookup);
			over--;
		}
	}
}

static struct lookup *lookup_start(struct auth *auth, const char *key, const char *token)
{
	struct lookup *lookup = xcalloc(1, sizeof *lookup);
	struct arena *arena = arena_new();
	Authentication__TokenReview *review =
		PB_NEW(arena, Authentication__TokenReview, authentication__token_review__descriptor);

	drop_old_lookups(auth);
	lookup->auth = auth;
	memcpy(lookup->key, key, DIGEST_HEX);
	lookup->arena = arena;
	lookup->pending = true;
	list_init(&lookup->waiters);
	review->spec = PB_NEW(arena, Authentication__TokenReviewSpec, authentication__token_review_spec__descriptor);
	review->spec->token = arena_strdup(arena, token);
	lookup->review = (struct review){
		.loop = auth->options.loop,
		.kube = auth->options.kube,
		.path = "/apis/authentication.k8s.io/v1/tokenreviews",
		.object = &review->base,
		.timeout_ms = REVIEW_TIMEOUT_MS,
		.done = token_reviewed,
		.owner = lookup,
	};
	map_set(auth->lookups, lookup->key, lookup);
	auth->n_pending++;
	review_start(&lookup->review);
	return lookup;
}

static void look_up_token(struct check *check)
{
	struct auth *auth = check->auth;
	char key[DIGEST_HEX];
	struct lookup *lookup;

	digest_hmac_sha256(auth->key, sizeof auth->key, check->token, strlen(check->token), key);
	lookup = map_get(auth->lookups, key);
	if (lookup && !lookup->pending) {
		if (loop_now_ms(auth->options.loop) < lookup->until_ms) {
			check->failed = true;
			if (lookup->user)
				authenticated(check, PB_COPY(lookup->user, check->arena));
			else
				unauthenticated(check);
			return;
		}
		lookup_free(lookup);
		lookup = NULL;
	}
	if (!lookup && (auth->n_pending >= AUTH_PENDING_MAX || strlen(check->token) > AUTH_TOKEN_MAX ||
			!utf8_valid(check->token, strlen(check->token)))) {
		refuse(check, 401, "Unauthorized");
		return;
	}
	if (!lookup)
		lookup = lookup_start(auth, key, check->token);
	list_append(&lookup->waiters, &check->waiting);
}

/* ---- a check ---- */

static void begin(void *arg)
{
	struct check *check = arg;

	if (check->cancelled)
		finish(check);
	else if (check->verdict.user)
		authenticated(check, check->verdict.user);
	else if (check->token)
		look_up_token(check);
	else
		unauthenticated(check);
}

static void read_tokens(struct check *check, const struct gate_request *request)
{
	struct arena *arena = check->arena;
	const char **protocols = arena_alloc(arena, (request->n_headers + 1) * sizeof *protocols);
	size_t n = 0;

	check->token = auth_bearer(gate_request_header(request, "Authorization"), arena);
	for (size_t i = 0; i < request->n_headers; i++)
		if (strcasecmp(request->headers[i].name, "Sec-WebSocket-Protocol") == 0)
			protocols[n++] = request->headers[i].value;
	if (check->token || !gate_request_header(request, "Upgrade"))
		return;
	if (auth_protocol_token(protocols, n, arena, &check->token, &check->verdict.protocols) < 0)
		check->failed = true;
}

struct task *auth_check(struct auth *auth, const struct gate_request *request, task_done_fn *done, void *owner)
{
	struct check *check = xcalloc(1, sizeof *check);

	check->task.cancel = check_cancel;
	check->auth = auth;
	check->arena = arena_new();
	check->done = done;
	check->owner = owner;
	list_init(&check->waiting);
	check->method = arena_strdup(check->arena, request->method);
	check->path = arena_strdup(check->arena, request->path);
	check->failed = request->identity.presented && !request->identity.verified;
	check->verdict.user = auth_certificate_user(&request->identity, check->arena);
	if (!check->verdict.user && auth->options.token_reviews)
		read_tokens(check, request);
	loop_post(auth->options.loop, begin, check);
	return &check->task;
}

struct auth *auth_new(const struct auth_options *options)
{
	struct auth *auth = xcalloc(1, sizeof *auth);

	auth->options = *options;
	auth->node_name = xstrdup(options->node_name);
	auth->options.node_name = auth->node_name;
	auth->lookups = map_new();
	auth->answers = map_new();
	rand_bytes(auth->key, sizeof auth->key);
	return auth;
}

bool auth_stop(struct auth *auth, void (*idle)(void *owner), void *owner)
{
	size_t at = 0;
	const char *key;
	void *value;

	auth->stopping = true;
	auth->idle = idle;
	auth->idle_owner = owner;
	while (map_next(auth->lookups, &at, &key, &value)) {
		struct lookup *lookup = value;

		if (lookup->pending)
			review_cancel(&lookup->review);
	}
	return auth->n_pending == 0;
}

void auth_free(struct auth *auth)
{
	size_t at = 0;
	const char *key;
	void *value;

	if (!auth)
		return;
	while (map_next(auth->lookups, &at, &key, &value)) {
		base_assert(!((struct lookup *)value)->pending);
		lookup_free(value);
	}
	at = 0;
	while (map_next(auth->answers, &at, &key, &value))
		free(value);
	map_free(auth->lookups);
	map_free(auth->answers);
	free(auth->node_name);
	free(auth);
}
