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
