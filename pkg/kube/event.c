/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/kube/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/list.h"
#include "pkg/base/log.h"
#include "pkg/base/rand.h"
#include "pkg/base/rate.h"
#include "pkg/codec/meta.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/codec/utf8.h"
#include "pkg/kube/event_past.h"

enum {
	MESSAGE_MAX = 1024, /* the API refuses longer ones */
	RETRY_MS = 10000,   /* while the API server cannot be reached, client-go's numbers */
	TRIES = 12,
};

struct waiting {
	struct list link;
	struct arena *arena;
	Core__Event *event;
	const char *uid; /* of what it is about */
	uint64_t key;    /* what is said; the same again has the same */
	uint64_t stamp;  /* the end of its name */
	uint64_t raises; /* the end of the name of the event whose count it raises; 0: it is a new one */
	int tries;
};

struct kube_events {
	struct kube *kube;
	char *component, *host;
	struct event_past *past;
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

/* ---- sending ---- */

static void send_next(struct kube_events *events);

static void waiting_free(struct waiting *waiting)
{
	arena_free(waiting->arena);
	free(waiting);
}

static void free_now(struct kube_events *events)
{
	event_past_free(events->past);
	if (events->out) /* it waited for its next try */
		waiting_free(events->out);
	list_for_each(waiting, &events->waiting, struct waiting, link)
		waiting_free(waiting);
	free(events->component);
	free(events->host);
	free(events);
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

	(void)result;
	events->task = NULL;
	if (events->freed) {
		waiting_free(waiting);
		free_now(events);
		return;
	}
	if (err && err->code == -ENOENT && waiting->raises) { /* the one we counted on has expired */
		event_past_expired(events->past, waiting->uid, waiting->key);
		waiting->raises = 0;
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
	else if (!waiting->raises)
		event_past_sent(events->past, waiting->uid, &(struct event_sent){ waiting->key, waiting->stamp, 1 });
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

static void raise_count(struct kube_events *events)
{
	struct waiting *out = events->out;
	const char *path =
		arena_printf(out->arena, "/api/v1/namespaces/%s/events/%s.%" PRIx64, out->event->metadata->namespace_,
			     out->event->involvedobject->name, out->raises);
	_cleanup_buf_ struct buf json = BUF_INIT(MESSAGE_MAX * 8);
	Core__Event patch = CORE__EVENT__INIT;
	struct kube_ask ask = { .method = "PATCH", .path = path, .content_type = KUBE_STRATEGIC_PATCH };
	struct err ignored; /* a message that is no text was made one before */

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
	struct waiting *out = events->out;
	const struct event_sent *sent = out->raises ? NULL : event_past_find(events->past, out->uid, out->key);

	if (sent) { /* counted now, for more like it may come while this one is out */
		out->raises = sent->stamp;
		out->event->count = sent->count + 1;
		event_past_sent(events->past, out->uid,
				&(struct event_sent){ out->key, out->raises, out->event->count });
	}
	if (out->raises)
		raise_count(events);
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
			  uint64_t stamp, const char *type, const char *reason, char *message)
{
	Core__Event *event = PB_NEW(arena, Core__Event, core__event__descriptor);
	const char *namespace_ = str_or(about->namespace_, "default"); /* of events about the node */

	event->metadata = PB_NEW(arena, Meta__ObjectMeta, meta__object_meta__descriptor);
	event->metadata->name = arena_printf(arena, "%s.%" PRIx64, about->name, stamp);
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

static const char *uid_of(const Core__ObjectReference *about)
{
	return str_or(about->uid, str_or(about->name, ""));
}

static struct event_said what_is_said(const struct event_past *past, const Core__ObjectReference *about,
				      const char *type, const char *reason, const char *message)
{
	uint64_t group = event_past_hash(past, event_past_hash(past, 0, type), reason);
	uint64_t part = event_past_hash(past, group, str_or(about->fieldpath, ""));

	return (struct event_said){
		.reason = group,
		.message = event_past_hash(past, 0, message),
		.key = event_past_hash(past, part, message),
	};
}

void kube_event(struct kube_events *events, const Core__ObjectReference *about, const char *type, const char *reason,
		const char *format, ...)
{
	char text[MESSAGE_MAX + 1];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	struct waiting *waiting = xcalloc(1, sizeof *waiting);
	waiting->arena = arena_new();
	char *message = clean_message(waiting->arena, text, strlen(text));
	struct event_said said = what_is_said(events->past, about, type, reason, message);
	enum event_verdict verdict = events->n_waiting < KUBE_EVENTS_WAITING
					     ? event_past_judge(events->past, uid_of(about), &said, clock_mono_ms())
					     : EVENT_TOO_MANY;
	const char *object =
		arena_printf(waiting->arena, "%s/%s/%s/%s", str_or(about->kind, ""), str_or(about->namespace_, ""),
			     str_or(about->name, ""), str_or(about->uid, ""));

	if (verdict == EVENT_TOO_MANY) {
		log_v(2, "Dropped an event: too many", "object", object, "reason", reason, NULL);
		waiting_free(waiting);
		return;
	}
	if (verdict == EVENT_COMBINED) {
		_cleanup_free_ char *combined = xasprintf("(combined from similar events): %s", message);

		message = clean_message(waiting->arena, combined, strlen(combined));
	}
	waiting->uid = arena_strdup(waiting->arena, uid_of(about));
	waiting->key = verdict == EVENT_COMBINED ? said.reason : said.key;
	waiting->stamp = (uint64_t)clock_wall_ns();
	waiting->event = build(events, waiting->arena, about, waiting->stamp, type, reason, message);
	if (verdict == EVENT_COMBINED) /* as client-go: they name a source only */
		waiting->event->reportingcomponent = waiting->event->reportinginstance = NULL;
	log_v(2, "Event occurred", "object", object, "fieldPath", str_or(about->fieldpath, ""), "type", type, "reason",
	      reason, "message", message, NULL);
	list_append(&events->waiting, &waiting->link);
	events->n_waiting++;
	send_next(events);
}

void kube_events_forget(struct kube_events *events, const char *uid)
{
	event_past_forget(events->past, uid);
}

struct kube_events *kube_events_new(struct kube *kube, const char *component, const char *host, int qps, int burst)
{
	struct kube_events *events = xcalloc(1, sizeof *events);

	events->kube = kube;
	events->component = xstrdup(component);
	events->host = xstrdup(host);
	events->past = event_past_new();
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
