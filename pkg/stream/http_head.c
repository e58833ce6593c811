/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/stream/http_head.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "pkg/base/base.h"

enum {
	CHUNK_LINE_MAX_BYTES = 4096,  /* Go's limit of a chunk-size line */
	TRAILER_MAX_BYTES = 64 << 10, /* nobody here reads trailers */
};

void http_head_init(struct http_head *head, bool is_response)
{
	*head = (struct http_head){ .is_response = is_response, .bytes = BUF_INIT(HTTP_HEAD_MAX_BYTES) };
}

void http_head_done(struct http_head *head)
{
	buf_done(&head->bytes);
	free(head->headers);
	free(head->text);
	free(head->path);
	free(head->authority);
	head->headers = NULL;
	head->text = head->path = head->authority = NULL;
}

void http_head_reset(struct http_head *head)
{
	bool is_response = head->is_response;

	http_head_done(head);
	http_head_init(head, is_response);
}

static int refuse(struct http_head *head, int status, const char *text)
{
	head->refusal = status;
	head->refusal_text = text;
	return -EBADMSG;
}

static bool is_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if (!is_token_char((unsigned char)*text))
			return false;
	return true;
}

int http_path_decode(char *path)
{
	char *out = path;

	for (const char *in = path; *in; in++) {
		if (*in != '%') {
			*out++ = *in;
			continue;
		}
		int high = hex_digit(in[1]), low = high < 0 ? -1 : hex_digit(in[2]);

		if (low < 0)
			return -EINVAL;
		in += 2;
		if (high || low) {
			*out++ = (char)(high << 4 | low);
		} else { /* %00: three bytes for three */
			memcpy(out, "\xef\xbf\xbd", 3);
			out += 3;
		}
	}
	*out = 0;
	return (int)(out - path);
}

/* Go's ParseHTTPVersion: "HTTP/d.d". -1 when malformed. */
static int parse_version(const char *text, int *ret_minor)
{
	if (strlen(text) != 8 || strncmp(text, "HTTP/", 5) != 0 || text[6] != '.')
		return -1;
	if (text[5] < '0' || text[5] > '9' || text[7] < '0' || text[7] > '9')
		return -1;
	*ret_minor = text[7] - '0';
	return text[5] - '0';
}

/* Letters, then also digits and "+-."; 0 when there is none before a colon. */
static size_t scheme_size(const char *text)
{
	size_t size = 0;

	for (; text[size]; size++) {
		char c = text[size];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && (size == 0 || !((c >= '0' && c <= '9') || strchr("+-.", c))))
			break;
	}
	return text[size] == ':' ? size : 0;
}

static bool is_port(const char *text)
{
	return !*text || (*text == ':' && strspn(text + 1, "0123456789") == strlen(text + 1));
}

/* The host of an absolute target as Go's url.Parse takes it: only bytes above ASCII may be escaped in it. */
static bool is_url_host(const char *host)
{
	const char *colon = strchr(host, ':'), *bracket = strrchr(host, ']');

	if (*host == '[') {
		char address[64];
		struct in6_addr in6;
		size_t size = bracket ? (size_t)(bracket - host) - 1 : sizeof address;

		if (size >= sizeof address || !is_port(bracket + 1))
			return false;
		memcpy(address, host + 1, size);
		address[size] = 0;
		address[strcspn(address, "%")] = 0; /* a zone is any text */
		return inet_pton(AF_INET6, address, &in6) == 1;
	}
	if (strchr(host, '[') || (colon && !is_port(colon)))
		return false;
	for (; *host; host++) {
		unsigned char c = (unsigned char)*host;

		if (c == '%') {
			int high = hex_digit(host[1]);

			if (high < 8 || hex_digit(host[2]) < 0)
				return false;
			host += 2;
		} else if (c < 0x80 && !strchr("-_.~!$&'()*+,;=:]<>\"", c) && !(c >= '0' && c <= '9') &&
			   !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z')) {
			return false;
		}
	}
	return true;
}

static bool is_authority(const char *authority)
{
	const char *at = strrchr(authority, '@');

	for (const char *user = authority; at && user < at; user++)
		if (!strchr("-._:~!$&'()*+,;=%@", *user) && !(*user >= '0' && *user <= '9') &&
		    !(*user >= 'a' && *user <= 'z') && !(*user >= 'A' && *user <= 'Z'))
			return false;
	return is_url_host(at ? at + 1 : authority);
}

