/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request line as a client sends it, through the gate's parser to its route. Whatever stands in it, the decoded path,
 * by which a client is let in, names the root that the target, as sent, was routed to.
 */
#include <string.h>

#include "kubelet/api/query.h"
#include "kubelet/api/route.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/stream/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINE_MAX_BYTES = 1 << 16 };

static void check_query(const char *text, struct arena *arena)
{
	struct query query;
	int64_t number;

	query_parse(text, arena, &query);
	base_assert(query.n <= QUERY_MAX);
	for (size_t i = 0; i < query.n; i++) {
		base_assert(strlen(query.items[i].key) + strlen(query.items[i].value) <= strlen(text));
		query_int(query.items[i].value, &number);
		base_assert(query_get(&query, query.items[i].key));
	}
}

/* What a client must be allowed for the route, beside the whole node. */
static const char *needed(enum route_kind kind)
{
	switch (kind) {
	case ROUTE_HEALTHZ:
		return "healthz";
	case ROUTE_PODS:
	case ROUTE_RUNNING_PODS:
		return "pods";
	case ROUTE_CONFIGZ:
		return "configz";
	default:
		return "proxy";
	}
}

static void check_route(enum route_set set, const struct http_head *head, struct arena *arena)
{
	struct route_match match;
	struct route route;
	const char *names[2];

	route_find(set, head->method, head->target, head->query, arena, &route);
	for (const char *at = str_or(route.redirect, ""); *at; at++)
		base_assert((unsigned char)*at >= 0x20 && *at != 0x7f);
	if (route.kind == ROUTE_NONE)
		return;
	size_t root = strlen(route.root) - str_has_suffix(route.root, "/");

	base_assert(strncmp(head->path, route.root, root) == 0 && (!head->path[root] || head->path[root] == '/'));
	if (route.kind == ROUTE_DEBUG_OFF)
		return;
	route_subresources(head->path, names);
	base_assert(str_eq(names[0], needed(route.kind)));
	route_match(route.kind, head->method, head->path, NULL, arena, &match);
	base_assert(match.namespace_ && match.pod && match.uid && match.container && match.check);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf text = BUF_INIT(LINE_MAX_BYTES);
	struct http_head head;
	size_t taken;

	buf_append(&text, data, size);
	buf_puts(&text, " HTTP/1.1\r\nHost: h\r\n\r\n");
	http_head_init(&head, false);
	if (!text.overflow && http_head_feed(&head, text.bytes, text.size, &taken) == 0 && head.complete) {
		check_query(head.query, arena);
		for (int set = ROUTES_ALL; set <= ROUTES_HEALTHZ; set *= 2)
			check_route((enum route_set)set, &head, arena);
	}
	http_head_done(&head);
	return 0;
}
