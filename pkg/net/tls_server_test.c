/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/net/tls_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/net/x509.h"
#include "pkg/test/test.h"

enum { BULK_BYTES = 8 << 20, TEST_MS = 20000 };

/* ---- certificates ---- */

struct pair {
	X509 *certificate;
	EVP_PKEY *key;
};

static void add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	CHECK("extension", extension != NULL);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

/* `by` NULL: an authority of its own. */
static struct pair make_pair(const char *common_name, const char *const *organizations, const struct pair *by,
			     const char *usage, long from_s, long to_s)
{
	struct pair pair = { X509_new(), EVP_EC_gen("P-256") };
	X509_NAME *name = X509_get_subject_name(pair.certificate);
	static long serial;

	X509_set_version(pair.certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(pair.certificate), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(pair.certificate), from_s);
	X509_gmtime_adj(X509_getm_notAfter(pair.certificate), to_s);
	X509_set_pubkey(pair.certificate, pair.key);
	for (; organizations && *organizations; organizations++)
		X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)*organizations, -1, -1, 0);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
	X509_set_issuer_name(pair.certificate, by ? X509_get_subject_name(by->certificate) : name);
	if (by)
		add_extension(pair.certificate, NID_ext_key_usage, usage);
	else
		add_extension(pair.certificate, NID_basic_constraints, "critical,CA:TRUE");
	CHECK("sign", X509_sign(pair.certificate, by ? by->key : pair.key, EVP_sha256()) > 0);
	return pair;
}

static void pair_free(struct pair *pair)
{
	X509_free(pair->certificate);
	EVP_PKEY_free(pair->key);
}

static char *pem(X509 *certificate, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *text;
	long size;

	if (certificate)
		PEM_write_bio_X509(bio, certificate);
	else
		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	size = BIO_get_mem_data(bio, &bytes);
	text = xstrndup(bytes, (size_t)size);
	BIO_free(bio);
	return text;
}

/* ---- a server that answers one line with who asks ---- */

struct fixture {
	struct loop *loop;
	struct tls_server *server;
	struct tls_listener *listener;
	struct tls_conn *conn;
	struct pair ca, other_ca, serving, client, foreign, expired, server_only, any_use, wrap_only, weak;
	char *ca_pem, *other_pem, *serving_pem, *key_pem;
	int port;
	pid_t child;
	int status, n_reads, quiet_s;
	bool swaps_ca, sends_bulk, timed_out;
	struct buf out;
	struct loop_timer watch, deadline;
};

static void configure(struct fixture *fixture, const char *ca, uint64_t generation)
{
	struct tls_server_config config = {
		.certificate = fixture->serving_pem, .key = fixture->key_pem, .client_ca = ca, .generation = generation
	};
	struct err err;

	CHECK_OK(tls_server_configure(fixture->server, &config, &err), &err);
}

static void flush(struct fixture *fixture)
{
	while (fixture->out.size) {
		ssize_t n = tls_conn_write(fixture->conn, fixture->out.bytes, fixture->out.size);

		if (n == -EAGAIN)
			break;
		if (n < 0) {
			tls_conn_finish(steal_pointer(&fixture->conn), 100);
			return;
		}
		CHECK_INT("at most 64 KiB", n, <=, 64 << 10);
		buf_consume(&fixture->out, (size_t)n);
	}
	if (!fixture->out.size && fixture->sends_bulk && fixture->n_reads) {
		tls_conn_finish(steal_pointer(&fixture->conn), 5000);
		return;
	}
	tls_conn_want(fixture->conn, LOOP_READ | (fixture->out.size ? LOOP_WRITE : 0));
}

static void tell_identity(struct fixture *fixture)
{
	const struct tls_identity *identity = tls_conn_identity(fixture->conn);

	buf_printf(&fixture->out, "%d %d %s", identity->presented, identity->verified, identity->common_name);
	for (size_t i = 0; i < identity->n_organizations; i++)
		buf_printf(&fixture->out, " %s", identity->organizations[i]);
	buf_putc(&fixture->out, '\n');
}

static void ready(void *owner, int events)
{
	struct fixture *fixture = owner;
	char bytes[1000];
	ssize_t n = tls_conn_read(fixture->conn, bytes, sizeof bytes);

	if (n == 0 || (n < 0 && n != -EAGAIN)) {
		tls_conn_finish(steal_pointer(&fixture->conn), 1000);
		return;
	}
	if (n > 0) {
		if (fixture->n_reads++ == 1 && fixture->swaps_ca)
			configure(fixture, fixture->other_pem, 2);
		if (fixture->sends_bulk) {
			char *bulk = xcalloc(1, BULK_BYTES);

			buf_append(&fixture->out, bulk, BULK_BYTES);
			free(bulk);
		} else {
			tell_identity(fixture);
		}
	}
	flush(fixture);
}

