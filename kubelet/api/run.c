/* SPDX-License-Identifier: Apache-2.0 */
/* /run: a command without a session; its output is the answer. Kept because stock has it. */
#include <string.h>

#include "kubelet/api/call.h"
#include "pkg/base/base.h"
#include "pkg/codec/pb.h"
#include "pkg/cri/cri.h"

enum { OUTPUT_MAX = 32 << 20 }; /* both streams of an answer of gRPC's limit */

struct running {
	struct call *call;
	const char *command; /* as it was given */
};

static void refuse_exit(struct call *call, const struct running *running, const Cri__ExecSyncResponse *response)
{
	call_refuse(call, 500, "command '%s' exited with %d: %.*s", running->command, response->exit_code,
		    (int)response->stderr.len, (const char *)response->stderr.data);
}

static void command_ended(void *owner, const void *result, const struct err *err)
{
	static const struct gate_header headers[] = { { "Content-Type", "application/json" } };
	struct running *running = owner;
	struct call *call = running->call;
	const Cri__ExecSyncResponse *response = result;

	if (call_is_over(call))
		return;
	if (err) {
		call_refuse_command(call, err->text);
		return;
	}
	if (response->exit_code != 0) {
		refuse_exit(call, running, response);
		return;
	}
	_cleanup_buf_ struct buf output = BUF_INIT(OUTPUT_MAX);
	buf_append(&output, response->stdout.data, response->stdout.len);
	buf_append(&output, response->stderr.data, response->stderr.len);
	call_answer(call, 200, headers, output.size ? ARRAY_LEN(headers) : 0, buf_text(&output), output.size);
}

/* Split at single blanks, as Go's strings.Split: two in a row make an empty word. */
static void split(const char *text, Cri__ExecSyncRequest *request, struct arena *arena)
{
	char *words = arena_strdup(arena, text);

	for (;;) {
		char *blank = strchr(words, ' ');

		if (blank)
			*blank = 0;
		PB_APPEND(arena, request, cmd, words);
		if (!blank)
			return;
		words = blank + 1;
	}
}

void run_serve(struct call *call)
{
	const Core__Pod *pod = call_find_pod(call);

	if (!pod)
		return;
	const struct runtime_container *container = api_running_container(call->api, pod, call->match.container);
	if (!container) {
		call_refuse(call, 500, "container not found (\"%s\")", call->match.container);
		return;
	}
	struct running *running = arena_alloc(call->arena, sizeof *running);
	Cri__ExecSyncRequest *request = PB_NEW(call->arena, Cri__ExecSyncRequest, cri__exec_sync_request__descriptor);
	const char *command = query_get(&call->query, "cmd");

	if (query_has_zero_byte(&call->query, "cmd")) {
		call_refuse(call, 400, "a command may not hold a zero byte");
		return;
	}
	running->call = call;
	running->command = arena_strdup(call->arena, command ? command : "");
	call->container_id = request->container_id = arena_strdup(call->arena, container->id);
	call->not_found = arena_printf(call->arena, "container not found (\"%s\")", call->match.container);
	split(running->command, request, call->arena);
	call->task = cri_call(call->api->options.cri, CRI_EXEC_SYNC, &request->base, 0, command_ended, running);
}
