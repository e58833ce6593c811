/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/kube/listwatch.h"

#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/test/fake_http.h"
#include "pkg/test/test.h"

enum { TOO_LONG_MS = 20000, SETTLE_MS = 50, LOG_MAX = 4096, TARGETS = 8 };

/* What the server is asked and what the owner hears, as text: "L0" list, "W5" watch from 5, "+a1" set, "-a" gone. */
struct world {
	struct loop *loop;
	struct fake_http *fake;
	struct kube *kube;
	struct kube_listwatch *listwatch;
	struct buf log;
	const char *until; /* stop when the log ends so */
	void (*script)(struct world *world, struct fake_call *call);
	struct loop_timer limit;
	bool free_in_set, free_in_synced;
	struct fake_call *call; /* the last one */
};

static void note(struct world *world, const char *what, const char *detail)
{
	buf_printf(&world->log, "%s%s%s", world->log.size ? " " : "", what, detail);
	if (world->until && str_has_suffix(buf_text(&world->log), world->until))
		loop_timer_start(&world->limit, SETTLE_MS);
}

static void stop(void *owner)
{
	loop_stop(((struct world *)owner)->loop);
}

static void free_it(struct world *world)
{
	kube_listwatch_free(steal_pointer(&world->listwatch));
}

static void pod_set(void *owner, ProtobufCMessage *object, struct arena *arena)
{
	struct world *world = owner;
	const Core__Pod *pod = (const Core__Pod *)object;
	_cleanup_free_ char *text = xasprintf("%s%s", pod->metadata->name, pod->metadata->resourceversion);

	note(world, "+", text);
	arena_free(arena);
	if (world->free_in_set)
		free_it(world);
}

static void pod_gone(void *owner, const char *namespace_, const char *name, const char *uid)
{
	_cleanup_free_ char *text = xasprintf("%s/%s/%s", namespace_, name, uid);

	note(owner, "-", text);
}

static void pods_synced(void *owner)
{
	struct world *world = owner;

	note(world, "synced", "");
	if (world->free_in_synced)
		free_it(world);
}

static void called(void *owner, struct fake_call *call)
{
	struct world *world = owner;
	const char *version = strstr(call->target, "resourceVersion=");
	bool watch = strstr(call->target, "&watch=true");
	_cleanup_free_ char *text = xstrdup(version ? version + strlen("resourceVersion=") : "?");

	text[strcspn(text, "&")] = 0;
	world->call = call;
	note(world, watch ? "W" : "L", text);
	world->script(world, call);
}

static void run(struct world *world, void (*script)(struct world *world, struct fake_call *call), const char *until)
{
	struct kubeconfig config = { 0 };
	struct kube_listwatch_spec spec = {
		.path = "/api/v1/pods",
		.query = "fieldSelector=spec.nodeName%3Dn",
		.type = &core__pod__descriptor,
		.owner = world,
		.set = pod_set,
		.gone = pod_gone,
		.synced = pods_synced,
	};

	world->loop = loop_new();
	world->fake = fake_http_new(world->loop, called, world);
	config.server = fake_http_url(world->fake);
	world->kube = kube_new(world->loop, &config, "test");
	world->log = (struct buf)BUF_INIT(LOG_MAX);
	world->script = script;
	world->until = until;
	loop_timer_init(&world->limit, world->loop, stop, world);
	loop_timer_start(&world->limit, TOO_LONG_MS);
	world->listwatch = kube_listwatch_new(world->kube, &spec);
	loop_run(world->loop);

	free_it(world);
	world->until = NULL;
	test_run(world->loop, SETTLE_MS); /* its request ends */
}

static void end(struct world *world)
{
	kube_free(world->kube);
	test_run(world->loop, SETTLE_MS);
	fake_http_free(world->fake);
	buf_done(&world->log);
	loop_free(world->loop);
}

#define POD(name, uid, version)                                                                                       \
	"{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"d\",\"uid\":\"" uid "\",\"resourceVersion\":\"" version \
	"\"}}"
