/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/query.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "pkg/base/base.h"

int query_unescape(char *text, bool plus)
{
	char *to = text;

	for (const char *at = text; *at; at++) {
		if (*at == '%') {
			int high = hex_digit(at[1]), low = high < 0 ? -1 : hex_digit(at[2]);

			if (low < 0)
				return -EINVAL;
			*to++ = (char)(high << 4 | low);
			at += 2;
		} else {
			*to++ = plus && *at == '+' ? ' ' : *at;
		}
	}
	*to = 0;
	return (int)(to - text);
}

static size_t count_pairs(const char *text)
{
	size_t n = 1;

	for (const char *at = text; *at; at++)
		n += *at == '&';
	return n;
}

/* Go drops a pair with a semicolon or a bad escape and goes on with the next. */
static bool parse_pair(char *pair, struct query_item *ret_item)
{
	char *value = strchr(pair, '=');
	static char empty[1];

	if (!*pair || strchr(pair, ';'))
		return false;
	if (value)
		*value++ = 0;
	else
		value = empty;
	int key_size = query_unescape(pair, true), value_size = value == empty ? 0 : query_unescape(value, true);
	if (key_size < 0 || value_size < 0)
		return false;
	*ret_item = (struct query_item){ pair, value, strlen(value) != (size_t)value_size };
	return strlen(pair) == (size_t)key_size;
}

void query_parse(const char *text, struct arena *arena, struct query *ret_query)
{
	struct query query = { 0 };
	size_t pairs = count_pairs(text);

	if (*text && pairs <= QUERY_MAX) {
		char *rest = arena_strdup(arena, text), *pair;

		query.items = arena_alloc(arena, pairs * sizeof *query.items);
		while ((pair = strsep(&rest, "&")))
			if (parse_pair(pair, &query.items[query.n]))
				query.n++;
	}
	*ret_query = query;
}

const char *query_get_nth(const struct query *query, const char *key, size_t nth)
{
	for (size_t i = 0; i < query->n; i++)
		if (strcmp(query->items[i].key, key) == 0 && nth-- == 0)
			return query->items[i].value;
	return NULL;
}

const char *query_get(const struct query *query, const char *key)
{
	return query_get_nth(query, key, 0);
}

size_t query_count(const struct query *query, const char *key)
{
	size_t n = 0;

	for (size_t i = 0; i < query->n; i++)
		n += strcmp(query->items[i].key, key) == 0;
	return n;
}

bool query_has_zero_byte(const struct query *query, const char *key)
{
	for (size_t i = 0; i < query->n; i++)
		if (query->items[i].zero_byte && strcmp(query->items[i].key, key) == 0)
			return true;
	return false;
}

int query_int(const char *text, int64_t *ret_value)
{
	bool negative = *text == '-';
	uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, value = 0;

	if (*text == '-' || *text == '+')
		text++;
	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		uint64_t digit = (uint64_t)(*text - '0');
		if (value > (limit - digit) / 10)
			return -EINVAL;
		value = value * 10 + digit;
	}
	*ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
	return 0;
}

bool query_bool(const char *text)
{
	return strcmp(text, "0") != 0 && strcasecmp(text, "false") != 0;
}
