/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/net/x509.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/test/test.h"

enum { PEM_MAX = 64 * 1024 };

#define BLOCK(type) "-----BEGIN " type "-----\nAAAA\n-----END " type "-----\n"

TEST(what_is_no_pair_is_said_as_go_does)
{
	_cleanup_buf_ struct buf cert = BUF_INIT(PEM_MAX), key = BUF_INIT(PEM_MAX);
	_cleanup_buf_ struct buf other = BUF_INIT(PEM_MAX), other_key = BUF_INIT(PEM_MAX);
	struct err err;

	CHECK_OK(x509_make_serving("a", &cert, &key, &err), &err);
	CHECK_OK(x509_make_serving("b", &other, &other_key, &err), &err);
	const char *c = buf_text(&cert), *k = buf_text(&key);
	_cleanup_free_ char *together = xasprintf("%s%s", k, c);
	const struct {
		const char *certificate, *key, *says;
	} rows[] = {
		{ c, k, NULL },
		{ together, together, NULL },
		{ "x", k, "tls: failed to find any PEM data in certificate input" },
		{ c, "x", "tls: failed to find any PEM data in key input" },
		{ k, c,
		  "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM "
		  "inputs may have been switched" },
		{ BLOCK("A") BLOCK("B"), k,
		  "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the "
		  "following types: [A B]" },
		{ c, BLOCK("CERTIFICATE"),
		  "tls: found a certificate rather than a key in the PEM for the private key" },
		{ c, BLOCK("EC PARAMETERS"),
		  "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM "
		  "blocks of the following types: [EC PARAMETERS]" },
		{ BLOCK("CERTIFICATE"), k, "x509: malformed certificate" },
		{ c, BLOCK("EC PRIVATE KEY"), "tls: failed to parse private key" },
		{ c, buf_text(&other_key), "tls: private key does not match public key" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		err.text[0] = 0;
		CHECK_INT(rows[i].says, x509_check_pair(rows[i].certificate, rows[i].key, &err), ==,
			  rows[i].says ? -EINVAL : 0);
		CHECK_STR("words", err.text, str_or(rows[i].says, ""));
	}
}

TEST(roots_are_one_certificate_at_least)
{
	_cleanup_buf_ struct buf cert = BUF_INIT(PEM_MAX), key = BUF_INIT(PEM_MAX);
	struct err err;

	CHECK_OK(x509_make_serving("a", &cert, &key, &err), &err);
	_cleanup_free_ char *late = xasprintf(BLOCK("CERTIFICATE") "%s", buf_text(&cert));
	CHECK_OK(x509_check_roots(buf_text(&cert), &err), &err);
	CHECK_OK(x509_check_roots(late, &err), &err);
	CHECK_INT("nothing", x509_check_roots("x", &err), ==, -EINVAL);
	CHECK_STR("nothing", err.text, "unable to parse bytes as PEM block");
	CHECK_INT("a key", x509_check_roots(buf_text(&key), &err), ==, -EINVAL);
	CHECK_STR("a key", err.text, "no valid certificate authority data seen");
	CHECK_INT("broken", x509_check_roots(BLOCK("CERTIFICATE"), &err), ==, -EINVAL);
	CHECK_STR("broken", err.text, "failed to parse certificate: x509: malformed certificate");
}
