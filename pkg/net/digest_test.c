/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/net/digest.h"

#include <string.h>

#include "pkg/test/test.h"

TEST(rfc4231_case_2)
{
	char hex[DIGEST_HEX];

	digest_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, hex);
	CHECK_STR("digest", hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(fips_180_abc)
{
	char hex[DIGEST_HEX];

	digest_sha256("abc", 3, hex);
	CHECK_STR("abc", hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_sha256("", 0, hex);
	CHECK_STR("nothing", hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
