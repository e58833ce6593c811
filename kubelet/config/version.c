/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/version.h"

#include <stdbool.h>
#include <string.h>

#include "pkg/base/base.h"

#define DIGITS "0123456789"
#define WORD DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-"

enum { NUMBERS = 3 };

static int zero_prefixed(const char *number, size_t length, const char *text, struct err *err)
{
	if (length < 2 || *number != '0')
		return 0;
	return err_set(err, -EINVAL, "illegal zero-prefixed version component \"%.*s\" in \"%s\"", (int)length, number,
		       text);
}

/* "a.b.c" behind the sign; *at is moved over it. */
static bool take_words(const char **at)
{
	do {
		size_t length = strspn(++*at, WORD);

		if (length == 0)
			return false;
		*at += length;
	} while (**at == '.');
	return true;
}

static int check_extra(const char *extra, const char *text, struct err *err)
{
	const char *at = extra;
	bool good = *at != '-' || take_words(&at);

	for (const char *word = extra; good && word < at;) {
		size_t length = strspn(++word, WORD);

		if (strspn(word, DIGITS) == length && zero_prefixed(word, length, text, err) < 0)
			return err->code;
		word += length;
	}
	good = good && (*at != '+' || take_words(&at));
	if (!good || at[strspn(at, " \t\r\n")])
		return err_set(err, -EINVAL, "could not parse pre-release/metadata (%s) in version \"%s\"", extra,
			       text);
	return 0;
}

int version_check(const char *text, const char *ours, struct err *err)
{
	const char *numbers = text + (*text == 'v'), *at = numbers;
	size_t n, length = strlen(ours + 1);

	if (!strspn(at, DIGITS))
		return err_set(err, -EINVAL, "could not parse \"%s\" as version", text);
	at += strspn(at, DIGITS);
	for (n = 1; *at == '.' && strspn(at + 1, DIGITS); n++)
		at += 1 + strspn(at + 1, DIGITS);
	if (n != NUMBERS)
		return err_set(err, -EINVAL, "illegal version string \"%s\"", text);
	for (const char *number = numbers; number < at; number += strspn(number, DIGITS) + 1)
		if (zero_prefixed(number, strspn(number, DIGITS), text, err) < 0)
			return err->code;
	if (check_extra(at, text, err) < 0)
		return err->code;
	if ((size_t)(at - numbers) != length || strncmp(numbers, ours + 1, length) != 0)
		return err_set(err, -EINVAL, "version \"%s\" must match major/minor/patch of default version \"%s\"",
			       text, ours);
	return 0;
}