/* After how many quiet seconds the kernel gives the client up; the client itself is in another process. */
static int quiet_limit_s(const struct fixture *fixture)
{
	int on = 0, idle = 0, period = 0, tries = 0;

	for (int fd = 3; fd < 100; fd++) {
		struct sockaddr_in in = { 0 }, peer;
		socklen_t size = sizeof in, peer_size = sizeof peer, one = sizeof on;

		if (getsockname(fd, (struct sockaddr *)&in, &size) < 0 || ntohs(in.sin_port) != fixture->port ||
		    getpeername(fd, (struct sockaddr *)&peer, &peer_size) < 0)
			continue;
		getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &one);
		getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &one);
		getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &period, &one);
		getsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, &one);
	}
	return on ? idle + period * tries : -1;
}

static void accepted(void *owner, struct tls_conn *conn)
{
	struct fixture *fixture = owner;

	fixture->quiet_s = quiet_limit_s(fixture);
	fixture->conn = conn;
	tls_conn_set_owner(conn, ready, fixture);
	tls_conn_want(conn, LOOP_READ);
}

static void look(void *owner)
{
	struct fixture *fixture = owner;
	int status;

	if (waitpid(fixture->child, &status, WNOHANG) == fixture->child) {
		fixture->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		loop_stop(fixture->loop);
		return;
	}
	loop_timer_start(&fixture->watch, 5);
}

static void too_late(void *owner)
{
	struct fixture *fixture = owner;

	fixture->timed_out = true;
	kill(fixture->child, SIGKILL);
}

static void setup(struct fixture *fixture)
{
	static const char *const organizations[] = { "system:masters", "second", NULL };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof in;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*fixture = (struct fixture){ .out = BUF_INIT(BULK_BYTES + 1000) };
	fixture->ca = make_pair("ca", NULL, NULL, NULL, -3600, 3600);
	fixture->other_ca = make_pair("other", NULL, NULL, NULL, -3600, 3600);
	fixture->serving = make_pair("node", NULL, &fixture->ca, "serverAuth", -3600, 3600);
	fixture->client = make_pair("admin", organizations, &fixture->ca, "clientAuth", -3600, 3600);
	fixture->foreign = make_pair("foreign", NULL, &fixture->other_ca, "clientAuth", -3600, 3600);
	fixture->expired = make_pair("old", NULL, &fixture->ca, "clientAuth", -3600, -60);
	fixture->server_only = make_pair("node", NULL, &fixture->ca, "serverAuth", -3600, 3600);
	fixture->any_use = make_pair("any", NULL, &fixture->ca, "anyExtendedKeyUsage", -3600, 3600);
	fixture->wrap_only = make_pair("wrap", NULL, &fixture->ca, "clientAuth", -3600, 3600);
	add_extension(fixture->wrap_only.certificate, NID_key_usage, "critical,keyEncipherment");
	X509_sign(fixture->wrap_only.certificate, fixture->ca.key, EVP_sha256());
	fixture->weak = make_pair("weak", NULL, &fixture->ca, "clientAuth", -3600, 3600);
	X509_sign(fixture->weak.certificate, fixture->ca.key, EVP_sha1());
	fixture->ca_pem = pem(fixture->ca.certificate, NULL);
	fixture->other_pem = pem(fixture->other_ca.certificate, NULL);
	fixture->serving_pem = pem(fixture->serving.certificate, NULL);
	fixture->key_pem = pem(NULL, fixture->serving.key);
	fixture->loop = loop_new();
	fixture->server = tls_server_new(fixture->loop);
	CHECK_INT("bind", bind(fd, (struct sockaddr *)&in, sizeof in), ==, 0);
	CHECK_INT("listen", listen(fd, 10), ==, 0);
	getsockname(fd, (struct sockaddr *)&in, &size);
	fixture->port = ntohs(in.sin_port);
	configure(fixture, fixture->ca_pem, 1);
	fixture->listener = tls_server_listen(fixture->server, fd, true, accepted, fixture);
	loop_timer_init(&fixture->watch, fixture->loop, look, fixture);
	loop_timer_init(&fixture->deadline, fixture->loop, too_late, fixture);
}

