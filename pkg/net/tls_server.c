/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/net/tls_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/base/list.h"
#include "pkg/base/log.h"
#include "pkg/net/algorithms.h"

/*
 * OpenSSL on the loop's own readiness, not libwebsockets: its raw-skt role (4.1.6) closes a connection in the moment
 * that the client's half ends, before the answer is written. Measured: a client that sends its request and then FIN
 * gets no answer (RAW_CLOSE right behind RAW_RX); stock answers it. lws_rx_flow_control(wsi, 0) until the answer is out
 * avoids that, but then nobody notices a client that has left a quiet `logs -f`. No public call tells the two apart.
 */

enum {
	WRITE_MAX_BYTES = 64 << 10,  /* encrypted in one go: four records, then others have their turn */
	READ_AHEAD_BYTES = 48 << 10, /* three records; below what malloc takes from the system each time */
	ACCEPTS_PER_TURN = 64,       /* then other connections have their turn */
	ACCEPT_PAUSE_MS = 100,       /* descriptors ran out: a busy loop would not free any */
	CHAIN_MAX_DEPTH = 10,        /* longer chains of certificates are somebody's attack */
	AUTH_LEVEL = 1,              /* no SHA-1, no MD5, no RSA below 1024 bits: as Go judges certificates */
	NAME_MAX_BYTES = 4 << 10,    /* of one subject value: a user name of kubelets is below 300 */
	ORGANIZATIONS_MAX = 256,     /* groups of one client, who has a handful */
	KEEPALIVE_S = 15,            /* Go's: a quiet client is asked whether it is there, */
	KEEPALIVE_TRIES = 9,         /* and after that many silent periods it is not */
};

struct tls_server {
	struct loop *loop;
	SSL_CTX *context; /* NULL: no certificate yet */
	X509_STORE *client_ca;
	uint64_t generation;
	struct list lingering;
	size_t n_lingering;
};

struct tls_listener {
	struct tls_server *server;
	int fd;
	bool use_tls;
	struct loop_fd *watch;
	struct loop_timer pause;
	tls_accepted_fn *accepted;
	void *owner;
};

struct tls_conn {
	struct tls_server *server;
	int fd;
	struct loop_fd *watch;
	SSL *ssl;          /* NULL: plain */
	bool peeked;       /* first bytes looked at */
	bool shaken;       /* handshake done */
	bool dead;         /* nothing can be done with it any more */
	bool crossed;      /* a read waits for writability or the other way round: wait for both */
	bool drained;      /* the last read found no whole record in what OpenSSL has read ahead */
	int wanted;        /* by the owner */
	loop_fd_fn *ready; /* NULL while lingering */
	void *owner;
	struct loop_timer again; /* decrypted bytes wait that the descriptor does not tell of */
	struct loop_timer linger;
	bool notified; /* close_notify and FIN are out */
	struct list link;
	struct tls_identity identity;
	bool judged;
	int64_t judged_until; /* wall clock: the nearest expiry date of the chain */
	char peer[80];
};

static void forget_identity(struct tls_identity *identity);

static void conn_free(struct tls_conn *conn)
{
	loop_timer_stop(&conn->again);
	loop_timer_stop(&conn->linger);
	loop_fd_unwatch(conn->watch);
	SSL_free(conn->ssl);
	close(conn->fd);
	list_remove(&conn->link);
	forget_identity(&conn->identity);
	free(conn->identity.common_name);
	free(conn->identity.uid);
	free(conn);
}

struct tls_server *tls_server_new(struct loop *loop)
{
	struct tls_server *server = xcalloc(1, sizeof *server);

	server->loop = loop;
	list_init(&server->lingering);
	/* No configuration file: a gate in its sandbox has none, and nothing of it may change what clients meet. */
	uint64_t how = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT;

	/* Its table of sentences takes 60 KiB, and who debugs handshakes is the only one to read them. */
	if (log_verbosity() < LOG_DEBUG)
		how |= OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_LOAD_SSL_STRINGS;
	OPENSSL_init_ssl(how, NULL);
	algorithms_limit();
	return server;
}

