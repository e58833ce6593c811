/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/dns.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

static const Core__Pod *parse(const char *json, struct arena *arena)
{
	ProtobufCMessage *message = NULL;
	struct err err = { 0 };

	CHECK_OK(pbjson_decode(&core__pod__descriptor, json, strlen(json), arena, &message, &err), &err);
	return (const Core__Pod *)message;
}

#define POD(spec) "{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\"},\"spec\":{" spec "}}"
#define LONG "a123456789b123456789c123456789d123456789e123456789f123456789g123456789"

TEST(names)
{
	static const struct row {
		const char *rule, *pod, *host, *domain, *kernel, *error;
	} rows[] = {
		{ "the pod's name", POD(""), "web", "", "web", NULL },
		{ "its own host name", POD("\"hostname\":\"h\""), "h", "", "h", NULL },
		{ "a subdomain makes a domain", POD("\"subdomain\":\"s\""), "web", "s.shop.svc.cluster.local", "web",
		  NULL },
		{ "which the kernel hears if asked to", POD("\"subdomain\":\"s\",\"setHostnameAsFQDN\":true"), "web",
		  "s.shop.svc.cluster.local", "web.s.shop.svc.cluster.local", NULL },
		{ "an override wins over all",
		  POD("\"hostname\":\"h\",\"subdomain\":\"s\",\"hostnameOverride\":\"o.p\""), "o.p", "", "o.p", NULL },
		{ "63 characters are all", POD("\"hostname\":\"" LONG "\""),
		  "a123456789b123456789c123456789d123456789e123456789f123456789g12", "",
		  "a123456789b123456789c123456789d123456789e123456789f123456789g12", NULL },
		{ "a full name of more than 64 is refused",
		  POD("\"hostname\":\"a123456789b123456789c123456789d123456789e123456789\",\"subdomain\":\"s\","
		      "\"setHostnameAsFQDN\":true"),
		  "a123456789b123456789c123456789d123456789e123456789", "s.shop.svc.cluster.local", NULL,
		  "failed to construct FQDN from pod hostname and cluster domain, FQDN "
		  "a123456789b123456789c123456789d123456789e123456789.s.shop.svc.cluster.local is too long (64 "
		  "characters "
		  "is the max, 75 characters requested)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		_cleanup_arena_ struct arena *arena = arena_new();
		const Core__Pod *pod = parse(row->pod, arena);
		const char *host, *domain, *kernel = NULL;
		struct err err = { 0 };

		CHECK_OK(dns_pod_name(pod, "cluster.local", arena, &host, &domain, &err), &err);
		CHECK_STR(row->rule, host, row->host);
		CHECK_STR(row->rule, domain, row->domain);
		if (row->error) {
			CHECK(row->rule, dns_kernel_name(pod, host, domain, arena, &kernel, &err) < 0);
			CHECK_STR(row->rule, err.text, row->error);
		} else {
			CHECK_OK(dns_kernel_name(pod, host, domain, arena, &kernel, &err), &err);
			CHECK_STR(row->rule, kernel, row->kernel);
		}
	}
}

#define FIXED                                                                                                 \
	"# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" \
	"fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"

TEST(hosts_files)
{
	static const char *const ips[] = { "10.1.0.7", "fd01::7" };
	static const struct row {
		const char *rule, *pod, *domain, *want;
	} rows[] = {
		{ "own address", POD(""), "", FIXED "10.1.0.7\tweb\nfd01::7\tweb\n" },
		{ "with a domain", POD(""), "s.d", FIXED "10.1.0.7\tweb.s.d\tweb\nfd01::7\tweb.s.d\tweb\n" },
		{ "aliases", POD("\"hostAliases\":[{\"ip\":\"1.2.3.4\",\"hostnames\":[\"a\",\"b\"]}]"), "",
		  FIXED "10.1.0.7\tweb\nfd01::7\tweb\n\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n" },
		{ "on the host's network", POD("\"hostNetwork\":true"), "",
		  "# Kubernetes-managed hosts file (host network).\n127.0.0.1 node\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		_cleanup_buf_ struct buf got = BUF_INIT(DNS_HOSTS_MAX_BYTES);

		dns_hosts_file(parse(rows[i].pod, arena), "web", rows[i].domain, ips, 2, "127.0.0.1 node\n", &got);
		CHECK_STR(rows[i].rule, buf_text(&got), rows[i].want);
	}
}

static char *join(char **texts, size_t n, struct arena *arena)
{
	char *joined = arena_strdup(arena, "");

	for (size_t i = 0; i < n; i++)
		joined = arena_printf(arena, i ? "%s %s" : "%s%s", joined, texts[i]);
	return joined;
}

TEST(configurations)
{
	static const char *const cluster[] = { "10.96.0.10" };
	static const char file[] =
		"# comment\nnameserver 8.8.8.8\n nameserver\t8.8.4.4 \nsearch old\nsearch lan. . corp\n"
		"options ndots:2 rotate\noptions ndots:3\n";
	static const struct row {
		const char *rule, *pod, *file;
		bool no_cluster;
		const char *servers, *searches, *options, *note;
	} rows[] = {
		{ "ClusterFirst", POD("\"dnsPolicy\":\"ClusterFirst\""), file, false, "10.96.0.10",
		  "shop.svc.cluster.local svc.cluster.local cluster.local lan corp", "ndots:5", NULL },
		{ "Default takes the node's", POD("\"dnsPolicy\":\"Default\""), file, false, "8.8.8.8 8.8.4.4",
		  "lan corp", "ndots:3 rotate", NULL },
		{ "ClusterFirst on the host's network is Default",
		  POD("\"dnsPolicy\":\"ClusterFirst\",\"hostNetwork\":true"), file, false, "8.8.8.8 8.8.4.4",
		  "lan corp", "ndots:3 rotate", NULL },
		{ "ClusterFirstWithHostNet is not",
		  POD("\"dnsPolicy\":\"ClusterFirstWithHostNet\",\"hostNetwork\":true"), file, false, "10.96.0.10",
		  "shop.svc.cluster.local svc.cluster.local cluster.local lan corp", "ndots:5", NULL },
		{ "None has only its own",
		  POD("\"dnsPolicy\":\"None\",\"dnsConfig\":{\"nameservers\":[\"1.1.1.1\"],\"searches\":[\"x\"],"
		      "\"options\":[{\"name\":\"a\"},{\"name\":\"b\",\"value\":\"2\"}]}"),
		  file, false, "1.1.1.1", "x", "a b:2", NULL },
		{ "own entries are added, duplicates dropped, options replaced",
		  POD("\"dnsPolicy\":\"ClusterFirst\",\"dnsConfig\":{\"nameservers\":[\"10.96.0.10\",\"1.1.1.1\"],"
		      "\"searches\":[\"lan\",\"y\"],\"options\":[{\"name\":\"ndots\",\"value\":\"1\"}]}"),
		  file, false, "10.96.0.10 1.1.1.1",
		  "shop.svc.cluster.local svc.cluster.local cluster.local lan corp y", "ndots:1", NULL },
		{ "no file", POD("\"dnsPolicy\":\"Default\""), NULL, false, "127.0.0.1", ".", "", NULL },
		{ "no cluster DNS", POD("\"dnsPolicy\":\"ClusterFirst\""), file, true, "8.8.8.8 8.8.4.4", "lan corp",
		  "ndots:3 rotate", "missing" },
		{ "three servers are all",
		  POD("\"dnsPolicy\":\"None\",\"dnsConfig\":{\"nameservers\":[\"1\",\"2\",\"3\",\"4\"]}"), file, false,
		  "1 2 3", "", "",
		  "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line "
		  "is: "
		  "1 2 3" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		_cleanup_arena_ struct arena *arena = arena_new();
		struct dns_node node = { cluster, row->no_cluster ? 0 : 1, "cluster.local", row->file, false };
		Cri__DNSConfig *config = NULL;
		struct dns_notes notes = { 0 };
		struct err err = { 0 };

		CHECK_OK(dns_config(parse(row->pod, arena), &node, arena, &config, &notes, &err), &err);
		CHECK_STR(row->rule, join(config->servers, config->n_servers, arena), row->servers);
		CHECK_STR(row->rule, join(config->searches, config->n_searches, arena), row->searches);
		CHECK_STR(row->rule, join(config->options, config->n_options, arena), row->options);
		CHECK_STR(row->rule, notes.missing_cluster_dns ? "missing" : str_or(notes.nameservers, ""),
			  str_or(row->note, ""));
	}
}

TEST(searches_are_cut)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf file = BUF_INIT(65536);
	Cri__DNSConfig *config = NULL;
	struct dns_notes notes = { 0 };
	struct err err = { 0 };

	buf_puts(&file, "search");
	for (int i = 0; i < 40; i++)
		buf_printf(&file, " d%d", i);
	struct dns_node node = { .resolv_conf = buf_text(&file) };
	CHECK_OK(dns_config(parse(POD("\"dnsPolicy\":\"Default\""), arena), &node, arena, &config, &notes, &err), &err);
	CHECK_INT("count", config->n_searches, ==, 32);
	CHECK("told", notes.searches != NULL);

	buf_clear(&file);
	buf_puts(&file, "search");
	for (int i = 0; i < 10; i++) {
		buf_putc(&file, ' ');
		for (int n = 0; n < (i == 3 ? 254 : 250); n++)
			buf_putc(&file, (char)('a' + i));
	}
	node.resolv_conf = buf_text(&file);
	CHECK_OK(dns_config(parse(POD("\"dnsPolicy\":\"Default\""), arena), &node, arena, &config, &notes, &err), &err);
	CHECK_INT("nine are left by their length, eight fit the line", config->n_searches, ==, 8);
}

TEST(a_nameserver_line_needs_an_address)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct dns_node node = { .resolv_conf = "nameserver\n" };
	Cri__DNSConfig *config = NULL;
	struct dns_notes notes = { 0 };
	struct err err = { 0 };

	CHECK_INT("refused", dns_config(parse(POD(""), arena), &node, arena, &config, &notes, &err), ==, -EINVAL);
}
