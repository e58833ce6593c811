/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the JSON of Kubernetes objects does differently from their protobuf: the whole list. Inside pkg/codec only.
 */
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "pkg/base/arena.h"
#include "pkg/base/err.h"
#include "pkg/codec/json.h"

/* Message types whose JSON is not an object of their fields. */
enum pbjson_shape {
	SHAPE_FIELDS,        /* the ordinary case */
	SHAPE_TIME,          /* RFC 3339, whole seconds */
	SHAPE_MICRO_TIME,    /* RFC 3339, six digits */
	SHAPE_QUANTITY,      /* a text or a number */
	SHAPE_INT_OR_STRING, /* a number or a text */
	SHAPE_DURATION,      /* "1m30s" */
	SHAPE_RAW,           /* any JSON, kept as bytes */
	SHAPE_LIST,          /* the list that is its one field */
};

enum pbjson_shape pbjson_shape_of(const ProtobufCMessageDescriptor *type);

/* A scalar JSON value that stands for a whole message; `number` tells how it was written. */
int pbjson_shape_read(enum pbjson_shape shape, ProtobufCMessage *message, const char *text, size_t size, bool number,
		      struct arena *arena, struct err *err);
int pbjson_shape_write(enum pbjson_shape shape, const ProtobufCMessage *message, struct json_writer *writer,
		       struct err *err);
/* -ENOBUFS past the arena's limit. */
int pbjson_raw_set(ProtobufCMessage *message, const char *json, size_t size, struct arena *arena, struct err *err);

/* The member is a message in protobuf, but its fields appear in its parent's JSON object. */
bool pbjson_is_inlined(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field);

/* A generated entry of a map field: key and value. */
bool pbjson_is_map_entry(const ProtobufCMessageDescriptor *type);

/* The JSON name of a field, and the field of a JSON name; NULL for none. */
const char *pbjson_name(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field);
const ProtobufCFieldDescriptor *pbjson_field(const ProtobufCMessageDescriptor *type, const char *name);

/* Our .proto has `bytes` only to carry U+0000; in JSON it is a plain text, not base64. */
bool pbjson_is_text(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field);

/* Never read: nobody of ours uses it and it is large. */
bool pbjson_is_skipped(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field);

/* ---- the writer's parts, for pbjson_patch.c ---- */

/* Key and value of a field; nothing when it is absent. */
int pbjson_write_field(struct json_writer *json, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
		       struct err *err);
/* One item of a list that has more than `index`. */
int pbjson_write_item(struct json_writer *json, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
		      size_t index, struct err *err);
/* -ENOBUFS when the buffer's limit cut what was written. */
int pbjson_check_size(const ProtobufCMessage *message, const struct buf *into, struct err *err);