void tls_server_free(struct tls_server *server)
{
	if (!server)
		return;
	while (!list_empty(&server->lingering))
		conn_free(list_first(&server->lingering, struct tls_conn, link));
	SSL_CTX_free(server->context);
	X509_STORE_free(server->client_ca);
	free(server);
}

size_t tls_server_lingering(const struct tls_server *server)
{
	return server->n_lingering;
}

/* ---- configuration ---- */

/* The first OpenSSL error as ours; clears the queue. */
static int ssl_err(struct err *err, int code, const char *what)
{
	unsigned long error = ERR_get_error();
	const char *reason = ERR_reason_error_string(error);

	ERR_clear_error();
	if (reason)
		return err_set(err, code, "%s: %s", what, reason);
	return err_set(err, code, "%s: OpenSSL's error %08lX", what, error);
}

struct suite {
	const char *iana, *openssl;
	bool is_default; /* in Go's list */
};

static const struct suite suites[] = {
	{ "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", true },
	{ "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", true },
	{ "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", true },
	{ "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384", true },
	{ "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", true },
	{ "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305", true },
	{ "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305", false },
	{ "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "ECDHE-RSA-CHACHA20-POLY1305", false },
	{ "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA", true },
	{ "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA", true },
	{ "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA", true },
	{ "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA", true },
	{ "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256", false },
	{ "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256", false },
	{ "TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256", false },
	{ "TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384", false },
	{ "TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256", false },
	{ "TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA", false },
	{ "TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA", false },
};

/* Go's order, and of its groups those that OpenSSL 3.0 knows. With ffdhe8192 anybody could make us work for long. */
static const char suites_of_13[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char groups[] = "X25519:P-256:P-384:P-521";

static int configure_ciphers(SSL_CTX *context, const struct tls_server_config *config, struct err *err)
{
	_cleanup_buf_ struct buf list = BUF_INIT(4096); /* all suites together have 600 bytes */

	for (size_t i = 0; i < ARRAY_LEN(suites) && !config->n_cipher_suites; i++)
		if (suites[i].is_default)
			buf_printf(&list, "%s:", suites[i].openssl);
	for (size_t n = 0; n < config->n_cipher_suites; n++) {
		size_t i = 0;

		/* Those of 1.3 are always on, in Go too. */
		if (str_has_prefix(config->cipher_suites[n], "TLS_AES_") ||
		    str_has_prefix(config->cipher_suites[n], "TLS_CHACHA20_"))
			continue;
		while (i < ARRAY_LEN(suites) && !str_eq(suites[i].iana, config->cipher_suites[n]))
			i++;
		if (i == ARRAY_LEN(suites))
			return err_set(err, -EINVAL, "cipher suite %s not supported or doesn't exist",
				       config->cipher_suites[n]);
		buf_printf(&list, "%s:", suites[i].openssl);
	}
	if (list.size && !SSL_CTX_set_cipher_list(context, buf_text(&list)))
		return ssl_err(err, -EINVAL, "cannot use the cipher suites");
	if (!SSL_CTX_set_ciphersuites(context, suites_of_13) || !SSL_CTX_set1_groups_list(context, groups))
		return ssl_err(err, -EINVAL, "cannot use the key exchanges");
	return 0;
}

static int configure_version(SSL_CTX *context, const char *name, struct err *err)
{
	static const struct {
		const char *name;
		int version;
	} rows[] = {
		{ "VersionTLS10", TLS1_VERSION },
		{ "VersionTLS11", TLS1_1_VERSION },
		{ "VersionTLS12", TLS1_2_VERSION },
		{ "VersionTLS13", TLS1_3_VERSION },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq(rows[i].name, str_or(name, "VersionTLS12"))) {
			if (rows[i].version < TLS1_2_VERSION)
				SSL_CTX_set_security_level(context, 0); /* OpenSSL 3 has them at level 0 only */
			SSL_CTX_set_min_proto_version(context, rows[i].version);
			return 0;
		}
	return err_set(err, -EINVAL, "unknown tls version \"%s\"", name);
}

static int load_chain(SSL_CTX *context, const char *certificate, const char *key, struct err *err)
{
	BIO *bio = BIO_new_mem_buf(certificate, -1), *key_bio = BIO_new_mem_buf(key, -1);
	EVP_PKEY *private_key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
	X509 *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL), *next;
	int code = 0;

	if (!leaf || SSL_CTX_use_certificate(context, leaf) != 1)
		code = ssl_err(err, -EINVAL, "cannot read the serving certificate");
	for (int n = 0; code == 0 && n < CHAIN_MAX_DEPTH && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)); n++)
		if (!SSL_CTX_add0_chain_cert(context, next)) {
			X509_free(next);
			code = ssl_err(err, -EINVAL, "cannot read the serving certificate's chain");
		}
	ERR_clear_error(); /* the end of the PEM text is reported as one */
	if (code == 0 && (!private_key || SSL_CTX_use_PrivateKey(context, private_key) != 1 ||
			  SSL_CTX_check_private_key(context) != 1))
		code = ssl_err(err, -EINVAL, "cannot use the serving certificate's key");
	X509_free(leaf);
	EVP_PKEY_free(private_key);
	BIO_free(bio);
	BIO_free(key_bio);
	return code;
}

