/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/kube/kube.h"

#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/test/fake_http.h"
#include "pkg/test/test.h"

enum { TOO_LONG_MS = 20000, SETTLE_MS = 50 };

struct world {
	struct loop *loop;
	struct fake_http *fake;
	struct kube *kube;
	struct loop_timer limit;
	struct fake_call *call; /* the last one */
	int status[4];          /* of the nth answer, 0: none ever comes, -1: the connection is dropped */
	const char *headers, *body;
	struct task *task;
	int n_done, code;
	char text[ERR_TEXT_MAX], name[64]; /* the error's, and the object's of the answer */
};

static void stop(void *owner)
{
	loop_stop(((struct world *)owner)->loop);
}

static void called(void *owner, struct fake_call *call)
{
	struct world *world = owner;
	int status = world->status[call->number];

	world->call = call;
	if (status > 0)
		fake_answer(call, status, call->number == 0 ? str_or(world->headers, "") : "", world->body);
	else if (status < 0)
		fake_drop(call);
}

static void done(void *owner, const void *result, const struct err *err)
{
	struct world *world = owner;
	const Core__Pod *pod = result;

	world->n_done++;
	world->code = err ? err->code : 0;
	snprintf(world->text, sizeof world->text, "%s", err ? err->text : "");
	if (pod && pod->metadata)
		snprintf(world->name, sizeof world->name, "%s", str_or(pod->metadata->name, ""));
	loop_timer_start(&world->limit, SETTLE_MS);
}

static void begin(struct world *world, const char *token_file)
{
	struct kubeconfig config = { .token_file = token_file };

	world->loop = loop_new();
	world->fake = fake_http_new(world->loop, called, world);
	config.server = fake_http_url(world->fake);
	world->kube = kube_new(world->loop, &config, "kubelet/test");
	loop_timer_init(&world->limit, world->loop, stop, world);
	loop_timer_start(&world->limit, TOO_LONG_MS);
}

static void end(struct world *world)
{
	CHECK_INT("ended once", world->n_done, ==, 1);
	kube_free(world->kube);
	test_run(world->loop, SETTLE_MS);
	fake_http_free(world->fake);
	loop_free(world->loop);
}

static const struct kube_ask get_pod = {
	.method = "GET",
	.path = "/api/v1/namespaces/d/pods/p",
	.reply = &core__pod__descriptor,
};

TEST(an_object_comes_back_decoded)
{
	struct world world = { .status = { 200 },
			       .body = "{\"metadata\":{\"name\":\"p\",\"unknown\":{}},\"spec\":{}}" };

	begin(&world, NULL);
	kube_ask(world.kube, &get_pod, done, &world);
	CHECK_INT("not before it returned", world.n_done, ==, 0);
	loop_run(world.loop);
	CHECK_INT("code", world.code, ==, 0);
	CHECK_STR("name", world.name, "p");
	CHECK_STR("method", world.call->method, "GET");
	CHECK_STR("path", world.call->target, "/api/v1/namespaces/d/pods/p");
	CHECK("user agent", strstr(world.call->head, "User-Agent: kubelet/test\r\n"));
	CHECK("no content type without content", !strstr(world.call->head, "Content-Type"));
	end(&world);
}

TEST(refusals_keep_the_servers_words)
{
	static const struct {
		const char *rule;
		int status;
		const char *body;
		int code;
		const char *text;
	} rows[] = {
		{ "not found", 404,
		  "{\"kind\":\"Status\",\"message\":\"pods \\\"p\\\" not found\",\"reason\":\"NotFound\"}", -ENOENT,
		  "pods \"p\" not found" },
		{ "exists", 409, "{\"kind\":\"Status\",\"message\":\"m\",\"reason\":\"AlreadyExists\"}", -EEXIST, "m" },
		{ "conflict", 409, "{\"kind\":\"Status\",\"message\":\"m\",\"reason\":\"Conflict\"}", -ESTALE, "m" },
		{ "gone", 410, "{\"kind\":\"Status\",\"message\":\"m\",\"reason\":\"Expired\"}", -ESTALE, "m" },
		{ "unauthorized", 401, "{\"kind\":\"Status\",\"message\":\"Unauthorized\"}", -EACCES, "Unauthorized" },
		{ "forbidden", 403, "{\"kind\":\"Status\",\"message\":\"m\"}", -EACCES, "m" },
		{ "invalid", 422, "{\"kind\":\"Status\",\"message\":\"m\"}", -EINVAL, "m" },
		{ "broken server", 500, "oh", -EAGAIN, "the server answered 500: oh" },
		{ "no answer for this", 405, "", -EREMOTEIO, "the server answered 405: " },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world world = { .status = { rows[i].status }, .body = rows[i].body };

		begin(&world, NULL);
		kube_ask(world.kube, &get_pod, done, &world);
		loop_run(world.loop);
		CHECK_INT(rows[i].rule, world.code, ==, rows[i].code);
		CHECK_STR(rows[i].rule, world.text, rows[i].text);
		end(&world);
	}
}

TEST(an_answer_that_is_no_json_is_an_error)
{
	struct world world = { .status = { 200 }, .body = "<html>" };

	begin(&world, NULL);
	kube_ask(world.kube, &get_pod, done, &world);
	loop_run(world.loop);
	CHECK_INT("code", world.code, <, 0);
	CHECK("says where", strstr(world.text, "/api/v1/namespaces/d/pods/p"));
	end(&world);
}

