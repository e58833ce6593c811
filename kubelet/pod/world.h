/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The real world of the pods: steps done by the managers, requests to the API server, the loop's clock.
 *
 * Every step but a pure read is followed by a fresh read of the pod from the runtime, so that the next decision is made
 * on what came of it.
 */
#include "kubelet/pod/pod.h"
#include "pkg/loop/loop.h"

struct cm;
struct kube;
struct kube_events;
struct objects;
struct pleg;
struct runtime;
struct volumes;
struct world;

struct world_options {
	struct loop *loop;
	struct kube *kube;
	struct kube_events *events;
	struct cm *cm;
	struct objects *objects;
	struct pleg *pleg;

	struct crash_loop_policy crash_loop;
	const char *runtime_name;    /* as the runtime calls itself; copied */
	const char *const *host_ips; /* copied */
	size_t n_host_ips;
	char *const *unsafe_sysctls; /* allowedUnsafeSysctls; must outlive it */
	size_t n_unsafe_sysctls;

	const Core__Node *(*node)(void *owner); /* as in the API, NULL before it was seen */
	const Core__Service *const *(*services)(void *owner, size_t *ret_n);
	int (*network)(void *owner, struct err *err); /* 0, or why pods get no network */
	void *owner;
};

struct world *world_new(const struct world_options *options);
struct pods *world_pods(struct world *world);

/* They report events through the world, so they are made after it; before it is run. */
void world_set_managers(struct world *world, struct volumes *volumes, struct runtime *runtime);

/* For runtime and volumes, which report through it (kube_pod_event_fn); `owner` is the world. */
void world_event(void *owner, const Core__Pod *pod, const char *container, const char *type, const char *reason,
		 const char *message);

/*
 * Every source has told what it has: from now on what no pod knows is killed and removed, now and every 2 s.
 */
void world_sources_ready(struct world *world);
