/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Fields of a configuration by their path, "authentication.webhook.enabled". Inside kubelet/config only. */
#include <stdbool.h>

#include "pkg/base/arena.h"
#include "pkg/base/err.h"
#include "pkg/codec/pb.h"

/*
 * Sets a field from a text as a flag gives it: true, 5, 1m30s, a,b,c (lists), k=v,k=v (maps). Messages on the way are
 * made. A list or map is replaced; with `add` it gets more items instead. -EINVAL in pflag's words.
 */
int fields_set(ProtobufCMessage *root, const char *path, const char *text, bool add, struct arena *arena,
	       struct err *err);

/* Whether a text is one of a kind as fields_kind() names them. -EINVAL in pflag's words. */
int fields_check(const char *kind, const char *text, struct err *err);

/* False for what is absent; with zero_is_absent also for 0, "" and false, as Go's non-pointer fields have it. */
bool fields_is_set(const ProtobufCMessage *root, const char *path, bool zero_is_absent);

/* Takes out what Go leaves out when it writes a configuration: 0, "" and false of all fields that are no pointers. */
void fields_drop_zeros(ProtobufCMessage *root);

/* The same value; absent is zero. A list or map with items is equal to none other. */
bool fields_equal(const ProtobufCMessage *a, const ProtobufCMessage *b, const char *path);

/* The field's kind for help texts: "bool", "int", "string", "duration", "strings", "map". */
const char *fields_kind(const ProtobufCMessageDescriptor *type, const char *path);
