/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/base64.h"

#include <errno.h>
#include <stdbool.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t size, struct buf *into)
{
	const uint8_t *at = bytes;

	for (; size > 0; at += size < 3 ? size : 3, size -= size < 3 ? size : 3) {
		uint32_t group = (uint32_t)at[0] << 16 | (uint32_t)(size > 1 ? at[1] : 0) << 8 | (size > 2 ? at[2] : 0);
		char four[4] = { alphabet[group >> 18], alphabet[group >> 12 & 63],
				 size > 1 ? alphabet[group >> 6 & 63] : '=', size > 2 ? alphabet[group & 63] : '=' };

		buf_append(into, four, 4);
	}
}

static int digit(char c, bool url)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (url ? '-' : '+'))
		return 62;
	if (c == (url ? '_' : '/'))
		return 63;
	return -1;
}

static int decode(const char *text, size_t size, uint8_t *into, size_t *ret_size, bool url)
{
	uint32_t group = 0;
	size_t n = 0, digits = 0, padding = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\n' || text[i] == '\r')
			continue;
		if (text[i] == '=') {
			padding++;
			continue;
		}
		int value = digit(text[i], url);

		if (value < 0 || padding > 0)
			return -EBADMSG;
		group = group << 6 | (uint32_t)value;
		if (++digits % 4 == 0) {
			into[n++] = (uint8_t)(group >> 16);
			into[n++] = (uint8_t)(group >> 8);
			into[n++] = (uint8_t)group;
			group = 0;
		}
	}
	size_t rest = digits % 4;

	if (rest == 1 || (padding != (4 - rest) % 4 && !(url && padding == 0)))
		return -EBADMSG;
	if (rest == 2)
		into[n++] = (uint8_t)(group >> 4);
	if (rest == 3) {
		into[n++] = (uint8_t)(group >> 10);
		into[n++] = (uint8_t)(group >> 2);
	}
	*ret_size = n;
	return 0;
}

int base64_decode(const char *text, size_t size, uint8_t *into, size_t *ret_size)
{
	return decode(text, size, into, ret_size, false);
}

int base64url_decode(const char *text, size_t size, uint8_t *into, size_t *ret_size)
{
	return decode(text, size, into, ret_size, true);
}
