/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the runtime is asked to make, from the pod's spec: pure. Field by field as the stock kubelet asks (v1.37,
 * kuberuntime), so that a runtime cannot tell the two apart. Results live in the arena.
 */
#include "cri/cri.pb-c.h"
#include "k8s/core.pb-c.h"
#include "kubelet/runtime/dns.h"
#include "kubelet/runtime/env.h"
#include "kubelet/runtime/runtime.h"
#include "pkg/base/arena.h"
#include "pkg/base/err.h"

/* Of the node, read once at start. */
struct runtime_request_node {
	const char *const *masked_paths; /* hidden from a container unless its procMount is Unmasked */
	size_t n_masked_paths;
	const char *const *hugepage_sizes; /* "2MB" */
	size_t n_hugepage_sizes;
	bool swap_limits; /* the memory controller can limit swap */
};

/* Who an image runs as: a number, or a name that only the runtime can resolve. */
struct runtime_request_image {
	const char *ref;
	bool has_uid;
	int64_t uid;
	const char *username;
};

struct runtime_request_container {
	const struct runtime_options *options;
	const struct runtime_request_node *node;
	const struct runtime_pod_context *context;
	const Core__Container *container;
	const struct env *env;
	struct runtime_request_image image;
	int32_t restart_count;
	const char *hosts_path;       /* NULL: no /etc/hosts of ours */
	const char *termination_path; /* of the file that is mounted for the termination message; NULL: none */
};

/* Failures carry the sentence for CreateContainerConfigError. */
int runtime_request_container(const struct runtime_request_container *input, struct arena *arena,
			      Cri__ContainerConfig **ret_config, struct err *err);

/* `resolv_conf` is the text of the node's file, NULL when none is configured. */
int runtime_request_sandbox(const struct runtime_options *options, const struct runtime_request_node *node,
			    const struct runtime_pod_context *context, uint32_t attempt, const char *resolv_conf,
			    struct arena *arena, Cri__PodSandboxConfig **ret_config, struct dns_notes *ret_notes,
			    struct err *err);

/* ---- parts, each a file ---- */

/* security.c */
int runtime_request_check_non_root(const Core__Pod *pod, const Core__Container *container,
				   const struct runtime_request_image *image, struct err *err);
int runtime_request_security(const struct runtime_request_container *input, struct arena *arena,
			     Cri__LinuxContainerSecurityContext **ret_security, struct err *err);
Cri__LinuxSandboxSecurityContext *runtime_request_sandbox_security(const Core__Pod *pod, struct arena *arena);

/* resources.c */
Cri__LinuxContainerResources *runtime_request_resources(const struct runtime_options *options,
							const struct runtime_request_node *node, const Core__Pod *pod,
							const Core__Container *container, struct arena *arena);
Cri__LinuxContainerResources *runtime_request_sandbox_resources(const struct runtime_options *options,
								const Core__Pod *pod, struct arena *arena);
int64_t runtime_request_oom_score_adj(const Core__Pod *pod, const Core__Container *container,
				      int64_t memory_capacity_bytes);

/* ---- places ---- */

/* <pod_logs_dir>/<namespace>_<name>_<uid> */
char *runtime_request_pod_log_dir(const char *pod_logs_dir, const char *namespace_, const char *name, const char *uid,
				  struct arena *arena);
/* <container_logs_dir>/<pod>_<namespace>_<container>-<id>.log, cut to what a file system takes */
char *runtime_request_log_link(const char *container_logs_dir, const char *pod, const char *namespace_,
			       const char *container, const char *id, struct arena *arena);
bool runtime_request_wants_hosts(const Core__Pod *pod, const Core__Container *container, size_t n_pod_ips);