/* Also tells clients which authorities are welcome, as stock does. */
static int load_client_ca(SSL_CTX *context, const char *pem, X509_STORE **ret_store, struct err *err)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509_STORE *store = X509_STORE_new();
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
	X509 *certificate;
	int n = 0;

	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		X509_STORE_add_cert(store, certificate);
		sk_X509_NAME_push(names, X509_NAME_dup(X509_get_subject_name(certificate)));
		X509_free(certificate);
		n++;
	}
	ERR_clear_error();
	BIO_free(bio);
	if (!n) {
		X509_STORE_free(store);
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return err_set(err, -EINVAL, "data does not contain any valid RSA or ECDSA certificates");
	}
	/* Go takes every certificate of the bundle for a root, also one that somebody else signed. */
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	SSL_CTX_set_client_CA_list(context, names);
	*ret_store = store;
	return 0;
}

static int take_any_certificate(X509_STORE_CTX *chain, void *arg)
{
	X509_STORE_CTX_set_error(chain, X509_V_OK);
	return 1;
}

int tls_server_configure(struct tls_server *server, const struct tls_server_config *config, struct err *err)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	X509_STORE *store = NULL;
	int code;

	if (!context)
		return ssl_err(err, -ENOMEM, "cannot make a TLS context");
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					  SSL_MODE_RELEASE_BUFFERS);
	/* Else each record costs two reads, of its head and of its rest. */
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD_BYTES);
	/* No resumption: a resumed session would carry an identity that nobody judged again. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	/* A FIN without close_notify ends what the client says, not what it hears; HTTP's framing tells if all came. */
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_num_tickets(context, 0);
	SSL_CTX_set_security_level(context, 1); /* as Go, RSA keys from 1,024 bits on; Debian's 2 asks for 2,048 */
	code = configure_version(context, config->min_version, err);
	if (code >= 0)
		code = configure_ciphers(context, config, err);
	if (code >= 0 && config->certificate && config->key)
		code = load_chain(context, config->certificate, config->key, err);
	if (code >= 0 && !str_empty(config->client_ca)) {
		code = load_client_ca(context, config->client_ca, &store, err);
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_cert_verify_callback(context, take_any_certificate, NULL);
	}
	server->generation = config->generation; /* who judges by the former bundle does so knowing the new one */
	if (code < 0) {
		SSL_CTX_free(context);
		return code;
	}
	SSL_CTX_free(server->context);
	X509_STORE_free(server->client_ca);
	server->context = context;
	server->client_ca = store;
	return 0;
}

/* ---- listening ---- */

static void conn_ready(void *owner, int events);
static void conn_again(void *owner);
static void conn_linger_over(void *owner);
static void linger(struct tls_conn *conn);

static void name_peer(struct tls_conn *conn, const struct sockaddr_storage *address)
{
	char host[INET6_ADDRSTRLEN] = "";

	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)address;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
		snprintf(conn->peer, sizeof conn->peer, "%s:%u", host, ntohs(in->sin_port));
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)address;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
		/* A dual-stack listener sees IPv4 clients as mapped ones; Go prints them as IPv4. */
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && strrchr(host, ':'))
			snprintf(conn->peer, sizeof conn->peer, "%s:%u", strrchr(host, ':') + 1, ntohs(in6->sin6_port));
		else
			snprintf(conn->peer, sizeof conn->peer, "[%s]:%u", host, ntohs(in6->sin6_port));
	}
}

