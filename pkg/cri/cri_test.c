/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/cri/cri.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/test/test.h"

struct seen {
	struct loop *loop;
	int code;
	char text[256];
	size_t calls;
};

static void ended(void *owner, const void *result, const struct err *err)
{
	struct seen *seen = owner;

	CHECK("a failure has no result", !err || !result);
	seen->calls++;
	seen->code = err ? err->code : 0;
	if (err)
		memcpy(seen->text, err->text, sizeof seen->text - 1);
	loop_stop(seen->loop);
}

TEST(endpoints_are_unix_sockets)
{
	struct loop *loop = loop_new();
	static const struct {
		const char *endpoint;
		int code;
		const char *says;
	} rows[] = {
		{ "unix:/none/x", 0, "dial unix /none/x: connect: no such file or directory" },
		{ "unix:///none/x", 0, "dial unix /none/x: connect: no such file or directory" },
		{ "unix:////none/x", 0, "dial unix //none/x: connect: no such file or directory" },
		{ "unix://host/none", 0, "dial unix /none: connect: no such file or directory" },
		{ "/none/x", 0, "dial unix /none/x: connect: no such file or directory" },
		{ "none/x", 0, "dial unix /x: connect: no such file or directory" },
		{ "unix:none/x", -EDESTADDRREQ, "dns resolver: missing address" },
		{ "unix:", -EDESTADDRREQ, "dns resolver: missing address" },
		{ "unix://x", -EDESTADDRREQ, "dns resolver: missing address" },
		{ "tcp://1.2.3.4:5", -EINVAL, "only support unix socket endpoint" },
		{ "http://x/y", -EINVAL, "protocol \"http\" not supported" },
		{ "npipe:////./pipe/x", -EINVAL, "protocol \"npipe\" not supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cri *cri = NULL;
		struct err err;

		CHECK_INT(rows[i].endpoint, cri_new(loop, rows[i].endpoint, 1000, &cri, &err), ==, rows[i].code);
		if (rows[i].code == 0)
			CHECK_INT(rows[i].endpoint, cri_probe(rows[i].endpoint, &err), ==, -ENOENT);
		if (!strstr(err.text, rows[i].says))
			CHECK_STR(rows[i].endpoint, err.text, rows[i].says);
		cri_free(cri);
	}
	loop_free(loop);
}

TEST(no_runtime_is_unavailable)
{
	struct seen seen = { .loop = loop_new() };
	_cleanup_free_ char *endpoint = xasprintf("unix://%s/none.sock", test_folder());
	Cri__VersionRequest request = CRI__VERSION_REQUEST__INIT;
	struct cri *cri;
	struct err err;

	CHECK_OK(cri_new(seen.loop, endpoint, 1000, &cri, &err), &err);
	cri_call(cri, CRI_VERSION, &request.base, 0, ended, &seen);
	CHECK_INT("never before the start has returned", seen.calls, ==, 0);
	loop_run(seen.loop);
	CHECK_INT("code", seen.code, ==, -ECONNREFUSED);
	CHECK("text", str_has_prefix(seen.text, "rpc error: code = Unavailable desc = "));
	cri_free(cri);
	loop_free(seen.loop);
}

TEST(cancel_still_ends_once)
{
	struct seen seen = { .loop = loop_new() };
	_cleanup_free_ char *endpoint = xasprintf("unix://%s/none.sock", test_folder());
	Cri__VersionRequest request = CRI__VERSION_REQUEST__INIT;
	struct cri *cri;
	struct err err;

	CHECK_OK(cri_new(seen.loop, endpoint, 1000, &cri, &err), &err);
	struct task *task = cri_call(cri, CRI_VERSION, &request.base, 0, ended, &seen);
	task_cancel(task);
	task_cancel(task);
	loop_run(seen.loop);
	CHECK_INT("once", seen.calls, ==, 1);
	CHECK("failed", seen.code < 0);
	cri_free(cri);
	loop_free(seen.loop);
}

TEST(broken_utf8_is_told_before_the_runtime_sees_it)
{
	struct seen seen = { .loop = loop_new() };
	_cleanup_free_ char *endpoint = xasprintf("unix://%s/none.sock", test_folder());
	Cri__VersionRequest request = CRI__VERSION_REQUEST__INIT;
	struct cri *cri;
	struct err err;

	request.version = (char[]){ "\xff" };
	CHECK_OK(cri_new(seen.loop, endpoint, 1000, &cri, &err), &err);
	cri_call(cri, CRI_VERSION, &request.base, 0, ended, &seen);
	loop_run(seen.loop);
	CHECK_INT("code", seen.code, ==, -EILSEQ);
	CHECK_STR(
		"text", seen.text,
		"rpc error: code = Internal desc = grpc: error while marshaling: string field contains invalid UTF-8");
	cri_free(cri);
	loop_free(seen.loop);
}
