/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/auth.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "k8s/authorization.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/codec/pb.h"
#include "pkg/kube/kube.h"
#include "pkg/test/test.h"

/* ---- the API server's twin ---- */

static struct {
	struct loop *loop;
	int tokens, accesses; /* reviews asked */
	int fail_first;       /* that many answers are 500 */
	bool quiet;           /* never answers, until cancelled */
	bool error_text;      /* a bad token gets a reason, as from a real API server */
	const char *allowed;  /* subresource */
	char user[64], verb[16], groups[128], extra[128];
} server;

struct question {
	struct task task;
	struct arena *arena;
	ProtobufCMessage *object;
	task_done_fn *done;
	void *owner;
	bool cancelled;
};

static void token_answer(Authentication__TokenReview *review, struct arena *arena)
{
	Authentication__TokenReviewStatus *status =
		PB_NEW(arena, Authentication__TokenReviewStatus, authentication__token_review_status__descriptor);

	server.tokens++;
	status->has_authenticated = true;
	status->authenticated = strcmp(review->spec->token, "good") == 0;
	if (status->authenticated) {
		status->user = PB_NEW(arena, Authentication__UserInfo, authentication__user_info__descriptor);
		status->user->username = arena_strdup(arena, "jane");
		PB_APPEND(arena, status->user, groups, arena_strdup(arena, "dev"));
	} else if (server.error_text) {
		status->error = arena_strdup(arena, "token is none");
	}
	review->status = status;
}

static void access_answer(Authorization__SubjectAccessReview *review, struct arena *arena)
{
	const Authorization__SubjectAccessReviewSpec *spec = review->spec;

	server.accesses++;
	snprintf(server.user, sizeof server.user, "%s", spec->user);
	snprintf(server.verb, sizeof server.verb, "%s", spec->resourceattributes->verb);
	server.groups[0] = 0;
	for (size_t i = 0; i < spec->n_groups; i++)
		snprintf(server.groups + strlen(server.groups), sizeof server.groups - strlen(server.groups), "%s ",
			 spec->groups[i]);
	snprintf(server.extra, sizeof server.extra, "%s", spec->n_extra ? spec->extra[0]->value->items[0] : "");
	CHECK_STR("name", spec->resourceattributes->name, "node-1");
	CHECK_STR("resource", spec->resourceattributes->resource, "nodes");
	review->status = PB_NEW(arena, Authorization__SubjectAccessReviewStatus,
				authorization__subject_access_review_status__descriptor);
	review->status->has_allowed = true;
	review->status->allowed = str_eq(spec->resourceattributes->subresource, server.allowed);
}

static void answer(void *arg)
{
	struct question *question = arg;
	struct err err;

	if (question->cancelled) {
		err_set(&err, -ECANCELED, "cancelled");
		question->done(question->owner, NULL, &err);
	} else if (server.fail_first > 0) {
		server.fail_first--;
		err_set(&err, -EAGAIN, "Internal error occurred");
		question->done(question->owner, NULL, &err);
	} else {
		if (question->object->descriptor == &authentication__token_review__descriptor)
			token_answer((Authentication__TokenReview *)(void *)question->object, question->arena);
		else
			access_answer((Authorization__SubjectAccessReview *)(void *)question->object, question->arena);
		question->done(question->owner, question->object, NULL);
	}
	arena_free(question->arena);
	free(question);
}

static void question_cancel(struct task *task)
{
	struct question *question = container_of(task, struct question, task);

	question->cancelled = true;
	if (server.quiet)
		loop_post(server.loop, answer, question);
}

struct task *kube_ask(struct kube *kube, const struct kube_ask *ask, task_done_fn *done, void *owner)
{
	struct question *question = xcalloc(1, sizeof *question);

	question->task.cancel = question_cancel;
	question->arena = arena_new();
	question->object = pb_copy(ask->object, question->arena);
	question->done = done;
	question->owner = owner;
	if (!server.quiet)
		loop_post(server.loop, answer, question);
	return &question->task;
}

const char *gate_request_header(const struct gate_request *request, const char *name)
{
	for (size_t i = 0; i < request->n_headers; i++)
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	return NULL;
}

/* ---- checks ---- */

struct outcome {
	int left; /* checks to end before the loop stops */
	int status, code;
	char text[256], user[64];
};

static void ended(void *owner, const void *result, const struct err *err)
{
	struct outcome *outcome = owner;
	const struct auth_verdict *verdict = result;

	outcome->code = err ? err->code : 0;
	outcome->status = verdict ? verdict->status : 0;
	snprintf(outcome->text, sizeof outcome->text, "%s", verdict && verdict->text ? verdict->text : "");
	snprintf(outcome->user, sizeof outcome->user, "%s", verdict && verdict->user ? verdict->user->username : "");
	if (--outcome->left == 0)
		loop_stop(server.loop);
}

static struct auth *start(const struct auth_options *options)
{
	struct auth_options all = *options;

