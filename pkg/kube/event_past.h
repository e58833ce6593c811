/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What was said lately, by object: of repeats, of similar messages and of floods. Between event.c and its tests only.
 *
 * Nothing but numbers is kept: texts are told apart by 64-bit hashes with a secret start, so two that collide count as
 * one, which nobody can arrange. An object is known by its uid. Times are monotonic milliseconds.
 */
#include <stdbool.h>
#include <stdint.h>

struct event_past;

/* An event of ours in the API, to count repeats on. */
struct event_sent {
	uint64_t key;
	uint64_t stamp; /* its name's last part */
	int32_t count;
};

enum event_verdict {
	EVENT_ALONE,
	EVENT_COMBINED, /* so many different messages came for one reason that they are told as one event */
	EVENT_TOO_MANY, /* about this object: not to be told */
};

struct event_past *event_past_new(void);
void event_past_free(struct event_past *past);

uint64_t event_past_hash(const struct event_past *past, uint64_t start, const char *text); /* first `start`: 0 */

/* What is said. */
struct event_said {
	uint64_t reason;  /* hash of type and reason: the key of a combined event */
	uint64_t message; /* of the text */
	uint64_t key;     /* of all that makes it another event */
};

/* The event counts as told. One that is too many raises the count of the first like it, which a later one will show. */
enum event_verdict event_past_judge(struct event_past *past, const char *uid, const struct event_said *said,
				    int64_t now_ms);

/* The event with that key; NULL if there was none. Valid until the next call. */
const struct event_sent *event_past_find(struct event_past *past, const char *uid, uint64_t key);
void event_past_sent(struct event_past *past, const char *uid, const struct event_sent *sent); /* replaces it */
void event_past_expired(struct event_past *past, const char *uid, uint64_t key);

void event_past_forget(struct event_past *past, const char *uid); /* nothing more comes of it */
