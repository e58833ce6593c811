/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/kube/listwatch.h"

#include <inttypes.h>
#include <string.h>

#include "k8s/runtime.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/base/log.h"
#include "pkg/base/map.h"
#include "pkg/base/rand.h"
#include "pkg/base/rate.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"

enum {
	BACKOFF_FIRST_MS = 800, /* client-go's two */
	BACKOFF_LAST_MS = 30000,
	REFUSED_FIRST_MS = 50, /* before the first answer: 50, 100, 200, 400 ms, then as after any failure */
	REFUSED_LAST_MS = 400,
	WATCH_MIN_S = 300,     /* the server ends a watch after a random time between this and its double */
	SHORT_WATCH_MS = 1000, /* one that ends sooner is suspicious: the next one waits as long; client-go's time */
	BACKOFF_RESET_MS = 120000, /* a watch that held so long was well, client-go's time */
};

/* What is remembered of an object, to tell changes after a new list. */
struct known {
	char *namespace_, *name, *uid, *version;
	uint64_t round;
};

struct kube_listwatch {
	struct kube *kube;
	char *path, *query, *version;
	struct kube_listwatch_spec spec;
	struct map *known; /* "namespace/name" */
	uint64_t round;
	struct task *task; /* list or watch that is out */
	struct loop_timer again;
	int64_t backoff_ms, refused_ms, started_ms;
	bool synced, relist, freed, progressed;
	bool calling; /* the owner is being called with no request out: it may free us there */
};

static void known_free(struct known *known)
{
	free(known->namespace_);
	free(known->name);
	free(known->uid);
	free(known->version);
	free(known);
}

/* The metadata of any object: always its first field. */
static const Meta__ObjectMeta *meta_of(const ProtobufCMessage *object)
{
	const ProtobufCFieldDescriptor *field = &object->descriptor->fields[0];

	base_assert(field->descriptor == &meta__object_meta__descriptor);
	return *(Meta__ObjectMeta *const *)pb_place(object, field);
}

static void forget(struct kube_listwatch *lw, const char *key)
{
	struct known *known = map_remove(lw->known, key);

	if (!known)
		return;
	lw->spec.gone(lw->spec.owner, known->namespace_, known->name, known->uid);
	known_free(known);
}

static char *key_of(const Meta__ObjectMeta *meta)
{
	return xasprintf("%s/%s", str_or(meta->namespace_, ""), str_or(meta->name, ""));
}

/* Takes the arena. */
static void take_object(struct kube_listwatch *lw, ProtobufCMessage *object, struct arena *arena)
{
	const Meta__ObjectMeta *meta = meta_of(object);
	_cleanup_free_ char *key = meta ? key_of(meta) : NULL;
	struct known *known = key ? map_get(lw->known, key) : NULL;

	if (!meta) {
		arena_free(arena);
		return;
	}
	if (known && !str_eq(known->uid, meta->uid)) { /* deleted and made again while we did not look */
		forget(lw, key);
		known = NULL;
		if (lw->freed) {
			arena_free(arena);
			return;
		}
	}
	if (known && str_eq(known->version, meta->resourceversion)) {
		known->round = lw->round;
		arena_free(arena);
		return;
	}
	if (!known) {
		known = xcalloc(1, sizeof *known);
		known->namespace_ = xstrdup(str_or(meta->namespace_, ""));
		known->name = xstrdup(str_or(meta->name, ""));
		known->uid = xstrdup(str_or(meta->uid, ""));
		map_set(lw->known, key, known);
	}
	free(known->version);
	known->version = xstrdup(str_or(meta->resourceversion, ""));
	known->round = lw->round;
	lw->spec.set(lw->spec.owner, object, arena);
}

/* It is still there, though nobody can read what it is by now; false when not even its name can be read. */
static bool keep_unreadable(struct kube_listwatch *lw, const ProtobufCBinaryData *raw)
{
	_cleanup_arena_ struct arena *arena = arena_new_limited(KUBE_OBJECT_MAX);
	ProtobufCMessage *object;
	struct err ignored;

	if (pbjson_decode(&meta__partial_object_metadata__descriptor, (const char *)raw->data, raw->len, arena, &object,
			  &ignored) < 0 ||
	    !meta_of(object))
		return false;
	_cleanup_free_ char *key = key_of(meta_of(object));
	struct known *known = map_get(lw->known, key);

	if (known && str_eq(known->uid, meta_of(object)->uid))
		known->round = lw->round;
	return true;
}

static int decode_object(struct kube_listwatch *lw, const ProtobufCBinaryData *raw, ProtobufCMessage **ret_object,
			 struct arena **ret_arena)
{
	struct arena *arena = arena_new_limited(KUBE_OBJECT_MAX);
	struct err err;
	int code = pbjson_decode(lw->spec.type, (const char *)raw->data, raw->len, arena, ret_object, &err);

