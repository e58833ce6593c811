/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The server side of TLS: listeners, connections, and who the client's certificate says it is.
 *
 * Connections are read and written like non-blocking descriptors; `ready` is called while what was asked for with
 * tls_conn_want() is possible. The same calls serve plain connections (healthz), so that one pump serves both. All on
 * the loop thread. A handshake never fails because of a client's certificate: identity is judged per request, so a bad
 * one gets a 401 in HTTP, as from stock.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "pkg/base/err.h"
#include "pkg/loop/loop.h"

struct tls_server;
struct tls_conn;

/* PEM texts; everything is copied. */
struct tls_server_config {
	const char *certificate, *key;    /* chain, leaf first; both NULL: handshakes fail until there is one */
	const char *client_ca;            /* NULL or "": no client certificate is asked for */
	const char *min_version;          /* "VersionTLS10" to "VersionTLS13"; NULL: 1.2 */
	const char *const *cipher_suites; /* IANA names, for TLS 1.2 and below; none: Go's defaults */
	size_t n_cipher_suites;
	uint64_t generation; /* given back with every identity */
};

struct tls_server *tls_server_new(struct loop *loop);
void tls_server_free(struct tls_server *server); /* after its listeners and connections */

/* For new handshakes; open connections go on. On failure the former configuration stays in force. */
int tls_server_configure(struct tls_server *server, const struct tls_server_config *config, struct err *err);

/* Called with every accepted connection, which is the callee's from then on. */
typedef void tls_accepted_fn(void *owner, struct tls_conn *conn);

/*
 * Adopts a listening socket (taken, made non-blocking). Accepting pauses for 100 ms when descriptors run out, and may
 * be paused by its owner.
 */
struct tls_listener;
struct tls_listener *tls_server_listen(struct tls_server *server, int fd, bool use_tls, tls_accepted_fn *accepted,
				       void *owner);
void tls_listener_free(struct tls_listener *listener); /* closes the socket; its connections stay */

/* Must be called before the accepted callback returns. `ready` gets LOOP_READ and LOOP_WRITE. */
void tls_conn_set_owner(struct tls_conn *conn, loop_fd_fn *ready, void *owner);
void tls_conn_want(struct tls_conn *conn, int events);

/* Bytes; 0 at the client's orderly end; -EAGAIN; else the connection is dead (a failed handshake too). */
ssize_t tls_conn_read(struct tls_conn *conn, void *bytes, size_t size);

/* Bytes taken, at most 64 KiB a call; -EAGAIN; else dead. After -EAGAIN the same bytes must come first again. */
ssize_t tls_conn_write(struct tls_conn *conn, const void *bytes, size_t size);

/*
 * Three ways to be rid of a connection, each taking it. finish: close_notify, FIN, then whatever still comes is read
 * and thrown away until the client's end or `linger_ms`, so that no reset destroys what the client has not read yet.
 * abort: RST, so that the client cannot take what it got for the whole.
 */
void tls_conn_finish(struct tls_conn *conn, int64_t linger_ms);
void tls_conn_abort(struct tls_conn *conn);

struct tls_identity {
	bool presented, verified;
	char problem[120]; /* why not verified */
	char *common_name; /* never NULL, "" without */
	char **organizations;
	size_t n_organizations;
	char *uid;
	char fingerprint[65]; /* SHA-256, lower-case hex, "" without a certificate */
	uint64_t generation;  /* of the configuration that it was judged by */
};

/* Judged again when the configuration or an expiry date has moved. Valid until the next call. */
const struct tls_identity *tls_conn_identity(struct tls_conn *conn);

const char *tls_conn_peer(const struct tls_conn *conn);       /* "10.0.0.1:40000", "[::1]:1" */
size_t tls_server_lingering(const struct tls_server *server); /* connections that finish() still reads out */
