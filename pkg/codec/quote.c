/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/quote.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/utf8.h"

/* Categories Cc, Cf, Co, Zl, Zp and Zs above ASCII. */
static const struct {
	uint32_t first, last;
} unprintable[] = {
	{ 0x80, 0xa0 },       { 0xad, 0xad },         { 0x600, 0x605 },     { 0x61c, 0x61c },     { 0x6dd, 0x6dd },
	{ 0x70f, 0x70f },     { 0x890, 0x891 },       { 0x8e2, 0x8e2 },     { 0x1680, 0x1680 },   { 0x180e, 0x180e },
	{ 0x2000, 0x200f },   { 0x2028, 0x202f },     { 0x205f, 0x2064 },   { 0x2066, 0x206f },   { 0x3000, 0x3000 },
	{ 0xe000, 0xf8ff },   { 0xfeff, 0xfeff },     { 0xfff9, 0xfffb },   { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd },
	{ 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 },   { 0x1d173, 0x1d17a }, { 0xe0001, 0xe0001 }, { 0xe0020, 0xe007f },
	{ 0xf0000, 0xffffd }, { 0x100000, 0x10fffd },
};

static bool is_printable(uint32_t point)
{
	for (size_t i = 0; i < ARRAY_LEN(unprintable); i++)
		if (point >= unprintable[i].first && point <= unprintable[i].last)
			return false;
	return true;
}

/* Bytes of the code point at `text`; 0 when they are none. */
static size_t point_at(const char *text, uint32_t *ret_point)
{
	unsigned char first = (unsigned char)*text;
	size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (strnlen(text, size) < size || !utf8_valid(text, size))
		return 0;
	*ret_point = first & (0xffU >> (size + 1));
	for (size_t i = 1; i < size; i++)
		*ret_point = *ret_point << 6 | ((unsigned char)text[i] & 0x3f);
	return size;
}

void quote_go(struct buf *into, const char *text)
{
	static const char escaped[] = "\a\b\f\n\r\t\v\\\"", names[] = "abfnrtv\\\"";

	buf_putc(into, '"');
	while (*text) {
		unsigned char byte = (unsigned char)*text;
		const char *escape = strchr(escaped, byte);
		uint32_t point;
		size_t size = byte < 0x80 ? 1 : point_at(text, &point);

		if (escape)
			buf_printf(into, "\\%c", names[escape - escaped]);
		else if (size == 0 || byte < 0x20 || byte == 0x7f)
			buf_printf(into, "\\x%02x", byte);
		else if (size == 1 || is_printable(point))
			buf_append(into, text, size);
		else
			buf_printf(into, point > 0xffff ? "\\U%08" PRIx32 : "\\u%04" PRIx32, point);
		text += MAX(size, 1U);
	}
	buf_putc(into, '"');
}
