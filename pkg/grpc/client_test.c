/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a server of the test's own, over a real socket. */
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/grpc/grpc.h"
#include "pkg/grpc/queue.h"
#include "pkg/test/test.h"

enum { TOO_BIG = RPC_MESSAGE_MAX + 1 };

static struct loop *loop;
static grpc_server *server;

/* One call at the server: what it answers follows from the method's name. */
struct serving {
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata;
	grpc_byte_buffer *request, *answer;
	struct queue_tag came, read, sent, closed;
	int cancelled, batches;
};

static void accept_next(void);

static void serving_free(struct serving *serving)
{
	if (serving->call)
		grpc_call_unref(serving->call);
	grpc_call_details_destroy(&serving->details);
	grpc_metadata_array_destroy(&serving->metadata);
	if (serving->request)
		grpc_byte_buffer_destroy(serving->request);
	if (serving->answer)
		grpc_byte_buffer_destroy(serving->answer);
	free(serving);
}

static void batch(struct serving *serving, const grpc_op *ops, size_t n, struct queue_tag *tag)
{
	serving->batches++;
	base_assert(grpc_call_start_batch(serving->call, ops, n, tag, NULL) == GRPC_CALL_OK);
}

static void ended(void *owner, bool ok)
{
	struct serving *serving = owner;

	if (--serving->batches == 0)
		serving_free(serving);
}

static bool is_method(const struct serving *serving, const char *name)
{
	return grpc_slice_str_cmp(serving->details.method, name) == 0;
}

static void send_status(struct serving *serving, grpc_status_code code, const char *text)
{
	grpc_slice details = grpc_slice_from_copied_string(text);
	grpc_op ops[] = { { .op = GRPC_OP_SEND_STATUS_FROM_SERVER,
			    .data.send_status_from_server = { .status = code, .status_details = &details } },
			  { .op = GRPC_OP_SEND_INITIAL_METADATA },
			  { .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = serving->answer } };

	batch(serving, ops, serving->answer ? 3 : 2, &serving->sent);
	grpc_slice_unref(details);
}

static void request_read(void *owner, bool ok)
{
	struct serving *serving = owner;

	if (is_method(serving, "/t/Missing")) {
		send_status(serving, GRPC_STATUS_NOT_FOUND, "no such thing");
	} else if (is_method(serving, "/t/Big")) {
		grpc_slice slice = grpc_slice_malloc(TOO_BIG);

		memset(GRPC_SLICE_START_PTR(slice), 0, TOO_BIG);
		serving->answer = grpc_raw_byte_buffer_create(&slice, 1);
		grpc_slice_unref(slice);
		send_status(serving, GRPC_STATUS_OK, "");
	} else if (is_method(serving, "/t/Echo")) {
		serving->answer = grpc_byte_buffer_copy(serving->request);
		send_status(serving, GRPC_STATUS_OK, "");
	} else if (!is_method(serving, "/t/Mute")) {
		send_status(serving, GRPC_STATUS_UNIMPLEMENTED, "unknown");
	}
	ended(serving, ok);
}

static void call_came(void *owner, bool ok)
{
	struct serving *serving = owner;

	if (!ok) { /* the server stops */
		serving_free(serving);
		return;
	}
	accept_next();
	grpc_op close = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER,
			  .data.recv_close_on_server.cancelled = &serving->cancelled };
	grpc_op read = { .op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &serving->request };

	queue_tag_init(&serving->closed, loop, ended, serving);
	queue_tag_init(&serving->sent, loop, ended, serving);
	queue_tag_init(&serving->read, loop, request_read, serving);
	batch(serving, &close, 1, &serving->closed);
	batch(serving, &read, 1, &serving->read);
}

static void accept_next(void)
{
	struct serving *serving = xcalloc(1, sizeof *serving);

	grpc_call_details_init(&serving->details);
	grpc_metadata_array_init(&serving->metadata);
	queue_tag_init(&serving->came, loop, call_came, serving);
	base_assert(grpc_server_request_call(server, &serving->call, &serving->details, &serving->metadata, queue_get(),
					     queue_get(), &serving->came) == GRPC_CALL_OK);
}

static void start_server(const char *path)
{
	_cleanup_free_ char *address = xasprintf("unix://%s", path);
	grpc_arg limit = { .type = GRPC_ARG_INTEGER,
			   .key = (char *)(uintptr_t)GRPC_ARG_MAX_SEND_MESSAGE_LENGTH,
			   .value.integer = -1 };
	grpc_channel_args args = { 1, &limit };
	grpc_server_credentials *plain = grpc_insecure_server_credentials_create();

	queue_take();
	server = grpc_server_create(&args, NULL);
	grpc_server_register_completion_queue(server, queue_get(), NULL);
	CHECK("listens", grpc_server_add_http2_port(server, address, plain));
	grpc_server_credentials_release(plain);
	grpc_server_start(server);
	accept_next();
}

