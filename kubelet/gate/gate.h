/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The gate: the unprivileged process that holds TLS, HTTP heads and the pumping of bytes, and the kubelet's end of it.
 *
 * The kubelet keeps the listening sockets and starts the gate (this program again, under the name kubelet-gate) with no
 * file, no network and no other process in sight. Clients' requests come up as messages, answers go down; what is large
 * or lasting goes through a socket of which one end is passed down. A gate that dies is replaced without a gap. Nothing
 * that comes up is trusted: text is bounded and free of zero bytes, ids are known ones, else the gate is replaced.
 *
 *   this folder   the kubelet's end, run as root: the process, requests, answers, and distrust of what comes up
 *   channel/      both: messages between the two, and what they mean by a number
 *   child/        the gate, run with no rights: one connection, sessions, how it loses its rights
 *
 * A request ends in one of these ways, after which its id means nothing any more:
 *   the kubelet ends it   gate_answer(), gate_end(), gate_abort(): no callback follows
 *   anything else         gone(): the client left, the session of gate_relay() is over, the gate died
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kubelet/gate/channel/terms.h"
#include "pkg/base/err.h"
#include "pkg/loop/loop.h"

struct gate_header {
	const char *name, *value;
};

/* Who the client's certificate says it is. Only a verified one may count; a presented but bad one is a 401, not
 * anonymous. */
struct gate_identity {
	bool presented, verified;
	const char *problem; /* why it is not verified, for the log */
	const char *common_name;
	const char **organizations;
	size_t n_organizations;
	const char *uid;         /* subject attribute 1.3.6.1.4.1.57683.2, "" without */
	const char *fingerprint; /* SHA-256 of the certificate in lower-case hex */
};

/* Valid during the callback only; texts are never NULL. */
struct gate_request {
	uint64_t id;
	enum gate_listener listener;
	const char *method;
	const char *path;   /* percent-decoded once; no zero bytes; may hold "//" and ".." */
	const char *target; /* as sent, with the query: "/exec/a/b%20c?command=ls" */
	const char *query;  /* as sent, without the "?" */
	const char *host;
	const char *client; /* "10.0.0.1:40000" */
	bool is_http10;
	const struct gate_header *headers; /* in the order sent, Host among them; values trimmed */
	size_t n_headers;
	struct gate_identity identity;
};

/* First value of a header, any case of its name; NULL when it was not sent. */
const char *gate_request_header(const struct gate_request *request, const char *name);

struct gate_callbacks {
	void (*request)(void *owner, const struct gate_request *request);
	void (*gone)(void *owner, uint64_t id);
};

struct gate_address {
	const char *ip; /* "0.0.0.0", "::", "127.0.0.1" */
	int port;       /* 0: no such listener */
};

struct gate_options {
	struct gate_address listen[GATE_LISTENERS];
	bool sandbox_off; /* --gate-sandbox=off: keep going where a layer of the sandbox cannot be had */
	bool log_json;
	const char *former_file; /* for the next kubelet, see former.h; in the root folder. NULL: none */
	struct gate_callbacks callbacks;
	void *owner;
};

struct gate;

/*
 * Binds and starts. Fails when 10250 cannot be bound or the gate cannot be started; then `err` is what stock says.
 * Where a gate of an earlier kubelet keeps a port it waits for 2 s, then ends that gate.
 */
int gate_new(struct loop *loop, const struct gate_options *options, struct gate **ret_gate, struct err *err);
void gate_free(struct gate *gate); /* ends the gate process; calls gone() for nothing */

/* PEM texts. They are checked by the gate; what it cannot use leaves the former ones in force and is logged. */
struct gate_tls {
	const char *certificate, *key;    /* chain, leaf first; NULL: no certificate yet, handshakes fail as in stock */
	const char *client_ca;            /* NULL or "": no certificate is asked for */
	const char *min_version;          /* "VersionTLS12" when NULL */
	const char *const *cipher_suites; /* IANA names, ignored for TLS 1.3; none: Go's defaults */
	size_t n_cipher_suites;
};

/*
 * For connections made from now on; older ones stay, but every later request on them is judged by the new bundle, also
 * those already on their way up.
 */
void gate_set_tls(struct gate *gate, const struct gate_tls *tls);

/*
 * The whole answer. Date, Content-Length and Connection are added by the gate, the other headers are the caller's.
 * Bodies of any size; what is longer than 32 KiB travels through a socket in the background. HEAD gets no body. Above
 * 2,048 bytes no length is told but chunks are sent, as Go does.
 * -ENOENT when the id is not known any more. After any other failure the client's connection is closed, without a
 * word; the request has ended. Neither needs handling. So it is with
 * gate_answer_stream() and gate_relay().
 */
int gate_answer(struct gate *gate, uint64_t id, int status, const struct gate_header *headers, size_t n_headers,
		const void *body, size_t size);

/*
 * An answer of unknown length: *ret_fd is a non-blocking stream socket to write the body to; the caller owns it. A full
 * socket is the client's slowness, EPIPE (with gone()) its departure. When all is written: close it, then gate_end().
 * gate_abort() instead cuts the answer so that the client sees it is not whole.
 */
int gate_answer_stream(struct gate *gate, uint64_t id, int status, const struct gate_header *headers, size_t n_headers,
		       int *ret_fd);
void gate_end(struct gate *gate, uint64_t id);
void gate_abort(struct gate *gate, uint64_t id); /* also before any answer: the connection is closed */

/*
 * Joins the client with a connected socket of the runtime, to which the upgrade head has been written already; `fd` is
 * taken. The gate reads the runtime's answer and passes a 101 on; 4xx and 5xx are passed on whole; any other is 500. If
 * the runtime's side breaks before the command's own status has passed, the client of a command gets a Failure status.
 */
int gate_relay(struct gate *gate, uint64_t id, int fd, enum gate_session session);
