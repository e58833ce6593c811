/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/net/algorithms.h"

#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "pkg/base/base.h"
#include "pkg/test/test.h"

static bool has_cipher(const char *name)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	bool has = cipher != NULL;

	EVP_CIPHER_free(cipher);
	return has;
}

/* The first test of this program: nothing has used libcrypto before. */
TEST(what_is_left_is_enough)
{
	static const char *const needed[] = { "AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305",
					      "AES-256-CBC", "AES-256-CTR", "id-aes128-GCM" };
	static const char *const suites[] = {
		"ECDHE-ECDSA-AES128-GCM-SHA256",
		"ECDHE-RSA-AES256-GCM-SHA384",
		"ECDHE-RSA-CHACHA20-POLY1305",
		"ECDHE-ECDSA-AES256-SHA",
		"ECDHE-RSA-AES128-SHA256",
		"AES128-SHA256",
		"AES256-GCM-SHA384",
		"AES128-SHA",
	};
	unsigned char bytes[16];
	EVP_PKEY *keys[2];
	SSL_CTX *context;

	algorithms_limit();
	algorithms_limit();
	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		CHECK(needed[i], has_cipher(needed[i]));
	CHECK("others are gone", !has_cipher("ARIA-256-GCM") && !has_cipher("CAMELLIA-128-CBC"));
	CHECK("only one provider", !OSSL_PROVIDER_available(NULL, "default"));
	CHECK_INT("random bytes", RAND_bytes(bytes, sizeof bytes), ==, 1);
	keys[0] = EVP_RSA_gen(2048);
	keys[1] = EVP_EC_gen("P-256");
	CHECK("keys", keys[0] && keys[1]);
	context = SSL_CTX_new(TLS_method());
	CHECK("TLS", context != NULL);
	for (size_t i = 0; i < ARRAY_LEN(suites); i++)
		CHECK_INT(suites[i], SSL_CTX_set_cipher_list(context, suites[i]), ==, 1);
	CHECK_INT("TLS 1.3", SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"),
		  ==, 1);
	SSL_CTX_free(context);
	EVP_PKEY_free(keys[0]);
	EVP_PKEY_free(keys[1]);
}
