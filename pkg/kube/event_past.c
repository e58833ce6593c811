/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/kube/event_past.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/list.h"
#include "pkg/base/map.h"
#include "pkg/base/rand.h"
#include "pkg/base/rate.h"

enum {
	OBJECTS_MAX = 1024, /* with some four events each, what client-go's 4,096 keys hold */
	SENT_MAX = 64,      /* of one object */
	REASONS_MAX = 32,
	SPAM_BURST = 25, /* client-go's spam filter: per source and object */
	SPAM_PERIOD_MS = 300000,
	SIMILAR_MAX = 10, /* different messages of one reason; from here on they become one event */
	SIMILAR_MS = 600000,
};

struct reason {
	uint64_t hash;
	int64_t last_ms;
	uint64_t messages[SIMILAR_MAX - 1];
	size_t n_messages;
};

/* Rows are in the order of their making: the first is the one to go when there are too many. */
struct object {
	struct list link;
	char *uid;
	struct rate rate;
	struct reason *reasons;
	struct event_sent *sent;
	size_t n_reasons, n_sent;
};

struct event_past {
	struct map *objects;
	struct list by_use; /* that of the longest ago first */
	uint64_t seed;
};

struct event_past *event_past_new(void)
{
	struct event_past *past = xcalloc(1, sizeof *past);

	past->objects = map_new();
	list_init(&past->by_use);
	rand_bytes(&past->seed, sizeof past->seed);
	return past;
}

static void forget(struct event_past *past, struct object *object)
{
	map_remove(past->objects, object->uid);
	list_remove(&object->link);
	free(object->uid);
	free(object->reasons);
	free(object->sent);
	free(object);
}

void event_past_free(struct event_past *past)
{
	list_for_each(object, &past->by_use, struct object, link)
		forget(past, object);
	map_free(past->objects);
	free(past);
}

uint64_t event_past_hash(const struct event_past *past, uint64_t start, const char *text)
{
	return map_hash(past->seed ^ start, text);
}

static struct object *find(struct event_past *past, const char *uid)
{
	struct object *object = map_get(past->objects, uid);

	if (object) {
		list_remove(&object->link);
		list_append(&past->by_use, &object->link);
	}
	return object;
}

static struct object *find_or_add(struct event_past *past, const char *uid, int64_t now_ms)
{
	struct object *object = find(past, uid);

	if (object)
		return object;
	if (map_size(past->objects) >= OBJECTS_MAX)
		forget(past, list_first(&past->by_use, struct object, link));
	object = xcalloc(1, sizeof *object);
	object->uid = xstrdup(uid);
	object->rate = (struct rate){ (double)MS_PER_S / SPAM_PERIOD_MS, SPAM_BURST, SPAM_BURST, now_ms };
	map_set(past->objects, uid, object);
	list_append(&past->by_use, &object->link);
	return object;
}

/* One more row at the end, zeroed, of at most `max`. */
#define ADD_ROW(rows, n, max)                                                \
	({                                                                   \
		if ((n) == (max))                                            \
			memmove((rows), (rows) + 1, --(n) * sizeof *(rows)); \
		(rows) = xrealloc((rows), ((n) + 1) * sizeof *(rows));       \
		memset(&(rows)[n], 0, sizeof *(rows));                       \
		&(rows)[(n)++];                                              \
	})

static bool is_combined(struct object *object, uint64_t hash, uint64_t message, int64_t now_ms)
{
	struct reason *reason = NULL;

	for (size_t i = 0; i < object->n_reasons && !reason; i++)
		if (object->reasons[i].hash == hash)
			reason = &object->reasons[i];
	if (!reason) {
		reason = ADD_ROW(object->reasons, object->n_reasons, REASONS_MAX);
		reason->hash = hash;
	} else if (now_ms - reason->last_ms > SIMILAR_MS) {
		reason->n_messages = 0;
	}
	reason->last_ms = now_ms;
	for (size_t i = 0; i < reason->n_messages; i++)
		if (reason->messages[i] == message)
			return false;
	if (reason->n_messages == ARRAY_LEN(reason->messages))
		return true;
	reason->messages[reason->n_messages++] = message;
	return false;
}

static struct event_sent *find_sent(struct object *object, uint64_t key)
{
	for (size_t i = 0; object && i < object->n_sent; i++)
		if (object->sent[i].key == key)
			return &object->sent[i];
	return NULL;
}

enum event_verdict event_past_judge(struct event_past *past, const char *uid, const struct event_said *said,
				    int64_t now_ms)
{
	struct object *object = find_or_add(past, uid, now_ms);
	bool combined = is_combined(object, said->reason, said->message, now_ms);
	struct event_sent *row;

	if (rate_take(&object->rate, now_ms))
		return combined ? EVENT_COMBINED : EVENT_ALONE;
	row = find_sent(object, combined ? said->reason : said->key);
	if (row)
		row->count++;
	return EVENT_TOO_MANY;
}

const struct event_sent *event_past_find(struct event_past *past, const char *uid, uint64_t key)
{
	return find_sent(find(past, uid), key);
}

/* One that was forgotten while its event was on the way stays so. */
void event_past_sent(struct event_past *past, const char *uid, const struct event_sent *sent)
{
	struct object *object = find(past, uid);
	struct event_sent *row = find_sent(object, sent->key);

	if (!object)
		return;
	if (!row)
		row = ADD_ROW(object->sent, object->n_sent, SENT_MAX);
	*row = *sent;
}

void event_past_expired(struct event_past *past, const char *uid, uint64_t key)
{
	struct object *object = find(past, uid);
	struct event_sent *row = find_sent(object, key);

	if (row)
		memmove(row, row + 1, (size_t)(object->sent + --object->n_sent - row) * sizeof *row);
}

void event_past_forget(struct event_past *past, const char *uid)
{
	struct object *object = map_get(past->objects, uid);

	if (object)
		forget(past, object);
}
