/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/utf8.h"

#include <string.h>

/* Length of the sequence at the front, 0 when it is broken. */
static size_t sequence(const unsigned char *at, size_t size)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t length;

	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] <= 0xdf)
		length = 2;
	else if (at[0] >= 0xe0 && at[0] <= 0xef)
		length = 3;
	else if (at[0] >= 0xf0 && at[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (size < length)
		return 0;
	if (at[0] == 0xe0)
		low = 0xa0;
	else if (at[0] == 0xed)
		high = 0x9f;
	else if (at[0] == 0xf0)
		low = 0x90;
	else if (at[0] == 0xf4)
		high = 0x8f;
	if (at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if (at[i] < 0x80 || at[i] > 0xbf)
			return 0;
	return length;
}

bool utf8_valid(const char *text, size_t size)
{
	const unsigned char *at = (const unsigned char *)text;

	while (size > 0) {
		size_t length = sequence(at, size);

		if (length == 0)
			return false;
		at += length;
		size -= length;
	}
	return true;
}

void utf8_sanitize(const char *text, size_t size, struct buf *into)
{
	bool broken = false; /* a run of broken bytes becomes one replacement */

	while (size > 0) {
		size_t length = sequence((const unsigned char *)text, size);

		if (length == 0) {
			if (!broken)
				buf_puts(into, "\xef\xbf\xbd");
			broken = true;
			length = 1;
		} else {
			buf_append(into, text, length);
			broken = false;
		}
		text += length;
		size -= length;
	}
}

void utf8_sanitize_zeros(const char *text, size_t size, struct buf *into)
{
	for (const char *zero; size > 0 && (zero = memchr(text, 0, size)); text = zero + 1) {
		utf8_sanitize(text, (size_t)(zero - text), into);
		buf_puts(into, "\xef\xbf\xbd");
		size -= (size_t)(zero - text) + 1;
	}
	utf8_sanitize(text, size, into);
}

size_t utf8_cut(const char *text, size_t size, size_t limit)
{
	if (size <= limit)
		return size;
	while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
		limit--;
	return limit;
}
