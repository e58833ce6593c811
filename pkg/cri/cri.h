/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The runtime, asked over CRI v1: its 36 calls with one answer (the rest are streams, which nobody here needs), one
 * table, messages as the structs of proto/cri.
 *
 * A call's result is the decoded answer (`const Cri__VersionResponse *`), valid during `done`. On failure err.text is
 * what a Go client prints, since users meet it in events: "rpc error: code = NotFound desc = ...". err.code is
 * -ENOENT, -EEXIST, -ENOSYS (call not known to this runtime), -ETIMEDOUT, -ECONNREFUSED (runtime not there),
 * -ENOBUFS, -EINVAL, -EPERM, -ECANCELED or -EREMOTEIO; -EBADMSG when the answer cannot be read or lacks what it must
 * hold (check.h), -EILSEQ when a text of the request is not UTF-8.
 */
#include "cri/cri.pb-c.h"
#include "pkg/base/err.h"
#include "pkg/loop/loop.h"

enum cri_method {
	CRI_VERSION,
	CRI_RUN_POD_SANDBOX,
	CRI_STOP_POD_SANDBOX,
	CRI_REMOVE_POD_SANDBOX,
	CRI_POD_SANDBOX_STATUS,
	CRI_LIST_POD_SANDBOX,
	CRI_CREATE_CONTAINER,
	CRI_START_CONTAINER,
	CRI_STOP_CONTAINER,
	CRI_REMOVE_CONTAINER,
	CRI_LIST_CONTAINERS,
	CRI_CONTAINER_STATUS,
	CRI_UPDATE_CONTAINER_RESOURCES,
	CRI_REOPEN_CONTAINER_LOG,
	CRI_EXEC_SYNC,
	CRI_EXEC,
	CRI_ATTACH,
	CRI_PORT_FORWARD,
	CRI_CONTAINER_STATS,
	CRI_LIST_CONTAINER_STATS,
	CRI_POD_SANDBOX_STATS,
	CRI_LIST_POD_SANDBOX_STATS,
	CRI_UPDATE_RUNTIME_CONFIG,
	CRI_STATUS,
	CRI_CHECKPOINT_CONTAINER,
	CRI_CHECKPOINT_POD,
	CRI_RESTORE_POD,
	CRI_LIST_METRIC_DESCRIPTORS,
	CRI_LIST_POD_SANDBOX_METRICS,
	CRI_RUNTIME_CONFIG,
	CRI_UPDATE_POD_SANDBOX_RESOURCES,
	CRI_LIST_IMAGES,
	CRI_IMAGE_STATUS,
	CRI_PULL_IMAGE,
	CRI_REMOVE_IMAGE,
	CRI_IMAGE_FS_INFO,
	CRI_METHODS,
};

struct cri;

/* Fails as rpc_endpoint_path(); the runtime need not be there yet. */
int cri_new(struct loop *loop, const char *endpoint, int64_t request_timeout_ms, struct cri **ret_cri, struct err *err);
void cri_free(struct cri *cri); /* all its tasks must have ended */

/* Whether somebody listens at the endpoint now; blocks for no longer than a local connect. For the start only. */
int cri_probe(const char *endpoint, struct err *err);

/*
 * Asks once. The request may be freed after return. timeout_ms 0 takes the method's own, as the stock kubelet: the
 * configured request timeout; twice that for RunPodSandbox; none for PullImage; for StopContainer and ExecSync what the
 * request itself allows on top, an ExecSync without a limit has none here either.
 */
struct task *cri_call(struct cri *cri, enum cri_method method, const ProtobufCMessage *request, int64_t timeout_ms,
		      task_done_fn *done, void *owner);
