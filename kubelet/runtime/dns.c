/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/dns.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/pb.h"

enum {
	HOST_NAME_MAX_CHARS = 63, /* of a DNS label */
	FQDN_MAX_CHARS = 64,      /* what the kernel takes */
	NAMESERVERS_MAX = 3,      /* MAXNS of every libc */
	SEARCHES_MAX = 32,        /* the three of the API */
	SEARCH_MAX_CHARS = 253,
	SEARCHES_MAX_CHARS = 2048,
};

static bool is_host_network(const Core__Pod *pod)
{
	return pod->spec->hostnetwork;
}

/* ---- the pod's own name ---- */

static int cut_host_name(const char *pod_name, const char *name, struct arena *arena, const char **ret_host,
			 struct err *err)
{
	size_t size = strlen(name);

	if (size <= HOST_NAME_MAX_CHARS) {
		*ret_host = name;
		return 0;
	}
	for (size = HOST_NAME_MAX_CHARS; size && strchr("-.", name[size - 1]);)
		size--;
	if (size == 0)
		return err_set(err, -EINVAL, "hostname for pod \"%s\" was invalid: \"%s\"", pod_name, name);
	*ret_host = arena_strndup(arena, name, size);
	return 0;
}

int dns_pod_name(const Core__Pod *pod, const char *cluster_domain, struct arena *arena, const char **ret_host,
		 const char **ret_domain, struct err *err)
{
	const Core__PodSpec *spec = pod->spec;
	const char *name = str_or(spec->hostname, str_or(pod->metadata->name, ""));

	if (spec->hostnameoverride)
		name = spec->hostnameoverride;
	if (cut_host_name(str_or(pod->metadata->name, ""), name, arena, ret_host, err) < 0)
		return err->code;
	*ret_domain = "";
	if (!spec->hostnameoverride && !str_empty(spec->subdomain))
		*ret_domain = arena_printf(arena, "%s.%s.svc.%s", spec->subdomain, pod->metadata->namespace_,
					   str_or(cluster_domain, ""));
	return 0;
}

int dns_kernel_name(const Core__Pod *pod, const char *host, const char *domain, struct arena *arena,
		    const char **ret_name, struct err *err)
{
	if (str_empty(domain) || !pod->spec->sethostnameasfqdn) {
		*ret_name = host;
		return 0;
	}

	const char *full = arena_printf(arena, "%s.%s", host, domain);

	if (strlen(full) > FQDN_MAX_CHARS)
		return err_set(err, -EINVAL,
			       "failed to construct FQDN from pod hostname and cluster domain, FQDN %s is too long "
			       "(%d characters is the max, %zu characters requested)",
			       full, FQDN_MAX_CHARS, strlen(full));
	*ret_name = full;
	return 0;
}

/* ---- /etc/hosts ---- */

static void put_aliases(const Core__Pod *pod, struct buf *into)
{
	if (pod->spec->n_hostaliases == 0)
		return;
	buf_puts(into, "\n# Entries added by HostAliases.\n");
	for (size_t i = 0; i < pod->spec->n_hostaliases; i++) {
		const Core__HostAlias *alias = pod->spec->hostaliases[i];

		buf_printf(into, "%s\t", str_or(alias->ip, ""));
		for (size_t n = 0; n < alias->n_hostnames; n++)
			buf_printf(into, "%s%s", n ? "\t" : "", alias->hostnames[n]);
		buf_putc(into, '\n');
	}
}

void dns_hosts_file(const Core__Pod *pod, const char *host, const char *domain, const char *const *pod_ips,
		    size_t n_pod_ips, const char *node_hosts, struct buf *into)
{
	if (is_host_network(pod)) {
		buf_puts(into, "# Kubernetes-managed hosts file (host network).\n");
		buf_puts(into, str_or(node_hosts, ""));
		put_aliases(pod, into);
		return;
	}
	buf_puts(into, "# Kubernetes-managed hosts file.\n"
		       "127.0.0.1\tlocalhost\n"
		       "::1\tlocalhost ip6-localhost ip6-loopback\n"
		       "fe00::0\tip6-localnet\n"
		       "fe00::0\tip6-mcastprefix\n"
		       "fe00::1\tip6-allnodes\n"
		       "fe00::2\tip6-allrouters\n");
	for (size_t i = 0; i < n_pod_ips; i++)
		if (str_empty(domain))
			buf_printf(into, "%s\t%s\n", pod_ips[i], host);
		else
			buf_printf(into, "%s\t%s.%s\t%s\n", pod_ips[i], host, domain, host);
	put_aliases(pod, into);
}

