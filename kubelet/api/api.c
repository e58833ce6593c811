/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kubelet/api/call.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/log.h"
#include "pkg/codec/duration.h"
#include "pkg/cri/cri.h"

enum { TEXT_MAX = 2 << 20 }; /* a refusal may quote the path and escape it; a head has at most 1 MiB */

#define TEXT_PLAIN "text/plain; charset=utf-8"

/* ---- a call's life ---- */

static const char *keep(struct arena *arena, const char *text)
{
	return arena_strdup(arena, text ? text : "");
}

/* Who the client is was looked at by auth_check(), which keeps its own copy; it is not needed after. */
static void copy_request(struct call *call, const struct gate_request *from)
{
	struct arena *arena = call->arena;
	struct gate_header *headers = arena_alloc(arena, (from->n_headers + 1) * sizeof *headers);

	for (size_t i = 0; i < from->n_headers; i++)
		headers[i] =
			(struct gate_header){ keep(arena, from->headers[i].name), keep(arena, from->headers[i].value) };
	call->request = (struct gate_request){
		.id = from->id,
		.listener = from->listener,
		.method = keep(arena, from->method),
		.path = keep(arena, from->path),
		.target = keep(arena, from->target),
		.query = keep(arena, from->query),
		.host = keep(arena, from->host),
		.client = keep(arena, from->client),
		.is_http10 = from->is_http10,
		.headers = headers,
		.n_headers = from->n_headers,
	};
}

static void call_free(struct call *call)
{
	struct api *api = call->api;

	list_remove(&call->link);
	api->n_calls--;
	if (call->relayed)
		api->n_sessions--;
	arena_free(call->arena);
	free(call);
	if (api->stopped && api->n_calls == 0 && auth_stop(api->auth, api->stopped, api->stopped_owner))
		api->stopped(api->stopped_owner);
}

void call_end(struct call *call)
{
	call_free(call);
}

bool call_is_over(struct call *call)
{
	call->task = NULL;
	if (!call->gone)
		return false;
	call_free(call);
	return true;
}

void call_answer(struct call *call, int status, const struct gate_header *headers, size_t n_headers, const void *body,
		 size_t size)
{
	gate_answer(call->api->gate, call->id, status, headers, n_headers, body, size);
	call_free(call);
}

void call_refuse(struct call *call, int status, const char *format, ...)
{
	static const struct gate_header headers[] = { { "Content-Type", TEXT_PLAIN } };
	_cleanup_buf_ struct buf text = BUF_INIT(TEXT_MAX);
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	call_answer(call, status, headers, ARRAY_LEN(headers), buf_text(&text), text.size);
}

void call_error(struct call *call, int status, const char *format, ...)
{
	static const struct gate_header headers[] = { { "Content-Type", TEXT_PLAIN },
						      { "X-Content-Type-Options", "nosniff" } };
	_cleanup_buf_ struct buf text = BUF_INIT(TEXT_MAX);
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	buf_putc(&text, '\n');
	call_answer(call, status, headers, ARRAY_LEN(headers), buf_text(&text), text.size);
}

struct refusal {
	struct call *call;
	const char *text;
};

static void state_known(void *owner, const void *result, const struct err *err)
{
	struct refusal *refusal = owner;
	struct call *call = refusal->call;
	const Cri__ContainerStatusResponse *response = result;
	bool runs;

	if (call_is_over(call))
		return;
	runs = err ? err->code != -ENOENT
		   : response->status && response->status->state == CRI__CONTAINER_STATE__CONTAINER_RUNNING;
	call_refuse(call, 500, "%s", runs ? refusal->text : call->not_found);
}

void call_refuse_command(struct call *call, const char *text)
{
	struct refusal *refusal = arena_alloc(call->arena, sizeof *refusal);
	Cri__ContainerStatusRequest request = CRI__CONTAINER_STATUS_REQUEST__INIT;

	refusal->call = call;
	refusal->text = arena_strdup(call->arena, text);
	request.container_id = (char *)(uintptr_t)call->container_id;
	call->task = cri_call(call->api->options.cri, CRI_CONTAINER_STATUS, &request.base, 0, state_known, refusal);
}

/* ---- lookups ---- */

const Core__Pod *call_find_pod(struct call *call)
{
	const struct api_pods *pods = &call->api->options.pods;
	const Core__Pod *pod = pods->find(pods->owner, call->match.namespace_, call->match.pod);

	if (!pod)
		call_refuse(call, 404, "pod does not exist");
	return pod;
}

const struct runtime_container *api_running_container(struct api *api, const Core__Pod *pod, const char *name)
{
	const struct api_pods *pods = &api->options.pods;
	const struct runtime_pod *observed = pods->observed(pods->owner, pod->metadata->uid);

	for (size_t i = 0; observed && i < observed->n_containers; i++)
		if (observed->containers[i].state == RUNTIME_RUNNING && str_eq(observed->containers[i].name, name))
			return &observed->containers[i];
	return NULL;
}