static void server_stopped(void *owner, bool ok)
{
	grpc_server_destroy(server);
	server = NULL;
	loop_stop(loop);
}

static void stop_server(void)
{
	struct queue_tag tag;

	queue_tag_init(&tag, loop, server_stopped, NULL);
	grpc_server_shutdown_and_notify(server, queue_get(), &tag);
	grpc_server_cancel_all_calls(server);
	loop_run(loop);
	queue_drop();
}

/* ---- the client's side ---- */

struct seen {
	int calls, code, errno_;
	size_t size;
	char bytes[64], text[256];
};

static void done(void *owner, const void *result, const struct err *err)
{
	struct seen *seen = owner;
	const struct rpc_reply *reply = result;

	seen->calls++;
	seen->code = reply->code;
	seen->size = reply->size;
	memcpy(seen->bytes, reply->bytes, MIN(reply->size, sizeof seen->bytes - 1));
	seen->errno_ = err ? err->code : 0;
	snprintf(seen->text, sizeof seen->text, "%.200s", err ? err->text : "");
	loop_stop(loop);
}

static struct rpc_client *start(const char *path)
{
	_cleanup_free_ char *endpoint = xasprintf("unix://%s", path);
	struct rpc_client *client;
	struct err err;

	loop = loop_new();
	start_server(path);
	CHECK_OK(rpc_client_new(loop, endpoint, &client, &err), &err);
	return client;
}

static void stop(struct rpc_client *client)
{
	rpc_client_free(client);
	stop_server();
	loop_free(loop);
}

static const char *socket_path(char path[108])
{
	snprintf(path, 108, "%.90s/s", test_folder());
	return path;
}

TEST(answers)
{
	static const struct {
		const char *method;
		int64_t deadline_ms;
		int code, errno_;
		const char *text;
	} rows[] = {
		{ "/t/Echo", 20000, RPC_OK, 0, "" },
		{ "/t/Missing", 20000, RPC_NOT_FOUND, -ENOENT, "rpc error: code = NotFound desc = no such thing" },
		{ "/t/Other", 20000, RPC_UNIMPLEMENTED, -ENOSYS, "rpc error: code = Unimplemented desc = unknown" },
		{ "/t/Mute", 50, RPC_DEADLINE_EXCEEDED, -ETIMEDOUT,
		  "rpc error: code = DeadlineExceeded desc = context deadline exceeded" },
		{ "/t/Big", 20000, RPC_RESOURCE_EXHAUSTED, -ENOBUFS,
		  "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (" },
	};
	char path[108];
	struct rpc_client *client = start(socket_path(path));

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct seen seen = { 0 };

		rpc_call(client, rows[i].method, "hello", 5, rows[i].deadline_ms, done, &seen);
		CHECK_INT("never before the start has returned", seen.calls, ==, 0);
		loop_run(loop);
		CHECK_INT(rows[i].method, seen.code, ==, rows[i].code);
		CHECK_INT(rows[i].method, seen.errno_, ==, rows[i].errno_);
		CHECK(rows[i].method, str_has_prefix(seen.text, rows[i].text));
		if (seen.code == RPC_OK)
			CHECK_STR(rows[i].method, seen.bytes, "hello");
		else
			CHECK_INT(rows[i].method, seen.size, ==, 0);
	}
	stop(client);
}

TEST(cancel_ends_a_call_that_nobody_answers)
{
	char path[108];
	struct rpc_client *client = start(socket_path(path));
	struct seen call = { 0 };

	task_cancel(rpc_call(client, "/t/Mute", "", 0, 0, done, &call));
	loop_run(loop);
	CHECK_INT("call", call.errno_, ==, -ECANCELED);
	stop(client);
}

TEST(a_server_that_returns_is_found_again)
{
	char path[108];
	struct rpc_client *client = start(socket_path(path));
	struct seen seen = { 0 };
	int tries = 0;

	rpc_call(client, "/t/Echo", "hello", 5, 20000, done, &seen);
	loop_run(loop);
	CHECK_STR("before", seen.text, "");
	stop_server();
	rpc_call(client, "/t/Echo", "hello", 5, 20000, done, &seen);
	loop_run(loop);
	CHECK_INT("while it is away", seen.errno_, ==, -ECONNREFUSED);
	start_server(path);
	do {
		struct seen again = { 0 };

		test_run(loop, 50);
		rpc_call(client, "/t/Echo", "hello", 5, 20000, done, &again);
		loop_run(loop);
		seen = again;
	} while (seen.code != RPC_OK && ++tries < 400);
	CHECK_INT("after", seen.code, ==, RPC_OK);
	stop(client);
}
