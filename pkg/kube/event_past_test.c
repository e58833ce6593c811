/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/kube/event_past.h"

#include <stdio.h>

#include "pkg/base/base.h"
#include "pkg/test/test.h"

enum { MINUTE_MS = 60000 };

static enum event_verdict judge(struct event_past *past, const char *uid, uint64_t reason, uint64_t message,
				int64_t now_ms)
{
	return event_past_judge(past, uid, &(struct event_said){ reason, message, reason * 1000 + message }, now_ms);
}

TEST(a_flood_is_stopped_and_one_comes_again_each_five_minutes)
{
	struct event_past *past = event_past_new();

	for (int i = 0; i < 25; i++)
		CHECK_INT("burst", judge(past, "u", 1, 1, 0), ==, EVENT_ALONE);
	CHECK_INT("too many", judge(past, "u", 2, 2, 0), ==, EVENT_TOO_MANY);
	CHECK_INT("about another", judge(past, "v", 1, 1, 0), ==, EVENT_ALONE);
	CHECK_INT("later", judge(past, "u", 1, 1, 5 * MINUTE_MS), ==, EVENT_ALONE);
	CHECK_INT("one only", judge(past, "u", 1, 1, 5 * MINUTE_MS), ==, EVENT_TOO_MANY);
	event_past_free(past);
}

TEST(the_tenth_message_of_a_reason_is_combined_for_ten_quiet_minutes)
{
	struct event_past *past = event_past_new();

	for (uint64_t i = 0; i < 9; i++)
		CHECK_INT("alone", judge(past, "u", 1, i, 0), ==, EVENT_ALONE);
	CHECK_INT("tenth", judge(past, "u", 1, 9, 0), ==, EVENT_COMBINED);
	CHECK_INT("one of before", judge(past, "u", 1, 3, 0), ==, EVENT_ALONE);
	CHECK_INT("another reason", judge(past, "u", 2, 9, 0), ==, EVENT_ALONE);
	CHECK_INT("still", judge(past, "u", 1, 10, 9 * MINUTE_MS), ==, EVENT_COMBINED);
	CHECK_INT("ten minutes after the last", judge(past, "u", 1, 11, 20 * MINUTE_MS), ==, EVENT_ALONE);
	event_past_free(past);
}

static bool knows(struct event_past *past, const char *uid, uint64_t key)
{
	return event_past_find(past, uid, key);
}

TEST(what_was_sent_is_found_until_it_expires_or_the_object_is_forgotten)
{
	struct event_past *past = event_past_new();

	judge(past, "u", 1, 1, 0);
	CHECK("nothing yet", !knows(past, "u", 7));
	for (uint64_t key = 7; key < 10; key++)
		event_past_sent(past, "u", &(struct event_sent){ key, 100 + key, 1 });
	event_past_sent(past, "u", &(struct event_sent){ 7, 107, 2 });
	CHECK_INT("stamp", event_past_find(past, "u", 8)->stamp, ==, 108);
	CHECK_INT("count", event_past_find(past, "u", 7)->count, ==, 2);
	event_past_expired(past, "u", 8);
	event_past_expired(past, "u", 8);
	CHECK("expired", !knows(past, "u", 8) && knows(past, "u", 7) && knows(past, "u", 9));
	event_past_forget(past, "u");
	event_past_forget(past, "u");
	event_past_sent(past, "u", &(struct event_sent){ 9, 109, 2 });
	event_past_expired(past, "u", 9);
	CHECK("forgotten, also when its event comes back later", !knows(past, "u", 7) && !knows(past, "u", 9));
	event_past_free(past);
}

TEST(those_that_are_too_many_are_counted)
{
	struct event_past *past = event_past_new();

	judge(past, "u", 1, 1, 0);
	event_past_sent(past, "u", &(struct event_sent){ 1001, 7, 1 });
	for (int i = 1; i < 25; i++)
		judge(past, "u", 1, 1, 0);
	CHECK_INT("who sends counts", event_past_find(past, "u", 1001)->count, ==, 1);
	for (int i = 0; i < 3; i++)
		CHECK_INT("too many", judge(past, "u", 1, 1, 0), ==, EVENT_TOO_MANY);
	CHECK_INT("counted", event_past_find(past, "u", 1001)->count, ==, 4);
	event_past_free(past);
}

TEST(memory_is_bounded_and_the_oldest_goes_first)
{
	struct event_past *past = event_past_new();
	char uid[32];

	for (uint64_t i = 0; i < 3000; i++) {
		snprintf(uid, sizeof uid, "%d", (int)i);
		judge(past, uid, 1, 1, 0);
		event_past_sent(past, uid, &(struct event_sent){ 1, i, 1 });
		judge(past, "0", i, i, 0); /* stays in use */
		event_past_sent(past, "0", &(struct event_sent){ 2 + i, i, 1 });
	}
	CHECK("in use", knows(past, "0", 3001));
	CHECK("its oldest", !knows(past, "0", 1));
	CHECK("long ago", !knows(past, "1", 1));
	CHECK("lately", knows(past, "2999", 1) && knows(past, "2000", 1));
	event_past_free(past);
}

TEST(texts_are_told_apart_and_by_no_one_else)
{
	struct event_past *past = event_past_new(), *other = event_past_new();
	uint64_t normal = event_past_hash(past, 0, "Normal");

	CHECK("same", event_past_hash(past, normal, "Pulled") == event_past_hash(past, normal, "Pulled"));
	CHECK("text", event_past_hash(past, normal, "Pulled") != event_past_hash(past, normal, "Pulling"));
	CHECK("start", event_past_hash(past, normal, "Pulled") != event_past_hash(past, 0, "Pulled"));
	CHECK("secret", normal != event_past_hash(other, 0, "Normal"));
	event_past_free(past);
	event_past_free(other);
}