static void teardown(struct fixture *fixture)
{
	struct pair *pairs[] = { &fixture->ca,          &fixture->other_ca, &fixture->serving, &fixture->client,
				 &fixture->foreign,     &fixture->expired,  &fixture->any_use, &fixture->weak,
				 &fixture->server_only, &fixture->wrap_only };

	loop_timer_stop(&fixture->deadline);
	if (fixture->conn)
		tls_conn_abort(fixture->conn);
	tls_listener_free(fixture->listener);
	tls_server_free(fixture->server);
	loop_free(fixture->loop);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		pair_free(pairs[i]);
	free(fixture->ca_pem);
	free(fixture->other_pem);
	free(fixture->serving_pem);
	free(fixture->key_pem);
	buf_done(&fixture->out);
}

/* ---- the client, in a child of its own ---- */

static int dial(const struct fixture *fixture)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)fixture->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&in, sizeof in) < 0 ? -1 : fd;
}

static SSL *shake(const struct fixture *fixture, const struct pair *identity, int version)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	SSL_CTX_set_max_proto_version(context, version);
	SSL_CTX_set_min_proto_version(context, version);
	SSL_CTX_set_security_level(context, 0); /* else it does not even send what is weak */
	if (identity) {
		SSL_CTX_use_certificate(context, identity->certificate);
		SSL_CTX_use_PrivateKey(context, identity->key);
	}
	ssl = SSL_new(context);
	SSL_set_fd(ssl, dial(fixture));
	return SSL_connect(ssl) == 1 ? ssl : NULL;
}

/* Asks once; 0 when the answer is `want`. */
static int ask(SSL *ssl, const char *want)
{
	char text[200] = "";
	size_t at = 0;

	if (!ssl || SSL_write(ssl, "?\n", 2) != 2)
		return 1;
	while (!strchr(text, '\n') && at < sizeof text - 1) {
		int n = SSL_read(ssl, text + at, (int)(sizeof text - 1 - at));

		if (n <= 0)
			return 2;
		at += (size_t)n;
	}
	if (strcmp(text, want) == 0)
		return 0;
	fprintf(stderr, "client: got %s want %s", text, want);
	return 3;
}

static int run(struct fixture *fixture, int (*client)(struct fixture *fixture))
{
	fixture->child = fork();
	if (fixture->child == 0)
		_exit(client(fixture));
	loop_timer_start(&fixture->watch, 5);
	loop_timer_start(&fixture->deadline, TEST_MS);
	loop_run(fixture->loop);
	CHECK("in time", !fixture->timed_out);
	return fixture->status;
}

static int ask_as_everyone(struct fixture *fixture)
{
	const struct {
		const struct pair *identity;
		const char *want;
	} rows[] = {
		{ NULL, "0 0 \n" },
		{ &fixture->client, "1 1 admin system:masters second\n" },
		{ &fixture->foreign, "1 0 \n" },
		{ &fixture->expired, "1 0 \n" },
		{ &fixture->server_only, "1 0 \n" },
		{ &fixture->any_use, "1 1 any\n" },
		{ &fixture->wrap_only, "1 1 wrap\n" },
		{ &fixture->weak, "1 0 \n" },
	};

	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		SSL *ssl = shake(fixture, rows[i / 2].identity, i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
		int code = ask(ssl, rows[i / 2].want);

		if (code)
			return (int)i * 10 + code;
		SSL_shutdown(ssl);
		shutdown(SSL_get_fd(ssl), SHUT_WR);
		if (SSL_read(ssl, &code, 1) > 0) /* the server's end: the fixture knows one connection at a time */
			return 99;
		close(SSL_get_fd(ssl));
	}
	return 0;
}

TEST(who_a_client_is)
{
	struct fixture fixture;

	setup(&fixture);
	CHECK_INT("client", run(&fixture, ask_as_everyone), ==, 0);
	teardown(&fixture);
}

static int ask_over_a_swap(struct fixture *fixture)
{
	SSL *ssl = shake(fixture, &fixture->client, TLS1_3_VERSION);
	int code = ask(ssl, "1 1 admin system:masters second\n");

	return code ? code : ask(ssl, "1 0 \n") * 10;
}

TEST(a_new_bundle_judges_open_connections)
{
	struct fixture fixture;

	setup(&fixture);
	fixture.swaps_ca = true;
	CHECK_INT("client", run(&fixture, ask_over_a_swap), ==, 0);
	teardown(&fixture);
}

static int read_late(struct fixture *fixture)
{
	static char text[65536];
	SSL *ssl = shake(fixture, NULL, TLS1_3_VERSION);
	size_t at = 0;
	int n;

	if (!ssl || SSL_write(ssl, "?\n", 2) != 2)
		return 1;
	poll(NULL, 0, 500);
	while ((n = SSL_read(ssl, text, sizeof text)) > 0)
		at += (size_t)n;
	if (at != BULK_BYTES) {
		fprintf(stderr, "client: got %zu, error %d\n", at, SSL_get_error(ssl, n));
		return 2;
	}
	return SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN ? 0 : 3;
}

