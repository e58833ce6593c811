/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * This machine as a Node object: registered, its status kept true, its lease renewed.
 *
 * Registration is tried until it succeeds (100 ms doubling to 7 s). Status is computed every nodeStatusUpdateFrequency
 * and sent when something but heartbeats changed, or after nodeStatusReportFrequency. The lease is renewed every
 * quarter of its duration. A Node that somebody deletes is registered again at the next start only. Of one that is
 * there already only the labels of its kind and place, and our annotations, are set again: what else --node-labels
 * names is for a new object.
 */
#include <stdbool.h>

#include "config/kubelet.pb-c.h"
#include "k8s/core.pb-c.h"
#include "pkg/base/err.h"
#include "pkg/codec/amount.h"
#include "pkg/cri/cri.h"
#include "pkg/kube/event.h"
#include "pkg/kube/kube.h"
#include "pkg/loop/loop.h"

struct node;

struct node_options {
	struct loop *loop;
	struct kube *kube;
	struct cri *cri;
	struct kube_events *events;
	const Config__KubeletConfiguration *config;
	const char *name;
	const char *const *ips; /* of node_addresses() */
	size_t n_ips;
	const char *root_dir, *labels; /* --node-labels, "" for none */
	const char *node_ip;           /* --node-ip as it was given, "" for not at all */
	bool external_cloud;           /* its controller sets the addresses, which stay as they are then */

	/* The own Node object was seen in the API: the first time, and when it has changed since. */
	void (*seen)(void *owner, const Core__Node *node);
	/* 0 or why the node is not ready ("PLEG is not healthy: ..."); may be NULL. */
	int (*health)(void *owner, struct err *err);
	void *owner;
};

/* Copies what it needs; `config` and the managers must outlive it. Fails when reservations exceed the machine. */
int node_new(const struct node_options *options, struct node **ret_node, struct err *err);
void node_start(struct node *node);

/* 0, or why the runtime has no network for pods, as it last said. */
int node_network(const struct node *node, struct err *err);

/* As seen in the API; NULL before. */
const Core__Node *node_get(const struct node *node);

/*
 * What this machine has, what of it is kept back and what pods may use; known before the API answers. Processes are in
 * `reserved` only.
 */
struct node_amounts {
	struct amounts capacity, reserved, allocatable;
};
struct node_amounts node_amounts(const struct node *node);

/* Of this machine, as Go names it: "amd64". */
const char *node_architecture(struct arena *arena);

/* "~/hostname", lower case, or the override. -EINVAL for an empty one. */
int node_name(const char *hostname_override, struct arena *arena, const char **ret_name, struct err *err);

/*
 * The node's addresses: those of --node-ip, which must be on an interface of this machine, else the one that the
 * default route leaves from. At least one, at most two.
 */
int node_addresses(const char *node_ip, struct arena *arena, const char ***ret_ips, size_t *ret_n, struct err *err);
