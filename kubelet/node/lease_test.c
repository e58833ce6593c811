/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/node/lease.h"

#include <stdio.h>
#include <string.h>

#include "k8s/coordination.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/fake_http.h"
#include "pkg/test/test.h"

enum { TOO_LONG_MS = 20000, SETTLE_MS = 50, CALLS_MAX = 16, DURATION_S = 1 /* renewed every 250 ms */ };

#define LEASE(version) \
	"{\"metadata\":{\"name\":\"n\",\"resourceVersion\":\"" version "\"},\"spec\":{\"leaseTransitions\":7}}"

struct world {
	struct loop *loop;
	struct fake_http *fake;
	struct kube *kube;
	struct lease *lease;
	struct loop_timer limit;
	const char *const *answers; /* "STATUS BODY" of the nth request */
	int n_answers;
	struct fake_call *calls[CALLS_MAX];
	struct buf log;
};

static void stop(void *owner)
{
	loop_stop(((struct world *)owner)->loop);
}

static void called(void *owner, struct fake_call *call)
{
	struct world *world = owner;

	if (call->number >= world->n_answers)
		return;
	const char *answer = world->answers[call->number];
	world->calls[call->number] = call;
	buf_printf(&world->log, "%s%s", call->number ? " " : "", call->method);
	fake_answer(call, (answer[0] - '0') * 100 + (answer[1] - '0') * 10 + answer[2] - '0', "", answer + 4);
	if (call->number + 1 == world->n_answers)
		loop_timer_start(&world->limit, SETTLE_MS);
}

static void run(struct world *world, const char *const *answers, int n)
{
	struct kubeconfig config = { 0 };

	world->answers = answers;
	world->n_answers = n;
	world->log = (struct buf)BUF_INIT(1024);
	world->loop = loop_new();
	world->fake = fake_http_new(world->loop, called, world);
	config.server = fake_http_url(world->fake);
	world->kube = kube_new(world->loop, &config, "test");
	world->lease = lease_new(world->kube, "n", DURATION_S);
	loop_timer_init(&world->limit, world->loop, stop, world);
	loop_timer_start(&world->limit, TOO_LONG_MS);
	lease_start(world->lease);
	lease_set_node_uid(world->lease, "uid-of-n");
	loop_run(world->loop);
}

static void end(struct world *world)
{
	lease_free(world->lease);
	test_run(world->loop, SETTLE_MS);
	kube_free(world->kube);
	test_run(world->loop, SETTLE_MS);
	fake_http_free(world->fake);
	buf_done(&world->log);
	loop_free(world->loop);
}

static const Coordination__Lease *sent(const struct world *world, int number, struct arena *arena)
{
	const char *body = world->calls[number]->body;
	ProtobufCMessage *message;
	struct err err;

	CHECK_OK(pbjson_decode(&coordination__lease__descriptor, body, strlen(body), arena, &message, &err), &err);
	return (const Coordination__Lease *)message;
}

TEST(is_made_for_the_node_then_renewed)
{
	static const char *const answers[] = { "404 {}", "201 " LEASE("1"), "200 " LEASE("2"), "200 " LEASE("3") };
	_cleanup_arena_ struct arena *arena = arena_new();
	struct world world = { 0 };

	run(&world, answers, ARRAY_LEN(answers));
	CHECK_STR("requests", buf_text(&world.log), "GET POST PUT PUT");
	CHECK_STR("where", world.calls[1]->target, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases");
	const Coordination__Lease *made = sent(&world, 1, arena), *renewed = sent(&world, 3, arena);
	CHECK_STR("owner", made->metadata->ownerreferences[0]->uid, "uid-of-n");
	CHECK_STR("kind", made->metadata->ownerreferences[0]->kind, "Node");
	CHECK_STR("holder", made->spec->holderidentity, "n");
	CHECK_INT("duration", made->spec->leasedurationseconds, ==, DURATION_S);
	CHECK_STR("on the last one", renewed->metadata->resourceversion, "2");
	CHECK_INT("what others wrote stays", renewed->spec->leasetransitions, ==, 7);
	CHECK("renewed", renewed->spec->renewtime != NULL);
	end(&world);
}

TEST(a_deleted_or_changed_one_comes_back)
{
	static const char *const answers[] = { "200 " LEASE("1"), "404 {}",
					       "201 " LEASE("5"), "409 {\"reason\":\"Conflict\"}",
					       "200 " LEASE("9"), "200 " LEASE("10") };
	_cleanup_arena_ struct arena *arena = arena_new();
	struct world world = { 0 };

	run(&world, answers, ARRAY_LEN(answers));
	CHECK_STR("requests", buf_text(&world.log), "GET PUT POST PUT GET PUT");
	CHECK_STR("on the one that won", sent(&world, 5, arena)->metadata->resourceversion, "9");
	end(&world);
}

TEST(a_failing_server_is_asked_again)
{
	static const char *const answers[] = { "500 {}", "500 {}", "200 " LEASE("1"), "403 {}", "200 " LEASE("2") };
	struct world world = { 0 };

	run(&world, answers, ARRAY_LEN(answers));
	CHECK_STR("requests", buf_text(&world.log), "GET GET GET PUT PUT");
	end(&world);
}
