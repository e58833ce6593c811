/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF. */
#include <stdbool.h>
#include <stddef.h>

#include "pkg/base/buf.h"

bool utf8_valid(const char *text, size_t size);

/* Appends the text with every broken sequence replaced by U+FFFD, as Go does when it makes a string valid. */
void utf8_sanitize(const char *text, size_t size, struct buf *into);

/* The same, for a C string: a zero byte becomes U+FFFD, too. */
void utf8_sanitize_zeros(const char *text, size_t size, struct buf *into);

/* How much of the text, which is valid, fits into `limit` bytes without cutting a character. */
size_t utf8_cut(const char *text, size_t size, size_t limit);
