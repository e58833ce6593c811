/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /exec, /attach and /portForward: asks the runtime for a URL, dials it, writes the client's request to it as the
 * runtime wants it, and gives the connected socket to the gate, which joins the two.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
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
	ANSWER_MS = 30000,  /* to the first byte of its answer: as long as clients wait for a stream */
	HEAD_MAX = 1 << 20, /* the client's own limit */
	PORTS_MAX = 1000,   /* of one session; a client names a few */
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

/* As Go prints it: "dial tcp 127.0.0.1:1: connect: connection refused". */
static void connect_failed(struct dialing *dialing, int code)
{
	struct err err;

	errno = code;
	err_errno(&err, "dial tcp %s: connect", dialing->url.host);
	dial_failed(dialing, err.text);
}

static void dial_too_late(void *owner)
{
	struct dialing *dialing = owner;

	if (dialing->head.size > 0)
		dial_failed(dialing, "i/o timeout");
	else
		dial_failed(dialing, "the runtime did not answer within 30s");
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

/* The client's address without its port and, for IPv6, without brackets. */
static void put_forwarded_for(struct call *call, struct buf *head)
{
	const char *client = call->request.client, *colon = strrchr(client, ':');
	const char *before = gate_request_header(&call->request, "X-Forwarded-For");
	size_t size = colon ? (size_t)(colon - client) : strlen(client);

	if (size > 1 && client[0] == '[' && client[size - 1] == ']') {
		client++;
		size -= 2;
	}
	buf_printf(head, "X-Forwarded-For: %s%s%.*s\r\n", before ? before : "", before ? ", " : "", (int)size, client);
}

static bool wants_keep_alive(const struct gate_request *request)
{
	const char *value = gate_request_header(request, "Connection");

	return value && strcasestr(value, "keep-alive");
}

static void build_head(struct dialing *dialing)
{
	struct call *call = dialing->call;
	struct buf *head = &dialing->head;

	buf_printf(head, "%s %s HTTP/1.1\r\nHost: %s\r\n", call->request.method, dialing->url.path, dialing->url.host);
	/* What Go's client adds; the runtime counts and shows headers when it refuses. */
	if (!gate_request_header(&call->request, "User-Agent"))
		buf_puts(head, "User-Agent: Go-http-client/1.1\r\n");
	if (str_eq(call->request.method, "POST"))
		buf_puts(head, "Content-Length: 0\r\n");
	if (call->request.is_http10 && !wants_keep_alive(&call->request))
		buf_puts(head, "Connection: close\r\n");
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

/* 1: the head is written, 0: not yet, negative: why never. */
static int write_head(struct dialing *dialing)
{
	while (dialing->head.size > 0) {
		ssize_t n = send(dialing->fd, dialing->head.bytes, dialing->head.size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n < 0)
			return -errno;
		buf_consume(&dialing->head, (size_t)n);
	}
	return 1;
}

/* First to write, then, once, to read: the answer has begun, and is the gate's to read. */
static void dial_ready(void *owner, int events)
{
	struct dialing *dialing = owner;
	int why = 0, code;
	socklen_t size = sizeof why;

	(void)events;
	getsockopt(dialing->fd, SOL_SOCKET, SO_ERROR, &why, &size);
	if (why) {
		connect_failed(dialing, why);
		return;
	}
	if (dialing->head.size == 0) {
		hand_over(dialing);
		return;
	}
	code = write_head(dialing);
	if (code < 0) {
		dial_failed(dialing, strerror(-code));
	} else if (code > 0) {
		loop_timer_start(&dialing->deadline, ANSWER_MS);
		loop_fd_set(dialing->watch, LOOP_READ);
	}
}

/* As Kubernetes looks for it: the word anywhere in any Connection header. */
static bool wants_upgrade(const struct gate_request *request)
{
	for (size_t i = 0; i < request->n_headers; i++)
		if (strcasecmp(request->headers[i].name, "Connection") == 0 &&
		    strcasestr(request->headers[i].value, "upgrade"))
			return true;
	return false;
}

/* A session's frames are small and wait for each other: with Nagle's algorithm each step of it costs 40 ms. */
static void send_at_once(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
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
	if (!wants_upgrade(&call->request)) {
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
		connect_failed(dialing, errno);
		return;
	}
	send_at_once(dialing->fd);
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
	else if (status == 500 && call->container_id)
		call_refuse_command(call, err->text);
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
	call->container_id = request->container_id = arena_strdup(call->arena, container->id);
	call->not_found = arena_printf(call->arena, "container not found (\"%s\")", call->match.container);
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
	call->not_found = arena_printf(call->arena, "container %s not found in pod %s", call->match.container, full);
	if (!container || !in_spec) {
		call_refuse(call, 500, "%s", call->not_found);
		return;
	}
	if (*call->match.uid && !str_eq(call->match.uid, pod->metadata->uid)) {
		call_refuse(call, 500, "pod %s not found", full);
		return;
	}
	Cri__AttachRequest *request = PB_NEW(call->arena, Cri__AttachRequest, cri__attach_request__descriptor);
	call->container_id = request->container_id = arena_strdup(call->arena, container->id);
	request->tty = spec && spec->tty; /* a process has a terminal or not, whatever the client wants */
	request->stdin = streams.input;
	request->stdout = streams.output;
	request->stderr = streams.error; /* of a terminal too: that is for the runtime to refuse */
	call->task = cri_call(call->api->options.cri, CRI_ATTACH, &request->base, 0, url_came, call);
}

static bool is_websocket(const struct gate_request *request)
{
	const char *upgrade = gate_request_header(request, "Upgrade");

	return wants_upgrade(request) && upgrade && strcasecmp(upgrade, "websocket") == 0;
}

/* As strconv.ParseUint(text, 10, 16), for what its errors say. */
static const char *parse_port(const char *text, int32_t *ret_port)
{
	int32_t port = 0;

	for (const char *at = text; *at; at++)
		if (*at < '0' || *at > '9')
			return "invalid syntax";
	for (const char *at = text; *at; at++) {
		port = port * 10 + (*at - '0');
		if (port > UINT16_MAX)
			return "value out of range";
	}
	*ret_port = port;
	return *text ? NULL : "invalid syntax";
}

static bool read_port_list(struct call *call, const char *text, Cri__PortForwardRequest *request)
{
	char *list = arena_strdup(call->arena, text), *one;

	while ((one = strsep(&list, ","))) {
		int32_t port;
		const char *why = parse_port(one, &port);

		if (why) {
			call_refuse(call, 400,
				    "unable to parse \"%s\" as a port: strconv.ParseUint: parsing \"%s\": %s", text,
				    one, why);
			return false;
		}
		if (port < 1) {
			call_refuse(call, 400, "port \"%s\" must be > 0", text);
			return false;
		}
		if ((request->n_port & (request->n_port - 1)) == 0)
			request->port = pb_grow(call->arena, request->port, request->n_port, sizeof *request->port);
		request->port[request->n_port++] = port;
	}
	return true;
}

/* Ports of the old WebSocket form, in the query; SPDY names them stream by stream. */
static bool read_ports(struct call *call, Cri__PortForwardRequest *request)
{
	const char *text;

	if (!is_websocket(&call->request))
		return true;
	for (size_t i = 0; (text = query_get_nth(&call->query, "port", i)); i++) {
		if (!*text || i >= PORTS_MAX) {
			call_refuse(call, 400, *text ? "too many ports" : "query parameter \"port\" cannot be empty");
			return false;
		}
		if (!read_port_list(call, text, request))
			return false;
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
