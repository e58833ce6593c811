/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"

enum {
	FIRST_BLOCK = 1024,    /* a ConfigMap or a CRI answer fits one or two */
	LARGEST_BLOCK = 65536, /* doubling stops here, so that a large object wastes at most this */
	ALIGNMENT = 16,
};

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(ALIGNMENT) char bytes[];
};

struct arena {
	struct block *blocks; /* the newest first; only it is filled */
	size_t next_size, used, limit;
};

struct arena *arena_new(void)
{
	return arena_new_limited(SIZE_MAX);
}

struct arena *arena_new_limited(size_t limit_bytes)
{
	struct arena *arena = xcalloc(1, sizeof *arena);

	arena->next_size = FIRST_BLOCK;
	arena->limit = limit_bytes;
	return arena;
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	while (arena->blocks) {
		struct block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
	free(arena);
}

static struct block *block_new(struct arena *arena, size_t size)
{
	size_t room = MAX(size, arena->next_size);
	struct block *block = xcalloc(1, sizeof *block + room);

	block->size = room;
	arena->next_size = MIN(arena->next_size * 2, (size_t)LARGEST_BLOCK);
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	bool is_sane = size <= SIZE_MAX / 2;

	if (is_sane)
		size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (!is_sane || size > arena->limit - arena->used) {
		base_assert(arena->limit != SIZE_MAX);
		return NULL;
	}
	arena->used += size; /* as it is in memory: many small texts take more than they hold */

	struct block *block = arena->blocks;
	if (!block || block->size - block->used < size) {
		block = block_new(arena, size);
		block->next = arena->blocks;
		arena->blocks = block;
	}
	void *memory = block->bytes + block->used;
	block->used += size;
	return memory;
}

char *arena_strndup(struct arena *arena, const char *text, size_t size)
{
	char *copy = arena_alloc(arena, size + 1);

	if (copy)
		memcpy(copy, text, size); /* the closing zero is there already */
	return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

char *arena_text(struct arena *arena, const char *text)
{
	return arena_strdup(arena, text ? text : "");
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	int size = vsnprintf(NULL, 0, format, args);
	va_end(args);
	base_assert(size >= 0);

	char *text = arena_alloc(arena, (size_t)size + 1);
	if (text)
		vsnprintf(text, (size_t)size + 1, format, again);
	va_end(again);
	return text;
}
