/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/status/status.h"

#include <string.h>

#include "kubelet/pod/status/internal.h"
#include "pkg/base/base.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

enum { NOW_S = 1764060000 };

static struct arena *arena;

static Core__Pod *pod_of(const char *json)
{
	ProtobufCMessage *message;
	struct err err;

	if (!arena)
		arena = arena_new();
	CHECK_OK(pbjson_decode(&core__pod__descriptor, json, strlen(json), arena, &message, &err), &err);
	return (Core__Pod *)message;
}

static char *json_of(const ProtobufCMessage *message)
{
	_cleanup_buf_ struct buf json = BUF_INIT(1 << 20);
	struct err err;

	CHECK_OK(pbjson_encode(message, &json, &err), &err);
	return arena_strdup(arena, buf_text(&json));
}

static Core__Pod *plain_pod(const char *policy, const char *status)
{
	return pod_of(
		arena_printf(arena ? arena : (arena = arena_new()),
			     "{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\",\"uid\":\"u\",\"generation\":3},"
			     "\"spec\":{\"restartPolicy\":\"%s\",\"containers\":[{\"name\":\"b\",\"image\":\"i\"},"
			     "{\"name\":\"a\",\"image\":\"i\"}]},\"status\":%s}",
			     policy, status));
}

/* One letter a container: r running, c created, 0 and 1 exited with that code, u unknown, - never there, w waiting
 * after an exit with code 1, W after code 0. */
static Core__PodStatus *status_of(const char *states)
{
	Core__PodStatus *status = PB_NEW(arena, Core__PodStatus, core__pod_status__descriptor);
	static const char *const names[] = { "b", "a" };

	for (size_t i = 0; states[i]; i++) {
		const char *state = states[i] == 'r'   ? "{\"running\":{}}"
				    : states[i] == '0' ? "{\"terminated\":{\"exitCode\":0}}"
				    : states[i] == '1' ? "{\"terminated\":{\"exitCode\":1}}"
				    : states[i] == '?' ? "{}"
						       : "{\"waiting\":{}}";
		const char *last = states[i] == 'w'   ? "{\"terminated\":{\"exitCode\":1}}"
				   : states[i] == 'W' ? "{\"terminated\":{\"exitCode\":0}}"
						      : "{}";
		Core__Pod *holder = pod_of(arena_printf(
			arena, "{\"status\":{\"containerStatuses\":[{\"name\":\"%s\",\"state\":%s,\"lastState\":%s}]}}",
			names[i], state, last));

		PB_APPEND(arena, status, containerstatuses, holder->status->containerstatuses[0]);
	}
	return status;
}

