/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * HTTP/1.x heads and body framing: bytes in, values out, no socket.
 *
 * What is accepted and how the rest is refused follows Go's net/http server, which is what clients of the stock kubelet
 * meet: bare LF and folded lines are fine, a second Host, a control byte or a bad %zz is a 400. Fed whole or byte by
 * byte the result is the same. Sizes are limited as in Go: 1 MiB and a little, then 431.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkg/base/buf.h"

enum {
	HTTP_HEAD_MAX_BYTES = (1 << 20) + 4096, /* Go's DefaultMaxHeaderBytes and its reader's slack */
	HTTP_HEAD_MAX_HEADERS = 10000,          /* ours: Go has none; 160 KB of table */
};

struct http_header {
	char *name, *value; /* value without blanks around it, folded lines joined by one blank */
};

enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_EOF /* responses only */ };

/* The texts live in the head until http_head_done() or _reset(). */
struct http_head {
	bool is_response; /* set by the caller before the first byte */
	bool complete;

	char *method, *target; /* requests */
	char *path;            /* percent-decoded once; a zero byte in it became U+FFFD, which no name can hold */
	char *query;           /* as sent, "" without */
	char *host;            /* of an absolute target, else of the header, else "" */
	int status;            /* responses */
	char *reason;
	int minor; /* of the version 1.x */
	struct http_header *headers;
	size_t n_headers;
	enum http_framing framing;
	int64_t content_length;
	bool keep_alive;     /* the sender lets the connection live on */
	bool wants_upgrade;  /* a Connection header holds the word upgrade, as Kubernetes looks for it */
	bool wants_continue; /* Expect: 100-continue, and there is a body to wait for */
	bool is_preface;     /* "PRI * HTTP/2.0" */

	int refusal;              /* 400, 417, 431, 501, 505 when feeding failed */
	const char *refusal_text; /* what Go adds after the status, or NULL */

	struct buf bytes; /* private from here */
	size_t line_start, n_lines;
	char *text, *authority;
};

void http_head_init(struct http_head *head, bool is_response);
void http_head_reset(struct http_head *head); /* ready for the next one; memory is given back */
void http_head_done(struct http_head *head);

/*
 * Takes bytes up to the end of the head: *ret_taken says how many; the rest belongs to what follows. 0 while incomplete
 * or when head->complete; -EBADMSG with head->refusal set when it is to be refused.
 */
int http_head_feed(struct http_head *head, const void *bytes, size_t size, size_t *ret_taken);

/* First value, any case; NULL without. `nth` counts from 0 for repeated headers. */
const char *http_head_get(const struct http_head *head, const char *name);
const char *http_head_get_nth(const struct http_head *head, const char *name, size_t nth);

/* The answer that Go gives to a head it refuses, with the wall clock's seconds; the connection is closed after it. */
void http_head_refuse(struct buf *into, const struct http_head *head, int64_t wall_s);

const char *http_reason(int status); /* "Not Found"; "" for unknown ones */

/* Percent-decoding of a path in place, once; -EINVAL for a bad escape. Returns the new length. */
int http_path_decode(char *path);

/* What follows a head: steps through framed bytes. */
struct http_body {
	enum http_framing framing;
	int64_t left; /* of the body or the chunk */
	int state;    /* private */
	size_t line;  /* private: bytes of the current size or trailer line, limited */
	bool colon;   /* private: seen in the current trailer line */
	bool done;    /* the whole body was seen */
};

void http_body_init(struct http_body *body, const struct http_head *head);

/*
 * Takes some bytes and shows what of them is content (maybe nothing). Call until all is taken or body->done. -EBADMSG
 * on broken chunks.
 */
int http_body_step(struct http_body *body, const char *bytes, size_t size, size_t *ret_taken, const char **ret_content,
		   size_t *ret_content_size);

/* One chunk of a chunked answer, and the end of it. */
void http_chunk_append(struct buf *into, const void *bytes, size_t size);
#define HTTP_LAST_CHUNK "0\r\n\r\n"

/* "Date: Tue, 15 Nov 1994 08:12:31 GMT" */
void http_date(int64_t wall_seconds, char text[32]);
