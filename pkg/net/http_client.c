/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/net/http_client.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/list.h"

enum {
	CONNECT_TIMEOUT_MS = 10000, /* a peer in reach answers in milliseconds */
	STREAM_READ_BYTES = 4096,   /* curl's 16 KiB would be held for the whole life of each watch */
	KEEPALIVE_S = 30,           /* a quiet connection is asked whether its peer is there */
	DEAD_MS = 45000, /* without an answer to that, or to what was sent, it is dead: client-go's 30 s + 15 s */
};

struct identity {
	char *ca, *certificate, *key;
	bool insecure;
};

struct http_client {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer timer;
	struct identity identity;
	size_t n_calls;
};

struct call {
	struct task task;
	struct http_client *client;
	CURL *easy;
	struct curl_slist *headers;
	struct buf body;
	char *method;
	void (*data)(void *owner, const char *bytes, size_t size);
	task_done_fn *done;
	void *owner;
	struct loop_timer canceled, begin;
	size_t received;
	bool retried;
	char why[CURL_ERROR_SIZE];
};

/* ---- curl on the loop ---- */

static void collect(struct http_client *client);

static void act(struct http_client *client, curl_socket_t fd, int events)
{
	int running;

	curl_multi_socket_action(client->multi, fd, events, &running);
	collect(client);
}

struct watch {
	struct http_client *client;
	struct loop_fd *fd;
	curl_socket_t socket;
};

static void socket_ready(void *owner, int events)
{
	struct watch *watch = owner;
	int mask = 0;

	if (events & LOOP_READ)
		mask |= CURL_CSELECT_IN;
	if (events & LOOP_WRITE)
		mask |= CURL_CSELECT_OUT;
	if (events & LOOP_HANGUP)
		mask |= CURL_CSELECT_ERR;
	act(watch->client, watch->socket, mask); /* may free the watch */
}

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *owner, void *socket_owner)
{
	struct http_client *client = owner;
	struct watch *watch = socket_owner;
	int events = what == CURL_POLL_IN ? LOOP_READ : what == CURL_POLL_OUT ? LOOP_WRITE : LOOP_READ | LOOP_WRITE;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (watch)
			loop_fd_unwatch(watch->fd);
		free(watch);
		curl_multi_assign(client->multi, socket, NULL);
		return 0;
	}
	if (!watch) {
		watch = xcalloc(1, sizeof *watch);
		*watch = (struct watch){ .client = client, .socket = socket };
		watch->fd = loop_fd_watch(client->loop, socket, events, socket_ready, watch);
		base_assert(watch->fd);
		curl_multi_assign(client->multi, socket, watch);
	}
	loop_fd_set(watch->fd, events);
	return 0;
}

/* Without this TCP goes on for a quarter of an hour, and every new request would wait on the dead connection too. */
static int on_new_socket(void *owner, curl_socket_t socket, curlsocktype purpose)
{
	unsigned int dead_ms = DEAD_MS;

	(void)owner;
	(void)purpose;
	setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
	return CURL_SOCKOPT_OK;
}

static int on_timer(CURLM *multi, long delay_ms, void *owner)
{
	struct http_client *client = owner;

	(void)multi;
	if (delay_ms < 0)
		loop_timer_stop(&client->timer);
	else
		loop_timer_start(&client->timer, delay_ms);
	return 0;
}

static void timer_fires(void *owner)
{
	act(owner, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- the client ---- */

static void identity_done(struct identity *identity)
{
	free(identity->ca);
	free(identity->certificate);
	free(identity->key);
}

void http_client_set_identity(struct http_client *client, const struct http_identity *identity)
{
	identity_done(&client->identity);
	client->identity = (struct identity){
		.ca = xstrdup_or_null(identity->ca),
		.certificate = xstrdup_or_null(identity->certificate),
		.key = xstrdup_or_null(identity->key),
		.insecure = identity->insecure,
	};
}

struct http_client *http_client_new(struct loop *loop, const struct http_identity *identity)
{
	static bool initialised;
	struct http_client *client = xcalloc(1, sizeof *client);

	if (!initialised)
		curl_global_init(CURL_GLOBAL_DEFAULT);
	initialised = true;
	client->loop = loop;
	client->multi = curl_multi_init();
	base_assert(client->multi);
	loop_timer_init(&client->timer, loop, timer_fires, client);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	http_client_set_identity(client, identity);
	return client;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	base_assert(client->n_calls == 0);
	curl_multi_cleanup(client->multi);
	loop_timer_stop(&client->timer);
	identity_done(&client->identity);
	free(client);
}

/* ---- calls ---- */

static int errno_of(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return -EACCES;
	case CURLE_WRITE_ERROR:
		return -EFBIG;
	default:
		return -EIO;
	}
}

static void call_free(struct call *call)
{
	loop_timer_stop(&call->canceled);
	loop_timer_stop(&call->begin);
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	buf_done(&call->body);
	free(call->method);
	call->client->n_calls--;
	free(call);
}

/* Nothing came back and repeating does no harm: the server never looked at it. */
static bool may_retry(const struct call *call, CURLcode code)
{
	bool refused = code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM || code == CURLE_GOT_NOTHING ||
		       code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR;

	return refused && !call->retried && call->received == 0 && str_eq(call->method, "GET");
}

static void call_ended(struct call *call, CURLcode code)
{
	struct http_reply reply = { .body = buf_text(&call->body), .size = call->body.size };
	long status = 0;
	curl_off_t retry_after = 0;
	struct err err;

	curl_multi_remove_handle(call->client->multi, call->easy);
	if (may_retry(call, code)) {
		call->retried = true;
		curl_multi_add_handle(call->client->multi, call->easy);
		return;
	}
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after);
	reply.status = (int)status;
	reply.retry_after_ms = retry_after * 1000;
	if (code == CURLE_OK) {
		call->done(call->owner, &reply, NULL);
	} else {
		char *url = NULL;

		curl_easy_getinfo(call->easy, CURLINFO_EFFECTIVE_URL, &url);
		err_set(&err, errno_of(code), "%s \"%s\": %s", call->method, url ? url : "",
			*call->why ? call->why : curl_easy_strerror(code));
		call->done(call->owner, NULL, &err);
	}
	call_free(call);
}

