/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names of labels and taints as the API takes them. Inside kubelet/config only. */
#include <stdbool.h>

#include "pkg/base/arena.h"
#include "pkg/base/buf.h"
#include "pkg/base/err.h"

bool name_is_qualified(const char *key); /* "name" or "dns.prefix/name" */
bool name_is_label_value(const char *value);

/* Appends why the API would not take it, in its words; nothing for what it takes. */
void name_say_key_faults(const char *key, const char *separator, struct buf *into);
void name_say_value_faults(const char *value, const char *separator, struct buf *into);

/* Two values of the flag --node-labels as one: no blanks, no empty items, the last value of a key. */
char *node_labels_join(const char *list, const char *more, struct arena *arena);

/* The flag --node-labels, "k=v,k=v". -EINVAL for what the API would refuse or stock does not let a node claim. */
int node_labels_check(const char *list, struct err *err);
