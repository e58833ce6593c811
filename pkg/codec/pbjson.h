/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The walker: protobuf structs from and to the JSON of the Kubernetes API.
 *
 * One pass, no tree: values go straight into the struct that the descriptor names. Names and shapes are those of the
 * descriptors; what differs in JSON is one table (pbjson_special.c): times, quantities, numbers-or-names, durations,
 * raw objects, inlined members, a few names.
 *
 * Reading: unknown fields are ignored, null means absent, managedFields are skipped (nobody of ours reads them and they
 * are half of an object). An empty list or map that was given has no items but an array that is not NULL. A zero byte
 * in a text is read as U+FFFD except where our .proto has `bytes` (a pod that cannot be read could not even be ended),
 * and is an error for pbjson_decode_strict(). Writing: what is absent in the struct
 * is absent in JSON; a type that is a kind of the API gets its kind and apiVersion.
 */
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "pkg/base/arena.h"
#include "pkg/base/buf.h"
#include "pkg/base/err.h"

/* -EBADMSG: no JSON, or not of this type; the text names the field. -ENOBUFS: more than the arena's limit. */
int pbjson_decode(const ProtobufCMessageDescriptor *type, const char *json, size_t size, struct arena *arena,
		  ProtobufCMessage **ret_message, struct err *err);

/*
 * For configuration files: tells of every field that the type does not have and of every one given twice, by its path
 * ("spec.containers[0].imag"). The callback returns 0 to go on or a negative code after filling err.
 */
enum pbjson_oddity { PBJSON_UNKNOWN_FIELD, PBJSON_DUPLICATE_FIELD };
typedef int pbjson_odd_fn(void *owner, enum pbjson_oddity what, const char *path, struct err *err);
int pbjson_decode_strict(const ProtobufCMessageDescriptor *type, const char *json, size_t size, struct arena *arena,
			 ProtobufCMessage **ret_message, pbjson_odd_fn *odd, void *owner, struct err *err);

/*
 * Reads onto a message that is there, as a JSON merge patch (RFC 7386): null takes away, objects and maps join, lists
 * are replaced. What is there is not written to but for the fields themselves. A failure leaves it half merged.
 */
int pbjson_merge(ProtobufCMessage *message, const char *json, size_t size, struct arena *arena, pbjson_odd_fn *odd,
		 void *owner, struct err *err);

/* Appends the JSON of a message. -EILSEQ names a text that is not UTF-8, -ENOBUFS the buffer's limit. */
int pbjson_encode(const ProtobufCMessage *message, struct buf *into, struct err *err);

/* The same without kind and apiVersion: an item of a list does not say its kind. */
int pbjson_encode_item(const ProtobufCMessage *message, struct buf *into, struct err *err);

/*
 * A strategic merge patch: what is present in the message, as pbjson_encode_item writes it, and for the fields that
 * have a rule what it takes to have the server end up with the message's value.
 */
enum pbjson_patch_how {
	PBJSON_PATCH_CLEAR,   /* absent or empty: null, so that what was said before does not stay */
	PBJSON_PATCH_REPLACE, /* a list whose items the server would merge: it becomes this one, also when empty */
	PBJSON_PATCH_MERGE,   /* a list in which others have items of their own */
};

struct pbjson_patch_rule {
	const ProtobufCMessageDescriptor *type;
	const char *field; /* its JSON name */
	enum pbjson_patch_how how;
	/*
	 * MERGE, of a list of messages: the text field by which the server tells items apart. Items that are ours are
	 * written, ours in `before` that are not here any more are deleted, and the order is that of this list.
	 */
	const char *key;
	bool (*is_ours)(const char *key);
};

/* `before` is the same object as the server has it, NULL for nothing known. Errors are those of pbjson_encode. */
int pbjson_patch(const ProtobufCMessage *message, const ProtobufCMessage *before, const struct pbjson_patch_rule *rules,
		 size_t n_rules, struct buf *into, struct err *err);

/* apiVersion and kind of a top-level type, NULL for others. */
const char *pbjson_api_version(const ProtobufCMessageDescriptor *type);
const char *pbjson_kind(const ProtobufCMessageDescriptor *type);
