/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Base 64 of RFC 4648 §4, with padding; the URL alphabet of §5 (padding optional) for what arrives in headers. */
#include <stddef.h>
#include <stdint.h>

#include "pkg/base/buf.h"

void base64_encode(const void *bytes, size_t size, struct buf *into);

/* Bytes that `size` characters decode to at most. */
static inline size_t base64_decoded_max(size_t size)
{
	return size / 4 * 3 + 3;
}

/* `into` has base64_decoded_max() bytes. -EBADMSG on a foreign character or wrong padding; newlines are skipped and
 * bits left over are dropped, as Go does. */
int base64_decode(const char *text, size_t size, uint8_t *into, size_t *ret_size);
int base64url_decode(const char *text, size_t size, uint8_t *into, size_t *ret_size);
