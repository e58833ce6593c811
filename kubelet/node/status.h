/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The NodeStatus as a function of what is known. Inside kubelet/node only. */
#include "config/kubelet.pb-c.h"
#include "cri/cri.pb-c.h"
#include "k8s/core.pb-c.h"
#include "kubelet/node/facts.h"
#include "kubelet/node/node.h"
#include "pkg/base/arena.h"
#include "pkg/base/err.h"

struct node_status_input {
	const struct node_facts *facts;
	const Config__KubeletConfiguration *config;
	const char *name;
	const char *const *ips;
	size_t n_ips;
	const Core__NodeStatus *provided;    /* has the addresses that a cloud controller set; NULL without one */
	bool await_addresses;                /* which it is to do: no --node-ip says what they may be until then */
	const Cri__VersionResponse *version; /* NULL while the runtime has not answered */
	const Cri__StatusResponse *runtime;  /* as it last answered, NULL before */
	bool runtime_was_ready;              /* it once said so */
	bool runtime_is_down;                /* it has not for 30 s */
	const Cri__ListImagesResponse *images;
	const char *unhealthy;          /* of our own parts, NULL when they are well */
	const Core__NodeStatus *before; /* the last one, for the times of transitions; NULL at first */
	int64_t now_s;
};

/* All of it in the arena. */
Core__NodeStatus *node_status_compute(const struct node_status_input *input, struct arena *arena);

/* 0, or in stock's words why no pod can have a network; `runtime` is NULL before it answered. */
int node_status_network(const Cri__StatusResponse *runtime, struct err *err);

/* Whether the runtime says that it is, whatever its network. */
bool node_status_runtime_is_ready(const Cri__StatusResponse *runtime);

/* NULL when there is none; `status` may be NULL. */
const Core__NodeCondition *node_status_condition(const Core__NodeStatus *status, const char *type);

/* Equal but for heartbeats. */
bool node_status_is_same(const Core__NodeStatus *a, const Core__NodeStatus *b);

/* How many pods the node takes: maxPods, or podsPerCore for each CPU when that is less. */
int64_t node_status_pods(const struct node_facts *facts, const Config__KubeletConfiguration *config);

/* What pods may use is never below zero. */
struct node_amounts node_status_amounts(const struct node_facts *facts, const Config__KubeletConfiguration *config);

/* -EINVAL when what is reserved is more than there is. */
int node_status_check_reserved(const struct node_facts *facts, const Config__KubeletConfiguration *config,
			       struct err *err);