const Core__Container *api_container_spec(const Core__Pod *pod, const char *name, bool *ret_found)
{
	const Core__PodSpec *spec = pod->spec;

	*ret_found = true;
	for (size_t i = 0; spec && i < spec->n_containers; i++)
		if (str_eq(spec->containers[i]->name, name))
			return spec->containers[i];
	for (size_t i = 0; spec && i < spec->n_initcontainers; i++)
		if (str_eq(spec->initcontainers[i]->name, name))
			return spec->initcontainers[i];
	for (size_t i = 0; spec && i < spec->n_ephemeralcontainers; i++) {
		const Core__EphemeralContainerCommon *common = spec->ephemeralcontainers[i]->ephemeralcontainercommon;

		if (common && str_eq(common->name, name))
			return NULL;
	}
	*ret_found = false;
	return NULL;
}

/* ---- from a request to its handler ---- */

static void serve(struct call *call)
{
	route_match(call->kind, call->request.method, call->request.path, gate_request_header(&call->request, "Accept"),
		    call->arena, &call->match);
	switch (call->match.status) {
	case 200:
		break;
	case 405: {
		const struct gate_header headers[] = { { "Allow", call->match.allow }, { "Content-Type", TEXT_PLAIN } };
		static const char text[] = "405: Method Not Allowed";

		call_answer(call, 405, headers, ARRAY_LEN(headers), text, sizeof text - 1);
		return;
	}
	case 406:
		call_refuse(call, 406, "406: Not Acceptable\n\nAvailable representations: %s",
			    call->match.representations);
		return;
	default:
		call_refuse(call, 404, "404: Page Not Found");
		return;
	}
	switch (call->kind) {
	case ROUTE_HEALTHZ:
		health_serve(call);
		break;
	case ROUTE_PODS:
		pods_serve(call);
		break;
	case ROUTE_RUNNING_PODS:
		running_pods_serve(call);
		break;
	case ROUTE_CONFIGZ:
		configz_serve(call);
		break;
	case ROUTE_LOGS:
		logs_serve(call);
		break;
	case ROUTE_RUN:
		run_serve(call);
		break;
	case ROUTE_EXEC:
	case ROUTE_ATTACH:
	case ROUTE_PORT_FORWARD:
		session_serve(call);
		break;
	case ROUTE_DEBUG_OFF:
		call_error(call, 405, "Debug endpoints are disabled.");
		break;
	case ROUTE_NONE:
		base_bug("a request without a route");
	}
}

static void authorized(void *owner, const void *result, const struct err *err)
{
	struct call *call = owner;
	const struct auth_verdict *verdict = result;

	if (call_is_over(call))
		return;
	if (err) { /* only when the API stops */
		gate_abort(call->api->gate, call->id);
		call_end(call);
		return;
	}
	if (verdict->status != 200) {
		call_refuse(call, verdict->status, "%s", verdict->text);
		return;
	}
	if (verdict->protocols)
		call->verdict.protocols = keep(call->arena, verdict->protocols);
	call->verdict.text = keep(call->arena, verdict->user->username); /* for the log */
	serve(call);
}

static void redirect(struct call *call, const char *location)
{
	const struct gate_header headers[] = { { "Location", location },
					       { "Content-Type", "text/html; charset=utf-8" } };
	bool get = strcmp(call->request.method, "GET") == 0, head = strcmp(call->request.method, "HEAD") == 0;
	_cleanup_buf_ struct buf body = BUF_INIT(TEXT_MAX); /* stock writes it for GET only */

	buf_puts(&body, "<a href=\"");
	for (const char *at = location; *at; at++) {
		switch (*at) {
		case '&':
			buf_puts(&body, "&amp;");
			break;
		case '<':
			buf_puts(&body, "&lt;");
			break;
		case '>':
			buf_puts(&body, "&gt;");
			break;
		case '"':
			buf_puts(&body, "&#34;");
			break;
		case '\'':
			buf_puts(&body, "&#39;");
			break;
		default:
			buf_putc(&body, *at);
		}
	}
	buf_puts(&body, "\">Temporary Redirect</a>.\n\n");
	call_answer(call, 307, headers, get || head ? 2 : 1, buf_text(&body), get ? body.size : 0);
}

/* A target of "*" is the server itself: Go's answers, whoever asks. */
static void serve_star(struct call *call)
{
	static const struct gate_header headers[] = { { "Connection", "close" } };

	if (strcmp(call->request.method, "OPTIONS") == 0)
		call_answer(call, 200, NULL, 0, "", 0);
	else
		call_answer(call, 400, headers, ARRAY_LEN(headers), "", 0);
}

static enum route_set routes_of(const struct api *api, enum gate_listener listener)
{
	switch (listener) {
	case GATE_HEALTHZ:
		return ROUTES_HEALTHZ;
	case GATE_READ_ONLY:
		return ROUTES_READ_ONLY;
	default:
		return api->options.config->enabledebugginghandlers ? ROUTES_ALL : ROUTES_NO_DEBUG;
	}
}

