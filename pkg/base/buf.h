/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A growing run of bytes with a hard limit.
 *
 * Appending past the limit sets `overflow`, drops what did not fit and makes every later append a no-op, so a writer
 * checks once, at its end. Bytes are consumed from the front without moving memory each time. A zero byte always
 * follows the content, so that text can be read in place.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *bytes;  /* start of the content; NULL until the first append */
	size_t size;  /* bytes of content */
	size_t limit; /* largest size ever allowed */
	bool overflow;
	char *memory; /* private: what was allocated */
	size_t room;  /* private */
};

#define BUF_INIT(limit_bytes) ((struct buf){ .limit = (limit_bytes) })

void buf_done(struct buf *buf); /* frees; the struct may be used again */
#define _cleanup_buf_ __attribute__((cleanup(buf_done)))

void buf_append(struct buf *buf, const void *bytes, size_t size);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *buf, const char *format, ...);
__attribute__((format(printf, 2, 0))) void buf_vprintf(struct buf *buf, const char *format, va_list args);

/* Room for `size` more bytes, to be filled and then counted with buf_grow(); NULL on overflow. */
char *buf_reserve(struct buf *buf, size_t size);
void buf_grow(struct buf *buf, size_t size);

void buf_consume(struct buf *buf, size_t size); /* drops bytes from the front */
void buf_clear(struct buf *buf);                /* empty again, memory kept, overflow forgotten */

const char *buf_text(const struct buf *buf); /* the content with its closing zero; "" when empty */
char *buf_steal(struct buf *buf);            /* the content as a malloc'ed text, the buffer is empty after */
