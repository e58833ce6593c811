/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/kube/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/list.h"
#include "pkg/base/log.h"
#include "pkg/base/map.h"
#include "pkg/base/rand.h"
#include "pkg/base/rate.h"
#include "pkg/codec/meta.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/codec/utf8.h"

enum {
	MESSAGE_MAX = 1024, /* the API refuses longer ones */
	SPAM_BURST = 25,    /* client-go's spam filter: per source and object */
	SPAM_PERIOD_MS = 300000,
	SIMILAR_MAX = 10, /* different messages of one reason about one object; from here on they become one event */
	SIMILAR_MS = 600000,
	RETRY_MS = 10000, /* while the API server cannot be reached, client-go's numbers */
	TRIES = 12,
};

/* An event of ours in the API, to count repeats on. */
struct sent {
	char *namespace_, *name;
	int32_t count;
	struct list link; /* oldest first */
	char *key;
};

/* What was said lately about one object for one reason. */
struct similar {
	struct map *messages; /* a set */
	int64_t last_ms;
};

struct waiting {
	struct list link;
	struct arena *arena;
	Core__Event *event;
	char *key;
	int tries;
};

struct kube_events {
	struct kube *kube;
	char *component, *host;
	struct map *sent;    /* key: object, type, reason, message */
	struct list by_age;  /* of sent */
	struct map *buckets; /* key: object; struct rate: the spam filter */
	struct map *similar; /* key: object, type, reason */
	struct list waiting;
	size_t n_waiting;
	struct waiting *out; /* being sent */
	struct task *task;
	struct rate rate;
	struct loop_timer later;
	bool freed;
};

void kube_reference_pod(struct arena *arena, const Core__Pod *pod, const char *container,
			Core__ObjectReference *ret_reference)
{
	*ret_reference = (Core__ObjectReference)CORE__OBJECT_REFERENCE__INIT;
	ret_reference->kind = (char *)(uintptr_t) "Pod";
	ret_reference->apiversion = (char *)(uintptr_t) "v1";
	ret_reference->namespace_ = pod->metadata->namespace_;
	ret_reference->name = pod->metadata->name;
	ret_reference->uid = pod->metadata->uid;
	ret_reference->resourceversion = pod->metadata->resourceversion;
	if (container)
		ret_reference->fieldpath = arena_printf(arena, "spec.containers{%s}", container);
}

void kube_reference_node(const char *name, const char *uid, Core__ObjectReference *ret_reference)
{
	*ret_reference = (Core__ObjectReference)CORE__OBJECT_REFERENCE__INIT;
	ret_reference->kind = (char *)(uintptr_t) "Node";
	ret_reference->apiversion = (char *)(uintptr_t) "v1";
	ret_reference->name = (char *)(uintptr_t)name;
	ret_reference->uid = (char *)(uintptr_t)uid;
}

/* ---- limits ---- */

static void forget_buckets(struct kube_events *events)
{
	size_t at = 0;
	void *bucket;

	while (map_next(events->buckets, &at, NULL, &bucket))
		free(bucket);
	map_free(events->buckets);
	events->buckets = map_new();
}

static bool is_spam(struct kube_events *events, const char *object)
{
	struct rate *bucket = map_get(events->buckets, object);
	int64_t now = clock_mono_ms();

	if (!bucket) {
		if (map_size(events->buckets) >= KUBE_EVENTS_KEPT)
			forget_buckets(events);
		bucket = xcalloc(1, sizeof *bucket);
		*bucket = (struct rate){ (double)MS_PER_S / SPAM_PERIOD_MS, SPAM_BURST, SPAM_BURST, now };
		map_set(events->buckets, object, bucket);
	}
	return !rate_take(bucket, now);
}

static void forget_similar(struct kube_events *events)
{
	size_t at = 0;
	void *similar;

	while (map_next(events->similar, &at, NULL, &similar)) {
		map_free(((struct similar *)similar)->messages);
		free(similar);
	}
	map_free(events->similar);
	events->similar = map_new();
}

/* True when so many different messages came for one reason that they are told as one event. */
static bool is_combined(struct kube_events *events, const char *group, const char *message)
{
	struct similar *similar = map_get(events->similar, group);
	int64_t now = clock_mono_ms();

	if (!similar) {
		if (map_size(events->similar) >= KUBE_EVENTS_KEPT)
			forget_similar(events);
		similar = xcalloc(1, sizeof *similar);
		similar->messages = map_new();
		map_set(events->similar, group, similar);
	} else if (now - similar->last_ms > SIMILAR_MS) {
		map_free(similar->messages);
		similar->messages = map_new();
	}
	similar->last_ms = now;
	if (!map_get(similar->messages, message) && map_size(similar->messages) + 1 >= SIMILAR_MAX)
		return true;
	map_set(similar->messages, message, similar);
	return false;
}

