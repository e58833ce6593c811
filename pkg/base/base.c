/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void *or_die(void *memory)
{
	if (!memory) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return memory;
}

void *xmalloc(size_t size)
{
	return or_die(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return or_die(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *old, size_t size)
{
	return or_die(realloc(old, size ? size : 1));
}

char *xstrdup(const char *text)
{
	return or_die(strdup(text));
}

char *xstrdup_or_null(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

char *xstrndup(const char *text, size_t size)
{
	return or_die(strndup(text, size));
}

char *xasprintf(const char *format, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, format);
	int size = vasprintf(&text, format, args);
	va_end(args);
	return or_die(size < 0 ? NULL : text);
}

void base_bug_at(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: bug: %s\n", file, line, what);
	abort();
}

bool str_eq(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

bool str_empty(const char *text)
{
	return !text || !*text;
}

const char *str_or(const char *text, const char *other)
{
	return str_empty(text) ? other : text;
}

bool str_has_prefix(const char *text, const char *prefix)
{
	return text && strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_has_suffix(const char *text, const char *suffix)
{
	size_t have = text ? strlen(text) : 0;
	size_t want = strlen(suffix);

	return have >= want && memcmp(text + have - want, suffix, want) == 0;
}

size_t str_scheme(const char *text)
{
	text = text ? text : "";
	size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

	return text[size] == ':' ? size : 0;
}

bool str_is_one_of(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(text, words[i]))
			return true;
	return false;
}

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

char *str_trim(char *text)
{
	static const char blanks[] = " \t\n\v\f\r";

	text += strspn(text, blanks);
	for (char *end = text + strlen(text); end > text && strchr(blanks, end[-1]);)
		*--end = 0;
	return text;
}

int str_to_i64(const char *text, int64_t low, int64_t high, int64_t *ret_value)
{
	bool negative = text && *text == '-';
	const char *digit = text ? text + negative : "";
	int64_t value = 0;

	if (!*digit)
		return -EINVAL;
	/* Collected as a negative number, which has room for one value more. */
	for (; *digit; digit++) {
		if (*digit < '0' || *digit > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, *digit - '0', &value))
			return -EINVAL;
	}
	if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
		return -EINVAL;
	if (value < low || value > high)
		return -EINVAL;
	*ret_value = value;
	return 0;
}
