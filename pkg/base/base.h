/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The few words that every file of ours uses: sizes of arrays, owners that clean up after themselves, and the macro
 * that gets from an embedded member back to what holds it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/param.h> /* MIN, MAX */

#define ARRAY_LEN(array) (sizeof(array) / sizeof *(array))

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* `_cleanup_(fd_done) int fd = open(...)`: runs fd_done(&fd) when the name goes out of scope. */
#define _cleanup_(done) __attribute__((cleanup(done)))

/* Takes a pointer away from its owner: the value is returned, NULL stays behind. */
#define steal_pointer(place)                        \
	__extension__({                             \
		__typeof__(*(place)) *_p = (place); \
		__typeof__(*(place)) _v = *_p;      \
		*_p = NULL;                         \
		_v;                                 \
	})

static inline void free_done(void *place)
{
	free(*(void **)place);
}
#define _cleanup_free_ _cleanup_(free_done)

/*
 * Allocation of our own small things. A process of ours that cannot get a few bytes cannot do anything useful: it says
 * so and aborts, and its supervisor starts it again. Whatever a peer can make large is bounded before it comes here.
 */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);
char *xstrdup_or_null(const char *text); /* NULL of NULL */
char *xstrndup(const char *text, size_t size);
__attribute__((format(printf, 1, 2))) char *xasprintf(const char *format, ...);

/* Says where and what, and aborts. For broken promises between our own parts, never for input. */
#define base_bug(what) base_bug_at(__FILE__, __LINE__, what)
__attribute__((noreturn)) void base_bug_at(const char *file, int line, const char *what);
#define base_assert(condition) ((condition) ? (void)0 : base_bug(#condition))

/* Text helpers that accept NULL as the empty text, since an absent protobuf string is NULL. */
bool str_eq(const char *a, const char *b);
bool str_empty(const char *text);
const char *str_or(const char *text, const char *other); /* text unless NULL or empty */
bool str_has_prefix(const char *text, const char *prefix);
bool str_has_suffix(const char *text, const char *suffix);
size_t str_scheme(const char *text); /* how long the scheme of a URL is ("unix" of "unix:/x"); 0 without one */
bool str_is_one_of(const char *text, const char *const *words, size_t n);
char *str_trim(char *text); /* cuts white space off both ends, in place */

int hex_digit(char c); /* its value; -1 when it is none */

/* Whole text as a decimal number within [low, high]; -EINVAL otherwise. No blanks, no plus sign. */
int str_to_i64(const char *text, int64_t low, int64_t high, int64_t *ret_value);
