/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/streamurl.h"

#include <arpa/inet.h>
#include <string.h>

#include "pkg/base/base.h"

/* Blanks and control bytes would end the request line early and let a header follow. */
static bool is_clean(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

static int set_address(const char *host, int64_t port, struct stream_url *url)
{
	struct in_addr v4;

	memset(&url->address, 0, sizeof url->address);
	if (str_eq(host, "::1")) {
		url->address.v6.sin6_family = AF_INET6;
		url->address.v6.sin6_port = htons((uint16_t)port);
		url->address.v6.sin6_addr = in6addr_loopback;
		url->address_size = sizeof url->address.v6;
		return 0;
	}
	if (str_eq(host, "localhost"))
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &v4) != 1 || (ntohl(v4.s_addr) >> 24) != 127)
		return -EINVAL;
	url->address.v4.sin_family = AF_INET;
	url->address.v4.sin_port = htons((uint16_t)port);
	url->address.v4.sin_addr = v4;
	url->address_size = sizeof url->address.v4;
	return 0;
}

/* How much of a URL may be told: its path holds the token of a session, and before an "@" may be a password. */
static int told_size(const char *text)
{
	enum { TOLD_MAX = 200 }; /* enough to see what it is */
	const char *authority = strstr(text, "://");
	size_t size = authority ? (size_t)(authority - text) + 3 : strcspn(text, ":");

	if (authority && !memchr(text + size, '@', strcspn(text + size, "/?#")))
		size += strcspn(text + size, "/?#");
	return (int)MIN(size, (size_t)TOLD_MAX);
}

int stream_url_parse(const char *text, struct arena *arena, struct stream_url *ret_url, struct err *err)
{
	static const char scheme[] = "http://";
	struct stream_url url = { 0 };
	int64_t port;

	if (strlen(text) > STREAM_URL_MAX || !is_clean(text))
		return err_set(err, -EINVAL, "the runtime's streaming URL is malformed");
	if (!str_has_prefix(text, scheme))
		return err_set(err, -EINVAL, "the runtime's streaming URL is not plain http: %.*s", told_size(text),
			       text);
	const char *authority = text + strlen(scheme);
	size_t size = strcspn(authority, "/?#");
	char *host = arena_strndup(arena, authority, size);
	url.host = arena_strdup(arena, host);
	url.path = authority[size] == '/' ? arena_strdup(arena, authority + size)
					  : arena_printf(arena, "/%s", authority + size);
	char *colon = strrchr(host, ':');
	if (strchr(host, '@'))
		return err_set(err, -EINVAL, "the runtime's streaming URL names a user");
	if (!colon || str_to_i64(colon + 1, 1, 65535, &port) < 0)
		return err_set(err, -EINVAL, "the runtime's streaming URL has no port: %.*s", told_size(text), text);
	*colon = 0;
	size_t length = strlen(host);
	if (host[0] == '[' && length > 1 && host[length - 1] == ']') {
		host[length - 1] = 0;
		host++;
	}
	if (set_address(host, port, &url) < 0)
		return err_set(err, -EINVAL, "the runtime's streaming URL is not on this machine's loopback: %.*s",
			       told_size(text), text);
	*ret_url = url;
	return 0;
}
