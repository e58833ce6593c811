/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/net/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>

#include "pkg/base/base.h"

enum { DIGEST_BYTES = 32 };

static void put_hex(const uint8_t digest[DIGEST_BYTES], char into[DIGEST_HEX])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		into[2 * i] = digits[digest[i] >> 4];
		into[2 * i + 1] = digits[digest[i] & 15];
	}
	into[DIGEST_HEX - 1] = 0;
}

void digest_sha256(const void *bytes, size_t size, char into[DIGEST_HEX])
{
	uint8_t digest[DIGEST_BYTES];
	unsigned int digest_size = 0;

	base_assert(EVP_Digest(bytes, size, digest, &digest_size, EVP_sha256(), NULL) && digest_size == DIGEST_BYTES);
	put_hex(digest, into);
}

void digest_hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size, char into[DIGEST_HEX])
{
	uint8_t digest[DIGEST_BYTES];
	unsigned int digest_size = 0;

	base_assert(HMAC(EVP_sha256(), key, (int)key_size, bytes, size, digest, &digest_size) &&
		    digest_size == DIGEST_BYTES);
	put_hex(digest, into);
}
