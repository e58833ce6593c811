/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/kube/kube.h"

#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/codec/base64.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/net/http_client.h"
#include "pkg/net/x509.h"

enum {
	LINE_MAX_BYTES = 16 << 20, /* etcd holds objects below 2 MiB; JSON escapes may grow them */
	WATCH_IDLE_MS = 0,         /* a quiet watch is healthy; dead peers are found by TCP keep-alive */
	TOKEN_MAX = 64 * 1024,     /* a service account's has 1 KiB */
	PEM_MAX = 1024 * 1024,     /* a certificate with its chain has a few KiB */
	RELOAD_MS = 60000,         /* how often certificate files are looked at; client-go takes 5 minutes */
};

struct kube {
	struct loop *loop;
	struct http_client *http;
	char *server, *user_agent, *token, *token_file;

	/* The identity, and where a rotated one would appear. */
	char *ca, *certificate, *key, *certificate_file, *key_file;
	bool insecure;
	struct loop_timer reload;
};

static void use_identity(struct kube *kube)
{
	struct http_identity identity = {
		.ca = kube->ca,
		.certificate = kube->certificate,
		.key = kube->key,
		.insecure = kube->insecure,
	};

	if (kube->http)
		http_client_set_identity(kube->http, &identity);
	else
		kube->http = http_client_new(kube->loop, &identity);
}

/* Certificate and key are replaced one after the other; a pair that does not fit is looked at again next time. */
static void look_at_files(void *owner)
{
	struct kube *kube = owner;
	_cleanup_free_ char *certificate = NULL, *key = NULL;
	struct err err;

	loop_timer_start(&kube->reload, RELOAD_MS);
	if (file_read_copy(kube->certificate_file, PEM_MAX, &certificate, &err) < 0 ||
	    file_read_copy(kube->key_file, PEM_MAX, &key, &err) < 0) {
		log_error(&err, "Failed to reload the client certificate; the former one stays in use", NULL);
		return;
	}
	if (str_eq(certificate, kube->certificate) && str_eq(key, kube->key))
		return;
	if (x509_check_pair(certificate, key, &err) < 0) {
		log_error(&err, "Failed to reload the client certificate; the former one stays in use", NULL);
		return;
	}
	free(kube->certificate);
	free(kube->key);
	kube->certificate = steal_pointer(&certificate);
	kube->key = steal_pointer(&key);
	use_identity(kube);
	log_info("Client certificate changed", "certFile", kube->certificate_file, NULL);
}

static char *basic_header(const char *basic)
{
	_cleanup_buf_ struct buf encoded = BUF_INIT(TOKEN_MAX);

	base64_encode(basic, strlen(basic), &encoded);
	return xasprintf("Authorization: Basic %s", buf_text(&encoded));
}

struct kube *kube_new(struct loop *loop, const struct kubeconfig *config, const char *user_agent)
{
	struct kube *kube = xcalloc(1, sizeof *kube);

	kube->loop = loop;
	kube->ca = xstrdup_or_null(config->ca);
	kube->certificate = xstrdup_or_null(config->certificate);
	kube->key = xstrdup_or_null(config->key);
	kube->certificate_file = xstrdup_or_null(config->certificate_file);
	kube->key_file = xstrdup_or_null(config->key_file);
	kube->insecure = config->insecure;
	use_identity(kube);
	loop_timer_init(&kube->reload, loop, look_at_files, kube);
	if (kube->certificate_file && kube->key_file)
		loop_timer_start(&kube->reload, RELOAD_MS);
	kube->server = xstrdup(config->server);
	kube->user_agent = xasprintf("User-Agent: %s", user_agent);
	kube->token = config->token ? xasprintf("Authorization: Bearer %s", config->token) : NULL;
	if (config->basic)
		kube->token = basic_header(config->basic);
	kube->token_file = xstrdup_or_null(config->token_file);
	return kube;
}

void kube_free(struct kube *kube)
{
	if (!kube)
		return;
	loop_timer_stop(&kube->reload);
	http_client_free(kube->http);
	free(kube->ca);
	free(kube->certificate);
	free(kube->key);
	free(kube->certificate_file);
	free(kube->key_file);
	free(kube->server);
	free(kube->user_agent);
	free(kube->token);
	free(kube->token_file);
	free(kube);
}

struct loop *kube_loop(const struct kube *kube)
{
	return kube->loop;
}

char *kube_escape(struct arena *arena, const char *text)
{
	char *escaped = arena_alloc(arena, strlen(text) * 3 + 1);
	char *at = escaped;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c))
			*at++ = (char)c;
		else
			at += snprintf(at, 4, "%%%02X", c);
	}
	return escaped;
}

