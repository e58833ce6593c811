/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * gRPC calls over a unix socket, as tasks of the loop. The only folder that knows gRPC core.
 *
 * Bytes in and out; what they mean is pkg/cri's business. One thread of the process waits on the completion queue and
 * posts to the loop. A broken connection is made again by itself (100 ms to 3 s between tries, as the stock kubelet);
 * calls made meanwhile fail at once with RPC_UNAVAILABLE.
 */
#include <stddef.h>
#include <stdint.h>

#include "pkg/base/err.h"
#include "pkg/loop/loop.h"

enum { RPC_MESSAGE_MAX = 16 * 1024 * 1024 }; /* what containerd and the stock kubelet allow */

/* The status codes of the protocol that anybody here looks at. */
enum rpc_code {
	RPC_OK = 0,
	RPC_CANCELLED = 1,
	RPC_UNKNOWN = 2,
	RPC_INVALID_ARGUMENT = 3,
	RPC_DEADLINE_EXCEEDED = 4,
	RPC_NOT_FOUND = 5,
	RPC_ALREADY_EXISTS = 6,
	RPC_PERMISSION_DENIED = 7,
	RPC_RESOURCE_EXHAUSTED = 8,
	RPC_FAILED_PRECONDITION = 9,
	RPC_ABORTED = 10,
	RPC_OUT_OF_RANGE = 11,
	RPC_UNIMPLEMENTED = 12,
	RPC_INTERNAL = 13,
	RPC_UNAVAILABLE = 14,
	RPC_DATA_LOSS = 15,
	RPC_UNAUTHENTICATED = 16,
};

const char *rpc_code_name(int code); /* as Go prints it: "NotFound", "Code(77)" */

struct rpc_client;

/*
 * The socket that an endpoint names: unix:///path, unix:/path or a plain path, as the stock kubelet reads them as URLs.
 * The text is the endpoint's own. -EINVAL for another protocol, -EDESTADDRREQ when there is no path.
 */
int rpc_endpoint_path(const char *endpoint, const char **ret_path, struct err *err);

/* Fails as rpc_endpoint_path(). It does not connect yet. */
int rpc_client_new(struct loop *loop, const char *endpoint, struct rpc_client **ret_client, struct err *err);
void rpc_client_free(struct rpc_client *client); /* all its tasks must have ended */

/* The result of every call, given to `done` also when the status is not OK (err is then set as below). */
struct rpc_reply {
	int code;            /* enum rpc_code */
	const char *message; /* of the status, never NULL */
	const void *bytes;   /* the answer; empty on failure */
	size_t size;
};

/*
 * One request, one answer. `method` is "/package.Service/Method". The bytes are copied before return. deadline_ms 0 is
 * none. err.text is what a Go client prints, "rpc error: code = NotFound desc = ..."; err.code is the errno nearest to
 * the status (rpc_errno).
 */
struct task *rpc_call(struct rpc_client *client, const char *method, const void *bytes, size_t size,
		      int64_t deadline_ms, task_done_fn *done, void *owner);

int rpc_errno(int code); /* negative errno for a status, 0 for RPC_OK */
