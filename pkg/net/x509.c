/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/net/x509.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "pkg/base/base.h"

enum {
	RSA_BITS = 2048,
	HOUR_S = 3600,
	YEAR_S = 365 * 24 * 3600,
	SECURITY_BITS_MIN = 80, /* 1,024 of RSA: what the server takes at its level of security */
};

static void key_done(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void cert_done(X509 **cert)
{
	X509_free(*cert);
}

static void bio_done(BIO **bio)
{
	BIO_free(*bio);
}

static int failed(struct err *err, const char *what)
{
	char why[200] = "unknown reason";
	unsigned long code = ERR_get_error();

	if (code)
		ERR_error_string_n(code, why, sizeof why);
	ERR_clear_error();
	return err_set(err, -EINVAL, "%s: %s", what, why);
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	bool ok = extension && X509_add_ext(cert, extension, -1);

	X509_EXTENSION_free(extension);
	return ok;
}

/* A certificate with a name, a random serial and its times; not signed yet. */
static X509 *start_cert(const char *name, EVP_PKEY *key)
{
	X509 *cert = X509_new();
	unsigned char serial[16];

	if (!cert || RAND_bytes(serial, sizeof serial) != 1)
		return cert;
	serial[0] &= 0x7f; /* serials are positive */
	BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
	BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	X509_set_version(cert, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(cert), -HOUR_S);
	X509_gmtime_adj(X509_getm_notAfter(cert), YEAR_S - HOUR_S);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
				   -1, 0);
	return cert;
}

static bool is_ip(const char *host)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static bool sign_ca(X509 *ca, EVP_PKEY *key)
{
	return X509_set_issuer_name(ca, X509_get_subject_name(ca)) &&
	       add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE") &&
	       add_extension(ca, ca, NID_key_usage, "critical,digitalSignature,keyEncipherment,keyCertSign") &&
	       add_extension(ca, ca, NID_subject_key_identifier, "hash") && X509_sign(ca, key, EVP_sha256());
}