/* Go's url.ParseRequestURI, as far as a server's request line meets it. */
static int parse_target(struct http_head *head)
{
	const char *rest = head->target;
	bool has_authority = strcmp(head->method, "CONNECT") == 0 && *rest != '/' && strcmp(rest, "*") != 0;
	char *query;

	if (!*rest)
		return refuse(head, 400, NULL);
	for (const char *c = rest; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return refuse(head, 400, NULL);
	if (*rest != '/' && strcmp(rest, "*") != 0 && !has_authority) {
		size_t scheme = scheme_size(rest);

		if (!scheme)
			return refuse(head, 400, NULL);
		rest += scheme + 1;
		has_authority = strncmp(rest, "//", 2) == 0;
		if (has_authority)
			rest += 2;
		else if (*rest != '/') /* "mailto:x" has no path at all */
			rest = strchr(rest, 0);
	}
	if (has_authority) {
		size_t size = strcspn(rest, "/?");

		head->authority = xstrndup(rest, size);
		head->host = head->authority;
		if (!is_authority(head->authority))
			return refuse(head, 400, NULL);
		rest += size;
	}
	head->path = xstrdup(rest);
	query = strchr(head->target, '?');
	head->query = query ? query + 1 : strchr(head->target, 0);
	query = strchr(head->path, '?');
	if (query)
		*query = 0;
	return http_path_decode(head->path) < 0 ? refuse(head, 400, NULL) : 0;
}

/* What a client of HTTP/2 says first. Go answers it as any request for "*". */
static bool is_http2_preface(const struct http_head *head, int major)
{
	return major == 2 && head->minor == 0 && strcmp(head->method, "PRI") == 0 && strcmp(head->target, "*") == 0;
}

static int parse_request_line(struct http_head *head, char *line)
{
	char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
	int major;

	if (!version)
		return refuse(head, 400, NULL);
	*target++ = *version++ = 0;
	head->method = line;
	head->target = target;
	head->host = strchr(line, 0);
	major = parse_version(version, &head->minor);
	if (!is_token(line) || major < 0)
		return refuse(head, 400, NULL);
	if (parse_target(head) < 0)
		return -EBADMSG;
	if (is_http2_preface(head, major)) {
		head->minor = 1;
		head->is_preface = true;
	} else if (major != 1) { /* Go says so only after the headers; they make no difference */
		return refuse(head, 505, "unsupported protocol version");
	}
	return 0;
}

/* "HTTP/1.1 101 Switching Protocols" */
static int parse_status_line(struct http_head *head, char *line)
{
	char *status = strchr(line, ' ');

	if (!status)
		return refuse(head, 502, NULL);
	*status++ = 0;
	if (parse_version(line, &head->minor) != 1)
		return refuse(head, 502, NULL);
	for (int i = 0; i < 3; i++) {
		if (status[i] < '0' || status[i] > '9')
			return refuse(head, 502, NULL);
		head->status = head->status * 10 + status[i] - '0';
	}
	if (head->status < 100 || (status[3] && status[3] != ' '))
		return refuse(head, 502, NULL);
	head->reason = status[3] ? status + 4 : status + 3;
	return 0;
}

static char *trim(char *text)
{
	char *end;

	text += strspn(text, " \t");
	end = strchr(text, 0);
	while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = 0;
	return text;
}

/* One header line that is already unfolded. */
static int parse_header(struct http_head *head, char *line)
{
	char *colon = strchr(line, ':');
	struct http_header *header;

	if (!colon || colon == line)
		return refuse(head, 400, NULL);
	*colon = 0;
	for (const char *c = line; *c; c++)
		if (!is_token_char((unsigned char)*c) && *c != ' ')
			return refuse(head, 400, NULL);
	for (const char *c = colon + 1; *c; c++)
		if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
			return refuse(head, 400, NULL);
	if (strchr(line, ' '))
		return refuse(head, 400, "invalid header name");
	if (head->n_headers == HTTP_HEAD_MAX_HEADERS)
		return refuse(head, 431, NULL);
	if ((head->n_headers & (head->n_headers - 1)) == 0)
		head->headers = xrealloc(head->headers, MAX(1, head->n_headers * 2) * sizeof *head->headers);
	header = &head->headers[head->n_headers++];
	header->name = line;
	header->value = trim(colon + 1);
	return 0;
}

/* Cuts the next line off the text at *place, folded ones joined in place; NULL at the empty line that ends a head. */
static char *next_line(char **place)
{
	char *line = *place, *in = strchr(line, '\n'), *out = in;

	if (!in)
		return NULL;
	*place = ++in;
	if (out > line && out[-1] == '\r')
		out--;
	while (out > line && (*in == ' ' || *in == '\t')) {
		char *end = strchr(in, '\n');

		if (!end)
			break;
		while (out > line && (out[-1] == ' ' || out[-1] == '\t'))
			out--;
		in += strspn(in, " \t");
		*out++ = ' ';
		if (in < end) {
			memmove(out, in, (size_t)(end - in));
			out += end - in;
		}
		if (out[-1] == '\r')
			out--;
		*place = in = end + 1;
	}
	*out = 0;
	return *line ? line : NULL;
}

const char *http_head_get_nth(const struct http_head *head, const char *name, size_t nth)
{
	for (size_t i = 0; i < head->n_headers; i++)
		if (strcasecmp(head->headers[i].name, name) == 0 && nth-- == 0)
			return head->headers[i].value;
	return NULL;
}

const char *http_head_get(const struct http_head *head, const char *name)
{
	return http_head_get_nth(head, name, 0);
}

static bool list_has_word(const char *list, const char *word)
{
	for (const char *item = list; *item; item += strcspn(item, ","), item += *item == ',') {
		item += strspn(item, " \t");
		size_t size = strcspn(item, ",");

		while (size && (item[size - 1] == ' ' || item[size - 1] == '\t'))
			size--;
		if (size == strlen(word) && strncasecmp(item, word, size) == 0)
			return true;
	}
	return false;
}

/* Whether a comma list in any header of that name has the word. */
static bool has_word(const struct http_head *head, const char *name, const char *word)
{
	const char *value;

	for (size_t n = 0; (value = http_head_get_nth(head, name, n)); n++)
		if (list_has_word(value, word))
			return true;
	return false;
}

static int find_framing(struct http_head *head)
{
	const char *coding = http_head_get(head, "Transfer-Encoding"), *length = http_head_get(head, "Content-Length");
	bool no_body = head->is_response && (head->status < 200 || head->status == 204 || head->status == 304);
	const char *other;

	if (head->minor < 1)
		coding = NULL;
	if (coding && (strcasecmp(coding, "chunked") != 0 || http_head_get_nth(head, "Transfer-Encoding", 1)))
		return refuse(head, head->is_response ? 502 : 501, NULL);
	for (size_t n = 1; length && (other = http_head_get_nth(head, "Content-Length", n)); n++)
		if (strcmp(length, other) != 0)
			return refuse(head, 400, NULL);
	if (length) {
		if (*length == '-' || str_to_i64(length, 0, INT64_MAX, &head->content_length) < 0)
			return refuse(head, 400, NULL);
	}
	if (no_body)
		head->framing = HTTP_NO_BODY;
	else if (coding)
		head->framing = HTTP_CHUNKED;
	else if (length)
		head->framing = head->content_length ? HTTP_LENGTH : HTTP_NO_BODY;
	else
		head->framing = head->is_response ? HTTP_UNTIL_EOF : HTTP_NO_BODY;
	return 0;
}

/* RFC 3986 characters, as golang.org/x/net/http/httpguts.ValidHostHeader takes them. */
static bool is_host(const char *host)
{
	for (; *host; host++)
		if (!strchr("!$%&'()*+,-.:;=[]_~", *host) && !(*host >= '0' && *host <= '9') &&
		    !(*host >= 'a' && *host <= 'z') && !(*host >= 'A' && *host <= 'Z'))
			return false;
	return true;
}

static int check_request(struct http_head *head)
{
	const char *host = http_head_get(head, "Host"), *expect = http_head_get(head, "Expect");

	if (http_head_get_nth(head, "Host", 1))
		return refuse(head, 400, NULL);
	if (find_framing(head) < 0)
		return -EBADMSG;
	if (!host && head->minor >= 1 && strcmp(head->method, "CONNECT") != 0 &&
	    !(head->is_preface && head->n_headers == 0))
		return refuse(head, 400, "missing required Host header");
	if (host && !is_host(host))
		return refuse(head, 400, "malformed Host header");
	if (!head->authority)
		head->host = host ? (char *)(uintptr_t)host : strchr(head->method, 0);
	if (!str_empty(expect)) {
		if (!list_has_word(expect, "100-continue"))
			return refuse(head, 417, NULL);
		head->wants_continue = head->minor >= 1 && head->framing != HTTP_NO_BODY;
	}
	return 0;
}

/* Go looks for the word anywhere in the value: "keep-alive, Upgrade". */
static bool contains_ignoring_case(const char *text, const char *word)
{
	size_t size = strlen(word);

	for (; *text; text++)
		if (strncasecmp(text, word, size) == 0)
			return true;
	return false;
}

static int parse_head(struct http_head *head)
{
	char *place, *line;
	const char *value;

	/* A zero byte would hide what follows it; Go refuses it as any control byte. */
	if (memchr(head->bytes.bytes, 0, head->bytes.size))
		return refuse(head, head->is_response ? 502 : 400, NULL);
	head->text = buf_steal(&head->bytes);
	place = head->text;
	line = place;
	place = strchr(place, '\n') + 1;
	place[-1] = 0;
	if (place - 1 > line && place[-2] == '\r')
		place[-2] = 0;
	if ((head->is_response ? parse_status_line(head, line) : parse_request_line(head, line)) < 0)
		return -EBADMSG;
	if (*place == ' ' || *place == '\t')
		return refuse(head, 400, NULL);
	while ((line = next_line(&place)))
		if (parse_header(head, line) < 0)
			return -EBADMSG;
	if ((head->is_response ? find_framing(head) : check_request(head)) < 0)
		return -EBADMSG;
	head->keep_alive =
		head->minor >= 1 ? !has_word(head, "Connection", "close") : has_word(head, "Connection", "keep-alive");
	for (size_t n = 0; (value = http_head_get_nth(head, "Connection", n)); n++)
		head->wants_upgrade = head->wants_upgrade || contains_ignoring_case(value, "upgrade");
	head->complete = true;
	return 0;
}

/* The first line is judged as soon as it is there, as Go does: garbage gets its answer at once. */
static int check_first_line(struct http_head *head, size_t size)
{
	struct http_head probe;
	int code;

	if (memchr(head->bytes.bytes, 0, size))
		return refuse(head, head->is_response ? 502 : 400, NULL);
	http_head_init(&probe, head->is_response);
	if (size && head->bytes.bytes[size - 1] == '\r')
		size--;
	probe.text = xstrndup(str_or(head->bytes.bytes, ""), size);
	code = head->is_response ? parse_status_line(&probe, probe.text) : parse_request_line(&probe, probe.text);
	if (code < 0 && probe.refusal != 505)
		refuse(head, probe.refusal, probe.refusal_text);
	else
		code = 0;
	http_head_done(&probe);
	return code;
}

int http_head_feed(struct http_head *head, const void *bytes, size_t size, size_t *ret_taken)
{
	const char *in = bytes;
	size_t taken = 0;

	*ret_taken = 0;
	if (head->refusal)
		return -EBADMSG;
	while (taken < size && !head->complete) {
		const char *end = memchr(in + taken, '\n', size - taken);
		size_t part = (end ? (size_t)(end - in) + 1 : size) - taken;
		size_t line;

		buf_append(&head->bytes, in + taken, part);
		if (head->bytes.overflow)
			return refuse(head, head->is_response ? 502 : 431, NULL);
		taken += part;
		if (!end)
			break;
		line = head->bytes.size - head->line_start - 1;
		if (head->n_lines++ == 0) {
			if (check_first_line(head, line) < 0)
				return -EBADMSG;
		} else if (line == 0 || (line == 1 && head->bytes.bytes[head->line_start] == '\r')) {
			if (parse_head(head) < 0)
				return -EBADMSG;
			break;
		}
		head->line_start = head->bytes.size;
	}
	*ret_taken = taken;
	return 0;
}

void http_head_refuse(struct buf *into, const struct http_head *head, int64_t wall_s)
{
	const char *reason = http_reason(head->refusal), *text = head->refusal_text;

	if (head->refusal == 417) {
		char date[32];

		http_date(wall_s, date);
		buf_printf(into, "HTTP/1.1 417 %s\r\nConnection: close\r\nDate: %s\r\nContent-Length: 0\r\n\r\n",
			   reason, date);
		return;
	}
	buf_printf(into, "HTTP/1.1 %d %s%s%s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n",
		   head->refusal, reason, text ? ": " : "", str_or(text, ""));
	if (head->refusal == 501)
		buf_puts(into, "Unsupported transfer encoding");
	else
		buf_printf(into, "%d %s%s%s", head->refusal, reason, text ? ": " : "", str_or(text, ""));
}

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} rows[] = {
		{ 100, "Continue" },
		{ 101, "Switching Protocols" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 412, "Precondition Failed" },
		{ 413, "Request Entity Too Large" },
		{ 414, "Request URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Requested Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Entity" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].status == status)
			return rows[i].reason;
	return "";
}

