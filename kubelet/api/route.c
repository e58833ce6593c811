/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/route.h"

#include <string.h>

#include "kubelet/api/query.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"

enum {
	PATH_MAX_BYTES = 2 << 20, /* a head is at most 1 MiB; escaping '%' again may make it longer */
	ON_TLS = ROUTES_ALL | ROUTES_NO_DEBUG,
	ON_KUBELET = ROUTES_ALL | ROUTES_NO_DEBUG | ROUTES_READ_ONLY,
	WITHOUT_DEBUG = ROUTES_NO_DEBUG | ROUTES_READ_ONLY,
};

/* A pattern that ends in a slash takes all that is below it, another takes only itself. */
static const struct pattern {
	const char *path;
	int sets;
	enum route_kind kind;
} patterns[] = {
	{ "/healthz", ON_KUBELET | ROUTES_HEALTHZ, ROUTE_HEALTHZ },
	{ "/healthz/ping", ON_KUBELET | ROUTES_HEALTHZ, ROUTE_HEALTHZ },
	{ "/healthz/log", ON_KUBELET, ROUTE_HEALTHZ },
	{ "/healthz/syncloop", ON_KUBELET, ROUTE_HEALTHZ },
	{ "/healthz/device-plugin", ON_KUBELET, ROUTE_HEALTHZ },
	{ "/pods", ON_KUBELET, ROUTE_PODS },
	{ "/pods/", ON_KUBELET, ROUTE_PODS },
	{ "/configz", ROUTES_ALL, ROUTE_CONFIGZ },
	{ "/runningpods/", ROUTES_ALL, ROUTE_RUNNING_PODS },
	{ "/containerLogs", ROUTES_ALL, ROUTE_LOGS },
	{ "/containerLogs/", ROUTES_ALL, ROUTE_LOGS },
	{ "/run", ROUTES_ALL, ROUTE_RUN },
	{ "/run/", ROUTES_ALL, ROUTE_RUN },
	{ "/exec", ROUTES_ALL, ROUTE_EXEC },
	{ "/exec/", ROUTES_ALL, ROUTE_EXEC },
	{ "/attach", ROUTES_ALL, ROUTE_ATTACH },
	{ "/attach/", ROUTES_ALL, ROUTE_ATTACH },
	{ "/portForward", ROUTES_ALL, ROUTE_PORT_FORWARD },
	{ "/portForward/", ROUTES_ALL, ROUTE_PORT_FORWARD },
	{ "/run/", WITHOUT_DEBUG, ROUTE_DEBUG_OFF },
	{ "/exec/", WITHOUT_DEBUG, ROUTE_DEBUG_OFF },
	{ "/attach/", WITHOUT_DEBUG, ROUTE_DEBUG_OFF },
	{ "/portForward/", WITHOUT_DEBUG, ROUTE_DEBUG_OFF },
	{ "/containerLogs/", WITHOUT_DEBUG, ROUTE_DEBUG_OFF },
	{ "/runningpods/", WITHOUT_DEBUG, ROUTE_DEBUG_OFF },
	{ "/debug/pprof/", WITHOUT_DEBUG, ROUTE_DEBUG_OFF },
	{ "/logs/", WITHOUT_DEBUG, ROUTE_DEBUG_OFF },
};

static bool is_unreserved(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("-_.~", c));
}

/* As Go's url.URL writes a path. */
static char *escape(const char *path, size_t size, struct arena *arena)
{
	_cleanup_buf_ struct buf text = BUF_INIT(PATH_MAX_BYTES);

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)path[i];

		if (is_unreserved(c) || (c && strchr("$&+,/:;=@", c)))
			buf_putc(&text, (char)c);
		else
			buf_printf(&text, "%%%02X", c);
	}
	return arena_strdup(arena, buf_text(&text));
}

/* The path as sent, if it is escaped as a path must be; else it is escaped anew, as Go does. */
static char *escaped_as_sent(char *path, struct arena *arena)
{
	int size;

	for (const char *at = path; *at; at++) {
		if (is_unreserved((unsigned char)*at) || strchr("%/!$&'()*+,;=:@[]", *at))
			continue;
		size = query_unescape(path, false);
		return escape(path, size < 0 ? strlen(path) : (size_t)size, arena);
	}
	return path;
}

