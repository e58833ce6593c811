/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/net/http_client.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/test/fake_http.h"
#include "pkg/test/test.h"

enum { TOO_LONG_MS = 20000, SETTLE_MS = 50 };

struct world {
	struct loop *loop;
	struct fake_http *fake;
	struct http_client *client;
	struct loop_timer limit, later;
	struct fake_call *first;
	struct task *task;
	struct buf pieces;
	int n_done, n_inner, status, code;
	bool ask_inside, cancel_inside;
};

static void stop(void *owner)
{
	loop_stop(((struct world *)owner)->loop);
}

static void more(void *owner)
{
	struct world *world = owner;

	fake_write(world->first, "two");
	fake_end(world->first);
}

/* The first request is answered in two pieces, others at once. */
static void called(void *owner, struct fake_call *call)
{
	struct world *world = owner;

	if (strstr(call->target, "/refused")) {
		fake_answer(call, 503, "Retry-After: 7\r\n", "not now");
	} else if (strstr(call->target, "/inner")) {
		fake_answer(call, 200, "", "inner");
	} else if (strstr(call->target, "/mute")) {
		fake_begin(call);
	} else {
		world->first = call;
		fake_begin(call);
		fake_write(call, "one ");
		loop_timer_start(&world->later, 100);
	}
}

static void done(void *owner, const void *result, const struct err *err)
{
	struct world *world = owner;
	const struct http_reply *reply = result;

	world->n_done++;
	world->code = err ? err->code : 0;
	world->status = reply ? reply->status : 0;
	loop_timer_start(&world->limit, SETTLE_MS);
}

static void inner_done(void *owner, const void *result, const struct err *err)
{
	const struct http_reply *reply = result;

	CHECK("no failure", !err);
	CHECK_STR("inner", reply->body, "inner");
	((struct world *)owner)->n_inner++;
}

static struct task *ask(struct world *world, const char *path, int64_t idle_timeout_ms,
			void (*data)(void *owner, const char *bytes, size_t size), task_done_fn *ended)
{
	_cleanup_free_ char *url = xasprintf("%s%s", fake_http_url(world->fake), path);
	struct http_request request = { .method = "GET", .url = url, .idle_timeout_ms = idle_timeout_ms };

	return http_call(world->client, &request, data, ended, world);
}

static void piece(void *owner, const char *bytes, size_t size)
{
	struct world *world = owner;

	buf_append(&world->pieces, bytes, size);
	if (world->ask_inside)
		ask(world, "/inner", 0, NULL, inner_done);
	if (world->cancel_inside)
		task_cancel(world->task);
}

static void begin(struct world *world)
{
	struct http_identity nobody = { 0 };

	world->loop = loop_new();
	world->fake = fake_http_new(world->loop, called, world);
	world->client = http_client_new(world->loop, &nobody);
	world->pieces = (struct buf)BUF_INIT(4096);
	loop_timer_init(&world->later, world->loop, more, world);
	loop_timer_init(&world->limit, world->loop, stop, world);
	loop_timer_start(&world->limit, TOO_LONG_MS);
}

static void end(struct world *world)
{
	loop_timer_stop(&world->later);
	http_client_free(world->client);
	test_run(world->loop, SETTLE_MS);
	fake_http_free(world->fake);
	buf_done(&world->pieces);
	loop_free(world->loop);
}

TEST(an_answer_is_passed_on_piece_by_piece)
{
	struct world world = { 0 };

	begin(&world);
	ask(&world, "/", 0, piece, done);
	loop_run(world.loop);
	CHECK_INT("status", world.status, ==, 200);
	CHECK_STR("pieces", buf_text(&world.pieces), "one two");
	end(&world);
}

TEST(the_words_of_a_refusal_are_no_pieces)
{
	struct world world = { 0 };

	begin(&world);
	ask(&world, "/refused", 0, piece, done);
	loop_run(world.loop);
	CHECK_INT("status", world.status, ==, 503);
	CHECK_INT("pieces", world.pieces.size, ==, 0);
	end(&world);
}

TEST(a_request_may_be_made_inside_a_piece)
{
	struct world world = { .ask_inside = true };

	begin(&world);
	ask(&world, "/", 0, piece, done);
	loop_run(world.loop);
	CHECK_INT("outer", world.n_done, ==, 1);
	CHECK_INT("inner", world.n_inner, ==, 2);
	end(&world);
}

TEST(a_cancel_inside_a_piece_is_the_end)
{
	struct world world = { .cancel_inside = true };

	begin(&world);
	world.task = ask(&world, "/", 0, piece, done);
	loop_run(world.loop);
	CHECK_INT("code", world.code, ==, -ECANCELED);
	CHECK_INT("once", world.n_done, ==, 1);
	CHECK_STR("pieces", buf_text(&world.pieces), "one ");
	end(&world);
}

TEST(a_peer_that_falls_silent_is_left)
{
	struct world world = { 0 };

	begin(&world);
	ask(&world, "/mute", 1000, piece, done);
	loop_run(world.loop);
	CHECK_INT("code", world.code, ==, -ETIMEDOUT);
	end(&world);
}

TEST(nobody_is_there)
{
	struct world world = { 0 };
	struct http_request request = { .method = "GET", .url = "http://127.0.0.1:1/" };

	begin(&world);
	http_call(world.client, &request, NULL, done, &world);
	CHECK_INT("not before it returned", world.n_done, ==, 0);
	loop_run(world.loop);
	CHECK_INT("code", world.code, ==, -ECONNREFUSED);
	end(&world);
}
