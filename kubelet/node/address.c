/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kubelet/node/node.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/file.h"

enum { IPS_MAX = 2 }; /* one of each family */

int node_name(const char *hostname_override, struct arena *arena, const char **ret_name, struct err *err)
{
	char host[256] = "";

	if (str_empty(hostname_override) && gethostname(host, sizeof host - 1) < 0)
		return err_errno(err, "cannot read the host name");
	const char *from = str_or(hostname_override, host);
	from += strspn(from, " \t\n");
	size_t size = strcspn(from, " \t\n");
	if (size == 0)
		return err_set(err, -EINVAL, "empty hostname is invalid");
	char *name = arena_strndup(arena, from, size);
	for (char *at = name; *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	*ret_name = name;
	return 0;
}

static void interfaces_done(struct ifaddrs **interfaces)
{
	if (*interfaces)
		freeifaddrs(*interfaces);
}

static const char *text_of(const struct sockaddr *address, char text[INET6_ADDRSTRLEN])
{
	const void *bytes = address->sa_family == AF_INET
				    ? (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr
				    : (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

	return inet_ntop(address->sa_family, bytes, text, INET6_ADDRSTRLEN);
}

static bool is_ip(const struct ifaddrs *interface)
{
	return interface->ifa_addr &&
	       (interface->ifa_addr->sa_family == AF_INET || interface->ifa_addr->sa_family == AF_INET6);
}

/* Canonical text of an address, NULL when it is none. */
static const char *canonical(struct arena *arena, const char *ip)
{
	unsigned char bytes[16];
	char text[INET6_ADDRSTRLEN];
	int family = strchr(ip, ':') ? AF_INET6 : AF_INET;

	if (inet_pton(family, ip, bytes) != 1)
		return NULL;
	return arena_strdup(arena, inet_ntop(family, bytes, text, sizeof text));
}

/* Stock's rules for --node-ip, in its words. */
static int check_given(const char *ip, const struct ifaddrs *interfaces, struct err *err)
{
	char text[INET6_ADDRSTRLEN];

	if (str_has_prefix(ip, "127.") || str_eq(ip, "::1"))
		return err_set(err, -EINVAL, "nodeIP can't be loopback address");
	if (str_has_prefix(ip, "169.254.") || str_has_prefix(ip, "fe80:"))
		return err_set(err, -EINVAL, "nodeIP can't be a link-local unicast address");
	for (const struct ifaddrs *at = interfaces; at; at = at->ifa_next)
		if (is_ip(at) && str_eq(text_of(at->ifa_addr, text), ip))
			return 0;
	return err_set(err, -EINVAL, "node IP: \"%s\" not found in the host's network interfaces", ip);
}

/* The interface of the IPv4 default route: the line of /proc/net/route whose destination is 0. */
static bool default_interface(char name[IFNAMSIZ])
{
	_cleanup_buf_ struct buf table = BUF_INIT(1024 * 1024); /* 8,000 routes of 128 bytes */
	struct err err;

	if (file_read("/proc/net/route", &table, &err) < 0)
		return false;
	for (const char *line = strchr(buf_text(&table), '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
		size_t size = strcspn(line + 1, "\t");

		if (size < IFNAMSIZ && str_has_prefix(line + 1 + size, "\t00000000\t")) {
			memcpy(name, line + 1, size);
			name[size] = 0;
			return true;
		}
	}
	return false;
}

static const char *find_default(struct arena *arena, const struct ifaddrs *interfaces)
{
	char name[IFNAMSIZ] = "", text[INET6_ADDRSTRLEN];

	default_interface(name);
	for (int any = 0; any < 2; any++) /* the default route's interface first, then any that is up */
		for (const struct ifaddrs *at = interfaces; at; at = at->ifa_next)
			if (is_ip(at) && at->ifa_addr->sa_family == AF_INET && (any || str_eq(at->ifa_name, name)) &&
			    !(at->ifa_flags & IFF_LOOPBACK) && (at->ifa_flags & IFF_UP))
				return arena_strdup(arena, text_of(at->ifa_addr, text));
	return NULL;
}

/* Of two the families differ. */
static bool is_one_or_a_pair(const char *list)
{
	const char *comma = strchr(list, ',');

	if (!comma)
		return true;
	return !strchr(comma + 1, ',') && !memchr(list, ':', (size_t)(comma - list)) != !strchr(comma + 1, ':');
}

int node_addresses(const char *node_ip, struct arena *arena, const char ***ret_ips, size_t *ret_n, struct err *err)
{
	_cleanup_(interfaces_done) struct ifaddrs *interfaces = NULL;
	const char **ips = arena_alloc(arena, IPS_MAX * sizeof *ips);
	size_t n = 0;

	if (node_ip && !is_one_or_a_pair(node_ip))
		return err_set(err, -EINVAL,
			       "bad --node-ip \"%s\": must contain either a single IP or a dual-stack pair of IPs",
			       node_ip);
	if (getifaddrs(&interfaces) < 0)
		return err_errno(err, "cannot list the network interfaces");
	char *list = arena_strdup(arena, node_ip ? node_ip : "");
	for (char *item = list; *item;) {
		size_t size = strcspn(item, ",");
		bool last = item[size] == 0;

		item[size] = 0;
		const char *ip = canonical(arena, item);
		if (!ip || n == IPS_MAX)
			return err_set(err, -EINVAL, "bad --node-ip \"%s\"", node_ip);
		if (!str_eq(ip, "0.0.0.0") && !str_eq(ip, "::")) {
			int code = check_given(ip, interfaces, err);

			if (code < 0)
				return code;
			ips[n++] = ip;
		}
		item += size + !last;
	}
	if (n == 0) {
		ips[0] = find_default(arena, interfaces);
		n = 1;
		if (!ips[0])
			return err_set(err, -ENOENT, "no default routes found and no address of this machine will do");
	}
	*ret_ips = ips;
	*ret_n = n;
	return 0;
}
