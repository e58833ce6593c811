/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /exec, /attach and /portForward: asks the runtime for a URL, dials it, writes the client's request to it as the
 * runtime wants it, and gives the connected socket to the gate, which joins the two.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kubelet/api/call.h"
#include "kubelet/api/streamurl.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/codec/pb.h"
#include "pkg/cri/cri.h"

enum {
	DIAL_MS = 5000,     /* the runtime is on this machine */
	HEAD_MAX = 1 << 20, /* the client's own limit */
	PORTS_MAX = 1000,
};

struct dialing {
	struct call *call;
	struct stream_url url;
	int fd;
	struct loop_fd *watch;
	struct loop_timer deadline;
	struct buf head; /* still to be written */
};

static void dial_stop(struct call *call)
{
	struct dialing *dialing = call->work;

	loop_fd_unwatch(dialing->watch);
	dialing->watch = NULL;
	loop_timer_stop(&dialing->deadline);
	fd_done(&dialing->fd);
	buf_done(&dialing->head);
}

static void dial_failed(struct dialing *dialing, const char *why)
{
	struct call *call = dialing->call;

	dial_stop(call);
	call_error(call, 500, "error dialing backend: %s", why);
}

static void dial_too_late(void *owner)
{
	dial_failed(owner, "i/o timeout");
}

/* ---- the request that goes to the runtime ---- */

static bool is_forwarded(const char *name)
{
	static const char *const kept_back[] = { "Host",
						 "Authorization",
						 "Content-Length",
						 "Transfer-Encoding",
						 "X-Forwarded-For",
						 "Sec-WebSocket-Protocol" };

	for (size_t i = 0; i < ARRAY_LEN(kept_back); i++)
		if (strcasecmp(name, kept_back[i]) == 0)
			return false;
	return true;
}

static void put_protocols(struct call *call, struct buf *head)
{
	if (call->verdict.protocols) { /* without the token that was among them */
		buf_printf(head, "Sec-WebSocket-Protocol: %s\r\n", call->verdict.protocols);
		return;
	}
	for (size_t i = 0; i < call->request.n_headers; i++)
		if (strcasecmp(call->request.headers[i].name, "Sec-WebSocket-Protocol") == 0)
			buf_printf(head, "%s: %s\r\n", call->request.headers[i].name, call->request.headers[i].value);
}

static void put_forwarded_for(struct call *call, struct buf *head)
{
	const char *colon = strrchr(call->request.client, ':');
	const char *before = gate_request_header(&call->request, "X-Forwarded-For");
	size_t size = colon ? (size_t)(colon - call->request.client) : strlen(call->request.client);

	buf_printf(head, "X-Forwarded-For: %s%s%.*s\r\n", before ? before : "", before ? ", " : "", (int)size,
		   call->request.client);
}

static void build_head(struct dialing *dialing)
{
	struct call *call = dialing->call;
	struct buf *head = &dialing->head;

	buf_printf(head, "%s %s HTTP/1.1\r\nHost: %s\r\n", call->request.method, dialing->url.path, dialing->url.host);
	for (size_t i = 0; i < call->request.n_headers; i++)
		if (is_forwarded(call->request.headers[i].name))
			buf_printf(head, "%s: %s\r\n", call->request.headers[i].name, call->request.headers[i].value);
	put_protocols(call, head);
	put_forwarded_for(call, head);
	buf_puts(head, "\r\n");
}

/* ---- dialing ---- */

static void hand_over(struct dialing *dialing)
{
	struct call *call = dialing->call;
	enum gate_session session = call->kind == ROUTE_PORT_FORWARD ? GATE_PORT_FORWARD : GATE_COMMAND;
	int fd = fd_steal(&dialing->fd);

	dial_stop(call);
	call->stop_work = NULL;
	if (gate_relay(call->api->gate, call->id, fd, session) < 0) {
		call_end(call);
		return;
	}
	call->relayed = true;
	call->api->n_sessions++;
	log_v(2, "Session started", "path", call->request.path, "user", call->verdict.text, NULL);
}

