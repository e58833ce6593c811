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