/* ---- resolv.conf ---- */

static void add_unique(struct arena *arena, size_t *n, char ***list, const char *text)
{
	struct {
		char **texts;
		size_t n_texts;
	} field = { *list, *n };

	for (size_t i = 0; i < *n; i++)
		if (str_eq((*list)[i], text))
			return;
	PB_APPEND(arena, &field, texts, arena_strdup(arena, text));
	*list = field.texts;
	*n = field.n_texts;
}

/* An option is known by what stands before the colon; a later one of the same name takes the place of the earlier. */
static void set_option(struct arena *arena, Cri__DNSConfig *config, const char *option)
{
	size_t name = strcspn(option, ":");

	for (size_t i = 0; i < config->n_options; i++)
		if (strcspn(config->options[i], ":") == name && strncmp(config->options[i], option, name) == 0) {
			config->options[i] = arena_strdup(arena, option);
			return;
		}
	PB_APPEND(arena, config, options, arena_strdup(arena, option));
}

static int read_line(struct arena *arena, Cri__DNSConfig *config, char *line, struct err *err)
{
	char *rest = NULL, *word = strtok_r(line, " \t\r\v\f", &rest);
	char *value = word ? strtok_r(NULL, " \t\r\v\f", &rest) : NULL;

	if (!word || *word == '#')
		return 0;
	if (str_eq(word, "nameserver")) {
		if (!value)
			return err_set(
				err, -EINVAL,
				"Encountered error while parsing resolv conf file. Error: nameserver list is empty ");
		PB_APPEND(arena, config, servers, arena_strdup(arena, value));
	} else if (str_eq(word, "search")) {
		config->n_searches = 0; /* the last line counts */
		for (; value; value = strtok_r(NULL, " \t\r\v\f", &rest)) {
			size_t size = strlen(value);

			if (str_eq(value, "."))
				continue;
			PB_APPEND(arena, config, searches,
				  arena_strndup(arena, value, size - (value[size - 1] == '.')));
		}
	} else if (str_eq(word, "options")) {
		for (; value; value = strtok_r(NULL, " \t\r\v\f", &rest))
			set_option(arena, config, value);
	}
	return 0;
}

static int read_resolv_conf(struct arena *arena, Cri__DNSConfig *config, const char *text, struct err *err)
{
	_cleanup_free_ char *copy = xstrdup(text);

	for (char *line = copy, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (read_line(arena, config, line, err) < 0)
			return err->code;
	}
	return 0;
}

/* ---- a pod's configuration ---- */

static char *join(char *const *texts, size_t n, struct arena *arena)
{
	_cleanup_buf_ struct buf text = BUF_INIT(DNS_RESOLV_CONF_MAX_BYTES);

	for (size_t i = 0; i < n; i++)
		buf_printf(&text, "%s%s", i ? " " : "", texts[i]);
	return arena_strdup(arena, buf_text(&text));
}

static void fit(Cri__DNSConfig *config, struct arena *arena, struct dns_notes *notes)
{
	bool cut = config->n_searches > SEARCHES_MAX;
	size_t kept = 0, chars;

	if (config->n_servers > NAMESERVERS_MAX) {
		config->n_servers = NAMESERVERS_MAX;
		notes->nameservers =
			arena_printf(arena,
				     "Nameserver limits were exceeded, some nameservers have been omitted, "
				     "the applied nameserver line is: %s",
				     join(config->servers, config->n_servers, arena));
	}
	config->n_searches = MIN(config->n_searches, (size_t)SEARCHES_MAX);
	for (size_t i = 0; i < config->n_searches; i++) {
		if (strlen(config->searches[i]) > SEARCH_MAX_CHARS)
			cut = true;
		else
			config->searches[kept++] = config->searches[i];
	}
	config->n_searches = kept;
	chars = strlen(join(config->searches, kept, arena));
	for (; config->n_searches && chars > SEARCHES_MAX_CHARS; cut = true)
		chars -= strlen(config->searches[--config->n_searches]) + 1;
	if (cut)
		notes->searches =
			arena_printf(arena,
				     "Search Line limits were exceeded, some search paths have been omitted, the "
				     "applied search line is: %s",
				     join(config->searches, config->n_searches, arena));
}

