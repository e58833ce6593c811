/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/streamurl.h"

#include <arpa/inet.h>

#include "pkg/base/base.h"
#include "pkg/test/test.h"

TEST(only_this_machine)
{
	static const struct {
		const char *url;
		int port; /* 0: refused */
		const char *host, *path;
	} rows[] = {
		{ "http://127.0.0.1:4000/exec/abc", 4000, "127.0.0.1:4000", "/exec/abc" },
		{ "http://127.9.9.9:1/x?y=z", 1, "127.9.9.9:1", "/x?y=z" },
		{ "http://localhost:10010/attach/t", 10010, "localhost:10010", "/attach/t" },
		{ "http://[::1]:80/x", 80, "[::1]:80", "/x" },
		{ "http://127.0.0.1:80", 80, "127.0.0.1:80", "/" },
		{ "https://127.0.0.1:80/x", 0, NULL, NULL },
		{ "http://10.0.0.1:80/x", 0, NULL, NULL },
		{ "http://127.0.0.1/x", 0, NULL, NULL },
		{ "http://127.0.0.1:0/x", 0, NULL, NULL },
		{ "http://127.0.0.1:99999/x", 0, NULL, NULL },
		{ "http://user@127.0.0.1:80/x", 0, NULL, NULL },
		{ "http://127.0.0.1.example.com:80/x", 0, NULL, NULL },
		{ "http://127.0.0.1:80/x HTTP/1.1\r\nX: y", 0, NULL, NULL },
		{ "http://[fe80::1]:80/x", 0, NULL, NULL },
		{ "file:///etc/passwd", 0, NULL, NULL },
		{ "", 0, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct stream_url url;
		struct err err;
		int code = stream_url_parse(rows[i].url, arena, &url, &err);

		CHECK_INT(rows[i].url, code, ==, rows[i].port ? 0 : -EINVAL);
		if (code < 0)
			continue;
		CHECK_INT(rows[i].url, ntohs(url.address.v4.sin_port), ==, rows[i].port);
		CHECK_STR(rows[i].url, url.host, rows[i].host);
		CHECK_STR(rows[i].url, url.path, rows[i].path);
	}
}

TEST(what_is_told_of_a_refused_one_holds_no_secret)
{
	static const struct {
		const char *url, *text;
	} rows[] = {
		{ "https://127.0.0.1:80/exec/TOKEN",
		  "the runtime's streaming URL is not plain http: https://127.0.0.1:80" },
		{ "https://user:pw@127.0.0.1:80/exec/TOKEN",
		  "the runtime's streaming URL is not plain http: https://" },
		{ "unix:/run/x.sock", "the runtime's streaming URL is not plain http: unix" },
		{ "file:///etc/passwd", "the runtime's streaming URL is not plain http: file://" },
		{ "http://user:pw@127.0.0.1:80/exec/TOKEN", "the runtime's streaming URL names a user" },
		{ "http://127.0.0.1/exec/TOKEN", "the runtime's streaming URL has no port: http://127.0.0.1" },
		{ "http://169.254.169.254:80/exec/TOKEN?a=b",
		  "the runtime's streaming URL is not on this machine's loopback: http://169.254.169.254:80" },
		{ "http://10.0.0.1:80?TOKEN",
		  "the runtime's streaming URL is not on this machine's loopback: http://10.0.0.1:80" },
		{ "http://127.0.0.1:80/a b", "the runtime's streaming URL is malformed" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct stream_url url;
		struct err err = { 0 };

		CHECK_INT(rows[i].url, stream_url_parse(rows[i].url, arena, &url, &err), ==, -EINVAL);
		CHECK_STR(rows[i].url, err.text, rows[i].text);
	}
}
