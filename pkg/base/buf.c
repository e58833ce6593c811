/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"

enum { FIRST_ROOM = 256 };

void buf_done(struct buf *buf)
{
	free(buf->memory);
	*buf = BUF_INIT(buf->limit);
}

char *buf_reserve(struct buf *buf, size_t size)
{
	if (buf->overflow || size > buf->limit - buf->size) {
		buf->overflow = true;
		return NULL;
	}
	size_t front = buf->memory ? (size_t)(buf->bytes - buf->memory) : 0;

	if (!buf->memory || buf->room - front - buf->size < size + 1) {
		size_t room = MAX(buf->size + size + 1, MAX((size_t)FIRST_ROOM, buf->size * 2));

		if (buf->memory && buf->room >= room) {
			memmove(buf->memory, buf->bytes, buf->size + 1);
		} else {
			char *memory = xmalloc(room);

			if (buf->size)
				memcpy(memory, buf->bytes, buf->size);
			free(buf->memory);
			buf->memory = memory;
			buf->room = room;
		}
		buf->bytes = buf->memory;
		buf->bytes[buf->size] = 0; /* also when nothing follows: a reader may come to its end here */
	}
	return buf->bytes + buf->size;
}

void buf_grow(struct buf *buf, size_t size)
{
	buf->size += size;
	buf->bytes[buf->size] = 0;
}

void buf_append(struct buf *buf, const void *bytes, size_t size)
{
	char *place = buf_reserve(buf, size);

	if (!place)
		return;
	if (size)
		memcpy(place, bytes, size);
	buf_grow(buf, size);
}

void buf_puts(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

void buf_putc(struct buf *buf, char c)
{
	buf_append(buf, &c, 1);
}

void buf_vprintf(struct buf *buf, const char *format, va_list args)
{
	va_list again;

	va_copy(again, args);
	int size = vsnprintf(NULL, 0, format, args);
	base_assert(size >= 0);

	char *place = buf_reserve(buf, (size_t)size);
	if (place) {
		vsnprintf(place, (size_t)size + 1, format, again);
		buf_grow(buf, (size_t)size);
	}
	va_end(again);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(buf, format, args);
	va_end(args);
}

void buf_consume(struct buf *buf, size_t size)
{
	base_assert(size <= buf->size);
	if (size == 0)
		return;
	buf->bytes += size;
	buf->size -= size;
	if (buf->size == 0)
		buf->bytes = buf->memory;
	buf->bytes[buf->size] = 0;
}

void buf_clear(struct buf *buf)
{
	buf->overflow = false;
	buf->size = 0;
	if (!buf->memory)
		return;
	buf->bytes = buf->memory;
	buf->bytes[0] = 0;
}

const char *buf_text(const struct buf *buf)
{
	return buf->size ? buf->bytes : "";
}

char *buf_steal(struct buf *buf)
{
	char *text = xmalloc(buf->size + 1);

	if (buf->size)
		memcpy(text, buf->bytes, buf->size);
	text[buf->size] = 0;
	buf_done(buf);
	return text;
}
