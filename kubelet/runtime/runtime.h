/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the kubelet does to the containers of a pod: one action each, a task each (pkg/loop/task.h).
 *
 * An action builds its request with pure functions (env.h, request.h), calls the runtime, reports the events that users
 * know from the stock kubelet (v1.37, texts included) and ends. It remembers nothing about a pod: what came of it is
 * read back from the runtime (pleg). The only state here is of the node: image pull queue, pull back-off, rate of
 * pulls.
 *
 * `done` of an action gets a `const struct runtime_outcome *` as its result, on failure too, then with what the pod's
 * status says about it. Cancelling an action that has reached the runtime does not undo it there.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "k8s/core.pb-c.h"
#include "kubelet/runtime/observed.h"
#include "pkg/base/arena.h"
#include "pkg/base/err.h"
#include "pkg/codec/amount.h"
#include "pkg/kube/event.h"
#include "pkg/loop/loop.h"

struct cri;
struct objects;
struct runtime;

struct runtime_options {
	struct loop *loop;
	struct cri *cri;
	struct objects *objects; /* ConfigMaps and Secrets, for env and for pull secrets */

	kube_pod_event_fn *event; /* may be NULL */
	void *event_owner;

	const char *pod_logs_dir; /* /var/log/pods */
	const char
		*container_logs_dir; /* /var/log/containers: one link a container, for log collectors; NULL for none */
	const char *seccomp_dir;     /* <root>/seccomp: where Localhost profiles are */

	/* DNS of pods */
	const char *const *cluster_dns;
	size_t n_cluster_dns;
	const char *cluster_domain; /* "" for none */
	const char *resolv_conf;    /* file, "" for none: pods of policy Default then ask 127.0.0.1 */
	const char *node_ip;        /* its family decides what "" above means; NULL counts as IPv4 */

	/* resources */
	bool cgroup_v2;
	bool seccomp_default; /* a container that names no profile gets RuntimeDefault */
	bool cpu_cfs_quota;
	int64_t cpu_cfs_quota_period_us;
	bool single_process_oom_kill; /* no memory.oom.group; always true on cgroup v1 */
	bool tiered_memory_reservation;
	double memory_throttling_factor; /* 0: no memory.high */
	int64_t memory_capacity_bytes;   /* of the node, for oom_score_adj */

	/* of the node: what resourceFieldRef says for a container without a limit */
	struct amounts allocatable; /* what pods may use of the node */

	/* images */
	bool serialize_image_pulls;
	int32_t max_parallel_image_pulls; /* 0: no limit; only without serialize_image_pulls */
	int32_t registry_pull_qps;        /* 0: no limit */
	int32_t registry_burst;
	const char *image_records_dir;  /* <root>/image_manager: who may use which image; NULL: everyone all */
	const char *image_verification; /* imagePullCredentialsVerificationPolicy */
	const char *const *image_allowlist;
	size_t n_image_allowlist;
};

/* The folders in image_records_dir, before runtime_new(). */
int runtime_make_folders(const char *image_records_dir, struct err *err);

struct runtime *runtime_new(const struct runtime_options *options); /* options and their texts are copied */
void runtime_free(struct runtime *runtime);                         /* no action may be running */

/*
 * All that an action needs to know about its pod and that neither the API object nor the runtime says. What it points
 * to must stay valid until `done`; the struct itself is copied.
 */
struct runtime_pod_context {
	const Core__Pod *pod;
	const char *pod_dir;       /* <root>/pods/<uid>, exists */
	const char *cgroup_parent; /* as the runtime wants it, from cm */

	const char *const *host_ips; /* of the node, the primary first */
	size_t n_host_ips;

	const Core__Service *const *services; /* of the pod's namespace, and the API server's; env.c chooses */
	size_t n_services;

	/* Where a volume of the pod is on the node (kubelet/volume); fails while it is not set up. */
	int (*volume_path)(void *owner, const Core__Pod *pod, const char *volume, char path[PATH_MAX], struct err *err);
	void *volume_owner;
};