static void use_cluster_dns(const Core__Pod *pod, const struct dns_node *node, struct arena *arena,
			    Cri__DNSConfig *config)
{
	const char *domain = node->cluster_domain;
	char **host = config->searches;
	size_t n_host = config->n_searches;

	config->n_servers = config->n_options = 0;
	for (size_t i = 0; i < node->n_cluster_dns; i++)
		PB_APPEND(arena, config, servers, arena_strdup(arena, node->cluster_dns[i]));
	PB_APPEND(arena, config, options, arena_strdup(arena, "ndots:5"));
	if (str_empty(domain))
		return;
	config->searches = NULL;
	config->n_searches = 0;
	add_unique(arena, &config->n_searches, &config->searches,
		   arena_printf(arena, "%s.svc.%s", pod->metadata->namespace_, domain));
	add_unique(arena, &config->n_searches, &config->searches, arena_printf(arena, "svc.%s", domain));
	add_unique(arena, &config->n_searches, &config->searches, domain);
	for (size_t i = 0; i < n_host; i++)
		add_unique(arena, &config->n_searches, &config->searches, host[i]);
}

static void unique(struct arena *arena, size_t *n, char ***list)
{
	char **old = *list;
	size_t n_old = *n;

	*list = NULL;
	*n = 0;
	for (size_t i = 0; i < n_old; i++)
		add_unique(arena, n, list, old[i]);
}

static void add_own(const Core__PodDNSConfig *own, struct arena *arena, Cri__DNSConfig *config)
{
	unique(arena, &config->n_servers, &config->servers);
	unique(arena, &config->n_searches, &config->searches);
	for (size_t i = 0; i < own->n_nameservers; i++)
		add_unique(arena, &config->n_servers, &config->servers, own->nameservers[i]);
	for (size_t i = 0; i < own->n_searches; i++)
		add_unique(arena, &config->n_searches, &config->searches, own->searches[i]);
	for (size_t i = 0; i < own->n_options; i++)
		set_option(arena, config,
			   str_empty(own->options[i]->value)
				   ? str_or(own->options[i]->name, "")
				   : arena_printf(arena, "%s:%s", own->options[i]->name, own->options[i]->value));
}

int dns_config(const Core__Pod *pod, const struct dns_node *node, struct arena *arena, Cri__DNSConfig **ret_config,
	       struct dns_notes *ret_notes, struct err *err)
{
	Cri__DNSConfig *config = PB_NEW(arena, Cri__DNSConfig, cri__dnsconfig__descriptor);
	const char *policy = str_or(pod->spec->dnspolicy, "ClusterFirst");
	struct dns_notes notes = { 0 };
	bool cluster = !str_eq(policy, "Default") && !(str_eq(policy, "ClusterFirst") && is_host_network(pod));

	if (node->resolv_conf && read_resolv_conf(arena, config, node->resolv_conf, err) < 0)
		return err->code;
	if (str_eq(policy, "None")) {
		config = PB_NEW(arena, Cri__DNSConfig, cri__dnsconfig__descriptor);
	} else if (cluster && node->n_cluster_dns) {
		use_cluster_dns(pod, node, arena, config);
	} else {
		notes.missing_cluster_dns = cluster;
		if (!node->resolv_conf) {
			PB_APPEND(arena, config, servers, arena_strdup(arena, node->v6 ? "::1" : "127.0.0.1"));
			PB_APPEND(arena, config, searches, arena_strdup(arena, "."));
		}
	}
	if (pod->spec->dnsconfig)
		add_own(pod->spec->dnsconfig, arena, config);
	fit(config, arena, &notes);
	*ret_config = config;
	*ret_notes = notes;
	return 0;
}