/* ---- sending ---- */

static void send_next(struct kube_events *events);

static void waiting_free(struct waiting *waiting)
{
	arena_free(waiting->arena);
	free(waiting->key);
	free(waiting);
}

static void sent_free(struct sent *sent)
{
	list_remove(&sent->link);
	free(sent->namespace_);
	free(sent->name);
	free(sent->key);
	free(sent);
}

static void free_now(struct kube_events *events)
{
	size_t at = 0;
	void *sent;

	while (map_next(events->sent, &at, NULL, &sent))
		sent_free(sent);
	map_free(events->sent);
	forget_buckets(events);
	map_free(events->buckets);
	forget_similar(events);
	map_free(events->similar);
	if (events->out) /* it waited for its next try */
		waiting_free(events->out);
	list_for_each(waiting, &events->waiting, struct waiting, link)
		waiting_free(waiting);
	free(events->component);
	free(events->host);
	free(events);
}

static void remember(struct kube_events *events, const struct waiting *waiting)
{
	struct sent *sent = map_get(events->sent, waiting->key);

	if (sent) {
		sent->count = waiting->event->count;
		return;
	}
	if (map_size(events->sent) >= KUBE_EVENTS_KEPT) {
		struct sent *oldest = list_first(&events->by_age, struct sent, link);

		map_remove(events->sent, oldest->key);
		sent_free(oldest);
	}
	sent = xcalloc(1, sizeof *sent);
	sent->namespace_ = xstrdup(waiting->event->metadata->namespace_);
	sent->name = xstrdup(waiting->event->metadata->name);
	sent->key = xstrdup(waiting->key);
	sent->count = 1;
	list_append(&events->by_age, &sent->link);
	map_set(events->sent, waiting->key, sent);
}

static void create(struct kube_events *events);

/* The server said nothing: it may be back soon. What it refuses is not worth a second try. */
static bool is_worth_a_retry(const struct err *err)
{
	return err->code == -ECONNREFUSED || err->code == -ETIMEDOUT || err->code == -EIO;
}

static void event_done(void *owner, const void *result, const struct err *err)
{
	struct kube_events *events = owner;
	struct waiting *waiting = steal_pointer(&events->out);
	struct sent *sent = map_get(events->sent, waiting->key);

	(void)result;
	events->task = NULL;
	if (events->freed) {
		waiting_free(waiting);
		free_now(events);
		return;
	}
	if (err && err->code == -ENOENT && sent) { /* the one we counted on has expired */
		map_remove(events->sent, waiting->key);
		sent_free(sent);
		events->out = waiting;
		create(events);
		return;
	}
	if (err && is_worth_a_retry(err) && ++waiting->tries < TRIES) {
		events->out = waiting;
		loop_timer_start(&events->later,
				 waiting->tries > 1 ? RETRY_MS : (int64_t)rand_below(RETRY_MS)); /* nodes apart */
		return;
	}
	if (err)
		log_v(2, "Failed to send an event", "err", err->text, "reason", waiting->event->reason, NULL);
	else
		remember(events, waiting);
	waiting_free(waiting);
	send_next(events);
}

static void create(struct kube_events *events)
{
	const struct waiting *out = events->out;
	const char *path = arena_printf(out->arena, "/api/v1/namespaces/%s/events", out->event->metadata->namespace_);
	struct kube_ask ask = { .method = "POST", .path = path, .object = &out->event->base };

	out->event->count = 1;
	events->task = kube_ask(events->kube, &ask, event_done, events);
}

static void raise_count(struct kube_events *events, const struct sent *sent)
{
	struct waiting *out = events->out;
	const char *path = arena_printf(out->arena, "/api/v1/namespaces/%s/events/%s", sent->namespace_, sent->name);
	_cleanup_buf_ struct buf json = BUF_INIT(MESSAGE_MAX * 8);
	Core__Event patch = CORE__EVENT__INIT;
	struct kube_ask ask = { .method = "PATCH", .path = path, .content_type = KUBE_STRATEGIC_PATCH };
	struct err ignored; /* a message that is no text was made one before */

	out->event->count = sent->count + 1;
	patch.has_count = 1;
	patch.count = out->event->count;
	patch.lasttimestamp = out->event->lasttimestamp;
	patch.message = out->event->message; /* that of combined ones changes */
	pbjson_encode(&patch.base, &json, &ignored);
	ask.json = buf_text(&json);
	events->task = kube_ask(events->kube, &ask, event_done, events);
}

static void send_out(struct kube_events *events)
{
	const struct sent *sent = map_get(events->sent, events->out->key);

	if (sent)
		raise_count(events, sent);
	else
		create(events);
}