/* Without it a client whose machine died would hold its session for the system's two hours. */
static void notice_dead_peer(int fd)
{
	int on = 1, period = KEEPALIVE_S, tries = KEEPALIVE_TRIES;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &period, sizeof period);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &period, sizeof period);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
}

static void accept_one(struct tls_listener *listener, int fd, const struct sockaddr_storage *address)
{
	struct tls_server *server = listener->server;
	struct tls_conn *conn;
	int on = 1;

	if (listener->use_tls && !server->context) { /* no certificate yet: Go's handshake fails the same way */
		close(fd);
		return;
	}
	conn = xcalloc(1, sizeof *conn);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	notice_dead_peer(fd);
	/* Else a client with Nagle's algorithm waits 40 ms for the acknowledgement of its Finished: no ticket carries
	 * it. */
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
	conn->server = server;
	conn->fd = fd;
	conn->peeked = conn->shaken = !listener->use_tls;
	list_init(&conn->link);
	loop_timer_init(&conn->again, server->loop, conn_again, conn);
	loop_timer_init(&conn->linger, server->loop, conn_linger_over, conn);
	name_peer(conn, address);
	if (listener->use_tls) {
		conn->ssl = SSL_new(server->context);
		if (!conn->ssl || !SSL_set_fd(conn->ssl, fd)) {
			ERR_clear_error();
			SSL_free(conn->ssl);
			close(fd);
			free(conn);
			return;
		}
		SSL_set_accept_state(conn->ssl);
	}
	conn->watch = loop_fd_watch(server->loop, fd, 0, conn_ready, conn);
	listener->accepted(listener->owner, conn);
}