void api_request(void *owner, const struct gate_request *request)
{
	struct api *api = owner;
	struct call *call;
	struct route route;

	if (api->n_calls >= API_CALLS_MAX || api->stopped) {
		static const char busy[] = "the kubelet has too many requests at once";

		gate_answer(api->gate, request->id, 503, NULL, 0, busy, sizeof busy - 1);
		return;
	}
	call = xcalloc(1, sizeof *call);
	call->api = api;
	call->id = request->id;
	call->arena = arena_new();
	list_append(&api->calls, &call->link);
	api->n_calls++;
	copy_request(call, request);
	query_parse(call->request.query, call->arena, &call->query);

	route_find(routes_of(api, request->listener), call->request.method, call->request.target, call->request.query,
		   call->arena, &route);
	call->kind = route.kind;
	if (strcmp(call->request.target, "*") == 0)
		serve_star(call);
	else if (route.redirect)
		redirect(call, route.redirect);
	else if (route.kind == ROUTE_NONE)
		call_error(call, 404, "404 page not found");
	else if (request->listener == GATE_API)
		call->task = auth_check(api->auth, request, authorized, call);
	else
		serve(call);
}

/* Lets go of whatever the call is doing; it is freed now or when its task ends. */
static void call_leave(struct call *call)
{
	call->gone = true;
	if (call->stop_work)
		call->stop_work(call);
	if (call->task)
		task_cancel(call->task);
	else
		call_free(call);
}

void api_gone(void *owner, uint64_t id)
{
	struct api *api = owner;

	list_for_each(call, &api->calls, struct call, link) {
		if (call->id != id || call->gone)
			continue;
		if (call->relayed)
			log_v(2, "Session ended", "path", call->request.path, "user", call->verdict.text, NULL);
		call_leave(call);
		return;
	}
}

size_t api_sessions(const struct api *api)
{
	return api->n_sessions;
}

/* ---- the whole ---- */

int api_new(const struct api_options *options, struct api **ret_api, struct err *err)
{
	const Config__KubeletConfiguration *config = options->config;
	const Config__KubeletAuthentication *authentication = config->authentication;
	const Config__KubeletAuthorization *authorization = config->authorization;
	bool tokens = authentication && authentication->webhook && authentication->webhook->enabled;
	bool anonymous = authentication && authentication->anonymous && authentication->anonymous->enabled;
	bool certificates = authentication && authentication->x509 && !str_empty(authentication->x509->clientcafile);
	const char *mode = authorization ? authorization->mode : NULL;
	bool always = str_eq(mode, "AlwaysAllow");

	if (str_empty(mode))
		return err_set(err, -EINVAL, "no authorization mode specified");
	if (!always && !str_eq(mode, "Webhook"))
		return err_set(err, -EINVAL, "unknown authorization mode %s", mode);
	if (tokens && !options->kube)
		return err_set(err, -EINVAL, "no client provided, cannot use webhook authentication");
	if (!always && !options->kube)
		return err_set(err, -EINVAL, "no client provided, cannot use webhook authorization");
	if (!tokens && !certificates && !anonymous)
		return err_set(err, -EINVAL, "no authentication method configured");

	struct api *api = xcalloc(1, sizeof *api);
	const struct auth_options auth = {
		.loop = options->loop,
		.kube = options->kube,
		.node_name = options->node_name,
		.token_reviews = tokens,
		.anonymous = anonymous,
		.always_allow = always,
		.token_ttl_ms = tokens ? duration_ms(authentication->webhook->cachettl) : 0,
		.allow_ttl_ms = authorization->webhook ? duration_ms(authorization->webhook->cacheauthorizedttl) : 0,
		.deny_ttl_ms = authorization->webhook ? duration_ms(authorization->webhook->cacheunauthorizedttl) : 0,
	};

	api->options = *options;
	api->auth = auth_new(&auth);
	api->options.node_name = NULL; /* auth has its copy */
	list_init(&api->calls);
	*ret_api = api;
	return 0;
}

void api_set_gate(struct api *api, struct gate *gate)
{
	api->gate = gate;
}

static void stopped_later(void *arg)
{
	struct api *api = arg;

	if (api->n_calls == 0 && auth_stop(api->auth, api->stopped, api->stopped_owner))
		api->stopped(api->stopped_owner);
}

void api_stop(struct api *api, void (*stopped)(void *owner), void *owner)
{
	api->stopped_owner = owner;
	/* Only the end below may call `stopped`. */
	list_for_each(call, &api->calls, struct call, link) {
		if (!call->gone && !call->relayed)
			gate_abort(api->gate, call->id);
		if (!call->gone)
			call_leave(call);
	}
	api->stopped = stopped;
	if (api->n_calls == 0)
		loop_post(api->options.loop, stopped_later, api);
}

void api_free(struct api *api)
{
	if (!api)
		return;
	base_assert(api->n_calls == 0);
	auth_free(api->auth);
	free(api);
}