enum body_state {
	BODY_CONTENT,
	BODY_SIZE,      /* in the digits of a chunk size */
	BODY_EXTENSION, /* behind them, up to the line's end */
	BODY_LINE_END,  /* the LF behind its CR */
	BODY_CHUNK_END, /* CR LF behind a chunk */
	BODY_TRAILER,
};

void http_body_init(struct http_body *body, const struct http_head *head)
{
	*body = (struct http_body){ .framing = head->framing };
	body->state = head->framing == HTTP_CHUNKED ? BODY_SIZE : BODY_CONTENT;
	body->left = head->framing == HTTP_LENGTH ? head->content_length : 0;
	body->done = head->framing == HTTP_NO_BODY;
}

/* One byte between chunks. */
static int chunk_byte(struct http_body *body, char c)
{
	int digit = hex_digit(c);

	switch ((enum body_state)body->state) {
	case BODY_SIZE:
		if (digit >= 0) {
			if (body->left > (INT64_MAX >> 5))
				return -EBADMSG;
			body->left = body->left * 16 + digit;
			break;
		}
		if (!body->line || (c != '\r' && c != ';' && c != ' ' && c != '\t'))
			return -EBADMSG;
		body->state = c == '\r' ? BODY_LINE_END : BODY_EXTENSION;
		break;
	case BODY_EXTENSION:
		if (c == '\n') /* bare: another server may see another length */
			return -EBADMSG;
		if (c == '\r')
			body->state = BODY_LINE_END;
		break;
	case BODY_LINE_END:
		if (c != '\n')
			return -EBADMSG;
		body->state = body->left ? BODY_CONTENT : BODY_TRAILER;
		body->line = 0;
		return 0;
	case BODY_CHUNK_END:
		if (body->line == 0 ? c != '\r' : c != '\n')
			return -EBADMSG;
		if (c == '\n') {
			body->state = BODY_SIZE;
			body->line = 0;
			return 0;
		}
		break;
	case BODY_TRAILER:
		/* `left` counts the bytes of the line so far: an empty one is the end. */
		if (c == '\n') {
			if (body->left && !body->colon)
				return -EBADMSG;
			body->done = body->left == 0;
			body->left = 0;
			body->colon = false;
		} else if (c != '\r') {
			body->colon = body->colon || (c == ':' && body->left);
			body->left++;
		}
		return ++body->line > TRAILER_MAX_BYTES ? -EBADMSG : 0;
	case BODY_CONTENT:
		break;
	}
	return ++body->line > CHUNK_LINE_MAX_BYTES ? -EBADMSG : 0;
}