/* The path of a target as sent: without the query, and without scheme and host of an absolute one. */
static char *path_of_target(const char *method, const char *target, struct arena *arena)
{
	const char *end = target + strcspn(target, "?"), *path = target;

	if (strcmp(method, "CONNECT") == 0 && *target != '/') {
		path = target + strcspn(target, "/?"); /* its host is not followed by a scheme's mark */
	} else if (*target != '/') {
		path = target + strcspn(target, ":");
		path = strncmp(path, "://", 3) == 0 ? path + 3 + strcspn(path + 3, "/?") : end;
	}
	if (path > end)
		path = end;
	return escaped_as_sent(arena_strndup(arena, path, (size_t)(end - path)), arena);
}

/* Go's path.Clean for a path from the root, with a slash at the end kept. */
static char *clean(const char *path, struct arena *arena)
{
	size_t length = strlen(path), used = 0;
	char *into = arena_alloc(arena, length + 3);
	bool slash = length > 0 && path[length - 1] == '/';

	while (*path) {
		size_t piece;

		path += strspn(path, "/");
		piece = strcspn(path, "/");
		if (piece == 2 && path[0] == '.' && path[1] == '.') {
			while (used > 0 && into[--used] != '/')
				;
		} else if (piece > 0 && !(piece == 1 && path[0] == '.')) {
			into[used++] = '/';
			memcpy(into + used, path, piece);
			used += piece;
		}
		path += piece;
	}
	if (used == 0 || slash)
		into[used++] = '/';
	into[used] = 0;
	return into;
}

/* One piece of a path as sent against one of a pattern. */
static bool piece_equals(const char *sent, size_t size, const char *want, size_t want_size, struct arena *arena)
{
	char *piece;

	if (size == want_size && memcmp(sent, want, size) == 0)
		return true;
	if (!memchr(sent, '%', size))
		return false;
	piece = arena_strndup(arena, sent, size);
	return query_unescape(piece, false) == (int)want_size && memcmp(piece, want, want_size) == 0;
}

/* Both begin with a slash. */
static bool matches(const char *path, const char *pattern, struct arena *arena)
{
	for (;;) {
		size_t size = strcspn(++path, "/"), want = strcspn(++pattern, "/");

		if (want == 0) /* the slash at the pattern's end */
			return true;
		if (!piece_equals(path, size, pattern, want, arena))
			return false;
		path += size;
		pattern += want;
		if (!*pattern)
			return !*path;
		if (!*path)
			return false;
	}
}

static const struct pattern *look_up(enum route_set set, const char *path, struct arena *arena)
{
	const struct pattern *tree = NULL;

	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		const struct pattern *pattern = &patterns[i];

		if (!(pattern->sets & (int)set) || !matches(path, pattern->path, arena))
			continue;
		if (!str_has_suffix(pattern->path, "/"))
			return pattern;
		tree = pattern;
	}
	return tree;
}

/* Go takes the cleaned path for a decoded one, so what was escaped is escaped once more. */
static const char *location(const char *path, const char *query, struct arena *arena)
{
	path = escape(path, strlen(path), arena);
	return *query ? arena_printf(arena, "%s?%s", path, query) : path;
}

void route_find(enum route_set set, const char *method, const char *target, const char *query, struct arena *arena,
		struct route *ret_route)
{
	char *sent = path_of_target(method, target, arena);
	char *path = strcmp(method, "CONNECT") == 0 ? sent : clean(sent, arena);
	const struct pattern *found = look_up(set, path, arena);
	struct route route = { 0 };

	if (!found && !str_has_suffix(path, "/")) {
		char *below = arena_printf(arena, "%s/", path);

		/* Only for the root of a tree itself: "/logs" goes to "/logs/". */
		found = look_up(set, below, arena);
		if (found) {
			route.redirect = location(below, query, arena);
			*ret_route = route;
			return;
		}
	}
	if (strcmp(path, sent) != 0) {
		route.redirect = location(path, query, arena);
	} else if (found) {
		route.kind = found->kind;
		route.root = found->path;
	}
	*ret_route = route;
}

/* ---- below a root ---- */

enum { PIECES_MAX = 6 }; /* one more than the longest route has */

/* go-restful's way: slashes at both ends do not count, an empty piece inside does. */
static size_t split(const char *path, struct arena *arena, const char *pieces[PIECES_MAX])
{
	char *text = arena_strdup(arena, path + strspn(path, "/")), *piece;
	size_t size = strlen(text), n = 0;

	while (size > 0 && text[size - 1] == '/')
		text[--size] = 0;
	while (n < PIECES_MAX && (piece = strsep(&text, "/")))
		pieces[n++] = piece;
	return n;
}

