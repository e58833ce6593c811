/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * HTTPS requests as tasks of the loop, over libcurl: HTTP/2 on as few connections as the server allows.
 *
 * A client has one identity and one set of trusted CAs; http_client_set_identity() replaces them for later requests
 * (a rotated certificate). Connections are kept and shared; a request that a server refused unread (GOAWAY, a reset
 * stream, a kept connection that had died) is sent once more by itself when it is safe to repeat.
 */
#include <stddef.h>
#include <stdint.h>

#include "pkg/base/err.h"
#include "pkg/loop/loop.h"

enum {
	HTTP_BODY_MAX = 64 * 1024 * 1024, /* a list of every pod of a dense node is about 5 MiB */
	HTTP_HEADERS_MAX = 8,             /* of one request; ours have three */
};

struct http_client;

/* PEM texts; NULL where there is none. Copied. */
struct http_identity {
	const char *ca;                /* trusted; NULL trusts the system's */
	const char *certificate, *key; /* of the client */
	int insecure;                  /* verify nothing */
};

struct http_client *http_client_new(struct loop *loop, const struct http_identity *identity);
void http_client_free(struct http_client *client); /* all its tasks must have ended */
void http_client_set_identity(struct http_client *client, const struct http_identity *identity);

struct http_request {
	const char *method, *url;
	const char *headers[HTTP_HEADERS_MAX]; /* "Name: value", NULL ends the list early */
	const void *body;
	size_t size;
	int64_t timeout_ms;      /* for the whole; 0 is none */
	int64_t idle_timeout_ms; /* without a byte; 0 is none */
};

struct http_reply {
	int status;
	const char *body; /* ends with a zero; empty when the body went to `data` */
	size_t size;
	int64_t retry_after_ms; /* of the header, 0 without */
};

/*
 * Everything of the request is copied before return. With `data`, the body of an answer below 300 goes there piece by
 * piece. The result is a `const struct http_reply *`; any status is success here. Failures: -ECONNREFUSED (no
 * connection), -ETIMEDOUT, -EACCES (TLS: who the server is could not be verified), -EFBIG (body over HTTP_BODY_MAX),
 * -ECANCELED, -EIO.
 */
struct task *http_call(struct http_client *client, const struct http_request *request,
		       void (*data)(void *owner, const char *bytes, size_t size), task_done_fn *done, void *owner);
