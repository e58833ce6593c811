/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the runtime has of one pod, as last seen: plain data, filled by pleg, read by pod/plan and pod/status.
 *
 * Everything the kubelet must remember about containers over its own restart is kept by the runtime (labels and
 * annotations on them, see labels.h), so a value of this type is the whole observed truth. All texts live in the arena
 * of the pod; times are wall-clock nanoseconds, 0 when not known.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum runtime_state { RUNTIME_CREATED, RUNTIME_RUNNING, RUNTIME_EXITED, RUNTIME_UNKNOWN };

struct runtime_container {
	const char *id;   /* bare; the API shows it as RUNTIME://ID */
	const char *name; /* of the container in the pod's spec */
	const char *sandbox_id;
	const char *image;     /* as the runtime names it */
	const char *image_id;  /* what the API shows as imageID */
	const char *image_ref; /* what it was created from, in the list of containers */
	enum runtime_state state;
	int32_t restart_count; /* which instance of this name it is, from 0 */
	uint64_t spec_hash;    /* of the container's spec when it was created */
	int64_t created_ns, started_ns, finished_ns;
	int32_t exit_code;
	const char *reason;  /* Completed, Error, OOMKilled, ContainerCannotRun, StartError, … */
	const char *message; /* termination message: of the file, the log's tail, or the runtime's own */
	const char *log_path;

	/* What it may use, as the runtime tells it; 0 when it does not, or there is no limit. */
	int64_t cpu_shares, cpu_quota_us, cpu_period_us, memory_limit_bytes;

	/* Who the first process runs as; not every runtime tells. */
	bool has_user;
	int64_t uid, gid;
	int64_t *groups;
	size_t n_groups;
};

struct runtime_sandbox {
	const char *id;
	bool ready;
	bool host_network;
	uint32_t attempt;
	int64_t created_ns;
	const char **ips; /* the first is the pod's IP; none on the host's network */
	size_t n_ips;
};

/* Why one container is stopped. */
enum runtime_kill { RUNTIME_KILL_STOP, RUNTIME_KILL_CHANGED, RUNTIME_KILL_UNKNOWN };

struct runtime_pod {
	struct arena *arena; /* owns all of it, this struct included */
	const char *uid, *name, *namespace_;
	struct runtime_sandbox *sandboxes; /* newest first */
	size_t n_sandboxes;
	struct runtime_container *containers; /* newest first */
	size_t n_containers;
};

bool runtime_ip_is_v6(const char *ip);

/*
 * What is told of a pod's addresses: one a family, the family of the node's first address first (`first_host_ip` NULL:
 * IPv4). Answers how many; they are the given ones.
 */
size_t runtime_pick_ips(const char *const *ips, size_t n_ips, const char *first_host_ip, const char *ret_ips[2]);
