/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/kube/event.h"

#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/fake_http.h"
#include "pkg/test/test.h"

enum { TOO_LONG_MS = 30000, SETTLE_MS = 100, CALLS_MAX = 64 };

struct world {
	struct loop *loop;
	struct fake_http *fake;
	struct kube *kube;
	struct kube_events *events;
	struct loop_timer limit;
	struct fake_call *calls[CALLS_MAX];
	int n_calls, want;
	int status[CALLS_MAX]; /* of the nth answer; 0 is 201, -1 drops the connection */
};

static void stop(void *owner)
{
	loop_stop(((struct world *)owner)->loop);
}

static void called(void *owner, struct fake_call *call)
{
	struct world *world = owner;
	int status = world->status[call->number];

	CHECK_INT("calls", world->n_calls, <, CALLS_MAX);
	world->calls[world->n_calls++] = call;
	if (status < 0)
		fake_drop(call);
	else
		fake_answer(call, status ? status : 201, "", "{}");
	if (world->n_calls >= world->want)
		loop_timer_start(&world->limit, SETTLE_MS);
}

static void begin(struct world *world)
{
	struct kubeconfig config = { 0 };

	world->loop = loop_new();
	world->fake = fake_http_new(world->loop, called, world);
	config.server = fake_http_url(world->fake);
	world->kube = kube_new(world->loop, &config, "test");
	world->events = kube_events_new(world->kube, "kubelet", "n", 0, 1);
	loop_timer_init(&world->limit, world->loop, stop, world);
}

/* Until the server has been called so often, and a little longer. */
static void run(struct world *world, int want)
{
	world->want = want;
	loop_timer_start(&world->limit, TOO_LONG_MS);
	loop_run(world->loop);
	CHECK_INT("requests", world->n_calls, ==, want);
}

static void end(struct world *world)
{
	kube_events_free(world->events);
	test_run(world->loop, SETTLE_MS);
	kube_free(world->kube);
	test_run(world->loop, SETTLE_MS);
	fake_http_free(world->fake);
	loop_free(world->loop);
}

static Core__Event *sent_event(const struct world *world, int number, struct arena *arena)
{
	const char *body = world->calls[number]->body;
	ProtobufCMessage *message;
	struct err err;

	CHECK_OK(pbjson_decode(&core__event__descriptor, body, strlen(body), arena, &message, &err), &err);
	return (Core__Event *)message;
}

static Core__ObjectReference container_of_pod(const char *container)
{
	Core__ObjectReference about = CORE__OBJECT_REFERENCE__INIT;
	static char path[64];

	snprintf(path, sizeof path, "spec.containers{%s}", container);
	about.kind = (char *)(uintptr_t) "Pod";
	about.namespace_ = (char *)(uintptr_t) "d";
	about.name = (char *)(uintptr_t) "p";
	about.uid = (char *)(uintptr_t) "u";
	about.fieldpath = path;
	return about;
}

TEST(repeats_raise_the_count_of_the_first)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct world world = { 0 };
	Core__ObjectReference about = container_of_pod("c");

	begin(&world);
	for (int i = 0; i < 3; i++)
		kube_event(world.events, &about, "Warning", "BackOff", "Back-off \"%s\"", "x");
	run(&world, 3);
	const Core__Event *first = sent_event(&world, 0, arena), *third = sent_event(&world, 2, arena);
	CHECK_STR("made", world.calls[0]->method, "POST");
	CHECK_STR("where", world.calls[0]->target, "/api/v1/namespaces/d/events");
	CHECK_STR("message", first->message, "Back-off \"x\"");
	CHECK_INT("count", first->count, ==, 1);
	CHECK_STR("path", first->involvedobject->fieldpath, "spec.containers{c}");
	CHECK_STR("source", first->source->component, "kubelet");
	CHECK_STR("host", first->source->host, "n");
	CHECK("name", str_has_prefix(first->metadata->name, "p."));
	CHECK_STR("patched", world.calls[2]->method, "PATCH");
	CHECK("of the first", str_has_suffix(world.calls[2]->target, first->metadata->name));
	CHECK_INT("count", third->count, ==, 3);
	/* Nothing else: what a patch names, it changes. */
	CHECK("only these", !strstr(world.calls[2]->body, "metadata") && !strstr(world.calls[2]->body, "first"));
	CHECK("kind of patch", strstr(world.calls[2]->head, "application/strategic-merge-patch+json"));
	end(&world);
}

TEST(one_that_expired_is_made_again)
{
	struct world world = { .status = { 0, 404 } };
	Core__ObjectReference about = container_of_pod("c");

	begin(&world);
	for (int i = 0; i < 2; i++)
		kube_event(world.events, &about, "Normal", "Pulled", "same");
	run(&world, 3);
	CHECK_STR("tried", world.calls[1]->method, "PATCH");
	CHECK_STR("made again", world.calls[2]->method, "POST");
	end(&world);
}

TEST(different_messages_of_one_reason_are_combined)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct world world = { 0 };
	Core__ObjectReference about = container_of_pod("c");

	begin(&world);
	for (int i = 0; i < 12; i++)
		kube_event(world.events, &about, "Warning", "Unhealthy", "message %d", i);
	run(&world, 12);
	CHECK_STR("ninth", sent_event(&world, 8, arena)->message, "message 8");
	CHECK_STR("tenth", sent_event(&world, 9, arena)->message, "(combined from similar events): message 9");
	CHECK_STR("who reports", sent_event(&world, 8, arena)->reportinginstance, "n");
	CHECK_STR("nobody", str_or(sent_event(&world, 9, arena)->reportinginstance, ""), "");
	CHECK_STR("tenth is new", world.calls[9]->method, "POST");
	CHECK_STR("twelfth counts", world.calls[11]->method, "PATCH");
	CHECK_STR("with its own words", sent_event(&world, 11, arena)->message,
		  "(combined from similar events): message 11");
	CHECK_INT("count", sent_event(&world, 11, arena)->count, ==, 3);
	end(&world);
}

TEST(a_source_that_floods_is_stopped)
{
	struct world world = { 0 };
	Core__ObjectReference one = container_of_pod("c"), other = CORE__OBJECT_REFERENCE__INIT;

	begin(&world);
	kube_reference_node("n", "n", &other);
	for (int i = 0; i < 40; i++)
		kube_event(world.events, &one, "Normal", "Pulled", "same");
	kube_event(world.events, &other, "Normal", "NodeReady", "well");
	run(&world, 26);
	CHECK_STR("the node's", world.calls[25]->target, "/api/v1/namespaces/default/events");
	end(&world);
}

TEST(a_refused_one_is_dropped_and_a_lost_one_sent_again)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct world world = { .status = { 403, -1 } };
	Core__ObjectReference about = container_of_pod("c");

	begin(&world);
	kube_event(world.events, &about, "Normal", "Refused", "refused");
	kube_event(world.events, &about, "Normal", "Lost", "lost");
	kube_event(world.events, &about, "Normal", "After", "after");
	run(&world, 4);
	CHECK_STR("lost", sent_event(&world, 1, arena)->reason, "Lost");
	CHECK_STR("again", sent_event(&world, 2, arena)->reason, "Lost");
	CHECK_STR("same name", sent_event(&world, 2, arena)->metadata->name,
		  sent_event(&world, 1, arena)->metadata->name);
	CHECK_STR("then the next", sent_event(&world, 3, arena)->reason, "After");
	end(&world);
}
