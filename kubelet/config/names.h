/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names of labels and taints as the API takes them. Inside kubelet/config only. */
#include <stdbool.h>

#include "pkg/base/err.h"

bool name_is_qualified(const char *key); /* "name" or "dns.prefix/name" */
bool name_is_label_value(const char *value);

/* The flag --node-labels, "k=v,k=v". -EINVAL for what the API would refuse or stock does not let a node claim. */
int node_labels_check(const char *list, struct err *err);