int http_body_step(struct http_body *body, const char *bytes, size_t size, size_t *ret_taken, const char **ret_content,
		   size_t *ret_content_size)
{
	size_t taken = 0;

	*ret_taken = *ret_content_size = 0;
	*ret_content = bytes;
	while (taken < size && !body->done && body->state != BODY_CONTENT)
		if (chunk_byte(body, bytes[taken++]) < 0)
			return -EBADMSG;
	if (!body->done && taken < size) {
		size_t part = size - taken;

		if (body->framing != HTTP_UNTIL_EOF)
			part = (size_t)MIN((int64_t)part, body->left);
		*ret_content = bytes + taken;
		*ret_content_size = part;
		taken += part;
		if (body->framing != HTTP_UNTIL_EOF) {
			body->left -= (int64_t)part;
			if (!body->left && body->framing == HTTP_LENGTH)
				body->done = true;
			else if (!body->left)
				body->state = BODY_CHUNK_END;
		}
	}
	*ret_taken = taken;
	return 0;
}

void http_chunk_append(struct buf *into, const void *bytes, size_t size)
{
	if (!size) /* an empty chunk would end the body */
		return;
	buf_printf(into, "%zx\r\n", size);
	buf_append(into, bytes, size);
	buf_puts(into, "\r\n");
}

void http_date(int64_t wall_seconds, char text[32])
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t time = (time_t)wall_seconds;
	struct tm tm;

	gmtime_r(&time, &tm);
	snprintf(text, 32, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday], (unsigned)tm.tm_mday % 100,
		 months[tm.tm_mon], (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
		 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}