static void listener_ready(void *owner, int events)
{
	struct tls_listener *listener = owner;

	for (int n = 0; n < ACCEPTS_PER_TURN; n++) {
		struct sockaddr_storage address = { 0 };
		socklen_t size = sizeof address;
		int fd = accept4(listener->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			accept_one(listener, fd, &address);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			loop_fd_set(listener->watch, 0);
			loop_timer_start(&listener->pause, ACCEPT_PAUSE_MS);
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

static void listener_resume(void *owner)
{
	struct tls_listener *listener = owner;

	loop_fd_set(listener->watch, LOOP_READ);
}

struct tls_listener *tls_server_listen(struct tls_server *server, int fd, bool use_tls, tls_accepted_fn *accepted,
				       void *owner)
{
	struct tls_listener *listener = xcalloc(1, sizeof *listener);

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	*listener = (struct tls_listener){
		.server = server, .fd = fd, .use_tls = use_tls, .accepted = accepted, .owner = owner
	};
	loop_timer_init(&listener->pause, server->loop, listener_resume, listener);
	listener->watch = loop_fd_watch(server->loop, fd, LOOP_READ, listener_ready, listener);
	return listener;
}

void tls_listener_free(struct tls_listener *listener)
{
	if (!listener)
		return;
	loop_timer_stop(&listener->pause);
	loop_fd_unwatch(listener->watch);
	close(listener->fd);
	free(listener);
}

/* ---- connections ---- */

void tls_conn_set_owner(struct tls_conn *conn, loop_fd_fn *ready, void *owner)
{
	conn->ready = ready;
	conn->owner = owner;
}

static void update_watch(struct tls_conn *conn)
{
	int events = conn->wanted;

	if (conn->dead) { /* the owner learns it from its next read or write, which must come */
		loop_fd_set(conn->watch, 0);
		if (conn->ready && conn->wanted)
			loop_timer_start(&conn->again, 0);
		return;
	}
	if (conn->crossed || !conn->shaken)
		events = conn->wanted ? LOOP_READ | (conn->crossed ? LOOP_WRITE : 0) : 0;
	loop_fd_set(conn->watch, events);
	if (conn->ssl && (conn->wanted & LOOP_READ) && !conn->drained && SSL_has_pending(conn->ssl))
		loop_timer_start(&conn->again, 0);
	else
		loop_timer_stop(&conn->again);
}

void tls_conn_want(struct tls_conn *conn, int events)
{
	conn->wanted = events;
	update_watch(conn);
}

/* What OpenSSL's result means for us; remembers which way it has to wait. */
static ssize_t ssl_result(struct tls_conn *conn, int result, int waits_normally)
{
	int saved = errno, reason = SSL_get_error(conn->ssl, result);

	conn->crossed = false;
	if (waits_normally == LOOP_READ)
		conn->drained = result <= 0;
	if (result > 0)
		return result;
	if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) {
		conn->crossed = (reason == SSL_ERROR_WANT_READ) != (waits_normally == LOOP_READ);
		return -EAGAIN;
	}
	if (reason == SSL_ERROR_ZERO_RETURN)
		return 0;
	if (log_verbosity() >= LOG_DEBUG && !conn->shaken) {
		char text[120] = "";

		ERR_error_string_n(ERR_peek_error(), text, sizeof text);
		log_v(LOG_DEBUG, "TLS handshake failed", "client", conn->peer, "reason", text, NULL);
	}
	ERR_clear_error();
	conn->dead = true;
	return reason == SSL_ERROR_SYSCALL && saved ? -saved : -EPROTO;
}

/* A client that speaks HTTP to the TLS port is told so in plain text, in Go's words. */
static bool refuse_plain_http(struct tls_conn *conn)
{
	static const char answer[] =
		"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
	static const char *const starts[] = { "GET /", "HEAD ", "POST ", "PUT /", "OPTIO" };
	char first[5];

	if (recv(conn->fd, first, sizeof first, MSG_PEEK) != sizeof first)
		return false;
	conn->peeked = true;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (memcmp(first, starts[i], sizeof first) == 0) {
			ssize_t n = send(conn->fd, answer, sizeof answer - 1, MSG_NOSIGNAL);

			(void)n; /* a new connection's buffer takes 90 bytes; if not, the client sees a close, no more
				  */
			SSL_free(conn->ssl);
			conn->ssl = NULL;
			return true;
		}
	return false;
}

/* 1 when the connection can be used, 0 at the end, negative as tls_conn_read(). */
static ssize_t shake_hands(struct tls_conn *conn)
{
	ssize_t code;

	if (conn->shaken)
		return 1;
	if (!conn->peeked && refuse_plain_http(conn)) {
		conn->shaken = true; /* plain from here: finish() sends FIN and reads the rest of the request out */
		conn->dead = true;
		return -EPROTO;
	}
	if (!conn->peeked) {
		char byte;
		ssize_t n = recv(conn->fd, &byte, 1, MSG_PEEK);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return -EAGAIN;
		/* 1 to 4 bytes so far: OpenSSL waits for its 5-byte record head itself; too few for Go to tell either.
		 */
	}
	errno = 0;
	code = ssl_result(conn, SSL_accept(conn->ssl), LOOP_READ);
	if (code > 0)
		conn->shaken = true;
	return code == 0 ? -EPROTO : code;
}

static void conn_ready(void *owner, int events)
{
	struct tls_conn *conn = owner;

	if (!conn->ready) {
		linger(conn);
		return;
	}
	if (!conn->shaken) {
		ssize_t code = shake_hands(conn);

		if (code == -EAGAIN) {
			update_watch(conn);
			return;
		}
		if (code > 0) {
			update_watch(conn);
			events = conn->wanted & LOOP_READ; /* the first request often came with the last flight */
			if (!events)
				return;
		}
	}
	if (conn->crossed || conn->dead)
		events = conn->wanted;
	events &= conn->wanted | LOOP_HANGUP;
	if (events)
		conn->ready(conn->owner, events);
}

static void conn_again(void *owner)
{
	struct tls_conn *conn = owner;

	if (conn->ready && conn->wanted)
		conn->ready(conn->owner, conn->dead ? conn->wanted : LOOP_READ);
}

ssize_t tls_conn_read(struct tls_conn *conn, void *bytes, size_t size)
{
	ssize_t code;

	if (conn->dead)
		return -EPROTO;
	code = shake_hands(conn);
	if (code <= 0)
		return code;
	if (!conn->ssl) {
		code = recv(conn->fd, bytes, size, 0);
		if (code < 0 && (errno == EINTR || errno == EAGAIN))
			return -EAGAIN;
		conn->dead = code < 0;
		return code < 0 ? -errno : code;
	}
	errno = 0;
	code = ssl_result(conn, SSL_read(conn->ssl, bytes, (int)MIN(size, (size_t)INT32_MAX)), LOOP_READ);
	update_watch(conn);
	return code;
}

ssize_t tls_conn_write(struct tls_conn *conn, const void *bytes, size_t size)
{
	ssize_t code;

	size = MIN(size, WRITE_MAX_BYTES);
	if (conn->dead)
		return -EPIPE;
	code = shake_hands(conn);
	if (code <= 0)
		return code == 0 ? -EPIPE : code;
	if (!conn->ssl) {
		code = send(conn->fd, bytes, size, MSG_NOSIGNAL);
		if (code < 0 && (errno == EINTR || errno == EAGAIN))
			return -EAGAIN;
		conn->dead = code < 0;
		return code < 0 ? -errno : code;
	}
	errno = 0;
	code = ssl_result(conn, SSL_write(conn->ssl, bytes, (int)size), LOOP_WRITE);
	if (code == 0) {
		conn->dead = true;
		return -EPIPE;
	}
	if (conn->crossed)
		update_watch(conn);
	return code;
}

/* One step of lingering: tell the end, then read and drop; frees the connection when all is over. */
static void linger(struct tls_conn *conn)
{
	char drop[4096];
	ssize_t n;

	if (!conn->notified) {
		int told = 1;

		if (conn->ssl && conn->shaken && !conn->dead) {
			told = SSL_shutdown(conn->ssl);
			if (told < 0 && SSL_get_error(conn->ssl, told) == SSL_ERROR_WANT_WRITE) {
				ERR_clear_error();
				loop_fd_set(conn->watch, LOOP_WRITE);
				return;
			}
			ERR_clear_error();
		}
		conn->notified = true;
		shutdown(conn->fd, SHUT_WR);
		loop_fd_set(conn->watch, LOOP_READ);
	}
	/* Raw bytes: what the client still says is of no interest, decrypted or not. */
	for (int turn = 0; turn < 16; turn++) {
		n = recv(conn->fd, drop, sizeof drop, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			conn->server->n_lingering--;
			conn_free(conn);
			return;
		}
	}
}

static void conn_linger_over(void *owner)
{
	struct tls_conn *conn = owner;

	conn->server->n_lingering--;
	conn_free(conn);
}

void tls_conn_finish(struct tls_conn *conn, int64_t linger_ms)
{
	conn->ready = NULL;
	conn->wanted = 0;
	loop_timer_stop(&conn->again);
	list_append(&conn->server->lingering, &conn->link);
	conn->server->n_lingering++;
	loop_timer_start(&conn->linger, linger_ms);
	linger(conn);
}

void tls_conn_abort(struct tls_conn *conn)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	conn_free(conn);
}

const char *tls_conn_peer(const struct tls_conn *conn)
{
	return conn->peer;
}

/* ---- who the client is ---- */

static void forget_identity(struct tls_identity *identity)
{
	free(identity->common_name);
	free(identity->uid);
	for (size_t i = 0; i < identity->n_organizations; i++)
		free(identity->organizations[i]);
	free(identity->organizations);
	*identity = (struct tls_identity){ .common_name = xstrdup(""), .uid = xstrdup("") };
}

/* One value of the subject as UTF-8; NULL when it holds what no name may. */
static char *subject_text(X509_NAME_ENTRY *entry)
{
	unsigned char *bytes = NULL;
	int size = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(entry));
	char *text = NULL;

	if (size >= 0 && size <= NAME_MAX_BYTES && !memchr(bytes, 0, (size_t)size))
		text = xstrndup((const char *)bytes, (size_t)size);
	OPENSSL_free(bytes);
	ERR_clear_error();
	return text;
}

