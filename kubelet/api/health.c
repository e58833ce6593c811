/* SPDX-License-Identifier: Apache-2.0 */
/* /healthz and its single checks. On 10248 there is only "ping": that the process answers is all that is asked there.
 */
#include <string.h>

#include "kubelet/api/call.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/log.h"

enum { REPORT_MAX = 1 << 20 }; /* names that cannot be excluded come from the client's query */

static int passes(void *owner, struct err *err)
{
	(void)owner;
	(void)err;
	return 0;
}

/* Our log is written with one write(2) a line and nothing in between, so there is no flush that could hang. */
static const struct api_check ping = { "ping", passes, NULL }, log_check = { "log", passes, NULL };

static const struct api_check *nth_check(const struct call *call, size_t n)
{
	const struct api_options *options = &call->api->options;

	if (n == 0)
		return &ping;
	if (call->request.listener == GATE_HEALTHZ)
		return NULL;
	if (n == 1)
		return &log_check;
	return n - 2 < options->n_checks ? &options->checks[n - 2] : NULL;
}

static void serve_one(struct call *call)
{
	static const struct gate_header headers[] = { { "Content-Type", "text/plain; charset=utf-8" } };
	const struct api_check *check;
	struct err err;

	for (size_t i = 0; (check = nth_check(call, i)); i++) {
		if (strcmp(check->name, call->match.check) != 0)
			continue;
		if (check->check(check->owner, &err) < 0)
			call_error(call, 500, "internal server error: %s", err.text);
		else
			call_answer(call, 200, headers, ARRAY_LEN(headers), "ok", 2);
		return;
	}
	call_error(call, 404, "404 page not found");
}

static bool is_excluded(const struct call *call, const char *name)
{
	const char *excluded;

	for (size_t i = 0; (excluded = query_get_nth(&call->query, "exclude", i)); i++)
		if (strcmp(excluded, name) == 0)
			return true;
	return false;
}

static bool is_known(const struct call *call, const char *name)
{
	const struct api_check *check;

	for (size_t i = 0; (check = nth_check(call, i)); i++)
		if (strcmp(check->name, name) == 0)
			return true;
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted and each once, as stock's sets print. */
static void warn_of_unknown(const struct call *call, struct buf *report)
{
	size_t n = query_count(&call->query, "exclude"), unknown = 0;
	const char **names = arena_alloc(call->arena, (n + 1) * sizeof *names);

	for (size_t i = 0; i < n; i++) {
		const char *name = query_get_nth(&call->query, "exclude", i);

		if (!is_known(call, name))
			names[unknown++] = name;
		if (n > 100) /* each look is a walk; nobody excludes that many */
			break;
	}
	if (unknown == 0)
		return;
	qsort(names, unknown, sizeof *names, by_name);
	buf_puts(report, "warn: some health checks cannot be excluded: no matches for ");
	for (size_t i = 0; i < unknown; i++)
		if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
			buf_printf(report, "%s\"%s\"", i ? "," : "", names[i]);
	buf_putc(report, '\n');
}

void health_serve(struct call *call)
{
	static const struct gate_header headers[] = { { "Content-Type", "text/plain; charset=utf-8" },
						      { "X-Content-Type-Options", "nosniff" } };
	_cleanup_buf_ struct buf report = BUF_INIT(REPORT_MAX);
	const struct api_check *check;
	bool failed = false;

	if (*call->match.check) {
		serve_one(call);
		return;
	}
	for (size_t i = 0; (check = nth_check(call, i)); i++) {
		struct err err;

		if (is_excluded(call, check->name)) {
			buf_printf(&report, "[+]%s excluded: ok\n", check->name);
		} else if (check->check(check->owner, &err) < 0) {
			log_warn("Health check failed", "check", check->name, "reason", err.text, NULL);
			buf_printf(&report, "[-]%s failed: reason withheld\n", check->name);
			failed = true;
		} else {
			buf_printf(&report, "[+]%s ok\n", check->name);
		}
	}
	warn_of_unknown(call, &report);
	if (failed) {
		call_error(call, 500, "%shealthz check failed", buf_text(&report));
	} else if (query_count(&call->query, "verbose") == 0) {
		call_answer(call, 200, headers, ARRAY_LEN(headers), "ok", 2);
	} else {
		buf_puts(&report, "healthz check passed\n");
		call_answer(call, 200, headers, ARRAY_LEN(headers), buf_text(&report), report.size);
	}
}