static void collect(struct http_client *client)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(client->multi, &left))) {
		struct call *call = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		call_ended(call, message->data.result);
	}
}

/* Not at once: curl does not let a handle be removed from inside its own callbacks. */
static void call_cancel(struct task *task)
{
	loop_timer_start(&container_of(task, struct call, task)->canceled, 0);
}

/* A call may be made from inside a callback that curl called (a line of a watch): then it begins after it. */
static void begin(void *owner)
{
	struct call *call = owner;
	CURLMcode code = curl_multi_add_handle(call->client->multi, call->easy);

	base_assert(code == CURLM_OK || code == CURLM_RECURSIVE_API_CALL);
	if (code == CURLM_RECURSIVE_API_CALL)
		loop_timer_start(&call->begin, 0);
}

static void cancel_now(void *owner)
{
	struct call *call = owner;
	struct err err;

	curl_multi_remove_handle(call->client->multi, call->easy);
	err_canceled(&err);
	call->done(call->owner, NULL, &err);
	call_free(call);
}

static size_t on_bytes(char *bytes, size_t one, size_t size, void *owner)
{
	struct call *call = owner;
	long status = 0;

	(void)one;
	call->received += size;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (call->data && status < 300) {
		call->data(call->owner, bytes, size);
		return size;
	}
	buf_append(&call->body, bytes, size);
	if (call->body.overflow) {
		snprintf(call->why, sizeof call->why, "the answer is larger than %d bytes", HTTP_BODY_MAX);
		return 0;
	}
	return size;
}

static struct curl_blob blob_of(char *pem)
{
	return (struct curl_blob){ .data = pem, .len = strlen(pem), .flags = CURL_BLOB_COPY };
}

static void set_identity(CURL *easy, const struct identity *identity)
{
	struct curl_blob blob;

	if (identity->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	} else if (identity->ca) {
		blob = blob_of(identity->ca);
		curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
	} else {
		curl_easy_setopt(easy, CURLOPT_CAPATH, "/etc/ssl/certs");
	}
	if (identity->certificate) {
		blob = blob_of(identity->certificate);
		curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &blob);
	}
	if (identity->key) {
		blob = blob_of(identity->key);
		curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &blob);
	}
}

static void set_request(struct call *call, const struct http_request *request)
{
	CURL *easy = call->easy;

	for (size_t i = 0; i < HTTP_HEADERS_MAX && request->headers[i]; i++)
		call->headers = curl_slist_append(call->headers, request->headers[i]);
	call->headers = curl_slist_append(call->headers, "Expect:"); /* no 100-continue round trip */
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
	if (request->body) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->size);
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body);
	}
	if (request->timeout_ms > 0)
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	if (request->idle_timeout_ms > 0) {
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)MAX(request->idle_timeout_ms / 1000, (int64_t)1));
	}
}

struct task *http_call(struct http_client *client, const struct http_request *request,
		       void (*data)(void *owner, const char *bytes, size_t size), task_done_fn *done, void *owner)
{
	struct call *call = xcalloc(1, sizeof *call);
	CURL *easy = curl_easy_init();

	base_assert(easy);
	*call = (struct call){ .task.cancel = call_cancel,
			       .client = client,
			       .easy = easy,
			       .body = BUF_INIT(HTTP_BODY_MAX),
			       .method = xstrdup(request->method),
			       .data = data,
			       .done = done,
			       .owner = owner };
	loop_timer_init(&call->canceled, client->loop, cancel_now, call);
	loop_timer_init(&call->begin, client->loop, begin, call);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->why);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	if (data)
		curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)STREAM_READ_BYTES);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L); /* rather a stream of a connection being made than a second one */
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_new_socket);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S / 3);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	set_identity(easy, &client->identity);
	set_request(call, request);
	client->n_calls++;
	begin(call);
	return &call->task;
}