char *kube_field_query(struct arena *arena, const char *field, const char *value)
{
	char *escaped = arena_alloc(arena, strlen(value) * 2 + 1), *at = escaped;

	for (; *value; value++) {
		if (strchr("\\,=", *value))
			*at++ = '\\'; /* what ends a term of a selector, and what escapes it */
		*at++ = *value;
	}
	return arena_printf(arena, "fieldSelector=%s",
			    kube_escape(arena, arena_printf(arena, "%s=%s", field, escaped)));
}

const char *kube_pod_name(const Core__Pod *pod, char into[KUBE_POD_NAME_MAX])
{
	into[0] = 0;
	if (pod)
		snprintf(into, KUBE_POD_NAME_MAX, "%s/%s", str_or(pod->metadata->namespace_, ""),
			 str_or(pod->metadata->name, ""));
	return into;
}

const char *kube_pod_text(const Core__Pod *pod, char into[KUBE_POD_NAME_MAX])
{
	into[0] = 0;
	if (pod)
		snprintf(into, KUBE_POD_NAME_MAX, "%s_%s(%s)", str_or(pod->metadata->name, ""),
			 str_or(pod->metadata->namespace_, ""), str_or(pod->metadata->uid, ""));
	return into;
}

/*
 * A token file is read for each request: tokens in it are renewed by somebody else, and it is small. The token beside
 * it serves while the file cannot be read.
 */
static char *authorization(const struct kube *kube)
{
	_cleanup_buf_ struct buf token = BUF_INIT(TOKEN_MAX);
	struct err err;

	if (!kube->token_file)
		return kube->token ? xstrdup(kube->token) : NULL;
	if (file_read(kube->token_file, &token, &err) < 0) {
		log_error(&err, "Failed to read the token of the API client", NULL);
		return kube->token ? xstrdup(kube->token) : NULL;
	}
	size_t size = strcspn(buf_text(&token), "\r\n");
	return xasprintf("Authorization: Bearer %.*s", (int)size, buf_text(&token));
}

static char *url_of(const struct kube *kube, const char *path, const char *query)
{
	return xasprintf("%s%s%s%s", kube->server, path, str_empty(query) ? "" : "?", query ? query : "");
}

/* ---- one question ---- */

struct asking {
	struct task task;
	struct kube *kube;
	struct task *http; /* NULL while waiting to repeat, or before a failure of our own is told */
	struct loop_timer later;
	char *method, *url, *content_type;
	struct buf body;
	const ProtobufCMessageDescriptor *reply;
	int64_t timeout_ms;
	int tries;
	bool canceled;
	task_done_fn *done;
	void *owner;
	struct err err;
};

static int code_of_status(int status, const char *reason)
{
	switch (status) {
	case 400:
	case 422:
		return -EINVAL;
	case 401:
	case 403:
		return -EACCES;
	case 404:
		return -ENOENT;
	case 409:
		return str_eq(reason, "AlreadyExists") ? -EEXIST : -ESTALE;
	case 410:
		return -ESTALE;
	case 429:
		return -EAGAIN;
	default:
		return status >= 500 ? -EAGAIN : -EREMOTEIO;
	}
}

/* What the server said, in its own words when it sent a Status. */
static void refusal(const struct http_reply *reply, struct err *err)
{
	_cleanup_arena_ struct arena *arena = arena_new_limited(KUBE_OBJECT_MAX);
	ProtobufCMessage *message = NULL;
	struct err ignored;

	if (pbjson_decode(&meta__status__descriptor, reply->body, reply->size, arena, &message, &ignored) == 0) {
		const Meta__Status *status = (const Meta__Status *)message;

		if (!str_empty(status->message)) {
			err_set(err, code_of_status(reply->status, status->reason), "%s", status->message);
			return;
		}
	}
	err_set(err, code_of_status(reply->status, NULL), "the server answered %d: %.*s", reply->status,
		(int)MIN(reply->size, (size_t)200), reply->body);
}

static void asking_free(struct asking *asking)
{
	loop_timer_stop(&asking->later);
	free(asking->method);
	free(asking->url);
	free(asking->content_type);
	buf_done(&asking->body);
	free(asking);
}

static void asking_fail(struct asking *asking, const struct err *err)
{
	asking->done(asking->owner, NULL, err);
	asking_free(asking);
}

static void send_it(struct asking *asking);

static void send_later(void *owner)
{
	struct asking *asking = owner;

	if (asking->canceled)
		err_canceled(&asking->err);
	if (asking->err.code)
		asking_fail(asking, &asking->err);
	else
		send_it(asking);
}