static const struct shape {
	enum route_kind kind;
	size_t low, high; /* pieces of the path, the root among them */
	bool uid;         /* the longest form has one */
	const char *methods;
	bool only_json;
} shapes[] = {
	{ ROUTE_PODS, 1, 1, false, "GET", true },
	{ ROUTE_RUNNING_PODS, 1, 1, false, "GET", true },
	{ ROUTE_LOGS, 4, 4, false, "GET", false },
	{ ROUTE_EXEC, 4, 5, true, "GET, POST", false },
	{ ROUTE_ATTACH, 4, 5, true, "GET, POST", false },
	{ ROUTE_RUN, 4, 5, true, "POST", false },
	{ ROUTE_PORT_FORWARD, 3, 4, true, "GET, POST", false },
};

static const struct shape *shape_of(enum route_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		if (shapes[i].kind == kind)
			return &shapes[i];
	return NULL;
}

static bool method_in(const char *method, const char *list)
{
	size_t size = strlen(method);

	for (const char *at = list; size > 0 && (at = strstr(at, method)); at += size)
		if ((at == list || at[-1] == ' ') && (at[size] == 0 || at[size] == ','))
			return true;
	return false;
}

/* `type` is the one that a route makes, "" for one that does not say. */
static bool accepts(const char *accept, const char *type, struct arena *arena)
{
	char *rest, *one;

	if (str_empty(accept))
		return true;
	rest = arena_strdup(arena, accept);
	while ((one = strsep(&rest, ","))) {
		one += strspn(one, " ");
		one[strcspn(one, "; ")] = 0;
		if (strcmp(one, "*/*") == 0 || (*type && strcmp(one, type) == 0))
			return true;
	}
	return false;
}

void route_match(enum route_kind kind, const char *method, const char *path, const char *accept, struct arena *arena,
		 struct route_match *ret_match)
{
	struct route_match match = {
		.status = 200, .namespace_ = "", .pod = "", .uid = "", .container = "", .check = ""
	};
	const char *pieces[PIECES_MAX];
	size_t n = split(path, arena, pieces);
	const struct shape *shape = shape_of(kind);

	if (kind == ROUTE_HEALTHZ && n > 1)
		match.check = pieces[1];
	if (shape && (n < shape->low || n > shape->high)) {
		match.status = 404;
	} else if (shape && !method_in(method, shape->methods)) {
		match.status = 405;
		match.allow = shape->methods;
	} else if (shape && !accepts(accept, shape->only_json ? "application/json" : "", arena)) {
		match.status = 406;
		match.representations = shape->only_json ? "application/json" : "";
	} else if (shape && shape->low > 1) {
		match.namespace_ = pieces[1];
		match.pod = pieces[2];
		if (shape->uid && n == shape->high)
			match.uid = pieces[3];
		if (kind != ROUTE_PORT_FORWARD)
			match.container = pieces[n - 1];
	}
	*ret_match = match;
}

/* ---- authorisation ---- */

static bool is_below(const char *path, const char *root)
{
	size_t size = strlen(root);

	return strncmp(path, root, size) == 0 && (path[size] == 0 || path[size] == '/');
}

size_t route_subresources(const char *path, const char *ret_names[2])
{
	static const struct {
		const char *root, *first, *second;
	} rows[] = {
		{ "/allocatedPods", "pods", "proxy" }, { "/pods", "pods", "proxy" },
		{ "/healthz", "healthz", "proxy" },    { "/configz", "configz", "proxy" },
		{ "/runningpods", "pods", "proxy" },   { "/stats", "stats", NULL },
		{ "/metrics", "metrics", NULL },       { "/logs", "log", NULL },
		{ "/checkpoint", "checkpoint", NULL }, { "/statusz", "statusz", NULL },
		{ "/flagz", "configz", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!is_below(path, rows[i].root))
			continue;
		ret_names[0] = rows[i].first;
		ret_names[1] = rows[i].second;
		return rows[i].second ? 2 : 1;
	}
	ret_names[0] = "proxy";
	return 1;
}

const char *route_verb(const char *method)
{
	static const struct {
		const char *method, *verb;
	} rows[] = {
		{ "POST", "create" }, { "GET", "get" },       { "PUT", "update" },
		{ "PATCH", "patch" }, { "DELETE", "delete" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].method, method) == 0)
			return rows[i].verb;
	return "";
}
