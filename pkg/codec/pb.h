/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Protobuf messages in arenas.
 *
 * Every generated struct of ours is read, built and copied here, so that an object and all that hangs on it lives in
 * one arena and is freed at once. No message of ours is ever freed one by one.
 */
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkg/base/arena.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/err.h"

/* An empty message: strings absent (proto2) or "" (proto3), enums at their first value. */
void *pb_new(struct arena *arena, const ProtobufCMessageDescriptor *type);
#define PB_NEW(arena, struct_name, descriptor) ((struct_name *)pb_new((arena), &(descriptor)))

/*
 * Reads a message. What the arena's limit does not allow is -ENOBUFS; malformed bytes, a text that is not UTF-8 or that
 * holds a zero byte are -EBADMSG.
 */
int pb_decode(const ProtobufCMessageDescriptor *type, const void *bytes, size_t size, struct arena *arena,
	      ProtobufCMessage **ret_message, struct err *err);

/* Appends the encoded message. -EILSEQ names the field whose text is not UTF-8: a Go peer would refuse the whole. */
int pb_encode(const ProtobufCMessage *message, struct buf *into, struct err *err);

/* A deep copy. Unlike those of a decoded message, its lists can grow by PB_APPEND. */
ProtobufCMessage *pb_copy(const ProtobufCMessage *message, struct arena *arena);
#define PB_COPY(message, arena) ((__typeof__(message))(void *)pb_copy(&(message)->base, (arena)))

/* Equal in every field; an absent field and an empty one differ as they do on the wire. */
bool pb_equal(const ProtobufCMessage *a, const ProtobufCMessage *b);

/* ---- a struct by its descriptor: where the value of a field is, how many items a list has, whether a number is set */

size_t pb_item_size(const ProtobufCFieldDescriptor *field); /* of one value, in bytes */

static inline void *pb_place(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (char *)(uintptr_t)message + field->offset;
}

static inline size_t *pb_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (size_t *)(void *)((char *)(uintptr_t)message + field->quantifier_offset);
}

static inline protobuf_c_boolean *pb_has(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (protobuf_c_boolean *)(void *)((char *)(uintptr_t)message + field->quantifier_offset);
}

/*
 * Adds a pointer to a repeated field of messages or strings: PB_APPEND(arena, pod->spec, containers, container). The
 * array doubles, so a long list costs little; the old arrays stay in the arena. It takes an array to have room for the
 * next power of two of items: so has one that it made itself, and one of pb_copy() or pbjson_decode(), but none of
 * pb_decode() and none that was filled in by hand.
 */
#define PB_APPEND(arena, message, field, item)                                                               \
	do {                                                                                                 \
		size_t _n = (message)->n_##field;                                                            \
		if ((_n & (_n - 1)) == 0)                                                                    \
			(message)->field = pb_grow((arena), (message)->field, _n, sizeof *(message)->field); \
		base_assert((message)->field);                                                               \
		(message)->field[(message)->n_##field++] = (item);                                           \
	} while (0)
/* NULL when the arena's limit is reached, which PB_APPEND is not made for. */
void *pb_grow(struct arena *arena, const void *array, size_t n, size_t item_size);