static bool sign_leaf(X509 *leaf, const char *host, X509 *ca, EVP_PKEY *ca_key)
{
	_cleanup_free_ char *alternative = xasprintf("%s:%s", is_ip(host) ? "IP" : "DNS", host);

	return X509_set_issuer_name(leaf, X509_get_subject_name(ca)) &&
	       add_extension(leaf, ca, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(leaf, ca, NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
	       add_extension(leaf, ca, NID_ext_key_usage, "serverAuth") &&
	       add_extension(leaf, ca, NID_authority_key_identifier, "keyid") &&
	       add_extension(leaf, ca, NID_subject_alt_name, alternative) && X509_sign(leaf, ca_key, EVP_sha256());
}

static void take_text(BIO *bio, struct buf *into)
{
	char *text = NULL;
	long size = BIO_get_mem_data(bio, &text);

	buf_append(into, text, (size_t)size);
}

int x509_make_serving(const char *host, struct buf *certificate, struct buf *key, struct err *err)
{
	static const char what[] = "unable to generate self signed cert";
	_cleanup_(key_done) EVP_PKEY *ca_key = EVP_RSA_gen(RSA_BITS);
	_cleanup_(key_done) EVP_PKEY *leaf_key = EVP_RSA_gen(RSA_BITS);
	_cleanup_(bio_done) BIO *certs = BIO_new(BIO_s_mem());
	_cleanup_(bio_done) BIO *keys = BIO_new(BIO_s_mem());
	long long now = (long long)time(NULL);
	_cleanup_free_ char *ca_name = xasprintf("%s-ca@%lld", host, now);
	_cleanup_free_ char *leaf_name = xasprintf("%s@%lld", host, now);

	if (!ca_key || !leaf_key || !certs || !keys)
		return failed(err, what);
	_cleanup_(cert_done) X509 *ca = start_cert(ca_name, ca_key);
	_cleanup_(cert_done) X509 *leaf = start_cert(leaf_name, leaf_key);
	if (!ca || !leaf || !sign_ca(ca, ca_key) || !sign_leaf(leaf, host, ca, ca_key))
		return failed(err, what);
	if (!PEM_write_bio_X509(certs, leaf) || !PEM_write_bio_X509(certs, ca) ||
	    !PEM_write_bio_PrivateKey_traditional(keys, leaf_key, NULL, NULL, 0, NULL, NULL))
		return failed(err, what);
	take_text(certs, certificate);
	take_text(keys, key);
	return 0;
}

/* ---- checks, in the words of Go's crypto/tls ---- */

enum { SKIPPED_MAX = 200 }; /* of the types of blocks that a message names */

struct pem {
	unsigned char *der;
	long size;
	int n_skipped;
	char skipped[SKIPPED_MAX];
};

static void pem_done(struct pem *pem)
{
	OPENSSL_free(pem->der);
}

static void note_skipped(struct pem *pem, const char *type)
{
	size_t length = strlen(pem->skipped);

	snprintf(pem->skipped + length, sizeof pem->skipped - length, "%s%s", pem->n_skipped++ ? " " : "", type);
}

/* The first block of this type, or of one that ends so; what comes before it is noted. */
static bool find_block(const char *text, const char *wanted, bool ends_so, struct pem *pem)
{
	_cleanup_(bio_done) BIO *bio = BIO_new_mem_buf(text, -1);
	char *type, *header;

	while (bio && !pem->der && PEM_read_bio(bio, &type, &header, &pem->der, &pem->size)) {
		if (!(ends_so ? str_has_suffix(type, wanted) : str_eq(type, wanted))) {
			note_skipped(pem, type);
			OPENSSL_free(pem->der);
			pem->der = NULL;
		}
		OPENSSL_free(type);
		OPENSSL_free(header);
	}
	ERR_clear_error();
	return pem->der;
}

static int no_certificate(const struct pem *pem, struct err *err)
{
	if (pem->n_skipped == 0)
		return err_set(err, -EINVAL, "tls: failed to find any PEM data in certificate input");
	if (pem->n_skipped == 1 && str_has_suffix(pem->skipped, "PRIVATE KEY"))
		return err_set(err, -EINVAL,
			       "tls: failed to find certificate PEM data in certificate input, but did find a private "
			       "key; PEM inputs may have been switched");
	return err_set(err, -EINVAL,
		       "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks "
		       "of the following types: [%s]",
		       pem->skipped);
}

static int no_key(const struct pem *pem, struct err *err)
{
	if (pem->n_skipped == 0)
		return err_set(err, -EINVAL, "tls: failed to find any PEM data in key input");
	if (pem->n_skipped == 1 && str_eq(pem->skipped, "CERTIFICATE"))
		return err_set(err, -EINVAL,
			       "tls: found a certificate rather than a key in the PEM for the private key");
	return err_set(err, -EINVAL,
		       "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping "
		       "PEM blocks of the following types: [%s]",
		       pem->skipped);
}

static X509 *parse_cert(const struct pem *pem)
{
	const unsigned char *at = pem->der;
	X509 *cert = d2i_X509(NULL, &at, pem->size);

	ERR_clear_error();
	return cert;
}

static EVP_PKEY *parse_key(const struct pem *pem)
{
	const unsigned char *at = pem->der;
	EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, pem->size);

	ERR_clear_error();
	return key;
}

int x509_check_pair(const char *certificate, const char *key, struct err *err)
{
	_cleanup_(pem_done) struct pem cert_pem = { 0 };
	_cleanup_(pem_done) struct pem key_pem = { 0 };

	if (!find_block(certificate, "CERTIFICATE", false, &cert_pem))
		return no_certificate(&cert_pem, err);
	if (!find_block(key, "PRIVATE KEY", true, &key_pem))
		return no_key(&key_pem, err);
	_cleanup_(cert_done) X509 *leaf = parse_cert(&cert_pem);
	if (!leaf)
		return err_set(err, -EINVAL, "x509: malformed certificate");
	_cleanup_(key_done) EVP_PKEY *private = parse_key(&key_pem);
	if (!private)
		return err_set(err, -EINVAL, "tls: failed to parse private key");
	if (EVP_PKEY_get_security_bits(private) < SECURITY_BITS_MIN)
		return err_set(err, -EINVAL, "tls: a private key of %d bits is too weak", EVP_PKEY_get_bits(private));
	if (EVP_PKEY_get_base_id(X509_get0_pubkey(leaf)) != EVP_PKEY_get_base_id(private))
		return err_set(err, -EINVAL, "tls: private key type does not match public key type");
	if (X509_check_private_key(leaf, private) != 1) {
		ERR_clear_error();
		return err_set(err, -EINVAL, "tls: private key does not match public key");
	}
	return 0;
}

int x509_check_roots(const char *pem, struct err *err)
{
	_cleanup_(bio_done) BIO *bio = BIO_new_mem_buf(pem, -1);
	char *type, *header;
	bool good = false, bad = false, any = false;
	struct pem block = { 0 };

	while (bio && !good && PEM_read_bio(bio, &type, &header, &block.der, &block.size)) {
		any = true;
		if (str_eq(type, "CERTIFICATE") && !*header) {
			_cleanup_(cert_done) X509 *cert = parse_cert(&block);

			good = cert;
			bad = bad || !cert;
		}
		OPENSSL_free(type);
		OPENSSL_free(header);
		OPENSSL_free(block.der);
	}
	ERR_clear_error();
	if (good)
		return 0;
	if (bad)
		return err_set(err, -EINVAL, "failed to parse certificate: x509: malformed certificate");
	return err_set(err, -EINVAL,
		       any ? "no valid certificate authority data seen" : "unable to parse bytes as PEM block");
}