TEST(waits_as_long_as_the_server_asks)
{
	struct world world = { .status = { 429, 200 }, .headers = "Retry-After: 2\r\n", .body = "{}" };
	int64_t start = clock_mono_ms();

	begin(&world, NULL);
	kube_ask(world.kube, &get_pod, done, &world);
	loop_run(world.loop);
	CHECK_INT("code", world.code, ==, 0);
	CHECK_INT("waited", clock_mono_ms() - start, >=, 2000);
	end(&world);
}

static void cancel_it(void *owner)
{
	task_cancel(((struct world *)owner)->task);
}

TEST(a_cancel_ends_it_wherever_it_is)
{
	/* unanswered, and while it waits to be sent again */
	struct world worlds[] = { { .status = { 0 } },
				  { .status = { 429 }, .headers = "Retry-After: 15\r\n", .body = "{}" } };

	for (size_t i = 0; i < ARRAY_LEN(worlds); i++) {
		struct world *world = &worlds[i];
		struct loop_timer timer = { 0 };

		begin(world, NULL);
		loop_timer_init(&timer, world->loop, cancel_it, world);
		loop_timer_start(&timer, 200);
		world->task = kube_ask(world->kube, &get_pod, done, world);
		loop_run(world->loop);
		CHECK_INT("code", world->code, ==, -ECANCELED);
		end(world);
	}
}

TEST(a_server_that_says_nothing_is_left)
{
	struct world world = { .status = { 0 } };
	struct kube_ask ask = get_pod;

	ask.timeout_ms = 300;
	begin(&world, NULL);
	kube_ask(world.kube, &ask, done, &world);
	loop_run(world.loop);
	CHECK_INT("code", world.code, ==, -ETIMEDOUT);
	end(&world);
}

TEST(a_lost_connection_is_tried_again_only_when_nothing_can_happen_twice)
{
	struct world get = { .status = { -1, 200 }, .body = "{\"metadata\":{\"name\":\"p\"}}" };
	struct world post = { .status = { -1, 200 }, .body = "{}" };
	struct kube_ask ask = { .method = "POST", .path = "/api/v1/nodes", .json = "{}" };

	begin(&get, NULL);
	kube_ask(get.kube, &get_pod, done, &get);
	loop_run(get.loop);
	CHECK_STR("GET", get.name, "p");
	end(&get);
	begin(&post, NULL);
	kube_ask(post.kube, &ask, done, &post);
	loop_run(post.loop);
	CHECK_INT("POST", post.code, ==, -EIO);
	CHECK_INT("POST once", post.call->number, ==, 0);
	end(&post);
}

TEST(the_token_file_is_read_each_time)
{
	struct world world = { .status = { 200, 200 }, .body = "{}" };
	_cleanup_free_ char *path = xasprintf("%s/token", test_folder());
	struct kube_ask ask = {
		.method = "PATCH", .path = "/x", .json = "{\"a\":1}", .content_type = KUBE_MERGE_PATCH
	};
	struct err err;

	CHECK_OK(file_replace(path, "one\n", 4, 0600, &err), &err);
	begin(&world, path);
	kube_ask(world.kube, &ask, done, &world);
	loop_run(world.loop);
	CHECK("first", strstr(world.call->head, "Authorization: Bearer one\r\n"));
	CHECK("kind", strstr(world.call->head, "Content-Type: application/merge-patch+json\r\n"));
	CHECK_STR("body", world.call->body, "{\"a\":1}");
	CHECK_OK(file_replace(path, "two", 3, 0600, &err), &err);
	loop_timer_start(&world.limit, TOO_LONG_MS);
	kube_ask(world.kube, &ask, done, &world);
	loop_run(world.loop);
	CHECK("second", strstr(world.call->head, "Authorization: Bearer two\r\n"));
	CHECK_INT("both", world.n_done--, ==, 2);
	end(&world);
}

TEST(the_token_beside_the_file_serves_without_it)
{
	struct world world = { .status = { 200 }, .body = "{}" };
	struct kubeconfig config = { .token = "beside", .token_file = "/nonexistent/token" };

	begin(&world, NULL);
	kube_free(world.kube);
	config.server = fake_http_url(world.fake);
	world.kube = kube_new(world.loop, &config, "kubelet/test");
	kube_ask(world.kube, &get_pod, done, &world);
	loop_run(world.loop);
	CHECK("token", strstr(world.call->head, "Authorization: Bearer beside\r\n"));
	end(&world);
}

TEST(a_query_value_is_escaped)
{
	_cleanup_arena_ struct arena *arena = arena_new();

	CHECK_STR("escape", kube_escape(arena, "a=b,c d/\xc3\xa4~"), "a%3Db%2Cc%20d%2F%C3%A4~");
	CHECK_STR("select", kube_field_query(arena, "metadata.name", "cm"), "fieldSelector=metadata.name%3Dcm");
	CHECK_STR("a name is no second term and no second argument",
		  kube_field_query(arena, "metadata.name", "a,b=c\\&limit=1"),
		  "fieldSelector=metadata.name%3Da%5C%2Cb%5C%3Dc%5C%5C%26limit%5C%3D1");
}