static void send_next(struct kube_events *events)
{
	if (events->out || list_empty(&events->waiting))
		return;
	if (!rate_take(&events->rate, clock_mono_ms())) {
		loop_timer_start(&events->later, (int64_t)(MS_PER_S / events->rate.per_second) + 1);
		return;
	}
	events->out = list_first(&events->waiting, struct waiting, link);
	list_remove(&events->out->link);
	events->n_waiting--;
	send_out(events);
}

static void send_later(void *owner)
{
	struct kube_events *events = owner;

	if (events->out)
		send_out(events);
	else
		send_next(events);
}

/* ---- building ---- */

static Core__Event *build(struct kube_events *events, struct arena *arena, const Core__ObjectReference *about,
			  const char *type, const char *reason, char *message)
{
	Core__Event *event = PB_NEW(arena, Core__Event, core__event__descriptor);
	const char *namespace_ = str_or(about->namespace_, "default"); /* of events about the node */

	event->metadata = PB_NEW(arena, Meta__ObjectMeta, meta__object_meta__descriptor);
	event->metadata->name = arena_printf(arena, "%s.%" PRIx64, about->name, (uint64_t)clock_wall_ns());
	event->metadata->namespace_ = arena_strdup(arena, namespace_);
	event->involvedobject = (Core__ObjectReference *)pb_copy(&about->base, arena);
	event->reason = arena_strdup(arena, reason);
	event->message = message;
	event->type = arena_strdup(arena, type);
	event->source = PB_NEW(arena, Core__EventSource, core__event_source__descriptor);
	event->source->component = arena_strdup(arena, events->component);
	event->source->host = arena_strdup(arena, events->host);
	event->firsttimestamp = event->lasttimestamp = meta_time(arena, clock_wall_s());
	event->has_count = 1;
	event->count = 1;
	event->reportingcomponent = arena_strdup(arena, events->component);
	event->reportinginstance = arena_strdup(arena, events->host);
	return event;
}

static char *clean_message(struct arena *arena, const char *text, size_t size)
{
	_cleanup_buf_ struct buf clean = BUF_INIT(MESSAGE_MAX * 4);

	utf8_sanitize(text, size, &clean);
	return arena_strndup(arena, buf_text(&clean), utf8_cut(buf_text(&clean), clean.size, MESSAGE_MAX));
}

void kube_event(struct kube_events *events, const Core__ObjectReference *about, const char *type, const char *reason,
		const char *format, ...)
{
	char text[MESSAGE_MAX + 1];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	_cleanup_free_ char *object = xasprintf("%s/%s/%s/%s", str_or(about->kind, ""), str_or(about->namespace_, ""),
						str_or(about->name, ""), str_or(about->uid, ""));
	if (events->n_waiting >= KUBE_EVENTS_WAITING || is_spam(events, object)) {
		log_v(2, "Dropped an event: too many", "object", object, "reason", reason, NULL);
		return;
	}
	struct waiting *waiting = xcalloc(1, sizeof *waiting);
	waiting->arena = arena_new();
	char *message = clean_message(waiting->arena, text, strlen(text));
	char *group = xasprintf("%s|%s|%s", object, type, reason);
	bool is_one = true;
	if (is_combined(events, group, message)) {
		_cleanup_free_ char *combined = xasprintf("(combined from similar events): %s", message);

		message = clean_message(waiting->arena, combined, strlen(combined));
		waiting->key = group;
		is_one = false;
	} else {
		waiting->key = xasprintf("%s|%s|%s", group, str_or(about->fieldpath, ""), message);
		free(group);
	}
	waiting->event = build(events, waiting->arena, about, type, reason, message);
	if (!is_one) /* as client-go: they name a source only */
		waiting->event->reportingcomponent = waiting->event->reportinginstance = NULL;
	log_v(2, "Event occurred", "object", object, "fieldPath", str_or(about->fieldpath, ""), "type", type, "reason",
	      reason, "message", message, NULL);
	list_append(&events->waiting, &waiting->link);
	events->n_waiting++;
	send_next(events);
}

struct kube_events *kube_events_new(struct kube *kube, const char *component, const char *host, int qps, int burst)
{
	struct kube_events *events = xcalloc(1, sizeof *events);

	events->kube = kube;
	events->component = xstrdup(component);
	events->host = xstrdup(host);
	events->sent = map_new();
	events->buckets = map_new();
	events->similar = map_new();
	list_init(&events->by_age);
	list_init(&events->waiting);
	burst = MAX(burst, 1);
	events->rate = (struct rate){ qps, burst, burst, clock_mono_ms() };
	loop_timer_init(&events->later, kube_loop(kube), send_later, events);
	return events;
}

void kube_events_free(struct kube_events *events)
{
	if (!events)
		return;
	events->freed = true;
	loop_timer_stop(&events->later);
	if (events->task)
		task_cancel(events->task);
	else
		free_now(events);
}
