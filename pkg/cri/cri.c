/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/cri/cri.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/codec/pb.h"
#include "pkg/cri/check.h"
#include "pkg/grpc/grpc.h"

enum {
	DECODED_MAX = 4 * RPC_MESSAGE_MAX, /* structs of a full message: pointers and alignment on top of the bytes */
};

struct cri {
	struct loop *loop;
	struct rpc_client *client;
	int64_t timeout_ms;
};

#define METHOD(service, name, symbol)                                                           \
	{                                                                                       \
		"/runtime.v1." #service "/" #name, #name, &cri__##symbol##_request__descriptor, \
			&cri__##symbol##_response__descriptor                                   \
	}
#define RUNTIME(name, symbol) METHOD(RuntimeService, name, symbol)
#define IMAGE(name, symbol) METHOD(ImageService, name, symbol)

static const struct method {
	const char *path, *name;
	const ProtobufCMessageDescriptor *request, *response;
} methods[CRI_METHODS] = {
	[CRI_VERSION] = RUNTIME(Version, version),
	[CRI_RUN_POD_SANDBOX] = RUNTIME(RunPodSandbox, run_pod_sandbox),
	[CRI_STOP_POD_SANDBOX] = RUNTIME(StopPodSandbox, stop_pod_sandbox),
	[CRI_REMOVE_POD_SANDBOX] = RUNTIME(RemovePodSandbox, remove_pod_sandbox),
	[CRI_POD_SANDBOX_STATUS] = RUNTIME(PodSandboxStatus, pod_sandbox_status),
	[CRI_LIST_POD_SANDBOX] = RUNTIME(ListPodSandbox, list_pod_sandbox),
	[CRI_CREATE_CONTAINER] = RUNTIME(CreateContainer, create_container),
	[CRI_START_CONTAINER] = RUNTIME(StartContainer, start_container),
	[CRI_STOP_CONTAINER] = RUNTIME(StopContainer, stop_container),
	[CRI_REMOVE_CONTAINER] = RUNTIME(RemoveContainer, remove_container),
	[CRI_LIST_CONTAINERS] = RUNTIME(ListContainers, list_containers),
	[CRI_CONTAINER_STATUS] = RUNTIME(ContainerStatus, container_status),
	[CRI_UPDATE_CONTAINER_RESOURCES] = RUNTIME(UpdateContainerResources, update_container_resources),
	[CRI_REOPEN_CONTAINER_LOG] = RUNTIME(ReopenContainerLog, reopen_container_log),
	[CRI_EXEC_SYNC] = RUNTIME(ExecSync, exec_sync),
	[CRI_EXEC] = RUNTIME(Exec, exec),
	[CRI_ATTACH] = RUNTIME(Attach, attach),
	[CRI_PORT_FORWARD] = RUNTIME(PortForward, port_forward),
	[CRI_CONTAINER_STATS] = RUNTIME(ContainerStats, container_stats),
	[CRI_LIST_CONTAINER_STATS] = RUNTIME(ListContainerStats, list_container_stats),
	[CRI_POD_SANDBOX_STATS] = RUNTIME(PodSandboxStats, pod_sandbox_stats),
	[CRI_LIST_POD_SANDBOX_STATS] = RUNTIME(ListPodSandboxStats, list_pod_sandbox_stats),
	[CRI_UPDATE_RUNTIME_CONFIG] = RUNTIME(UpdateRuntimeConfig, update_runtime_config),
	[CRI_STATUS] = RUNTIME(Status, status),
	[CRI_CHECKPOINT_CONTAINER] = RUNTIME(CheckpointContainer, checkpoint_container),
	[CRI_CHECKPOINT_POD] = RUNTIME(CheckpointPod, checkpoint_pod),
	[CRI_RESTORE_POD] = RUNTIME(RestorePod, restore_pod),
	[CRI_LIST_METRIC_DESCRIPTORS] = RUNTIME(ListMetricDescriptors, list_metric_descriptors),
	[CRI_LIST_POD_SANDBOX_METRICS] = RUNTIME(ListPodSandboxMetrics, list_pod_sandbox_metrics),
	[CRI_RUNTIME_CONFIG] = RUNTIME(RuntimeConfig, runtime_config),
	[CRI_UPDATE_POD_SANDBOX_RESOURCES] = RUNTIME(UpdatePodSandboxResources, update_pod_sandbox_resources),
	[CRI_LIST_IMAGES] = IMAGE(ListImages, list_images),
	[CRI_IMAGE_STATUS] = IMAGE(ImageStatus, image_status),
	[CRI_PULL_IMAGE] = IMAGE(PullImage, pull_image),
	[CRI_REMOVE_IMAGE] = IMAGE(RemoveImage, remove_image),
	[CRI_IMAGE_FS_INFO] = IMAGE(ImageFsInfo, image_fs_info),
};

