/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Names of a pod: its own, its /etc/hosts and whom it asks (resolv.conf). Pure; the node's files come in as text.
 * Rules, limits and texts as in the stock kubelet (v1.37: dns.go, kubelet_pods.go).
 */
#include "cri/cri.pb-c.h"
#include "k8s/core.pb-c.h"
#include "pkg/base/arena.h"
#include "pkg/base/buf.h"
#include "pkg/base/err.h"

enum {
	DNS_RESOLV_CONF_MAX_BYTES = 10 * 1024 * 1024, /* as upstream */
	DNS_HOSTS_MAX_BYTES = 10 * 1024 * 1024, /* the node's file of a hostNetwork pod; ad blockers' have a few MiB */
};

/* Host name (63 characters at most) and domain, "" when the pod has no subdomain. */
int dns_pod_name(const Core__Pod *pod, const char *cluster_domain, struct arena *arena, const char **ret_host,
		 const char **ret_domain, struct err *err);

/* What the kernel in the pod's UTS namespace is told: the host name, or all of it with setHostnameAsFQDN. */
int dns_kernel_name(const Core__Pod *pod, const char *host, const char *domain, struct arena *arena,
		    const char **ret_name, struct err *err);

/* /etc/hosts; `node_hosts` is the node's own file, for a pod on the host's network. */
void dns_hosts_file(const Core__Pod *pod, const char *host, const char *domain, const char *const *pod_ips,
		    size_t n_pod_ips, const char *node_hosts, struct buf *into);

struct dns_node {
	const char *const *cluster_dns;
	size_t n_cluster_dns;
	const char *cluster_domain;
	const char *resolv_conf; /* the file's text; NULL when none is configured */
	bool v6;                 /* family of the node's address */
};

/* Sentences for Warning events about a configuration that was cut; NULL: nothing to say. */
struct dns_notes {
	const char *nameservers, *searches; /* reason DNSConfigForming */
	bool missing_cluster_dns;           /* reason MissingClusterDNS */
};

int dns_config(const Core__Pod *pod, const struct dns_node *node, struct arena *arena, Cri__DNSConfig **ret_config,
	       struct dns_notes *ret_notes, struct err *err);