TEST(a_late_reader_gets_everything_and_an_orderly_end)
{
	struct fixture fixture;

	setup(&fixture);
	fixture.sends_bulk = true;
	CHECK_INT("client", run(&fixture, read_late), ==, 0);
	CHECK_INT("a silent client is given up after, s", fixture.quiet_s, ==, 150);
	teardown(&fixture);
}

static int speak_plainly(struct fixture *fixture)
{
	char text[200] = "";
	int fd = dial(fixture);
	size_t at = 0;
	ssize_t n;

	if (write(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27) != 27)
		return 1;
	while ((n = read(fd, text + at, sizeof text - 1 - at)) > 0)
		at += (size_t)n;
	if (n < 0)
		return 2;
	return strcmp(text, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n") != 0;
}

TEST(plain_http_is_told_so)
{
	struct fixture fixture;

	setup(&fixture);
	CHECK_INT("client", run(&fixture, speak_plainly), ==, 0);
	teardown(&fixture);
}

static int speak_old_tls(struct fixture *fixture)
{
	return shake(fixture, NULL, TLS1_1_VERSION) ? 1 : 0;
}

/* What Go does not know OpenSSL must not know either; of what both know they choose the same. */
static int choose_as_go(struct fixture *fixture)
{
	SSL *ssl = shake(fixture, NULL, TLS1_3_VERSION);
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!ssl || strcmp(SSL_get_cipher(ssl), "TLS_AES_128_GCM_SHA256") != 0)
		return 1;
	SSL_shutdown(ssl);
	shutdown(SSL_get_fd(ssl), SHUT_WR);
	if (SSL_read(ssl, &(char){ 0 }, 1) > 0)
		return 2;
	SSL_CTX_set1_groups_list(context, "ffdhe8192:X448");
	ssl = SSL_new(context);
	SSL_set_fd(ssl, dial(fixture));
	return SSL_connect(ssl) == 1 ? 3 : 0;
}

TEST(tls_11_is_too_old)
{
	struct fixture fixture;

	setup(&fixture);
	CHECK_INT("client", run(&fixture, speak_old_tls), ==, 0);
	teardown(&fixture);
}

TEST(suites_and_groups_are_those_of_go)
{
	struct fixture fixture;

	setup(&fixture);
	CHECK_INT("client", run(&fixture, choose_as_go), ==, 0);
	teardown(&fixture);
}

TEST(a_short_key_will_do_and_a_very_short_one_not)
{
	struct fixture fixture;
	EVP_PKEY *shorts = EVP_RSA_gen(1024), *very_short = EVP_RSA_gen(512);
	struct err err;

	setup(&fixture);
	X509_set_pubkey(fixture.serving.certificate, shorts);
	X509_sign(fixture.serving.certificate, fixture.ca.key, EVP_sha256());
	_cleanup_free_ char *certificate = pem(fixture.serving.certificate, NULL), *key = pem(NULL, shorts);
	_cleanup_free_ char *weak = pem(NULL, very_short);
	struct tls_server_config config = { .certificate = certificate, .key = key };
	CHECK_OK(x509_check_pair(certificate, key, &err), &err);
	CHECK_OK(tls_server_configure(fixture.server, &config, &err), &err);
	CHECK_INT("very short", x509_check_pair(certificate, weak, &err), ==, -EINVAL);
	CHECK_STR("words", err.text, "tls: a private key of 512 bits is too weak");
	EVP_PKEY_free(shorts);
	EVP_PKEY_free(very_short);
	teardown(&fixture);
}

TEST(what_cannot_be_used_is_refused_and_changes_nothing)
{
	struct fixture fixture;
	struct err err;
	static const char *const bad_suite[] = { "TLS_NONE" };

	setup(&fixture);
	const struct {
		const char *rule;
		struct tls_server_config config;
	} rows[] = {
		{ "version", { .min_version = "VersionTLS9" } },
		{ "suite", { .cipher_suites = bad_suite, .n_cipher_suites = 1 } },
		{ "certificate", { .certificate = "x", .key = fixture.key_pem } },
		{ "key", { .certificate = fixture.serving_pem, .key = "x" } },
		{ "key of another", { .certificate = fixture.ca_pem, .key = fixture.key_pem } },
		{ "bundle", { .client_ca = "nothing" } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(rows[i].rule, tls_server_configure(fixture.server, &rows[i].config, &err), ==, -EINVAL);
	CHECK_INT("client", run(&fixture, ask_as_everyone), ==, 0);
	teardown(&fixture);
}