	if (code < 0) {
		log_error(&err, "Failed to decode an object", "path", lw->path, NULL);
		arena_free(arena);
		return code;
	}
	*ret_arena = arena;
	return 0;
}

static void set_version(struct kube_listwatch *lw, const char *version)
{
	if (str_empty(version))
		return;
	free(lw->version);
	lw->version = xstrdup(version);
}

static void start(struct kube_listwatch *lw);

static void start_later(struct kube_listwatch *lw, int64_t delay_ms)
{
	loop_timer_start(&lw->again, delay_ms);
}

static int64_t next_backoff(struct kube_listwatch *lw)
{
	lw->backoff_ms = rate_back_off(lw->backoff_ms, BACKOFF_FIRST_MS, BACKOFF_LAST_MS);
	return lw->backoff_ms + rand_below((uint32_t)lw->backoff_ms); /* client-go's jitter: up to twice */
}

static void free_now(struct kube_listwatch *lw)
{
	size_t at = 0;
	void *known;

	while (map_next(lw->known, &at, NULL, &known))
		known_free(known);
	map_free(lw->known);
	free(lw->path);
	free(lw->query);
	free(lw->version);
	free(lw);
}

/* Whoever decides what a node may see learns of a pod, and of what it names, a moment later than the node itself. */
static bool is_early(struct kube_listwatch *lw, const struct err *err)
{
	if (lw->synced || err->code != -EACCES || lw->refused_ms >= REFUSED_LAST_MS)
		return false;
	lw->refused_ms = rate_back_off(lw->refused_ms, REFUSED_FIRST_MS, REFUSED_LAST_MS);
	return true;
}

static void failed(struct kube_listwatch *lw, const struct err *err)
{
	if (is_early(lw, err)) {
		log_v(2, "Failed to list for the first time", "err", err->text, "path", lw->path, NULL);
		start_later(lw, lw->refused_ms);
		return;
	}
	if (err->code == -ESTALE) { /* versions get old, that is no failure */
		lw->relist = true;
		log_v(2, "A watch is too old", "path", lw->path, "query", str_or(lw->query, ""), NULL);
	} else {
		log_error(err, "Failed to list or watch", "path", lw->path, "query", str_or(lw->query, ""), NULL);
	}
	start_later(lw, next_backoff(lw));
}

/* ---- list ---- */

static void drop_those_of_older_rounds(struct kube_listwatch *lw)
{
	size_t at = 0;
	const char *key;
	void *value;

	while (!lw->freed && map_next(lw->known, &at, &key, &value)) {
		if (((struct known *)value)->round == lw->round)
			continue;
		_cleanup_free_ char *copy = xstrdup(key);
		forget(lw, copy);
	}
}

static void list_is_whole(struct kube_listwatch *lw, const Meta__List *list)
{
	lw->backoff_ms = 0;
	set_version(lw, list->metadata ? list->metadata->resourceversion : NULL);
	lw->synced = true;
	if (lw->spec.synced && !lw->freed)
		lw->spec.synced(lw->spec.owner);
}

static void list_done(void *owner, const void *result, const struct err *err)
{
	struct kube_listwatch *lw = owner;
	const Meta__List *list = result;
	bool all_known = true;

	lw->task = NULL;
	if (lw->freed) {
		free_now(lw);
		return;
	}
	if (err) {
		failed(lw, err);
		return;
	}
	lw->calling = true;
	lw->round++;
	lw->relist = false;
	for (size_t i = 0; i < list->n_items && !lw->freed; i++) {
		ProtobufCMessage *object;
		struct arena *arena;

		if (decode_object(lw, &list->items[i]->raw, &object, &arena) == 0) {
			take_object(lw, object, arena);
		} else {
			lw->relist = true;
			all_known &= keep_unreadable(lw, &list->items[i]->raw);
		}
	}
	if (all_known) /* else one of the others may be the one that cannot be read */
		drop_those_of_older_rounds(lw);
	if (!lw->relist)
		list_is_whole(lw, list);
	lw->calling = false;
	if (lw->freed)
		free_now(lw);
	else
		start_later(lw, lw->relist ? next_backoff(lw) : 0);
}

static void list(struct kube_listwatch *lw)
{
	_cleanup_free_ char *query = xasprintf("%s%sresourceVersion=%s", lw->query ? lw->query : "",
					       lw->query ? "&" : "", lw->relist ? "" : "0");
	struct kube_ask ask = { .method = "GET", .path = lw->path, .query = query, .reply = &meta__list__descriptor };

	lw->task = kube_ask(lw->kube, &ask, list_done, lw);
}

/* ---- watch ---- */

