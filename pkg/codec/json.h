/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * JSON as a stream of events, and a writer. The only place that knows yajl.
 *
 * Numbers stay the text that was written, so nothing is lost between int64, floats and quantities. A text is given with
 * its length and may hold a zero byte (from \u0000); it is always valid UTF-8.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkg/base/buf.h"
#include "pkg/base/err.h"

enum { JSON_DEPTH_MAX = 100 }; /* a pod with managedFields is 20 deep; yajl itself has no limit */

/* Each returns 0 to go on or a negative code after filling `err`, which ends the parse with it. `at` is the offset of
 * the first byte behind the token. */
struct json_events {
	int (*null)(void *owner, struct err *err);
	int (*boolean)(void *owner, bool value, struct err *err);
	int (*number)(void *owner, const char *text, size_t size, struct err *err);
	int (*string)(void *owner, const char *text, size_t size, struct err *err);
	int (*begin_object)(void *owner, size_t at, struct err *err);
	int (*key)(void *owner, const char *text, size_t size, struct err *err);
	int (*end_object)(void *owner, size_t at, struct err *err);
	int (*begin_array)(void *owner, size_t at, struct err *err);
	int (*end_array)(void *owner, size_t at, struct err *err);
};

/* One whole value with blanks around it. -EBADMSG for what is no JSON, with the offset in the text. */
int json_parse(const char *json, size_t size, const struct json_events *events, void *owner, struct err *err);

/* Writes compact JSON. Keys and values alternate as the caller calls; commas are the writer's business. */
struct json_writer {
	struct buf *into;
	bool need_comma;
};

void json_begin_object(struct json_writer *writer);
void json_end_object(struct json_writer *writer);
void json_begin_array(struct json_writer *writer);
void json_end_array(struct json_writer *writer);
void json_key(struct json_writer *writer, const char *key);
void json_key_sized(struct json_writer *writer, const char *key, size_t size);
void json_string(struct json_writer *writer, const char *text);
void json_string_sized(struct json_writer *writer, const char *text, size_t size);
void json_int(struct json_writer *writer, int64_t value);
void json_uint(struct json_writer *writer, uint64_t value);
void json_double(struct json_writer *writer, double value);
void json_bool(struct json_writer *writer, bool value);
void json_null(struct json_writer *writer);
void json_raw(struct json_writer *writer, const void *json, size_t size); /* a value that is JSON already */
