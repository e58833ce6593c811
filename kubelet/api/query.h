/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The query of a URL, read as Go's url.Values: broken pairs are left out, "+" is a blank, the order is kept. Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkg/base/arena.h"

enum { QUERY_MAX = 10000 }; /* Go's limit; a query with more is read as empty */

struct query_item {
	const char *key, *value; /* decoded */
	bool zero_byte;          /* the value went on behind a zero byte, where it is cut here */
};

struct query {
	struct query_item *items;
	size_t n;
};

void query_parse(const char *text, struct arena *arena, struct query *ret_query);

/* The nth value of a key, from 0; NULL when there is none. */
const char *query_get_nth(const struct query *query, const char *key, size_t nth);
const char *query_get(const struct query *query, const char *key); /* the first */
size_t query_count(const struct query *query, const char *key);
bool query_has_zero_byte(const struct query *query, const char *key);

/* As strconv.ParseInt(text, 10, 64): a sign is fine, blanks and underscores are not. -EINVAL otherwise. */
int query_int(const char *text, int64_t *ret_value);
bool query_bool(const char *text); /* Kubernetes' rule: all but "0" and "false" (any case) is true, "" too */

/* One percent-encoded piece in place, "+" only with `plus`; its new length, or -EINVAL. */
int query_unescape(char *text, bool plus);