static void dial_ready(void *owner, int events)
{
	struct dialing *dialing = owner;
	int why = 0;
	socklen_t size = sizeof why;

	(void)events;
	getsockopt(dialing->fd, SOL_SOCKET, SO_ERROR, &why, &size);
	if (why) {
		dial_failed(dialing, strerror(why));
		return;
	}
	while (dialing->head.size > 0) {
		ssize_t n = send(dialing->fd, dialing->head.bytes, dialing->head.size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			dial_failed(dialing, strerror(errno));
			return;
		}
		buf_consume(&dialing->head, (size_t)n);
	}
	hand_over(dialing);
}

static void dial(struct call *call, const char *url)
{
	struct dialing *dialing = arena_alloc(call->arena, sizeof *dialing);
	struct err err;

	dialing->call = call;
	dialing->fd = -1;
	dialing->head = BUF_INIT(HEAD_MAX);
	loop_timer_init(&dialing->deadline, call->api->options.loop, dial_too_late, dialing);
	call->work = dialing;
	call->stop_work = dial_stop;
	if (stream_url_parse(url, call->arena, &dialing->url, &err) < 0) {
		log_error(&err, "The runtime named a streaming URL that is not to be trusted", NULL);
		dial_failed(dialing, err.text);
		return;
	}
	if (!gate_request_header(&call->request, "Upgrade")) {
		dial_stop(call);
		call_error(call, 500, "Upgrade request required");
		return;
	}
	build_head(dialing);
	if (dialing->head.overflow) {
		dial_failed(dialing, "the request is too large");
		return;
	}
	dialing->fd = socket(dialing->url.address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (dialing->fd < 0 ||
	    (connect(dialing->fd, &dialing->url.address.any, dialing->url.address_size) < 0 && errno != EINPROGRESS)) {
		dial_failed(dialing, strerror(errno));
		return;
	}
	loop_timer_start(&dialing->deadline, DIAL_MS);
	dialing->watch = loop_fd_watch(call->api->options.loop, dialing->fd, LOOP_WRITE, dial_ready, dialing);
}

/* ---- the runtime's answer ---- */

/* Status by gRPC code, text as it is (stock's streaming.WriteError). */
static void refuse_by_runtime(struct call *call, const struct err *err)
{
	static const struct gate_header later[] = { { "Content-Type", "text/plain; charset=utf-8" },
						    { "Retry-After", "60" } };
	int status = err->code == -ENOENT ? 404 : err->code == -ENOBUFS ? 429 : 500;

	if (status == 429)
		call_answer(call, status, later, ARRAY_LEN(later), err->text, strlen(err->text));
	else
		call_refuse(call, status, "%s", err->text);
}

static void url_came(void *owner, const void *result, const struct err *err)
{
	struct call *call = owner;

	if (call_is_over(call))
		return;
	if (err) {
		refuse_by_runtime(call, err);
		return;
	}
	switch (call->kind) {
	case ROUTE_EXEC:
		dial(call, ((const Cri__ExecResponse *)result)->url);
		break;
	case ROUTE_ATTACH:
		dial(call, ((const Cri__AttachResponse *)result)->url);
		break;
	default:
		dial(call, ((const Cri__PortForwardResponse *)result)->url);
	}
}

/* ---- what is asked of the runtime ---- */

struct streams {
	bool input, output, error, tty;
};

static bool wants(const struct call *call, const char *name)
{
	return str_eq(query_get(&call->query, name), "1");
}

/* False after a 400: a session needs at least one stream. A terminal has no separate stderr. */
static bool read_streams(struct call *call, struct streams *ret_streams)
{
	struct streams streams = { wants(call, "input"), wants(call, "output"), wants(call, "error"),
				   wants(call, "tty") };

	if (streams.tty)
		streams.error = false;
	if (!streams.input && !streams.output && !streams.error) {
		call_refuse(call, 400, "you must specify at least 1 of stdin, stdout, stderr");
		return false;
	}
	*ret_streams = streams;
	return true;
}

static void exec_serve(struct call *call)
{
	struct streams streams;
	const Core__Pod *pod = read_streams(call, &streams) ? call_find_pod(call) : NULL;
	const char *word;

	if (!pod)
		return;
	const struct runtime_container *container = api_running_container(call->api, pod, call->match.container);
	if (!container) {
		call_refuse(call, 500, "container not found (\"%s\")", call->match.container);
		return;
	}
	Cri__ExecRequest *request = PB_NEW(call->arena, Cri__ExecRequest, cri__exec_request__descriptor);
	request->container_id = arena_strdup(call->arena, container->id);
	for (size_t i = 0; (word = query_get_nth(&call->query, "command", i)); i++)
		PB_APPEND(call->arena, request, cmd, (char *)(uintptr_t)word);
	request->tty = streams.tty;
	request->stdin = streams.input;
	request->stdout = streams.output;
	request->stderr = streams.error;
	if (query_has_zero_byte(&call->query, "command")) {
		call_refuse(call, 400, "a command may not hold a zero byte");
		return;
	}
	call->task = cri_call(call->api->options.cri, CRI_EXEC, &request->base, 0, url_came, call);
}

static void attach_serve(struct call *call)
{
	struct streams streams;
	const Core__Pod *pod = read_streams(call, &streams) ? call_find_pod(call) : NULL;
	bool in_spec;

	if (!pod)
		return;
	const Core__Container *spec = api_container_spec(pod, call->match.container, &in_spec);
	const struct runtime_container *container = api_running_container(call->api, pod, call->match.container);
	const char *full = arena_printf(call->arena, "%s_%s", call->match.pod, call->match.namespace_);
	if (!container || !in_spec) {
		call_refuse(call, 500, "container %s not found in pod %s", call->match.container, full);
		return;
	}
	if (*call->match.uid && !str_eq(call->match.uid, pod->metadata->uid)) {
		call_refuse(call, 500, "pod %s not found", full);
		return;
	}
	Cri__AttachRequest *request = PB_NEW(call->arena, Cri__AttachRequest, cri__attach_request__descriptor);
	request->container_id = arena_strdup(call->arena, container->id);
	request->tty = spec && spec->tty; /* a process has a terminal or not, whatever the client wants */
	request->stdin = streams.input;
	request->stdout = streams.output;
	request->stderr = streams.error && !request->tty;
	call->task = cri_call(call->api->options.cri, CRI_ATTACH, &request->base, 0, url_came, call);
}

/* Ports of the old WebSocket form, in the query. */
static bool read_ports(struct call *call, Cri__PortForwardRequest *request)
{
	const char *text;
	bool websocket = str_eq(gate_request_header(&call->request, "Upgrade"), "websocket");

	if (!websocket)
		return true;
	for (size_t i = 0; i < PORTS_MAX && (text = query_get_nth(&call->query, "port", i)); i++) {
		char *list = arena_strdup(call->arena, text);

		while (*list) {
			size_t size = strcspn(list, ",");
			bool last = list[size] == 0;
			int64_t port;

			list[size] = 0;
			if (str_to_i64(list, 1, 65535, &port) < 0) {
				call_refuse(call, 400, "port \"%s\" must be an integer between 1 and 65535", list);
				return false;
			}
			if ((request->n_port & (request->n_port - 1)) == 0)
				request->port =
					pb_grow(call->arena, request->port, request->n_port, sizeof *request->port);
			request->port[request->n_port++] = (int32_t)port;
			list += size + !last;
		}
	}
	if (request->n_port == 0) {
		call_refuse(call, 400, "query parameter \"port\" is required");
		return false;
	}
	return true;
}

static void port_forward_serve(struct call *call)
{
	const struct api_pods *pods = &call->api->options.pods;
	Cri__PortForwardRequest *request =
		PB_NEW(call->arena, Cri__PortForwardRequest, cri__port_forward_request__descriptor);
	const Core__Pod *pod = read_ports(call, request) ? call_find_pod(call) : NULL;

	if (!pod)
		return;
	if (*call->match.uid && !str_eq(call->match.uid, pod->metadata->uid)) {
		call_refuse(call, 404, "pod not found");
		return;
	}
	const struct runtime_pod *observed = pods->observed(pods->owner, pod->metadata->uid);
	for (size_t i = 0; observed && i < observed->n_sandboxes; i++) {
		if (!observed->sandboxes[i].ready)
			continue;
		request->pod_sandbox_id = arena_strdup(call->arena, observed->sandboxes[i].id);
		call->task = cri_call(call->api->options.cri, CRI_PORT_FORWARD, &request->base, 0, url_came, call);
		return;
	}
	call_refuse(call, 500, "pod not found (\"%s_%s\")", call->match.pod, call->match.namespace_);
}

void session_serve(struct call *call)
{
	if (call->kind == ROUTE_EXEC)
		exec_serve(call);
	else if (call->kind == ROUTE_ATTACH)
		attach_serve(call);
	else
		port_forward_serve(call);
}