struct runtime_outcome {
	const char *id; /* of the sandbox or container that was made, "" when none was */

	/*
	 * On failure: what the waiting container (or, for a sandbox, the event FailedCreatePodSandBox, which is
	 * reported already) says: ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName,
	 * ImageInspectError, RegistryUnavailable, SignatureValidationFailed, CreateContainerConfigError,
	 * CreateContainerError, RunContainerError, CreatePodSandboxError, ConfigPodSandboxError, KillContainerError,
	 * KillPodSandboxError.
	 */
	const char *reason;
	const char *message;

	/* When it makes sense to try again; 0: the caller's own rule. Set for ImagePullBackOff. */
	int64_t retry_after_ms;
};

/* Pod log folder, DNS, RunPodSandbox. `attempt` is the last sandbox's + 1. outcome.id is the sandbox's. */
struct task *runtime_run_sandbox(struct runtime *runtime, const struct runtime_pod_context *context, uint32_t attempt,
				 task_done_fn *done, void *owner);

/*
 * Everything from the pull policy to the running process: image (pulled when needed, with back-off), env, /etc/hosts,
 * termination log, CreateContainer, StartContainer, the link in container_logs_dir. `sandbox` is copied before return.
 * `restart_count` is the last instance's + 1; -1 when the runtime knows none: then the log folder tells, since a
 * runtime may lose its history but logs stay.
 */
struct task *runtime_start_container(struct runtime *runtime, const struct runtime_pod_context *context,
				     const Core__Container *container, const struct runtime_sandbox *sandbox,
				     int32_t restart_count, task_done_fn *done, void *owner);

/*
 * StopContainer with `grace_s`, at least 2 s (the runtime needs some for itself). `why` is for the event Killing.
 * Already stopped or gone is a success.
 */
struct task *runtime_kill_container(struct runtime *runtime, const Core__Pod *pod, const char *container_id,
				    const char *container_name, enum runtime_kill why, int64_t grace_s,
				    task_done_fn *done, void *owner);

/*
 * All containers of the pod that may run, at once, then all its sandboxes. `observed` is copied before return. Without
 * `pod` (its object is gone, only the runtime knows it) names come from `observed` and no event is reported.
 */
struct task *runtime_kill_pod(struct runtime *runtime, const Core__Pod *pod, const struct runtime_pod *observed,
			      int64_t grace_s, task_done_fn *done, void *owner);

struct task *runtime_remove_sandbox(struct runtime *runtime, const char *sandbox_id, task_done_fn *done, void *owner);

/* The container, its log (with rotated ones) and its link. `observed` is copied before return. */
struct task *runtime_remove_container(struct runtime *runtime, const struct runtime_container *observed,
				      const char *pod_name, const char *pod_namespace, task_done_fn *done, void *owner);

/*
 * All dead containers and sandboxes of a pod that is over, and its log folder: nothing is left of it in the runtime.
 * Calls nothing that could stop a running container: such a pod is -EBUSY.
 */
struct task *runtime_remove_pod(struct runtime *runtime, const struct runtime_pod *observed, task_done_fn *done,
				void *owner);

/*
 * Log folders of pods that nobody knows: of one that never got a sandbox nothing else is left. In place, as they hold
 * little. What is no pod's folder stays.
 */
void runtime_remove_lost_logs(struct runtime *runtime, bool (*is_known)(void *owner, const char *uid), void *owner);

/* How long a container of the pod waits for its stop, as users set it: deletion, else spec, else 30 s. At least 1. */
int64_t runtime_grace_s(const Core__Pod *pod);

/* The identity of a container's spec, as it is kept with the container: another value means "start it anew". */
uint64_t runtime_container_hash(const Core__Container *container);

/*
 * The JSON path of the first field that this kubelet does not act on yet (`spec.containers[0].livenessProbe`), NULL
 * when there is none. A pod that has one must not run: it would run differently from what its author asked. Volume
 * sources are kubelet/volume's. The text lives in the arena.
 */
const char *runtime_unsupported(const Core__Pod *pod, struct arena *arena);
