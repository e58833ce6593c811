/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An HTTP/1.1 server for tests, on the test's own loop and a port of 127.0.0.1: every request goes to one function,
 * which answers at once, later, in pieces, or by dropping the connection.
 */
#include <stdbool.h>
#include <stddef.h>

#include "pkg/loop/loop.h"

struct fake_http;

/* A request; valid until fake_http_free(). `head` is all of it up to the empty line. */
struct fake_call {
	const char *method, *target, *head, *body;
	int number; /* 0 is the first one of this server */
};

struct fake_http *fake_http_new(struct loop *loop, void (*called)(void *owner, struct fake_call *call), void *owner);
void fake_http_free(struct fake_http *fake);
const char *fake_http_url(const struct fake_http *fake); /* "http://127.0.0.1:PORT" */

/* `headers` is "" or lines that each end in \r\n. The connection stays open for the next request. */
void fake_answer(struct fake_call *call, int status, const char *headers, const char *body);

/* An answer in chunks. */
void fake_begin(struct fake_call *call);
void fake_write(struct fake_call *call, const char *text);
void fake_end(struct fake_call *call);

void fake_drop(struct fake_call *call);          /* closes the connection */
bool fake_is_gone(const struct fake_call *call); /* dropped, or the client went away */
