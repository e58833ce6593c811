/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/route.h"

#include "pkg/base/base.h"
#include "pkg/test/test.h"

TEST(roots_and_redirects)
{
	static const struct {
		const char *rule;
		enum route_set set;
		const char *target, *query;
		enum route_kind kind;
		const char *redirect;
	} rows[] = {
		{ "pods", ROUTES_ALL, "/pods", "", ROUTE_PODS, NULL },
		{ "pods with a slash", ROUTES_ALL, "/pods/", "", ROUTE_PODS, NULL },
		{ "below pods is its own business", ROUTES_ALL, "/pods/x", "", ROUTE_PODS, NULL },
		{ "decoded once", ROUTES_ALL, "/%70ods", "", ROUTE_PODS, NULL },
		{ "not twice", ROUTES_ALL, "/%2570ods", "", ROUTE_NONE, NULL },
		{ "an escaped slash is no slash", ROUTES_ALL, "/pods%2f", "", ROUTE_NONE, NULL },
		{ "an escaped zero byte", ROUTES_ALL, "/pods%00", "", ROUTE_NONE, NULL },
		{ "a prefix is no root", ROUTES_ALL, "/podsx", "", ROUTE_NONE, NULL },
		{ "unknown", ROUTES_ALL, "/x", "", ROUTE_NONE, NULL },
		{ "the top", ROUTES_ALL, "/", "", ROUTE_NONE, NULL },
		{ "configz has nothing below", ROUTES_ALL, "/configz/", "", ROUTE_NONE, NULL },
		{ "healthz has checks below", ROUTES_ALL, "/healthz/ping", "", ROUTE_HEALTHZ, NULL },
		{ "and only those", ROUTES_ALL, "/healthz/x", "", ROUTE_NONE, NULL },
		{ "two slashes", ROUTES_ALL, "//pods", "", ROUTE_NONE, "/pods" },
		{ "two dots", ROUTES_ALL, "/a/../pods", "", ROUTE_NONE, "/pods" },
		{ "one dot", ROUTES_ALL, "/./pods", "", ROUTE_NONE, "/pods" },
		{ "dots above the top", ROUTES_ALL, "/../../x", "", ROUTE_NONE, "/x" },
		{ "unknown roots are cleaned too", ROUTES_ALL, "/x//y/", "", ROUTE_NONE, "/x/y/" },
		{ "a query goes along", ROUTES_ALL, "//pods?a=b", "a=b", ROUTE_NONE, "/pods?a=b" },
		{ "what was escaped is escaped again", ROUTES_ALL, "//%70ods", "", ROUTE_NONE, "/%2570ods" },
		{ "the root of a tree", ROUTES_ALL, "/runningpods", "", ROUTE_NONE, "/runningpods/" },
		{ "its slash", ROUTES_ALL, "/runningpods/", "", ROUTE_RUNNING_PODS, NULL },
		{ "escaped dots are left alone", ROUTES_ALL, "/exec/%2e%2e/pods", "", ROUTE_EXEC, NULL },
		{ "absolute form", ROUTES_ALL, "https://node:10250/pods?x", "x", ROUTE_PODS, NULL },
		{ "absolute form without path", ROUTES_ALL, "https://node:10250", "", ROUTE_NONE, "/" },
		{ "absolute form, only a query", ROUTES_ALL, "http://node?a=/b", "a=/b", ROUTE_NONE, "/?a=/b" },
		{ "a scheme without a path", ROUTES_ALL, "mailto:pods", "", ROUTE_NONE, "/" },
		{ "a path that should have been escaped", ROUTES_ALL, "/a\"b", "", ROUTE_NONE, NULL },
		{ "and is, twice", ROUTES_ALL,
		  "//a\"<\xc3\xa4"
		  "b",
		  "", ROUTE_NONE, "/a%2522%253C%25C3%25A4b" },
		{ "what need not be", ROUTES_ALL, "//a'[b]!c$d", "", ROUTE_NONE, "/a%27%5Bb%5D%21c$d" },
		{ "exec", ROUTES_ALL, "/exec/a/b/c?command=/x//y", "command=/x//y", ROUTE_EXEC, NULL },
		{ "not built yet", ROUTES_ALL, "/stats/summary", "", ROUTE_NONE, NULL },
		{ "metrics too", ROUTES_ALL, "/metrics", "", ROUTE_NONE, NULL },
		{ "debugging off", ROUTES_NO_DEBUG, "/exec/a/b/c", "", ROUTE_DEBUG_OFF, NULL },
		{ "debugging off, no slash", ROUTES_NO_DEBUG, "/exec", "", ROUTE_NONE, "/exec/" },
		{ "debugging off, configz", ROUTES_NO_DEBUG, "/configz", "", ROUTE_NONE, NULL },
		{ "debugging off, pods", ROUTES_NO_DEBUG, "/pods", "", ROUTE_PODS, NULL },
		{ "read-only pods", ROUTES_READ_ONLY, "/pods", "", ROUTE_PODS, NULL },
		{ "read-only exec", ROUTES_READ_ONLY, "/exec/a/b/c", "", ROUTE_DEBUG_OFF, NULL },
		{ "health port", ROUTES_HEALTHZ, "/healthz", "", ROUTE_HEALTHZ, NULL },
		{ "health port has no checks but ping", ROUTES_HEALTHZ, "/healthz/log", "", ROUTE_NONE, NULL },
		{ "health port has no pods", ROUTES_HEALTHZ, "/pods", "", ROUTE_NONE, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct route route;

		route_find(rows[i].set, "GET", rows[i].target, rows[i].query, arena, &route);
		CHECK_INT(rows[i].rule, route.kind, ==, rows[i].kind);
		CHECK_STR(rows[i].rule, str_or(route.redirect, "none"), str_or(rows[i].redirect, "none"));
	}
}

TEST(what_connect_names_is_not_cleaned)
{
	static const struct {
		const char *target;
		enum route_kind kind;
		const char *redirect;
	} rows[] = {
		{ "node:443", ROUTE_NONE, NULL },
		{ "//pods", ROUTE_NONE, NULL },
		{ "/pods", ROUTE_PODS, NULL },
		{ "/runningpods", ROUTE_NONE, "/runningpods/" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct route route;

		route_find(ROUTES_ALL, "CONNECT", rows[i].target, "", arena, &route);
		CHECK_INT(rows[i].target, route.kind, ==, rows[i].kind);
		CHECK_STR(rows[i].target, str_or(route.redirect, "none"), str_or(rows[i].redirect, "none"));
	}
}

TEST(below_a_root)
{
	static const struct {
		const char *rule;
		enum route_kind kind;
		const char *method, *path, *accept;
		int status;
		const char *want; /* namespace|pod|uid|container, or Allow */
	} rows[] = {
		{ "pods", ROUTE_PODS, "GET", "/pods", NULL, 200, "|||" },
		{ "pods/", ROUTE_PODS, "GET", "/pods/", "text/html, */*;q=0.8", 200, "|||" },
		{ "pods for a browser only", ROUTE_PODS, "GET", "/pods", "text/html", 406, NULL },
		{ "json with a parameter", ROUTE_PODS, "GET", "/pods", "application/json;q=1", 200, "|||" },
		{ "pods/x", ROUTE_PODS, "GET", "/pods/x", NULL, 404, NULL },
		{ "pods/x before its method", ROUTE_PODS, "POST", "/pods/x", NULL, 404, NULL },
		{ "HEAD is not GET", ROUTE_PODS, "HEAD", "/pods", NULL, 405, "GET" },
		{ "exec", ROUTE_EXEC, "POST", "/exec/n/p/c", NULL, 200, "n|p||c" },
		{ "exec with uid", ROUTE_EXEC, "GET", "/exec/n/p/u/c", NULL, 200, "n|p|u|c" },
		{ "exec cut", ROUTE_EXEC, "GET", "/exec/n/p", NULL, 404, NULL },
		{ "exec long", ROUTE_EXEC, "GET", "/exec/n/p/u/c/x", NULL, 404, NULL },
		{ "exec very long", ROUTE_EXEC, "GET", "/exec/n/p/u/c/x/y/z", NULL, 404, NULL },
		{ "exec PUT", ROUTE_EXEC, "PUT", "/exec/n/p/c", NULL, 405, "GET, POST" },
		{ "a piece of a method is none", ROUTE_EXEC, "OST", "/exec/n/p/c", NULL, 405, "GET, POST" },
		{ "run by GET", ROUTE_RUN, "GET", "/run/n/p/c", NULL, 405, "POST" },
		{ "logs", ROUTE_LOGS, "GET", "/containerLogs/n/p/c", NULL, 200, "n|p||c" },
		{ "logs make no type", ROUTE_LOGS, "GET", "/containerLogs/n/p/c", "text/plain", 406, NULL },
		{ "logs for anybody", ROUTE_LOGS, "GET", "/containerLogs/n/p/c", "text/plain, */*", 200, "n|p||c" },
		{ "logs have no uid form", ROUTE_LOGS, "GET", "/containerLogs/n/p/u/c", NULL, 404, NULL },
		{ "logs by POST", ROUTE_LOGS, "POST", "/containerLogs/n/p/c", NULL, 405, "GET" },
		{ "port-forward", ROUTE_PORT_FORWARD, "POST", "/portForward/n/p", NULL, 200, "n|p||" },
		{ "port-forward, uid", ROUTE_PORT_FORWARD, "POST", "/portForward/n/p/u", NULL, 200, "n|p|u|" },
		{ "a slash at the end", ROUTE_EXEC, "POST", "/exec/n/p/c/", NULL, 200, "n|p||c" },
		{ "an empty piece counts", ROUTE_LOGS, "GET", "/containerLogs/n//c", NULL, 200, "n|||c" },
		{ "healthz by any method", ROUTE_HEALTHZ, "DELETE", "/healthz", NULL, 200, "|||" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct route_match match;

		route_match(rows[i].kind, rows[i].method, rows[i].path, rows[i].accept, arena, &match);
		CHECK_INT(rows[i].rule, match.status, ==, rows[i].status);
		if (match.status == 200)
			CHECK_STR(rows[i].rule,
				  arena_printf(arena, "%s|%s|%s|%s", match.namespace_, match.pod, match.uid,
					       match.container),
				  rows[i].want);
		if (match.status == 405)
			CHECK_STR(rows[i].rule, match.allow, rows[i].want);
	}
}

TEST(rights)
{
	static const struct {
		const char *path, *want;
	} rows[] = {
		{ "/pods", "pods proxy" },
		{ "/pods/", "pods proxy" },
		{ "/podsx", "proxy" },
		{ "/runningpods/", "pods proxy" },
		{ "/healthz/ping", "healthz proxy" },
		{ "/configz", "configz proxy" },
		{ "/exec/a/b/c", "proxy" },
		{ "/containerLogs/a/b/c", "proxy" },
		{ "/logs/x", "log" },
		{ "/metrics/cadvisor", "metrics" },
		{ "/stats/summary", "stats" },
		{ "/flagz", "configz" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		const char *names[2] = { 0 };
		size_t n = route_subresources(rows[i].path, names);

		CHECK_STR(rows[i].path, n == 2 ? arena_printf(arena, "%s %s", names[0], names[1]) : names[0],
			  rows[i].want);
	}
	CHECK_STR("GET", route_verb("GET"), "get");
	CHECK_STR("HEAD", route_verb("HEAD"), "");
	CHECK_STR("lower case", route_verb("get"), "");
}
