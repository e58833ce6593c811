/* SPDX-License-Identifier: Apache-2.0 */
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "pkg/base/base.h"
#include "pkg/grpc/grpc.h"
#include "pkg/grpc/queue.h"

enum {
	RECONNECT_FIRST_MS = 100, /* the three of the stock kubelet's CRI client */
	RECONNECT_LAST_MS = 3000,
	CONNECT_TIMEOUT_MS = 5000,
	READ_MAX_BYTES = 32 << 10, /* else a long list leaves a buffer of 256 KiB and more behind, for the next one */
};

struct rpc_client {
	struct loop *loop;
	grpc_channel *channel;
	size_t n_calls;
};

/* The whole of a call is one batch of operations. */
struct call {
	struct task task;
	struct rpc_client *client;
	grpc_call *call;
	task_done_fn *done;
	void *owner;
	struct queue_tag tag;
	grpc_byte_buffer *request, *answer; /* the request lives until its batch has ended */
	grpc_metadata_array initial, trailing;
	grpc_status_code code;
	grpc_slice details;
};

/* ---- texts ---- */

static const char *const code_names[] = {
	"OK",       "Canceled",        "Unknown",          "InvalidArgument",   "DeadlineExceeded",
	"NotFound", "AlreadyExists",   "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
	"Aborted",  "OutOfRange",      "Unimplemented",    "Internal",          "Unavailable",
	"DataLoss", "Unauthenticated",
};

const char *rpc_code_name(int code)
{
	static _Thread_local char other[24];

	if (code >= 0 && (size_t)code < ARRAY_LEN(code_names))
		return code_names[code];
	snprintf(other, sizeof other, "Code(%d)", code);
	return other;
}

int rpc_errno(int code)
{
	switch (code) {
	case RPC_OK:
		return 0;
	case RPC_CANCELLED:
		return -ECANCELED;
	case RPC_INVALID_ARGUMENT:
		return -EINVAL;
	case RPC_DEADLINE_EXCEEDED:
		return -ETIMEDOUT;
	case RPC_NOT_FOUND:
		return -ENOENT;
	case RPC_ALREADY_EXISTS:
		return -EEXIST;
	case RPC_PERMISSION_DENIED:
		return -EPERM;
	case RPC_RESOURCE_EXHAUSTED:
		return -ENOBUFS;
	case RPC_UNIMPLEMENTED:
		return -ENOSYS;
	case RPC_UNAVAILABLE:
		return -ECONNREFUSED;
	default:
		return -EREMOTEIO;
	}
}

/* ---- the channel ---- */

static grpc_arg int_arg(const char *key, int value)
{
	return (grpc_arg){ .type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key, .value.integer = value };
}

static grpc_channel *open_channel(const char *target)
{
	grpc_arg args[] = {
		int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, RPC_MESSAGE_MAX),
		int_arg(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, RPC_MESSAGE_MAX),
		int_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, RECONNECT_FIRST_MS),
		/* In spite of its name: how long one attempt may take. A busy runtime needs more than the back-off. */
		int_arg(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, CONNECT_TIMEOUT_MS),
		int_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, RECONNECT_LAST_MS),
		/* What a client of one local server does not need, each with threads or memory of its own. */
		int_arg(GRPC_ARG_ENABLE_RETRIES, 0),
		int_arg(GRPC_ARG_ENABLE_CHANNELZ, 0),
		int_arg(GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0),
		int_arg(GRPC_ARG_HTTP2_BDP_PROBE, 0),
		int_arg(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
		int_arg(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
		int_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
		int_arg(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, READ_MAX_BYTES),
		/* Newer versions of gRPC would send the socket's path, which strict servers refuse. */
		{ .type = GRPC_ARG_STRING,
		  .key = (char *)(uintptr_t)GRPC_ARG_DEFAULT_AUTHORITY,
		  .value.string = (char *)(uintptr_t) "localhost" },
	};
	grpc_channel_args all = { ARRAY_LEN(args), args };
	grpc_channel_credentials *plain = grpc_insecure_credentials_create();
	grpc_channel *channel = grpc_channel_create(target, plain, &all);

	grpc_channel_credentials_release(plain);
	return channel;
}

int rpc_endpoint_path(const char *endpoint, const char **ret_path, struct err *err)
{
	const char *rest = endpoint;
	size_t scheme = str_scheme(endpoint);

	if (scheme && strncasecmp(endpoint, "tcp:", strlen("tcp:")) == 0)
		return err_set(err, -EINVAL, "only support unix socket endpoint");
	if (scheme && strncasecmp(endpoint, "unix:", strlen("unix:")) != 0)
		return err_set(err, -EINVAL, "protocol \"%.*s\" not supported", (int)scheme, endpoint);
	if (scheme)
		rest += scheme + 1;
	/* What stands between two slashes and the path would be a host; without scheme it is whatever comes first. */
	if (scheme ? strncmp(rest, "//", 2) == 0 : *rest != '/')
		rest = strchr(scheme ? rest + 2 : rest, '/');
	if (!rest || *rest != '/')
		return err_set(err, -EDESTADDRREQ,
			       "rpc error: code = Unavailable desc = dns resolver: missing address");
	*ret_path = rest;
	return 0;
}