/* This watch is of no more use. */
static void list_instead(struct kube_listwatch *lw)
{
	lw->relist = true;
	task_cancel(lw->task);
}

static void watch_error(struct kube_listwatch *lw, const ProtobufCBinaryData *raw)
{
	_cleanup_arena_ struct arena *arena = arena_new_limited(KUBE_OBJECT_MAX);
	ProtobufCMessage *message;
	struct err err;

	list_instead(lw); /* 410, and whatever else the server does not go on from */
	if (pbjson_decode(&meta__status__descriptor, (const char *)raw->data, raw->len, arena, &message, &err) == 0)
		log_v(2, "A watch ended with an error", "path", lw->path, "message",
		      str_or(((Meta__Status *)message)->message, ""), NULL);
}

static void watch_line(void *owner, const char *json, size_t size)
{
	struct kube_listwatch *lw = owner;
	_cleanup_arena_ struct arena *scratch = arena_new_limited(KUBE_OBJECT_MAX);
	ProtobufCMessage *message, *object;
	struct arena *arena;
	struct err err;

	if (lw->freed || lw->relist)
		return;
	if (pbjson_decode(&meta__watch_event__descriptor, json, size, scratch, &message, &err) < 0) {
		log_error(&err, "Failed to decode a watch event", "path", lw->path, NULL);
		list_instead(lw);
		return;
	}
	const Meta__WatchEvent *event = (const Meta__WatchEvent *)message;
	if (!event->object)
		return;
	if (str_eq(event->type, "ERROR")) {
		watch_error(lw, &event->object->raw);
		return;
	}
	if (decode_object(lw, &event->object->raw, &object, &arena) < 0) {
		list_instead(lw);
		return;
	}
	const Meta__ObjectMeta *meta = meta_of(object);
	lw->progressed = true;
	if (meta)
		set_version(lw, meta->resourceversion);
	if (str_eq(event->type, "ADDED") || str_eq(event->type, "MODIFIED")) {
		take_object(lw, object, arena);
		return;
	}
	if (str_eq(event->type, "DELETED") && meta) {
		_cleanup_free_ char *key = key_of(meta);

		forget(lw, key);
	}
	arena_free(arena);
}

static void watch_done(void *owner, const void *result, const struct err *err)
{
	struct kube_listwatch *lw = owner;

	(void)result;
	lw->task = NULL;
	if (lw->freed) {
		free_now(lw);
		return;
	}
	if (loop_now_ms(kube_loop(lw->kube)) - lw->started_ms > BACKOFF_RESET_MS)
		lw->backoff_ms = 0;
	if (err && !lw->progressed && !lw->relist) {
		failed(lw, err);
		return;
	}
	if (err && err->code == -ESTALE)
		lw->relist = true;
	/* An ordinary end. One that comes at once would turn into a storm. */
	lw->backoff_ms = 0;
	bool at_once = loop_now_ms(kube_loop(lw->kube)) - lw->started_ms < SHORT_WATCH_MS;
	start_later(lw, at_once || err ? SHORT_WATCH_MS : 0);
}

static void watch(struct kube_listwatch *lw)
{
	_cleanup_free_ char *query = xasprintf(
		"%s%sallowWatchBookmarks=true&resourceVersion=%s&timeoutSeconds=%u&watch=true",
		lw->query ? lw->query : "", lw->query ? "&" : "", lw->version, WATCH_MIN_S + rand_below(WATCH_MIN_S));

	lw->progressed = false;
	lw->started_ms = loop_now_ms(kube_loop(lw->kube));
	lw->task = kube_watch(lw->kube, lw->path, query, watch_line, watch_done, lw);
}

static void start(struct kube_listwatch *lw)
{
	if (!lw->synced || lw->relist || !lw->version)
		list(lw);
	else
		watch(lw);
}

static void start_now(void *owner)
{
	start(owner);
}

struct kube_listwatch *kube_listwatch_new(struct kube *kube, const struct kube_listwatch_spec *spec)
{
	struct kube_listwatch *lw = xcalloc(1, sizeof *lw);

	lw->kube = kube;
	lw->spec = *spec;
	lw->path = xstrdup(spec->path);
	lw->query = str_empty(spec->query) ? NULL : xstrdup(spec->query);
	lw->known = map_new();
	loop_timer_init(&lw->again, kube_loop(kube), start_now, lw);
	start(lw);
	return lw;
}

void kube_listwatch_free(struct kube_listwatch *lw)
{
	if (!lw)
		return;
	lw->freed = true;
	loop_timer_stop(&lw->again);
	if (lw->task)
		task_cancel(lw->task);
	else if (!lw->calling)
		free_now(lw);
}

bool kube_listwatch_is_synced(const struct kube_listwatch *lw)
{
	return lw->synced;
}
