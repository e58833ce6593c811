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
 * are half of an object). An empty list or map that was given has no items but an array that is not NULL. A text with a
 * zero byte is an error except where our .proto has `bytes`. Writing: what is absent in the struct is absent in JSON;
 * the kinds of `pbjson_kinds` get their apiVersion and kind.
 */
#include <protobuf-c/protobuf-c.h>

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

/* Appends the JSON of a message. -EILSEQ names a text that is not UTF-8, -ENOBUFS the buffer's limit. */
int pbjson_encode(const ProtobufCMessage *message, struct buf *into, struct err *err);

/* apiVersion and kind of a top-level type, NULL for others. */
const char *pbjson_api_version(const ProtobufCMessageDescriptor *type);
const char *pbjson_kind(const ProtobufCMessageDescriptor *type);