	memset(&server, 0, sizeof server);
	server.loop = all.loop = loop_new();
	all.node_name = "node-1";
	return auth_new(&all);
}

static void stop(struct auth *auth)
{
	auth_free(auth);
	loop_free(server.loop);
}

static struct outcome ask(struct auth *auth, const char *authorization, const struct gate_identity *identity,
			  const char *path)
{
	struct gate_header header = { "Authorization", authorization };
	struct gate_request request = {
		.method = "GET", .path = path, .headers = &header, .n_headers = authorization ? 1 : 0
	};
	struct outcome outcome = { .left = 1 };

	if (identity)
		request.identity = *identity;
	auth_check(auth, &request, ended, &outcome);
	loop_run(server.loop);
	return outcome;
}

static const struct auth_options webhook = {
	.token_reviews = true, .token_ttl_ms = 120000, .allow_ttl_ms = 300000, .deny_ttl_ms = 30000
};

TEST(who_gets_in)
{
	static const char *organizations[] = { "ops" };
	static const struct gate_identity none = { 0 }, good = { true, true, "", "admin", organizations, 1, "", "ab" },
					  bad = { true, false, "expired", "admin", NULL, 0, "", "" },
					  nameless = { true, true, "", "", NULL, 0, "", "ab" };
	static const struct {
		const char *rule;
		bool anonymous, always_allow;
		const char *authorization;
		const struct gate_identity *identity;
		const char *path, *allowed;
		int status;
		const char *want; /* the user, or the text */
	} rows[] = {
		{ "nothing", false, false, NULL, &none, "/pods", "pods", 401, "Unauthorized" },
		{ "a certificate", false, false, NULL, &good, "/pods", "pods", 200, "admin" },
		{ "a bad one", false, false, NULL, &bad, "/pods", "pods", 401, "Unauthorized" },
		{ "a bad one is never anonymous", true, true, NULL, &bad, "/pods", "pods", 401, "Unauthorized" },
		{ "one without a name says nothing", true, false, NULL, &nameless, "/pods", "pods", 200,
		  "system:anonymous" },
		{ "a token", false, false, "Bearer good", &none, "/pods", "pods", 200, "jane" },
		{ "a bad token", false, false, "Bearer bad", &none, "/pods", "pods", 401, "Unauthorized" },
		{ "a bad token is never anonymous", true, true, "Bearer bad", &none, "/pods", "pods", 401,
		  "Unauthorized" },
		{ "a good token beside a bad certificate", false, false, "bearer good", &bad, "/pods", "pods", 200,
		  "jane" },
		{ "a certificate beside a bad token", false, false, "Bearer bad", &good, "/pods", "pods", 200,
		  "admin" },
		{ "another scheme is no token", true, false, "Basic good", &none, "/pods", "pods", 200,
		  "system:anonymous" },
		{ "the second subresource", false, false, NULL, &good, "/pods", "proxy", 200, "admin" },
		{ "neither", false, false, NULL, &good, "/pods", "stats", 403,
		  "Forbidden (user=admin, verb=get, resource=nodes, subresource(s)=[pods proxy])\n" },
		{ "exec needs proxy", false, false, NULL, &good, "/exec/a/b/c", "pods", 403,
		  "Forbidden (user=admin, verb=get, resource=nodes, subresource(s)=[proxy])\n" },
		{ "always", false, true, NULL, &good, "/exec/a/b/c", "none", 200, "admin" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct auth_options options = webhook;

		options.anonymous = rows[i].anonymous;
		options.always_allow = rows[i].always_allow;
		struct auth *auth = start(&options);
		server.allowed = rows[i].allowed;
		struct outcome outcome = ask(auth, rows[i].authorization, rows[i].identity, rows[i].path);
		CHECK_INT(rows[i].rule, outcome.status, ==, rows[i].status);
		CHECK_STR(rows[i].rule, outcome.status == 200 ? outcome.user : outcome.text, rows[i].want);
		stop(auth);
	}
}

TEST(what_the_review_says_of_a_certificate)
{
	static const char *organizations[] = { "ops", "dev" };
	static const struct gate_identity good = { true, true, "", "admin", organizations, 2, "", "abcd" };
	struct auth *auth = start(&webhook);

	server.allowed = "proxy";
	CHECK_INT("in", ask(auth, NULL, &good, "/run/a/b/c").status, ==, 200);
	CHECK_STR("user", server.user, "admin");
	CHECK_STR("verb", server.verb, "get");
	CHECK_STR("groups", server.groups, "ops dev system:authenticated ");
	CHECK_STR("extra", server.extra, "X509SHA256=abcd");
	stop(auth);
}

TEST(answers_are_kept)
{
	struct auth *auth = start(&webhook);

	server.allowed = "proxy";
	ask(auth, "Bearer good", NULL, "/pods");
	ask(auth, "Bearer good", NULL, "/pods");
	ask(auth, "Bearer good", NULL, "/exec/a/b/c");
	CHECK_INT("a good token is asked once", server.tokens, ==, 1);
	CHECK_INT("pods was denied once, proxy allowed once", server.accesses, ==, 2);

	server.error_text = true;
	ask(auth, "Bearer bad", NULL, "/pods");
	ask(auth, "Bearer bad", NULL, "/pods");
	CHECK_INT("a bad one every time", server.tokens, ==, 3);
	stop(auth);
}

TEST(nothing_is_kept_for_no_time)
{
	struct auth_options options = { .token_reviews = true };
	struct auth *auth = start(&options);

	server.allowed = "pods";
	ask(auth, "Bearer good", NULL, "/pods");
	ask(auth, "Bearer good", NULL, "/pods");
	CHECK_INT("tokens", server.tokens, ==, 2);
	CHECK_INT("accesses", server.accesses, ==, 2);
	stop(auth);
}

TEST(one_question_for_many_with_the_same_token)
{
	struct auth *auth = start(&webhook);
	struct gate_header header = { "Authorization", "Bearer good" };
	struct gate_request request = { .method = "GET", .path = "/pods", .headers = &header, .n_headers = 1 };
	struct outcome outcome = { .left = 20 };

	server.allowed = "pods";
	for (int i = 0; i < 20; i++)
		auth_check(auth, &request, ended, &outcome);
	loop_run(server.loop);
	CHECK_INT("status of the last", outcome.status, ==, 200);
	CHECK_INT("questions", server.tokens, ==, 1);
	stop(auth);
}

TEST(a_failing_server_is_asked_again_and_then_told)
{
	struct auth *auth = start(&webhook);

	server.allowed = "pods";
	server.fail_first = 1;
	CHECK_INT("after one failure", ask(auth, "Bearer good", NULL, "/pods").status, ==, 200);
	stop(auth);
}

TEST(a_review_that_never_comes_back_can_be_cancelled)
{
	struct auth *auth = start(&webhook);
	struct gate_header header = { "Authorization", "Bearer good" };
	struct gate_request request = { .method = "GET", .path = "/pods", .headers = &header, .n_headers = 1 };
	struct outcome first = { .left = 1 }, second = { .left = 1 };

	server.quiet = true;
	task_cancel(auth_check(auth, &request, ended, &first));
	CHECK_INT("never before the start has returned", first.left, ==, 1);
	loop_run(server.loop);
	CHECK_INT("before it began", first.code, ==, -ECANCELED);

	static const struct gate_identity good = { true, true, "", "admin", NULL, 0, "", "ab" };
	request.identity = good;
	struct task *task = auth_check(auth, &request, ended, &second);
	loop_post(server.loop, (void (*)(void *))task_cancel, task);
	loop_run(server.loop);
	CHECK_INT("while it waits", second.code, ==, -ECANCELED);
	stop(auth);
}

TEST(headers_with_tokens)
{
	static const struct {
		const char *header, *want;
	} rows[] = {
		{ "Bearer a", "a" },   { "bearer a", "a" }, { " BEARER a ", "a" }, { "Bearer a b", "a" },
		{ "Bearer", NULL },    { "Bearer ", NULL }, { "Bearer  a", NULL }, { "Basic a", NULL },
		{ "Bearera b", NULL }, { "", NULL },
	};
	_cleanup_arena_ struct arena *arena = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(rows[i].header, str_or(auth_bearer(rows[i].header, arena), "none"),
			  str_or(rows[i].want, "none"));
}

TEST(protocols_with_tokens)
{
	static const struct {
		const char *rule, *value, *token, *rest;
		int code;
	} rows[] = {
		{ "none", "v4.channel.k8s.io, channel.k8s.io", NULL, NULL, 0 },
		{ "one", "base64url.bearer.authorization.k8s.io.Z29vZA, v4.channel.k8s.io", "good", "v4.channel.k8s.io",
		  1 },
		{ "alone", "base64url.bearer.authorization.k8s.io.Z29vZA", NULL, NULL, -EINVAL },
		{ "two", "base64url.bearer.authorization.k8s.io.Z29vZA,base64url.bearer.authorization.k8s.io.Z29vZA,x",
		  NULL, NULL, -EINVAL },
		{ "padding", "base64url.bearer.authorization.k8s.io.Z29vZA==,x", NULL, NULL, -EINVAL },
		{ "no base64", "base64url.bearer.authorization.k8s.io.!,x", NULL, NULL, -EINVAL },
		{ "empty", "base64url.bearer.authorization.k8s.io.,x", NULL, NULL, 0 },
		{ "no UTF-8", "base64url.bearer.authorization.k8s.io._w,x", NULL, NULL, -EINVAL },
	};
	_cleanup_arena_ struct arena *arena = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *token = NULL, *rest = NULL;

		CHECK_INT(rows[i].rule, auth_protocol_token(&rows[i].value, 1, arena, &token, &rest), ==, rows[i].code);
		if (rows[i].code != 1)
			continue;
		CHECK_STR(rows[i].rule, token, rows[i].token);
		CHECK_STR(rows[i].rule, rest, rows[i].rest);
	}
}