/* Fills names from the subject; false when one of them is unusable, for then the whole would be a half-truth. */
static bool read_subject(X509 *certificate, struct tls_identity *identity)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	int n = X509_NAME_entry_count(subject);

	identity->organizations = xcalloc((size_t)MAX(n, 1), sizeof(char *));
	for (int i = 0; i < n; i++) {
		X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
		ASN1_OBJECT *object = X509_NAME_ENTRY_get_object(entry);
		char oid[64] = "", *text, **place = NULL;

		OBJ_obj2txt(oid, sizeof oid, object, 1);
		if (strcmp(oid, "2.5.4.3") == 0)
			place = &identity->common_name; /* the last one counts, as in Go */
		else if (strcmp(oid, "1.3.6.1.4.1.57683.2") == 0)
			place = &identity->uid;
		else if (strcmp(oid, "2.5.4.10") != 0)
			continue;
		text = subject_text(entry);
		if (!text || identity->n_organizations == ORGANIZATIONS_MAX) {
			free(text);
			return false;
		}
		if (!place)
			place = &identity->organizations[identity->n_organizations++];
		free(*place);
		*place = text;
	}
	return true;
}

static int64_t expiry_of(X509 *certificate)
{
	struct tm tm;

	return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/*
 * As Go sees it: each certificate of the chain is for clients, for anything, or does not say. OpenSSL's own check for
 * clients refuses "anything" and asks more of the key usage, which certificates from a CSR with the usages "client
 * auth" and "key encipherment" would fail.
 */
static bool is_for_clients(STACK_OF(X509) * chain)
{
	for (int i = 0; i < sk_X509_num(chain); i++) /* UINT32_MAX, all bits, where it does not say */
		if (!(X509_get_extended_key_usage(sk_X509_value(chain, i)) & (XKU_SSL_CLIENT | XKU_ANYEKU)))
			return false;
	return true;
}

/* Verifies the chain for client use. Fills the nearest expiry date; 0 or OpenSSL's code. */
static int verify_chain(struct tls_conn *conn, X509 *leaf, int64_t *ret_until)
{
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	int code = X509_V_ERR_UNSPECIFIED;

	if (check && X509_STORE_CTX_init(check, conn->server->client_ca, leaf, SSL_get_peer_cert_chain(conn->ssl))) {
		X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(check);

		X509_VERIFY_PARAM_set_depth(param, CHAIN_MAX_DEPTH);
		X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
		code = X509_verify_cert(check) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(check);
		STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(check);
		if (code == X509_V_OK && !is_for_clients(chain))
			code = X509_V_ERR_INVALID_PURPOSE;
		if (code == X509_V_OK) {
			*ret_until = INT64_MAX;
			for (int i = 0; i < sk_X509_num(chain); i++)
				*ret_until = MIN(*ret_until, expiry_of(sk_X509_value(chain, i)));
		}
	}
	X509_STORE_CTX_free(check);
	ERR_clear_error();
	return code;
}

static void judge(struct tls_conn *conn)
{
	struct tls_identity *identity = &conn->identity;
	X509 *leaf = conn->ssl && conn->shaken ? SSL_get1_peer_certificate(conn->ssl) : NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	int code;

	forget_identity(identity);
	identity->generation = conn->server->generation;
	conn->judged = true;
	conn->judged_until = INT64_MAX;
	if (!leaf)
		return;
	identity->presented = true;
	X509_digest(leaf, EVP_sha256(), digest, &size);
	for (unsigned i = 0; i < size && i < 32; i++)
		snprintf(identity->fingerprint + 2 * i, 3, "%02x", digest[i]);
	conn->judged_until = 0;
	code = conn->server->client_ca ? verify_chain(conn, leaf, &conn->judged_until) : X509_V_ERR_CERT_UNTRUSTED;
	if (code != X509_V_OK) {
		snprintf(identity->problem, sizeof identity->problem, "x509: %s", X509_verify_cert_error_string(code));
	} else if (!read_subject(leaf, identity)) {
		forget_identity(identity);
		identity->presented = true;
		identity->generation = conn->server->generation;
		snprintf(identity->problem, sizeof identity->problem, "x509: the subject holds an unusable value");
	} else {
		identity->verified = true;
	}
	X509_free(leaf);
}

const struct tls_identity *tls_conn_identity(struct tls_conn *conn)
{
	/* What was refused is looked at again each time: the clock may have reached its first day. */
	if (!conn->judged || conn->identity.generation != conn->server->generation ||
	    clock_wall_s() >= conn->judged_until)
		judge(conn);
	return &conn->identity;
}