int rpc_client_new(struct loop *loop, const char *endpoint, struct rpc_client **ret_client, struct err *err)
{
	const char *path;
	int code = rpc_endpoint_path(str_or(endpoint, ""), &path, err);

	if (code < 0)
		return code;
	_cleanup_free_ char *target = xasprintf("unix://%s", path);
	struct rpc_client *client = xcalloc(1, sizeof *client);

	queue_take();
	client->loop = loop;
	client->channel = open_channel(target);
	*ret_client = client;
	return 0;
}

void rpc_client_free(struct rpc_client *client)
{
	if (!client)
		return;
	base_assert(client->n_calls == 0);
	grpc_channel_destroy(client->channel);
	free(client);
	queue_drop();
}

/* ---- calls ---- */

/* Two statuses are made on this side, and users know them in the words of Go's library. */
static char *message_of(const struct call *call)
{
	static const char too_large[] = "Received message larger than max";
	_cleanup_free_ char *said =
		xstrndup((const char *)GRPC_SLICE_START_PTR(call->details), GRPC_SLICE_LENGTH(call->details));

	if (call->code == GRPC_STATUS_DEADLINE_EXCEEDED && str_eq(said, "Deadline Exceeded"))
		return xstrdup("context deadline exceeded");
	if (call->code == GRPC_STATUS_RESOURCE_EXHAUSTED && str_has_prefix(said, too_large))
		return xasprintf("grpc: received%s", said + strlen("Received"));
	return steal_pointer(&said);
}

/* A batch with RECV_STATUS_ON_CLIENT always succeeds; the status tells. */
static void finish(void *owner, bool ok)
{
	struct call *call = owner;
	_cleanup_free_ char *message = message_of(call);
	struct rpc_reply reply = { .code = (int)call->code, .message = message, .bytes = "" };
	grpc_byte_buffer_reader reader;
	grpc_slice bytes = grpc_empty_slice();
	struct err err;

	if (call->answer && grpc_byte_buffer_reader_init(&reader, call->answer)) {
		bytes = grpc_byte_buffer_reader_readall(&reader);
		grpc_byte_buffer_reader_destroy(&reader);
		reply.bytes = GRPC_SLICE_START_PTR(bytes);
		reply.size = GRPC_SLICE_LENGTH(bytes);
	}
	if (call->code != GRPC_STATUS_OK)
		err_set(&err, rpc_errno((int)call->code), "rpc error: code = %s desc = %s",
			rpc_code_name((int)call->code), message);
	call->client->n_calls--;
	call->done(call->owner, &reply, call->code == GRPC_STATUS_OK ? NULL : &err);

	grpc_slice_unref(bytes);
	if (call->answer)
		grpc_byte_buffer_destroy(call->answer);
	grpc_byte_buffer_destroy(call->request);
	grpc_metadata_array_destroy(&call->initial);
	grpc_metadata_array_destroy(&call->trailing);
	grpc_slice_unref(call->details);
	grpc_call_unref(call->call);
	free(call);
}

static void call_cancel(struct task *task)
{
	grpc_call_cancel(container_of(task, struct call, task)->call, NULL);
}

static gpr_timespec deadline(int64_t deadline_ms)
{
	if (deadline_ms <= 0)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(deadline_ms, GPR_TIMESPAN));
}

static struct call *call_new(struct rpc_client *client, const char *method, int64_t deadline_ms, task_done_fn *done,
			     void *owner)
{
	struct call *call = xcalloc(1, sizeof *call);

	call->task.cancel = call_cancel;
	call->client = client;
	call->done = done;
	call->owner = owner;
	call->details = grpc_empty_slice();
	grpc_metadata_array_init(&call->initial);
	grpc_metadata_array_init(&call->trailing);
	queue_tag_init(&call->tag, client->loop, finish, call);
	grpc_slice path = grpc_slice_from_copied_string(method);
	call->call = grpc_channel_create_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue_get(), path, NULL,
					      deadline(deadline_ms), NULL);
	grpc_slice_unref(path);
	client->n_calls++;
	return call;
}

static grpc_byte_buffer *request_of(const void *bytes, size_t size)
{
	grpc_slice slice = grpc_slice_from_copied_buffer(bytes, size);
	grpc_byte_buffer *request = grpc_raw_byte_buffer_create(&slice, 1);

	grpc_slice_unref(slice);
	return request;
}

struct task *rpc_call(struct rpc_client *client, const char *method, const void *bytes, size_t size,
		      int64_t deadline_ms, task_done_fn *done, void *owner)
{
	struct call *call = call_new(client, method, deadline_ms, done, owner);

	call->request = request_of(bytes, size);
	grpc_op ops[] = {
		{ .op = GRPC_OP_SEND_INITIAL_METADATA },
		{ .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = call->request },
		{ .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT },
		{ .op = GRPC_OP_RECV_INITIAL_METADATA,
		  .data.recv_initial_metadata.recv_initial_metadata = &call->initial },
		{ .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
		  .data.recv_status_on_client = { .trailing_metadata = &call->trailing,
						  .status = &call->code,
						  .status_details = &call->details } },
		{ .op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &call->answer },
	};

	base_assert(grpc_call_start_batch(call->call, ops, ARRAY_LEN(ops), &call->tag, NULL) == GRPC_CALL_OK);
	return &call->task;
}