TEST(phase)
{
	static const struct {
		const char *rule, *policy, *states;
		bool stopped;
		const char *want;
	} rows[] = {
		{ "no status yet is pending", "Always", "", false, "Pending" },
		{ "one of two waiting is pending", "Always", "r-", false, "Pending" },
		{ "an empty state is unknown, so pending", "Always", "r?", false, "Pending" },
		{ "one running is running", "Always", "r1", false, "Running" },
		{ "all ended but restarted is running", "Always", "01", false, "Running" },
		{ "Always restarts a success too", "Always", "00", false, "Running" },
		{ "Never, all zero, succeeded", "Never", "00", false, "Succeeded" },
		{ "Never, one failure, failed", "Never", "01", false, "Failed" },
		{ "OnFailure, all zero, succeeded", "OnFailure", "00", false, "Succeeded" },
		{ "OnFailure, one failure comes back", "OnFailure", "01", false, "Running" },
		{ "crash loop counts as ended", "Always", "ww", false, "Running" },
		{ "crash loop beside a running one", "Always", "rw", false, "Running" },
		{ "a stopped pod has a final phase", "Always", "00", true, "Succeeded" },
		{ "a stopped pod with a failure failed", "Always", "01", true, "Failed" },
		{ "a last success while waiting is none", "Always", "0W", true, "Failed" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		Core__Pod *pod = plain_pod(rows[i].policy, "{}");

		CHECK_STR(rows[i].rule, status_phase(pod, status_of(rows[i].states), rows[i].stopped), rows[i].want);
	}
}

static struct runtime_container instance(const char *id, const char *name, enum runtime_state state, int32_t count)
{
	return (struct runtime_container){
		.id = id,
		.name = name,
		.image = "docker.io/library/i:latest",
		.image_id = "sha256:1",
		.state = state,
		.restart_count = count,
		.started_ns = (int64_t)(NOW_S - 20) * 1000000000,
		.finished_ns = state == RUNTIME_EXITED ? (int64_t)(NOW_S - 10) * 1000000000 : 0,
		.exit_code = state == RUNTIME_EXITED ? 2 : 0,
		.reason = state == RUNTIME_EXITED ? "Error" : "",
		.message = "",
	};
}

#define EXIT(id)                                                                                       \
	"{\"terminated\":{\"exitCode\":2,\"reason\":\"Error\",\"startedAt\":\"2025-11-25T08:39:40Z\"," \
	"\"finishedAt\":\"2025-11-25T08:39:50Z\",\"containerID\":\"containerd://" id "\"}}"
#define LOST(message) \
	"{\"terminated\":{\"exitCode\":137,\"reason\":\"ContainerStatusUnknown\",\"message\":\"" message "\"}}"

static const char lost_when_deleted[] =
	LOST("The container could not be located when the pod was deleted.  The container used to be Running");
static const char lost[] = LOST("The container could not be located when the pod was terminated");
static const struct {
	const char *rule, *policy, *before; /* status of container a */
	enum runtime_state states[2];       /* newest first */
	size_t n_states;
	struct status_waiting waiting;
	const char *state, *last;
	int restarts;
} container_rows[] = {
	{ "nothing yet", "Always", NULL, { 0 }, 0, { 0 }, "{\"waiting\":{\"reason\":\"ContainerCreating\"}}", "{}", 0 },
	{ "cannot be pulled",
	  "Always",
	  NULL,
	  { 0 },
	  0,
	  { "ErrImagePull", "no such image" },
	  "{\"waiting\":{\"reason\":\"ErrImagePull\",\"message\":\"no such image\"}}",
	  "{}",
	  0 },
	{ "created waits without a reason",
	  "Always",
	  NULL,
	  { RUNTIME_CREATED },
	  1,
	  { 0 },
	  "{\"waiting\":{}}",
	  "{}",
	  0 },
	{ "runs",
	  "Always",
	  NULL,
	  { RUNTIME_RUNNING },
	  1,
	  { 0 },
	  "{\"running\":{\"startedAt\":\"2025-11-25T08:39:40Z\"}}",
	  "{}",
	  0 },
	{ "a reason of before is not shown while it runs",
	  "Always",
	  NULL,
	  { RUNTIME_RUNNING },
	  1,
	  { "ErrImagePull", "x" },
	  "{\"running\":{\"startedAt\":\"2025-11-25T08:39:40Z\"}}",
	  "{}",
	  0 },
	{ "ended", "Never", NULL, { RUNTIME_EXITED }, 1, { 0 }, EXIT("id0"), "{}", 0 },
	{ "runs again",
	  "Always",
	  NULL,
	  { RUNTIME_RUNNING, RUNTIME_EXITED },
	  2,
	  { 0 },
	  "{\"running\":{\"startedAt\":\"2025-11-25T08:39:40Z\"}}",
	  EXIT("id1"),
	  1 },
	{ "waits in the crash loop",
	  "Always",
	  NULL,
	  { RUNTIME_EXITED, RUNTIME_EXITED },
	  2,
	  { "CrashLoopBackOff", "back-off" },
	  "{\"waiting\":{\"reason\":\"CrashLoopBackOff\",\"message\":\"back-off\"}}",
	  EXIT("id0"),
	  1 },
	{ "Never does not wait for a restart",
	  "Never",
	  NULL,
	  { RUNTIME_EXITED },
	  1,
	  { "CrashLoopBackOff", "x" },
	  EXIT("id0"),
	  "{}",
	  0 },
	{ "the runtime lost what ran",
	  "Always",
	  "{\"name\":\"a\",\"state\":{\"running\":{}}}",
	  { 0 },
	  0,
	  { 0 },
	  "{\"waiting\":{\"reason\":\"ContainerCreating\"}}",
	  lost_when_deleted,
	  1 },
	{ "unknown after it ran",
	  "Always",
	  "{\"name\":\"a\",\"state\":{\"running\":{}}}",
	  { RUNTIME_UNKNOWN },
	  1,
	  { 0 },
	  lost,
	  "{}",
	  1 },
	{ "what ended stays so when the runtime forgot it",
	  "Never",
	  "{\"name\":\"a\",\"restartCount\":4,\"state\":" EXIT("old") "}",
	  { 0 },
	  0,
	  { 0 },
	  EXIT("old"),
	  "",
	  4 },
	{ "the end of a removed instance is kept",
	  "Always",
	  "{\"name\":\"a\",\"containerID\":\"containerd://old\",\"state\":" EXIT("old") "}",
	  { RUNTIME_EXITED },
	  1,
	  { 0 },
	  EXIT("id0"),
	  EXIT("old"),
	  0 },
};

TEST(container_states)
{
	for (size_t i = 0; i < ARRAY_LEN(container_rows); i++) {
		const char *before = container_rows[i].before
					     ? arena_printf(arena ? arena : (arena = arena_new()),
							    "{\"containerStatuses\":[%s]}", container_rows[i].before)
					     : "{}";
		Core__Pod *pod = plain_pod(container_rows[i].policy, before);
		struct runtime_container containers[2];
		struct runtime_sandbox sandbox = { .id = "s", .ready = true };
		struct runtime_pod observed = { .sandboxes = &sandbox,
						.n_sandboxes = 1,
						.containers = containers,
						.n_containers = container_rows[i].n_states };
		struct status_waiting waiting[2] = { { 0 }, container_rows[i].waiting };
		struct status_input input = { .runtime_name = "containerd",
					      .pod = pod,
					      .before = pod->status,
					      .observed = &observed,
					      .waiting = waiting,
					      .now_s = NOW_S };
		Core__ContainerStatus *status;

		for (size_t n = 0; n < container_rows[i].n_states; n++)
			containers[n] = instance(n ? "id1" : "id0", "a", container_rows[i].states[n],
						 (int32_t)(container_rows[i].n_states - 1 - n));
		status = status_make(&input, arena)->containerstatuses[0];
		CHECK_STR(container_rows[i].rule, status->name, "a");
		CHECK_STR(container_rows[i].rule, json_of(&status->state->base), container_rows[i].state);
		CHECK_STR(container_rows[i].rule, status->laststate ? json_of(&status->laststate->base) : "",
			  container_rows[i].last);
		CHECK_INT(container_rows[i].rule, status->restartcount, ==, container_rows[i].restarts);
		CHECK_INT(container_rows[i].rule, status->ready, ==, status->state->running != NULL);
	}
}

/* The status of a running pod as the stock kubelet (v1.37.2) wrote it, given the same facts. */
TEST(running_pod_as_stock)
{
	static const char golden[] =
		"{\"phase\":\"Running\",\"conditions\":["
		"{\"type\":\"PodReadyToStartContainers\",\"status\":\"True\",\"lastProbeTime\":null,"
		"\"lastTransitionTime\":\"2025-11-25T08:39:"
		"41Z\","
		"\"observedGeneration\":1},"
		"{\"type\":\"Initialized\",\"status\":\"True\",\"lastProbeTime\":null,\"lastTransitionTime\":\"2025-11-"
		"25T08:39:40Z\","
		"\"observedGeneration\":1},"
		"{\"type\":\"Ready\",\"status\":\"True\",\"lastProbeTime\":null,\"lastTransitionTime\":\"2025-11-25T08:"
		"40:00Z\","
		"\"observedGeneration\":1},"
		"{\"type\":\"ContainersReady\",\"status\":\"True\",\"lastProbeTime\":null,\"lastTransitionTime\":"
		"\"2025-11-25T08:40:00Z\","
		"\"observedGeneration\":1},"
		"{\"type\":\"PodScheduled\",\"status\":\"True\",\"lastProbeTime\":null,\"lastTransitionTime\":\"2025-"
		"11-25T08:39:40Z\","
		"\"observedGeneration\":1}],"
		"\"hostIP\":\"10.250.1.1\",\"podIP\":\"10.251.1.90\",\"startTime\":\"2025-11-25T08:39:40Z\","
		"\"containerStatuses\":[{\"name\":\"nginx\",\"state\":{\"running\":{\"startedAt\":\"2025-11-25T08:39:"
		"40Z\"}},"
		"\"lastState\":{},\"ready\":true,\"restartCount\":0,\"image\":\"docker.io/library/i:latest\","
		"\"imageID\":\"sha256:1\",\"containerID\":\"cri-o://115c\",\"started\":true,"
		"\"resources\":{},"
		"\"volumeMounts\":[{\"name\":\"kube-api-access-qlrvb\","
		"\"mountPath\":\"/var/run/secrets/kubernetes.io/serviceaccount\",\"readOnly\":true,"
		"\"recursiveReadOnly\":\"Disabled\"}],"
		"\"user\":{\"linux\":{\"uid\":0,\"gid\":0,\"supplementalGroups\":[0]}}}],"
		"\"qosClass\":\"BestEffort\",\"podIPs\":[{\"ip\":\"10.251.1.90\"}],\"hostIPs\":[{\"ip\":\"10.250.1.1\"}"
		"],"
		"\"observedGeneration\":1,\"resources\":{}}";
	Core__Pod *pod = pod_of(
		"{\"metadata\":{\"name\":\"web\",\"uid\":\"512b\",\"generation\":1},\"spec\":{\"restartPolicy\":"
		"\"Always\","
		"\"containers\":[{\"name\":\"nginx\",\"image\":\"nginx\",\"resources\":{},\"volumeMounts\":[{"
		"\"mountPath\":"
		"\"/var/run/secrets/kubernetes.io/"
		"serviceaccount\",\"name\":\"kube-api-access-qlrvb\",\"readOnly\":true}]}]},"
		"\"status\":{\"phase\":\"Pending\",\"qosClass\":\"BestEffort\",\"startTime\":\"2025-11-25T08:39:40Z\","
		"\"conditions\":["
		"{\"type\":\"PodReadyToStartContainers\",\"status\":\"True\",\"lastTransitionTime\":\"2025-11-25T08:39:"
		"41Z\"},"
		"{\"type\":\"Initialized\",\"status\":\"True\",\"lastTransitionTime\":\"2025-11-25T08:39:40Z\"},"
		"{\"type\":\"Ready\",\"status\":\"False\",\"lastTransitionTime\":\"2025-11-25T08:39:40Z\"},"
		"{\"type\":\"PodScheduled\",\"status\":\"True\",\"lastTransitionTime\":\"2025-11-25T08:39:40Z\"}]}}");
	struct runtime_container container = instance("115c", "nginx", RUNTIME_RUNNING, 0);
	const char *ips[] = { "10.251.1.90" }, *host_ips[] = { "10.250.1.1" };
	int64_t groups[] = { 0 };
	struct runtime_sandbox sandbox = { .id = "s", .ready = true, .ips = ips, .n_ips = 1 };
	struct runtime_pod observed = {
		.sandboxes = &sandbox, .n_sandboxes = 1, .containers = &container, .n_containers = 1
	};
	struct status_input input = { .runtime_name = "cri-o",
				      .pod = pod,
				      .before = pod->status,
				      .observed = &observed,
				      .host_ips = host_ips,
				      .n_host_ips = 1,
				      .now_s = NOW_S };
	Core__PodStatus *status;

	container.has_user = true;
	container.groups = groups;
	container.n_groups = 1;
	status = status_make(&input, arena);
	CHECK_STR("golden", json_of(&status->base), golden);
	CHECK("a second look changes nothing", status_equal(status, status_make(&input, arena)));
	CHECK("nor does what the API gives back",
	      status_equal(status, pod_of(arena_printf(arena, "{\"status\":%s}", json_of(&status->base)))->status));
	container.restart_count = 1;
	CHECK("a restart does", !status_equal(status, status_make(&input, arena)));
}

static const Core__PodCondition *condition(const Core__PodStatus *status, const char *type)
{
	for (size_t i = 0; i < status->n_conditions; i++)
		if (str_eq(status->conditions[i]->type, type))
			return status->conditions[i];
	test_fail(__FILE__, __LINE__, "no condition %s", type);
}

TEST(conditions_of_a_pod_in_the_making)
{
	Core__Pod *pod =
		plain_pod("Always", "{\"conditions\":[{\"type\":\"mine.example.com/x\",\"status\":\"True\"}]}");
	struct status_input input = { .runtime_name = "containerd", .pod = pod, .before = pod->status, .now_s = NOW_S };
	Core__PodStatus *status = status_make(&input, arena);

	CHECK_STR("foreign first", status->conditions[0]->type, "mine.example.com/x");
	CHECK_STR("phase", status->phase, "Pending");
	CHECK_STR("sandbox", condition(status, "PodReadyToStartContainers")->message, "no pod sandbox exists");
	CHECK_STR("sandbox", condition(status, "PodReadyToStartContainers")->reason, "PodSandboxNotReady");
	CHECK_STR("ready", condition(status, "Ready")->message, "containers with unready status: [b a]");
	CHECK_STR("ready", condition(status, "Ready")->reason, "ContainersNotReady");
	CHECK_STR("initialized", condition(status, "Initialized")->status, "True");
}

TEST(final_phases)
{
	Core__Pod *pod = plain_pod("Never", "{\"phase\":\"Running\"}");
	struct runtime_container containers[] = { instance("1", "a", RUNTIME_EXITED, 0),
						  instance("2", "b", RUNTIME_EXITED, 0) };
	struct runtime_pod observed = { .containers = containers, .n_containers = 2 };
	struct status_input input = {
		.runtime_name = "containerd", .pod = pod, .before = pod->status, .observed = &observed, .now_s = NOW_S
	};
	Core__PodStatus *status = status_make(&input, arena);

	CHECK_STR("failed", status->phase, "Failed");
	CHECK_STR("reason", condition(status, "Ready")->reason, "PodFailed");
	status_hold_phase(status, pod->status, arena);
	CHECK_STR("held back while it could run", status->phase, "Running");

	pod->status->phase = arena_strdup(arena, "Succeeded");
	CHECK_STR("the API's final phase stays", status_make(&input, arena)->phase, "Succeeded");

	pod = plain_pod("Always", "{\"phase\":\"Running\"}");
	input.pod = pod;
	input.before = pod->status;
	input.end_reason = "DeadlineExceeded";
	input.end_message = "too long";
	status = status_make(&input, arena);
	CHECK_STR("deadline", status->phase, "Failed");
	CHECK_STR("deadline", status->reason, "DeadlineExceeded");

	pod = plain_pod("Always", "{\"phase\":\"Pending\"}");
	input = (struct status_input){
		.runtime_name = "containerd", .pod = pod, .before = pod->status, .stopped = true, .now_s = NOW_S
	};
	status = status_make(&input, arena);
	status_finish(pod, status, NOW_S, arena);
	CHECK_STR("a pod that never ran failed", status->phase, "Failed");
	CHECK_INT("and its containers too", status->containerstatuses[0]->state->terminated->exitcode, ==, 137);
}

/* A message in the API is ours from before a restart, or somebody's who wrote over our status. */
TEST(messages_of_a_phase)
{
	Core__Pod *pod = plain_pod("Always", "{\"phase\":\"Pending\",\"message\":\"x\"}");
	struct status_input input = { .runtime_name = "containerd", .pod = pod, .before = pod->status, .now_s = NOW_S };

	CHECK_STR("from before", status_make(&input, arena)->message, "x");
	input.before = plain_pod("Always", "{\"phase\":\"Pending\"}")->status;
	CHECK_STR("somebody's", str_or(status_make(&input, arena)->message, ""), "");
}

TEST(patch)
{
	Core__Pod *pod = plain_pod("Always", "{}");
	Core__PodStatus *status = status_reject(pod, "OutOfcpu", "Node didn't have enough resource", NOW_S, arena);
	_cleanup_buf_ struct buf json = BUF_INIT(1 << 20), small = BUF_INIT(10);
	struct err err;

	CHECK_OK(status_patch(pod, status, &json, &err), &err);
	CHECK_STR("patch", buf_text(&json),
		  "{\"metadata\":{\"uid\":\"u\"},\"status\":{\"phase\":\"Failed\",\"message\":\"Pod was rejected: "
		  "Node didn't have enough resource\",\"reason\":\"OutOfcpu\",\"hostIP\":null,\"podIP\":null,"
		  "\"startTime\":\"2025-11-25T08:40:00Z\",\"containerStatuses\":null,\"qosClass\":null,"
		  "\"podIPs\":[{\"$patch\":\"replace\"}],\"hostIPs\":[{\"$patch\":\"replace\"}],"
		  "\"observedGeneration\":3}}");
	CHECK_INT("limit", status_patch(pod, status, &small, &err), ==, -ENOBUFS);
}

/* A pod that was refused is left with nothing of ours, not even what the scheduler said. */
TEST(patch_of_a_refused_pod)
{
	Core__Pod *pod = plain_pod("Always", "{\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"True\"},"
					     "{\"type\":\"x.example.com/y\",\"status\":\"True\"}]}");
	Core__PodStatus *status = status_reject(pod, "OutOfcpu", "no", NOW_S, arena);
	_cleanup_buf_ struct buf json = BUF_INIT(1 << 20);
	struct err err;

	CHECK_OK(status_patch(pod, status, &json, &err), &err);
	CHECK("taken away", strstr(buf_text(&json), "\"$setElementOrder/conditions\":[],\"conditions\":["
						    "{\"$patch\":\"delete\",\"type\":\"PodScheduled\"}]"));
}

/* A container of this spec that runs, with what the runtime says of it. */
static Core__PodStatus *status_with(const char *resources, const struct runtime_container *told)
{
	Core__Pod *pod =
		pod_of(arena_printf(arena ? arena : (arena = arena_new()),
				    "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":["
				    "{\"name\":\"a\",\"resources\":%s},"
				    "{\"name\":\"b\",\"resources\":{\"requests\":{\"cpu\":\"30m\",\"x.y/z\":\"2\"}}}"
				    "]},\"status\":{}}",
				    resources));
	struct runtime_container container = *told;
	struct runtime_pod observed = { .containers = &container, .n_containers = 1 };
	struct status_input input = {
		.runtime_name = "containerd", .pod = pod, .before = pod->status, .observed = &observed, .now_s = NOW_S
	};

	container.id = "1";
	container.name = "a";
	container.image = container.image_id = container.reason = container.message = "";
	container.state = told->state;
	return status_make(&input, arena);
}

TEST(resources)
{
	static const struct {
		const char *rule, *spec;
		struct runtime_container told;
		const char *shown;
	} rows[] = {
		{ "none", "{}", { .state = RUNTIME_RUNNING, .cpu_shares = 2 }, "{}" },
		{ "nothing told",
		  "{\"limits\":{\"cpu\":\"1\"}}",
		  { .state = RUNTIME_RUNNING },
		  "{\"limits\":{\"cpu\":\"1\"}}" },
		{ "as the runtime has it",
		  "{\"limits\":{\"cpu\":\"333m\",\"memory\":\"20e6\"},\"requests\":{\"cpu\":\"333m\",\"memory\":\"1\"}"
		  "}",
		  { .state = RUNTIME_RUNNING,
		    .cpu_shares = 340,
		    .cpu_quota_us = 20000,
		    .cpu_period_us = 100000,
		    .memory_limit_bytes = 20000000 },
		  "{\"limits\":{\"cpu\":\"200m\",\"memory\":\"20000000\"},\"requests\":{\"cpu\":\"333m\",\"memory\":"
		  "\"1\"}}" },
		{ "below what the kernel knows",
		  "{\"limits\":{\"cpu\":\"3m\"},\"requests\":{\"cpu\":\"1m\"}}",
		  { .state = RUNTIME_RUNNING, .cpu_shares = 2, .cpu_quota_us = 1000, .cpu_period_us = 100000 },
		  "{\"limits\":{\"cpu\":\"3m\"},\"requests\":{\"cpu\":\"1m\"}}" },
		{ "a limit that came later",
		  "{\"limits\":{\"a.b/c\":\"1\",\"d.e/f\":\"1\",\"memory\":\"1Mi\"}}",
		  { .state = RUNTIME_RUNNING, .cpu_quota_us = 50000, .cpu_period_us = 100000 },
		  "{\"limits\":{\"a.b/c\":\"1\",\"d.e/f\":\"1\",\"memory\":\"1Mi\",\"cpu\":\"500m\"}}" },
		{ "only what runs is asked",
		  "{\"limits\":{\"cpu\":\"300m\"}}",
		  { .state = RUNTIME_EXITED, .cpu_quota_us = 10000, .cpu_period_us = 100000 },
		  "{\"limits\":{\"cpu\":\"300m\"}}" },
	};
	Core__PodStatus *status;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		status = status_with(rows[i].spec, &rows[i].told);
		CHECK_STR(rows[i].rule, json_of(&status->containerstatuses[0]->resources->base), rows[i].shown);
	}
	status = status_with("{\"limits\":{\"memory\":\"2Mi\"},\"requests\":{\"memory\":\"1Mi\",\"cpu\":\"20m\"}}",
			     &rows[0].told);
	CHECK_STR(
		"of the pod", json_of(&status->resources->base),
		"{\"limits\":{\"memory\":\"2Mi\"},\"requests\":{\"cpu\":\"50m\",\"memory\":\"1Mi\",\"x.y/z\":\"2\"}}");
	CHECK_INT("allocated", status->n_allocatedresources, ==, 3);
	CHECK_STR("allocated", status->allocatedresources[0]->value->string, "50m");
}

TEST(a_resize_is_not_done)
{
	static const char spec[] = "{\"limits\":{\"cpu\":\"300m\",\"memory\":\"2Mi\"},"
				   "\"requests\":{\"cpu\":\"3m\",\"memory\":\"1Mi\"}}";
	static const struct {
		const char *rule, *spec;
		struct runtime_container told;
		bool pending;
	} rows[] = {
		{ "as asked for", spec, { .state = RUNTIME_RUNNING, .cpu_shares = 3, .cpu_quota_us = 30000 }, false },
		{ "another limit", spec, { .state = RUNTIME_RUNNING, .cpu_shares = 3, .cpu_quota_us = 20000 }, true },
		{ "another request", spec, { .state = RUNTIME_RUNNING, .cpu_shares = 2, .cpu_quota_us = 30000 }, true },
		{ "more memory", spec, { .state = RUNTIME_RUNNING, .memory_limit_bytes = 1 << 20 }, true },
		{ "the same memory", spec, { .state = RUNTIME_RUNNING, .memory_limit_bytes = 2 << 20 }, false },
		{ "nothing runs", spec, { .state = RUNTIME_EXITED, .memory_limit_bytes = 1 << 20 }, false },
		{ "below the kernel's least",
		  "{\"limits\":{\"cpu\":\"3m\"},\"requests\":{\"cpu\":\"1m\"}}",
		  { .state = RUNTIME_RUNNING, .cpu_shares = 2, .cpu_quota_us = 1000 },
		  false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct runtime_container told = rows[i].told;

		told.cpu_period_us = 100000;
		CHECK(rows[i].rule,
		      !!status_find_condition(status_with(rows[i].spec, &told), "PodResizePending") == rows[i].pending);
	}
}

TEST(an_ephemeral_container_is_not_ignored)
{
	Core__Pod *pod = pod_of("{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"a\"}],"
				"\"ephemeralContainers\":[{\"name\":\"look\",\"image\":\"i\"}]},\"status\":{}}");
	struct status_input input = { .runtime_name = "containerd", .pod = pod, .before = pod->status, .now_s = NOW_S };
	Core__PodStatus owned, *status = status_make(&input, arena);

	owned = status_owned(status);
	CHECK_INT("it is told", owned.n_ephemeralcontainerstatuses, ==, 1);
	CHECK_STR("of", owned.ephemeralcontainerstatuses[0]->name, "look");
	CHECK_STR("why it waits", owned.ephemeralcontainerstatuses[0]->state->waiting->message,
		  "spec.ephemeralContainers is not supported by this kubelet yet");
}

TEST(an_end_without_a_start)
{
	struct runtime_container told = { .state = RUNTIME_EXITED, .exit_code = 128 };

	CHECK("1970", strstr(json_of(&status_with("{}", &told)->containerstatuses[0]->state->base),
			     "\"startedAt\":\"1970-01-01T00:00:00Z\""));
}

/* Looked at again, a pod that ended before its container was made says the same. */
TEST(the_last_word_stays)
{
	Core__Pod *pod = plain_pod("Always", "{\"phase\":\"Pending\"}");
	struct status_waiting waiting[2] = { { "ErrImagePull", "x" }, { "ErrImagePull", "x" } };
	struct status_input input = {
		.pod = pod, .before = pod->status, .waiting = waiting, .stopped = true, .now_s = NOW_S
	};
	Core__PodStatus *first = status_make(&input, arena), *second;

	status_finish(pod, first, NOW_S, arena);
	input.before = first;
	second = status_make(&input, arena);
	status_finish(pod, second, NOW_S, arena);
	CHECK_STR("the same", json_of(&second->containerstatuses[0]->base),
		  json_of(&first->containerstatuses[0]->base));
}