static void http_done(void *owner, const void *result, const struct err *err)
{
	struct asking *asking = owner;
	const struct http_reply *reply = result;

	asking->http = NULL;
	if (err) {
		asking_fail(asking, err);
		return;
	}
	bool later = reply->status == 429 || (reply->status >= 500 && reply->retry_after_ms > 0);
	if (later && asking->tries++ < KUBE_RETRIES && !asking->canceled) {
		loop_timer_start(&asking->later, MAX(reply->retry_after_ms, (int64_t)1000));
		return;
	}
	struct err bad = { 0 };
	_cleanup_arena_ struct arena *arena = NULL;
	ProtobufCMessage *message = NULL;
	if (reply->status >= 300) {
		refusal(reply, &bad);
	} else if (asking->reply) {
		arena = arena_new_limited(KUBE_OBJECT_MAX);
		if (pbjson_decode(asking->reply, reply->body, reply->size, arena, &message, &bad) < 0)
			err_wrap(&bad, "the answer to %s %s", asking->method, asking->url);
	}
	asking->done(asking->owner, message, bad.code ? &bad : NULL);
	asking_free(asking);
}

static void send_it(struct asking *asking)
{
	_cleanup_free_ char *token = authorization(asking->kube);
	struct http_request request = {
		.method = asking->method,
		.url = asking->url,
		.headers = { asking->kube->user_agent, "Accept: application/json", asking->content_type, token },
		.body = asking->content_type ? buf_text(&asking->body) : NULL,
		.size = asking->body.size,
		.timeout_ms = asking->timeout_ms,
	};

	if (!asking->content_type) {
		request.headers[2] = token;
		request.headers[3] = NULL;
	}
	asking->http = http_call(asking->kube->http, &request, NULL, http_done, asking);
}

static void asking_cancel(struct task *task)
{
	struct asking *asking = container_of(task, struct asking, task);

	asking->canceled = true;
	if (asking->http)
		task_cancel(asking->http);
	else
		loop_timer_start(&asking->later, 0);
}

struct task *kube_ask(struct kube *kube, const struct kube_ask *ask, task_done_fn *done, void *owner)
{
	struct asking *asking = xcalloc(1, sizeof *asking);

	*asking = (struct asking){ .task.cancel = asking_cancel,
				   .kube = kube,
				   .method = xstrdup(ask->method),
				   .url = url_of(kube, ask->path, ask->query),
				   .body = BUF_INIT(HTTP_BODY_MAX),
				   .reply = ask->reply,
				   .timeout_ms = ask->timeout_ms ? ask->timeout_ms : KUBE_TIMEOUT_MS,
				   .done = done,
				   .owner = owner };
	loop_timer_init(&asking->later, kube->loop, send_later, asking);
	if (ask->object || ask->json)
		asking->content_type = xasprintf("Content-Type: %s", ask->content_type ? ask->content_type : KUBE_JSON);
	if (ask->json)
		buf_puts(&asking->body, ask->json);
	if (ask->object && pbjson_encode(ask->object, &asking->body, &asking->err) < 0)
		loop_timer_start(&asking->later, 0);
	else
		send_it(asking);
	return &asking->task;
}

/* ---- a watch ---- */

struct watching {
	struct task task;
	struct task *http;
	struct buf line;
	void (*each)(void *owner, const char *json, size_t size);
	task_done_fn *done;
	void *owner;
};

static void watch_bytes(void *owner, const char *bytes, size_t size)
{
	struct watching *watching = owner;

	while (size > 0) {
		const char *newline = memchr(bytes, '\n', size);
		size_t part = newline ? (size_t)(newline - bytes) : size;

		buf_append(&watching->line, bytes, part);
		if (!newline)
			return;
		if (watching->line.overflow)
			task_cancel(watching->http);
		else if (watching->line.size > 0)
			watching->each(watching->owner, buf_text(&watching->line), watching->line.size);
		buf_clear(&watching->line);
		bytes += part + 1;
		size -= part + 1;
	}
}

static void watch_done(void *owner, const void *result, const struct err *err)
{
	struct watching *watching = owner;
	const struct http_reply *reply = result;
	struct err bad = { 0 };

	if (err)
		bad = *err;
	else if (reply->status >= 300)
		refusal(reply, &bad);
	watching->done(watching->owner, NULL, bad.code ? &bad : NULL);
	buf_done(&watching->line);
	free(watching);
}

static void watch_cancel(struct task *task)
{
	task_cancel(container_of(task, struct watching, task)->http);
}

struct task *kube_watch(struct kube *kube, const char *path, const char *query,
			void (*line)(void *owner, const char *json, size_t size), task_done_fn *done, void *owner)
{
	struct watching *watching = xcalloc(1, sizeof *watching);
	_cleanup_free_ char *url = url_of(kube, path, query);
	_cleanup_free_ char *token = authorization(kube);
	struct http_request request = {
		.method = "GET",
		.url = url,
		.headers = { kube->user_agent, "Accept: application/json", token },
		.idle_timeout_ms = WATCH_IDLE_MS,
	};

	*watching = (struct watching){ .task.cancel = watch_cancel,
				       .line = BUF_INIT(LINE_MAX_BYTES),
				       .each = line,
				       .done = done,
				       .owner = owner };
	watching->http = http_call(kube->http, &request, watch_bytes, watch_done, watching);
	return &watching->task;
}
