/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Digests as text. The keyed one is for caches that must not keep what they were asked (tokens) and that a peer must
 * not aim at; the plain one for names and hashes that other programs compute too.
 */
#include <stddef.h>

enum { DIGEST_HEX = 65 }; /* SHA-256 in lower-case hex, and its zero */

void digest_sha256(const void *bytes, size_t size, char into[DIGEST_HEX]);
void digest_hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size, char into[DIGEST_HEX]);
