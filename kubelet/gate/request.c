/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/gate/request.h"

#include <string.h>
#include <strings.h>

#include "pkg/base/base.h"
#include "pkg/stream/http_head.h"

const char *gate_request_header(const struct gate_request *request, const char *name)
{
	for (size_t i = 0; i < request->n_headers; i++)
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	return NULL;
}

/* A text of the gate's; NULL when it holds a zero byte, which the gate has taken out of everything that it reads. */
static const char *take_text(struct arena *arena, ProtobufCBinaryData data)
{
	if (data.len && memchr(data.data, 0, data.len))
		return NULL;
	return arena_strndup(arena, data.len ? (const char *)data.data : "", data.len);
}

/* False when a field is not what an honest gate sends. */
static bool read_identity(struct arena *arena, const Gate__Identity *from, struct gate_identity *into)
{
	const char **organizations = arena_alloc(arena, (from->n_organizations + 1) * sizeof *organizations);

	if (!organizations)
		return false;
	into->presented = from->presented;
	into->verified = from->verified && from->presented;
	into->problem = take_text(arena, from->problem);
	into->common_name = take_text(arena, from->common_name);
	into->uid = take_text(arena, from->uid);
	into->fingerprint = take_text(arena, from->fingerprint);
	into->organizations = organizations;
	into->n_organizations = from->n_organizations;
	for (size_t i = 0; i < from->n_organizations; i++) {
		organizations[i] = take_text(arena, from->organizations[i]);
		if (!organizations[i])
			return false;
	}
	return into->problem && into->common_name && into->uid && into->fingerprint;
}

bool request_read(struct arena *arena, const Gate__Request *from, struct gate_request *into)
{
	struct gate_header *headers;

	if (!from->identity || from->listener >= GATE_LISTENERS || from->n_headers > HTTP_HEAD_MAX_HEADERS)
		return false;
	headers = arena_alloc(arena, (from->n_headers + 1) * sizeof *headers);
	if (!headers)
		return false;
	*into = (struct gate_request){
		.id = from->id,
		.listener = (enum gate_listener)from->listener,
		.method = take_text(arena, from->method),
		.path = take_text(arena, from->path),
		.target = take_text(arena, from->target),
		.query = take_text(arena, from->query),
		.host = take_text(arena, from->host),
		.client = take_text(arena, from->client),
		.is_http10 = from->is_http10,
		.headers = headers,
		.n_headers = from->n_headers,
	};
	for (size_t i = 0; i < from->n_headers; i++) {
		headers[i].name = take_text(arena, from->headers[i]->name);
		headers[i].value = take_text(arena, from->headers[i]->value);
		/* A line break would become a header of its own in the head that goes to the runtime. */
		if (!headers[i].name || !headers[i].value || strpbrk(headers[i].name, "\r\n") ||
		    strpbrk(headers[i].value, "\r\n"))
			return false;
	}
	if (!into->method || !into->path || !into->target || !into->query || !into->host || !into->client ||
	    strpbrk(into->method, " \r\n") || strpbrk(into->target, " \r\n") || strpbrk(into->query, " \r\n") ||
	    strpbrk(into->host, "\r\n"))
		return false;
	return read_identity(arena, from->identity, &into->identity);
}

size_t request_bytes(const Gate__Request *request)
{
	size_t bytes = request->method.len + request->path.len + request->target.len + request->query.len +
		       request->host.len + request->client.len;

	for (size_t i = 0; i < request->n_headers; i++)
		bytes += request->headers[i]->name.len + request->headers[i]->value.len;
	return bytes;
}