int cri_new(struct loop *loop, const char *endpoint, int64_t request_timeout_ms, struct cri **ret_cri, struct err *err)
{
	struct rpc_client *client;
	int code = rpc_client_new(loop, endpoint, &client, err);

	if (code < 0)
		return code;
	struct cri *cri = xcalloc(1, sizeof *cri);
	*cri = (struct cri){ .loop = loop, .client = client, .timeout_ms = request_timeout_ms };
	*ret_cri = cri;
	return 0;
}

void cri_free(struct cri *cri)
{
	if (!cri)
		return;
	rpc_client_free(cri->client);
	free(cri);
}

int cri_probe(const char *endpoint, struct err *err)
{
	const char *path;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (rpc_endpoint_path(endpoint, &path, err) < 0)
		return err->code;
	if (strlen(path) >= sizeof address.sun_path)
		return err_set(err, -EINVAL, "the endpoint %s is longer than a socket's path can be", endpoint);
	memcpy(address.sun_path, path, strlen(path));
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		struct err cause;

		err_errno(&cause, "transport: Error while dialing: dial unix %s: connect", path);
		return err_set(err, cause.code, "rpc error: code = Unavailable desc = connection error: desc = \"%s\"",
			       cause.text);
	}
	return 0;
}

/* Milliseconds, 0 for none: the rules of the stock kubelet's CRI client. */
static int64_t default_timeout(const struct cri *cri, enum cri_method method, const ProtobufCMessage *request)
{
	int64_t seconds;

	switch (method) {
	case CRI_PULL_IMAGE:
		return 0;
	case CRI_STOP_CONTAINER: /* the time that the container gets, and some for the runtime */
		seconds = ((const Cri__StopContainerRequest *)(const void *)request)->timeout;
		return cri->timeout_ms + MIN(MAX(seconds, 0), INT32_MAX) * 1000;
	case CRI_EXEC_SYNC:
		seconds = ((const Cri__ExecSyncRequest *)(const void *)request)->timeout;
		return seconds <= 0 ? 0 : cri->timeout_ms + MIN(seconds, INT32_MAX) * 1000;
	case CRI_RUN_POD_SANDBOX: /* sets up the network, which a plugin may take its time for */
		return cri->timeout_ms * 2;
	default:
		return cri->timeout_ms;
	}
}

/* A call of ours around one of pkg/grpc. */
struct call {
	struct task task;
	struct task *rpc; /* NULL while a failure of our own is on its way */
	const struct method *method;
	task_done_fn *done;
	void *owner;
	struct err err;
};

static void call_cancel(struct task *task)
{
	task_cancel(container_of(task, struct call, task)->rpc);
}

static void rpc_done(void *owner, const void *result, const struct err *err)
{
	struct call *call = owner;
	const struct rpc_reply *reply = result;

	if (err) {
		call->done(call->owner, NULL, err);
	} else {
		_cleanup_arena_ struct arena *arena = arena_new_limited(DECODED_MAX);
		ProtobufCMessage *response;
		struct err bad;

		if (pb_decode(call->method->response, reply->bytes, reply->size, arena, &response, &bad) < 0) {
			err_wrap(&bad,
				 "rpc error: code = Internal desc = grpc: failed to unmarshal the received message");
			call->done(call->owner, NULL, &bad);
		} else if (cri_check_answer((enum cri_method)(call->method - methods), response, &bad) < 0) {
			call->done(call->owner, NULL, &bad);
		} else {
			call->done(call->owner, response, NULL);
		}
	}
	free(call);
}

static void failed_at_start(void *arg)
{
	struct call *call = arg;

	call->done(call->owner, NULL, &call->err);
	free(call);
}

static struct call *call_new(enum cri_method method, const ProtobufCMessage *request, task_done_fn *done, void *owner)
{
	struct call *call = xcalloc(1, sizeof *call);

	base_assert(request->descriptor == methods[method].request);
	call->task.cancel = call_cancel;
	call->method = &methods[method];
	call->done = done;
	call->owner = owner;
	return call;
}

static int encode(struct call *call, const ProtobufCMessage *request, struct buf *bytes)
{
	int code = pb_encode(request, bytes, &call->err);

	if (code != -EILSEQ)
		return code < 0 ? err_wrap(&call->err, "%s", call->method->name) : 0;
	/* A client's command may hold any byte, and who sent it reads what stock's client of the runtime says. */
	return err_set(&call->err, code,
		       "rpc error: code = Internal desc = grpc: error while marshaling: string field contains invalid "
		       "UTF-8");
}

struct task *cri_call(struct cri *cri, enum cri_method method, const ProtobufCMessage *request, int64_t timeout_ms,
		      task_done_fn *done, void *owner)
{
	struct call *call = call_new(method, request, done, owner);
	_cleanup_buf_ struct buf bytes = BUF_INIT(RPC_MESSAGE_MAX);

	if (encode(call, request, &bytes) < 0)
		loop_post(cri->loop, failed_at_start, call);
	else
		call->rpc = rpc_call(cri->client, call->method->path, buf_text(&bytes), bytes.size,
				     timeout_ms ? timeout_ms : default_timeout(cri, method, request), rpc_done, call);
	return &call->task;
}