#define LIST(version, items) \
	"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define STATUS(code, reason, message)                                                                  \
	"{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"" message "\",\"reason\":\"" reason \
	"\",\"code\":" #code "}"

/* ---- */

static void life(struct world *world, struct fake_call *call)
{
	switch (call->number) {
	case 0:
		fake_answer(call, 200, "", LIST("5", POD("a", "u1", "3") "," POD("b", "u2", "4")));
		break;
	case 1:
		fake_begin(call);
		fake_write(call, EVENT("ADDED", POD("c", "u3", "6")));
		fake_write(call, EVENT("MODIFIED", POD("a", "u1", "7")) EVENT("DELETED", POD("b", "u2", "8")));
		/* a line in two pieces */
		fake_write(call, "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resource");
		fake_write(call, "Version\":\"20\"}}}\n");
		fake_end(call);
		break;
	default:
		fake_begin(call); /* a watch that stays */
		fake_write(call, EVENT("DELETED", POD("c", "u3", "21")));
		fake_write(call, EVENT("ADDED", POD("c", "u4", "22")));
	}
}

TEST(lists_then_watches_and_goes_on_from_the_bookmark)
{
	struct world world = { 0 };

	run(&world, life, "+c22");
	CHECK_STR("story", buf_text(&world.log), "L0 +a3 +b4 synced W5 +c6 +a7 -d/b/u2 W20 -d/c/u3 +c22");
	CHECK("selector", strstr(world.call->target, "/api/v1/pods?fieldSelector=spec.nodeName%3Dn&"));
	CHECK("bookmarks", strstr(world.call->target, "allowWatchBookmarks=true"));
	CHECK("gone", fake_is_gone(world.call)); /* freeing closed the watch */
	end(&world);
}

static void expired(struct world *world, struct fake_call *call)
{
	switch (call->number) {
	case 0:
		fake_answer(call, 200, "",
			    LIST("5", POD("a", "u1", "3") "," POD("b", "u2", "4") "," POD("c", "u3", "4")));
		break;
	case 1:
		fake_begin(call); /* the server leaves it open */
		fake_write(call, EVENT("ERROR", STATUS(410, "Expired", "too old resource version: 5 (9)")));
		break;
	case 2: /* a is as it was, b is gone, c is another one of the same name */
		fake_answer(call, 200, "", LIST("9", POD("a", "u1", "3") "," POD("c", "u9", "8")));
		break;
	case 3:
		fake_answer(call, 410, "", STATUS(410, "Expired", "too old"));
		break;
	case 4:
		fake_answer(call, 200, "", LIST("12", POD("c", "u9", "11")));
		break;
	default:
		fake_begin(call);
	}
}

TEST(lists_again_after_410_and_tells_only_what_changed)
{
	struct world world = { 0 };

	run(&world, expired, "W12");
	CHECK_STR("story", buf_text(&world.log),
		  "L0 +a3 +b4 +c4 synced W5 L -d/c/u3 +c8 -d/b/u2 synced W9 L +c11 -d/a/u1 synced W12");
	end(&world);
}

static void failing(struct world *world, struct fake_call *call)
{
	switch (call->number) {
	case 0:
		fake_answer(call, 403, "", STATUS(403, "Forbidden", "no"));
		break;
	case 1:
		fake_answer(call, 200, "", LIST("5", POD("a", "u1", "3")));
		break;
	case 2:
		fake_begin(call);
		fake_write(call, EVENT("MODIFIED", POD("a", "u1", "6")));
		fake_drop(call); /* in the middle of a chunked answer */
		break;
	case 3:
		fake_begin(call);
		fake_write(call, "not JSON\n");
		break;
	case 4:
		fake_answer(call, 200, "", LIST("7", POD("a", "u1", "6")));
		break;
	default:
		fake_begin(call);
	}
}

TEST(goes_on_after_refusals_lost_connections_and_garbage)
{
	struct world world = { 0 };

	run(&world, failing, "W7");
	CHECK_STR("story", buf_text(&world.log), "L0 L0 +a3 synced W5 +a6 W6 L synced W7");
	end(&world);
}

#define BAD_POD "{\"metadata\":{\"name\":7}}"
#define BAD_SPEC(name, uid) "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"d\",\"uid\":\"" uid "\"},\"spec\":7}"

static void unreadable(struct world *world, struct fake_call *call)
{
	switch (call->number) {
	case 0:
		fake_answer(call, 200, "", LIST("5", POD("a", "u1", "3") "," POD("b", "u2", "4")));
		break;
	case 1:
		fake_begin(call);
		fake_write(call, EVENT("MODIFIED", BAD_POD) EVENT("DELETED", POD("b", "u2", "7")));
		break;
	case 2: /* the unreadable one may be a */
		fake_answer(call, 200, "", LIST("8", BAD_POD "," POD("c", "u3", "8")));
		break;
	case 3: /* now it is known which it is */
		fake_answer(call, 200, "", LIST("9", BAD_SPEC("a", "u1")));
		break;
	case 4:
		fake_answer(call, 200, "", LIST("10", POD("a", "u1", "10")));
		break;
	default:
		fake_begin(call);
	}
}

TEST(an_object_that_cannot_be_read_is_not_gone)
{
	struct world world = { 0 };

	run(&world, unreadable, "W10");
	CHECK_STR("story", buf_text(&world.log), "L0 +a3 +b4 synced W5 L +c8 L -d/b/u2 -d/c/u3 L +a10 synced W10");
	end(&world);
}

static void refusing(struct world *world, struct fake_call *call)
{
	if (call->number < 4)
		fake_answer(call, 403, "", STATUS(403, "Forbidden", "no relationship found"));
	else if (call->number == 4)
		fake_answer(call, 200, "", LIST("5", POD("a", "u1", "3")));
	else
		fake_begin(call);
}

TEST(a_first_list_that_is_refused_is_soon_tried_again)
{
	struct world world = { 0 };

	run(&world, refusing, "W5");
	CHECK_STR("story", buf_text(&world.log), "L0 L0 L0 L0 L0 +a3 synced W5");
	end(&world);
}

static void one_list(struct world *world, struct fake_call *call)
{
	fake_answer(call, 200, "", LIST("5", POD("a", "u1", "3") "," POD("b", "u2", "4")));
}

TEST(may_be_freed_inside_its_callbacks)
{
	struct world set = { .free_in_set = true }, synced = { .free_in_synced = true };

	run(&set, one_list, "+a3");
	CHECK_STR("in set", buf_text(&set.log), "L0 +a3");
	end(&set);
	run(&synced, one_list, "synced");
	CHECK_STR("in synced", buf_text(&synced.log), "L0 +a3 +b4 synced");
	end(&synced);
}
