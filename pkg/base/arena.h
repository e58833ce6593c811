/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Memory that lives and dies together: an API object, a CRI answer, one request being built.
 *
 * Everything taken from an arena is freed by arena_free() at once and never one by one. Memory comes zeroed. An arena
 * with a limit answers NULL past it (sizes that a peer chose), where each allocation counts as a multiple of 16 bytes;
 * without one it aborts like xmalloc().
 */
#include <stddef.h>

struct arena;

struct arena *arena_new(void);
struct arena *arena_new_limited(size_t limit_bytes);
void arena_free(struct arena *arena); /* NULL is fine */

void *arena_alloc(struct arena *arena, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_text(struct arena *arena, const char *text); /* arena_strdup() that takes NULL as "" */
char *arena_strndup(struct arena *arena, const char *text, size_t size);
__attribute__((format(printf, 2, 3))) char *arena_printf(struct arena *arena, const char *format, ...);

static inline void arena_done(struct arena **arena)
{
	arena_free(*arena);
}
#define _cleanup_arena_ __attribute__((cleanup(arena_done)))
