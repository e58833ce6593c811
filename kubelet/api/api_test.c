/* SPDX-License-Identifier: Apache-2.0 */
/* Whole requests through the API, between a gate and a runtime of the test's own. */
#include "kubelet/api/api.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pkg/base/arena.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/file.h"
#include "pkg/cri/cri.h"
#include "pkg/kube/kube.h"
#include "pkg/test/test.h"

enum { PATIENCE_MS = 20000, BODY_MAX = 16 << 20 };

#define T "2025-11-25T07:10:00.000000001Z"

static struct {
	struct loop *loop;
	struct api *api;
	/* what the gate got */
	int status, client_fd, relay_fd;
	char headers[1024];
	struct buf body;
	bool ended, aborted, relayed;
	enum gate_session session;
	struct loop_fd *client;
	bool client_sleeps;
	/* what the runtime says */
	Cri__ContainerState state;
	char log_path[512], url[256];
	struct err failure; /* of everything but the state, while that is told */
	bool tells_state;
	int n_calls;
	Cri__ExecRequest asked;
	Cri__AttachRequest attached;
	char words[256];
	/* waiting */
	struct loop_timer poll;
	bool (*until)(void);
	int64_t give_up_ms;
} world;

/* ---- the gate's twin ---- */

static void note_headers(const struct gate_header *headers, size_t n)
{
	world.headers[0] = 0;
	for (size_t i = 0; i < n; i++)
		snprintf(world.headers + strlen(world.headers), sizeof world.headers - strlen(world.headers),
			 "%s: %s\n", headers[i].name, headers[i].value);
}

int gate_answer(struct gate *gate, uint64_t id, int status, const struct gate_header *headers, size_t n_headers,
		const void *body, size_t size)
{
	world.status = status;
	note_headers(headers, n_headers);
	buf_append(&world.body, body, size);
	world.ended = true;
	return 0;
}

static void client_reads(void *owner, int events)
{
	char bytes[65536];
	ssize_t n;

	while ((n = read(world.client_fd, bytes, sizeof bytes)) > 0)
		buf_append(&world.body, bytes, (size_t)n);
	if (n == 0)
		loop_fd_set(world.client, 0);
}

int gate_answer_stream(struct gate *gate, uint64_t id, int status, const struct gate_header *headers, size_t n_headers,
		       int *ret_fd)
{
	int pair[2];

	base_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	world.status = status;
	note_headers(headers, n_headers);
	world.client_fd = pair[0];
	world.client = loop_fd_watch(world.loop, pair[0], world.client_sleeps ? 0 : LOOP_READ, client_reads, NULL);
	*ret_fd = pair[1];
	return 0;
}

void gate_end(struct gate *gate, uint64_t id)
{
	client_reads(NULL, 0);
	world.ended = true;
}

void gate_abort(struct gate *gate, uint64_t id)
{
	world.aborted = true;
}

int gate_relay(struct gate *gate, uint64_t id, int fd, enum gate_session session)
{
	world.relay_fd = fd;
	world.session = session;
	world.relayed = true;
	return 0;
}

const char *gate_request_header(const struct gate_request *request, const char *name)
{
	for (size_t i = 0; i < request->n_headers; i++)
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	return NULL;
}

/* ---- the runtime's twin ---- */

struct question {
	struct task task;
	enum cri_method method;
	task_done_fn *done;
	void *owner;
	bool cancelled;
};

static void answer(void *arg)
{
	struct question *question = arg;
	Cri__ContainerStatus status = { .state = world.state, .log_path = world.log_path };
	Cri__ContainerStatusResponse status_response = { .status = &status };
	Cri__ExecResponse exec_response = { .url = world.url }; /* attach's and port-forward's have the same shape */
	Cri__ExecSyncResponse run_response = { .stdout = { 3, (uint8_t *)(uintptr_t) "out" },
					       .stderr = { 3, (uint8_t *)(uintptr_t) "err" } };
	struct err cancelled = { -ECANCELED, "cancelled" };
	const void *result = question->method == CRI_CONTAINER_STATUS ? (void *)&status_response
			     : question->method == CRI_EXEC_SYNC      ? (void *)&run_response
								      : (void *)&exec_response;

	if (question->cancelled)
		question->done(question->owner, NULL, &cancelled);
	else if (world.failure.code && !(world.tells_state && question->method == CRI_CONTAINER_STATUS))
		question->done(question->owner, NULL, &world.failure);
	else
		question->done(question->owner, result, NULL);
	free(question);
}

static void question_cancel(struct task *task)
{
	container_of(task, struct question, task)->cancelled = true;
}

struct task *cri_call(struct cri *cri, enum cri_method method, const ProtobufCMessage *request, int64_t timeout_ms,
		      task_done_fn *done, void *owner)
{
	struct question *question = xcalloc(1, sizeof *question);

	*question = (struct question){ { question_cancel }, method, done, owner, false };
	world.n_calls++;
	if (method == CRI_EXEC) {
		world.asked = *(const Cri__ExecRequest *)(const void *)request;
		for (size_t i = 0; i < world.asked.n_cmd; i++)
			snprintf(world.words + strlen(world.words), sizeof world.words - strlen(world.words), "%s|",
				 world.asked.cmd[i]);
	}
	if (method == CRI_ATTACH)
		world.attached = *(const Cri__AttachRequest *)(const void *)request;
	loop_post(world.loop, answer, question);
	return &question->task;
}

struct task *kube_ask(struct kube *kube, const struct kube_ask *ask, task_done_fn *done, void *owner)
{
	base_bug("nothing of this is to be reviewed");
}

/* ---- the pods' twin: one pod "p" of "default" with a container "c" ---- */

static Core__ContainerStateRunning running = { .base = PROTOBUF_C_MESSAGE_INIT(
						       &core__container_state_running__descriptor) };
static Core__ContainerState state = { .base = PROTOBUF_C_MESSAGE_INIT(&core__container_state__descriptor),
				      .running = &running };
static Core__ContainerStatus container_status = { .base = PROTOBUF_C_MESSAGE_INIT(&core__container_status__descriptor),
						  .name = (char[]){ "c" },
						  .state = &state,
						  .containerid = (char[]){ "containerd://c1" } };
static Core__ContainerStatus *container_statuses[] = { &container_status };
static Core__Container container = { .base = PROTOBUF_C_MESSAGE_INIT(&core__container__descriptor),
				     .name = (char[]){ "c" } };
static Core__Container *containers[] = { &container };
static Core__PodSpec spec = { .base = PROTOBUF_C_MESSAGE_INIT(&core__pod_spec__descriptor),
			      .containers = containers,
			      .n_containers = 1 };
static Core__PodStatus status_of_pod = { .base = PROTOBUF_C_MESSAGE_INIT(&core__pod_status__descriptor),
					 .containerstatuses = container_statuses,
					 .n_containerstatuses = 1 };
static Meta__ObjectMeta metadata = { .base = PROTOBUF_C_MESSAGE_INIT(&meta__object_meta__descriptor),
				     .name = (char[]){ "p" },
				     .namespace_ = (char[]){ "default" },
				     .uid = (char[]){ "u1" } };
static Core__Pod pod = { .base = PROTOBUF_C_MESSAGE_INIT(&core__pod__descriptor),
			 .metadata = &metadata,
			 .spec = &spec,
			 .status = &status_of_pod };
static struct runtime_container observed_container = {
	.id = "c1", .name = "c", .image = "i", .image_ref = "sha256:i", .state = RUNTIME_RUNNING
};
static struct runtime_sandbox observed_sandbox = { .id = "s1", .ready = true };
static struct runtime_pod observed_pod = { .uid = "u1",
					   .name = "p",
					   .namespace_ = "default",
					   .sandboxes = &observed_sandbox,
					   .n_sandboxes = 1,
					   .containers = &observed_container,
					   .n_containers = 1 };

static const Core__Pod *find(void *owner, const char *namespace_, const char *name)
{
	return strcmp(namespace_, "default") == 0 && strcmp(name, "p") == 0 ? &pod : NULL;
}

static const Core__Pod *next(void *owner, size_t *at)
{
	return (*at)++ == 0 ? &pod : NULL;
}

static const struct runtime_pod *observed(void *owner, const char *uid)
{
	return &observed_pod;
}

static const struct runtime_pod *next_observed(void *owner, size_t *at)
{
	return (*at)++ == 0 ? &observed_pod : NULL;
}

static int sick(void *owner, struct err *err)
{
	return *(bool *)owner ? err_set(err, -EIO, "is sick") : 0;
}

/* ---- running ---- */

static bool is_sick;

static void start(void)
{
	static Config__KubeletAnonymousAuthentication anonymous = { .enabled = true };
	static Config__KubeletAuthentication authentication = { .anonymous = &anonymous };
	static char mode[] = "AlwaysAllow";
	static Config__KubeletAuthorization authorization = { .mode = mode };
	static Config__KubeletConfiguration config = {
		.base = PROTOBUF_C_MESSAGE_INIT(&config__kubelet_configuration__descriptor),
		.enabledebugginghandlers = true,
		.authentication = &authentication,
		.authorization = &authorization,
	};
	struct api_options options = { .node_name = "node-1",
				       .config = &config,
				       .pods = { find, next, observed, next_observed, NULL },
				       .checks = { { "syncloop", sick, &is_sick } },
				       .n_checks = 1 };
	struct err err;

	memset(&world, 0, sizeof world);
	world.loop = options.loop = loop_new();
	world.client_fd = world.relay_fd = -1;
	world.body = BUF_INIT(BODY_MAX);
	world.state = CRI__CONTAINER_STATE__CONTAINER_RUNNING;
	authentication.base = (ProtobufCMessage)PROTOBUF_C_MESSAGE_INIT(&config__kubelet_authentication__descriptor);
	anonymous.base =
		(ProtobufCMessage)PROTOBUF_C_MESSAGE_INIT(&config__kubelet_anonymous_authentication__descriptor);
	authorization.base = (ProtobufCMessage)PROTOBUF_C_MESSAGE_INIT(&config__kubelet_authorization__descriptor);
	CHECK_OK(api_new(&options, &world.api, &err), &err);
}

static void stopped(void *owner)
{
	loop_stop(world.loop);
}

static void stop(void)
{
	loop_fd_unwatch(world.client);
	api_stop(world.api, stopped, NULL);
	loop_run(world.loop);
	api_free(world.api);
	fd_done(&world.client_fd);
	fd_done(&world.relay_fd);
	buf_done(&world.body);
	loop_free(world.loop);
}

static void poll_now(void *owner)
{
	if (world.until() || loop_now_ms(world.loop) > world.give_up_ms)
		loop_stop(world.loop);
	else
		loop_timer_start(&world.poll, 2);
}

static void run_until(const char *what, bool (*until)(void))
{
	world.until = until;
	world.give_up_ms = loop_now_ms(world.loop) + PATIENCE_MS;
	loop_timer_init(&world.poll, world.loop, poll_now, NULL);
	loop_timer_start(&world.poll, 0);
	loop_run(world.loop);
	CHECK(what, until());
}

static bool has_ended(void)
{
	return world.ended || world.aborted;
}

static void request(const char *method, const char *target, const struct gate_header *headers, size_t n_headers)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	size_t path = strcspn(target, "?");
	struct gate_request request = {
		.id = 7,
		.listener = GATE_API,
		.method = method,
		.path = arena_strndup(arena, target, path),
		.target = target,
		.query = target[path] ? target + path + 1 : "",
		.host = "node",
		.client = "10.1.2.3:4",
		.headers = headers,
		.n_headers = n_headers,
	};

	api_request(world.api, &request);
}

TEST(answers_without_a_runtime)
{
	static const struct {
		const char *method, *target;
		int status;
		const char *body, *header;
	} rows[] = {
		{ "GET", "/x", 404, "404 page not found\n", "nosniff" },
		{ "GET", "//pods", 307, "<a href=\"/pods\">Temporary Redirect</a>.\n\n", "Location: /pods\n" },
		{ "POST", "//pods", 307, "", "Location: /pods\n" },
		{ "GET", "/exec/a/b", 404, "404: Page Not Found", "text/plain" },
		{ "PUT", "/exec/a/b/c", 405, "405: Method Not Allowed", "Allow: GET, POST\n" },
		{ "GET", "/healthz", 200, "ok", "nosniff" },
		{ "GET", "/healthz?verbose", 200, "[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed\n",
		  "text/plain; charset=utf-8" },
		{ "GET", "/healthz?verbose&exclude=syncloop&exclude=x&exclude=x", 200,
		  "[+]ping ok\n[+]log ok\n[+]syncloop excluded: ok\nwarn: some health checks cannot be excluded: no "
		  "matches for \"x\"\nhealthz check passed\n",
		  "text/plain" },
		{ "GET", "/healthz/syncloop", 200, "ok", "text/plain" },
		{ "GET", "/pods", 200,
		  "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[{\"metadata\":{\"name\":"
		  "\"p\",\"namespace\":\"default\",\"uid\":\"u1\"},",
		  "application/json" },
		{ "GET", "/runningpods/", 200,
		  "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[{\"metadata\":{\"name\":"
		  "\"p\",\"namespace\":\"default\",\"uid\":\"u1\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
		  "\"sha256:i\",\"resources\":{}}]},\"status\":{}}]}\n",
		  "application/json" },
		{ "GET", "/configz", 200,
		  "{\"kubeletconfig\":{\"kind\":\"KubeletConfiguration\",\"apiVersion\":\"kubelet.config.k8s.io/"
		  "v1beta1\"",
		  "nosniff" },
		{ "GET", "/containerLogs/default/q/c", 404, "pod \"q\" does not exist", "text/plain" },
		{ "GET", "/containerLogs/default/p/d", 404, "container \"d\" not found in pod \"p\"", "text/plain" },
		{ "GET", "/containerLogs/default/p/c?tailLines=x", 400, "{\"message\": \"Unable to decode query.\"}",
		  "text/plain" },
		{ "GET", "/containerLogs/default/q/c?tailLines=-1", 422, "{\"message\": \"Invalid request.\"}",
		  "text/plain" },
		{ "GET", "/containerLogs/default/p/c?previous=1", 400,
		  "previous terminated container \"c\" in pod \"p\" not found", "" },
		{ "POST", "/exec/default/p/c?command=x", 400, "you must specify at least 1 of stdin, stdout, stderr",
		  "text/plain" },
		{ "POST", "/exec/default/q/c?output=1", 404, "pod does not exist", "text/plain" },
		{ "POST", "/exec/default/p/d?output=1", 500, "container not found (\"d\")", "text/plain" },
		{ "POST", "/exec/default/p/c?output=1&command=a%00b", 400, "a command may not hold a zero byte",
		  "text/plain" },
		{ "POST", "/attach/default/p/d?output=1", 500, "container d not found in pod p_default", "text/plain" },
		{ "POST", "/attach/default/p/u2/c?output=1", 500, "pod p_default not found", "text/plain" },
		{ "POST", "/portForward/default/p/u2", 404, "pod not found", "text/plain" },
		{ "POST", "/run/default/q/c?cmd=x", 404, "pod does not exist", "text/plain" },
		{ "POST", "/run/default/p/c?cmd=x", 200, "outerr", "application/json" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		start();
		request(rows[i].method, rows[i].target, NULL, 0);
		run_until(rows[i].target, has_ended);
		CHECK_INT(rows[i].target, world.status, ==, rows[i].status);
		if (strlen(rows[i].body) < world.body.size && rows[i].body[0] == '{')
			world.body.bytes[strlen(rows[i].body)] = 0;
		CHECK_STR(rows[i].target, buf_text(&world.body), rows[i].body);
		CHECK(rows[i].target, strstr(world.headers, rows[i].header));
		stop();
	}
}

TEST(a_failing_check_is_told_without_its_reason)
{
	start();
	is_sick = true;
	request("GET", "/healthz", NULL, 0);
	run_until("answer", has_ended);
	CHECK_INT("status", world.status, ==, 500);
	CHECK_STR("body", buf_text(&world.body),
		  "[+]ping ok\n[+]log ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n");
	stop();
}

/* ---- logs ---- */

static void write_log(const char *text, const char *mode)
{
	FILE *file = fopen(world.log_path, mode);

	CHECK("log", file && fputs(text, file) >= 0);
	fclose(file);
}

static void begin_log(const char *text)
{
	start();
	snprintf(world.log_path, sizeof world.log_path, "%s/0.log", test_folder());
	write_log(text, "w");
}

TEST(logs_once)
{
	static const char log[] = T " stdout F one\n" T " stderr P tw\n" T " stderr F o\n" T " stdout F three";
	static const struct {
		const char *query, *want;
	} rows[] = {
		{ "", "one\ntwo\nthree" },
		{ "?tailLines=1", "o\n" }, /* as stock: a cut line at the end does not count, but takes the place */
		{ "?tailLines=0", "" },
		{ "?tailLines=100", "one\ntwo\nthree" },
		{ "?limitBytes=5", "one\nt" },
		{ "?timestamps=true&tailLines=2", T " two\n" },
		{ "?sinceTime=2025-11-25T07:10:01Z", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_free_ char *target = xasprintf("/containerLogs/default/p/c%s", rows[i].query);

		begin_log(log);
		request("GET", target, NULL, 0);
		run_until(target, has_ended);
		CHECK_INT(target, world.status, ==, 200);
		CHECK_STR(target, buf_text(&world.body), rows[i].want);
		CHECK("whole", !world.aborted);
		stop();
	}
}

TEST(a_log_that_cannot_be_read_is_told_in_the_body)
{
	static const struct {
		const char *path;
		int code;
		const char *want;
	} rows[] = {
		{ "/nonexistent/0.log", 0, "failed to try resolving symlinks in path \"/nonexistent/0.log\": lstat " },
		{ "/", 0, "failed to open log file \"/\": not a regular file" },
		{ "", -ENOENT, "unable to retrieve container logs for containerd://c1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		start();
		snprintf(world.log_path, sizeof world.log_path, "%s", rows[i].path);
		world.failure.code = rows[i].code;
		request("GET", "/containerLogs/default/p/c", NULL, 0);
		run_until("end", has_ended);
		CHECK_INT(rows[i].path, world.status, ==, 200);
		CHECK(rows[i].path, str_has_prefix(buf_text(&world.body), rows[i].want));
		stop();
	}
}

static void wake_client(void *owner)
{
	loop_stop(world.loop);
}

TEST(a_long_log_arrives_whole_at_a_client_that_sleeps_first)
{
	enum { LINES = 20000 };

	begin_log("");
	FILE *file = fopen(world.log_path, "w");
	for (int i = 0; i < LINES; i++)
		fprintf(file, T " stdout F line %07d of a long log\n", i);
	fclose(file);
	world.client_sleeps = true;
	request("GET", "/containerLogs/default/p/c?tailLines=15000", NULL, 0);
	loop_timer_init(&world.poll, world.loop, wake_client, NULL);
	loop_timer_start(&world.poll, 100);
	loop_run(world.loop);
	CHECK("not ended while the client sleeps", !world.ended);
	loop_fd_set(world.client, LOOP_READ);
	run_until("all", has_ended);
	CHECK_INT("bytes", world.body.size, ==, 15000 * strlen("line 0000000 of a long log\n"));
	CHECK("the first", str_has_prefix(buf_text(&world.body), "line 0005000 of"));
	CHECK("the last", str_has_suffix(buf_text(&world.body), "line 0019999 of a long log\n"));
	stop();
}

static size_t wanted_size;

static bool has_size(void)
{
	return world.body.size >= wanted_size;
}

static void wait_for(const char *text)
{
	wanted_size = strlen(text);
	run_until(text, has_size);
	CHECK_STR("so far", buf_text(&world.body), text);
}

TEST(follow_growth_rotation_and_end)
{
	_cleanup_free_ char *old = NULL;

	begin_log(T " stdout F one\n");
	request("GET", "/containerLogs/default/p/c?follow=true", NULL, 0);
	wait_for("one\n");
	write_log(T " stdout F two\n" T " stdout F th", "a");
	wait_for("one\ntwo\n");
	write_log("ree\n", "a");
	wait_for("one\ntwo\nthree\n");

	old = xasprintf("%s.old", world.log_path);
	rename(world.log_path, old);
	FILE *file = fopen(old, "a");
	fputs(T " stdout F four\n", file);
	fclose(file);
	write_log(T " stdout F five\n", "w");
	wait_for("one\ntwo\nthree\nfour\nfive\n");

	CHECK("goes on", !world.ended);
	write_log(T " stdout F six\n", "a");
	world.state = CRI__CONTAINER_STATE__CONTAINER_EXITED;
	run_until("the container's end is the log's", has_ended);
	CHECK_STR("all", buf_text(&world.body), "one\ntwo\nthree\nfour\nfive\nsix\n");
	stop();
}

TEST(follow_ends_with_a_container_that_was_removed)
{
	begin_log(T " stdout F one\n");
	request("GET", "/containerLogs/default/p/c?follow=true", NULL, 0);
	wait_for("one\n");
	write_log(T " stdout F two\n", "a");
	err_set(&world.failure, -ENOENT, "rpc error: code = NotFound desc = no such container");
	run_until("it is no error", has_ended);
	CHECK_STR("all", buf_text(&world.body), "one\ntwo\n");
	stop();
}

TEST(follow_ends_with_its_client)
{
	begin_log(T " stdout F one\n");
	request("GET", "/containerLogs/default/p/c?follow=true", NULL, 0);
	wait_for("one\n");
	api_gone(world.api, 7);
	stop(); /* frees everything, or the sanitizer tells */

	begin_log(T " stdout F one\n");
	request("GET", "/containerLogs/default/p/c?follow=true", NULL, 0);
	api_gone(world.api, 7);
	stop();

	begin_log(T " stdout F one\n");
	request("GET", "/containerLogs/default/p/c?follow=true", NULL, 0);
	wait_for("one\n");
	stop(); /* with the client still there */
	CHECK("cut", world.aborted);
}

/* ---- sessions ---- */

static int listener;

static void start_streaming_server(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof address;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK("listen", bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 5) == 0 &&
				getsockname(listener, (struct sockaddr *)&address, &size) == 0);
	snprintf(world.url, sizeof world.url, "http://127.0.0.1:%d/exec/token", ntohs(address.sin_port));
}

static const struct gate_header upgrade[] = {
	{ "Host", "apiserver:6443" },
	{ "Connection", "Upgrade" },
	{ "Upgrade", "SPDY/3.1" },
	{ "Authorization", "Bearer x" },
	{ "X-Stream-Protocol-Version", "v4.channel.k8s.io" },
	{ "X-Forwarded-For", "10.9.9.9" },
};

static bool is_relayed_or_ended(void)
{
	return world.relayed || has_ended();
}

static bool has_asked(void)
{
	return world.n_calls > 0;
}

TEST(exec_reaches_the_runtime)
{
	char head[4096];
	ssize_t n;

	start();
	start_streaming_server();
	request("POST", "/exec/default/p/c?command=sh&command=-c&command=a+b&input=1&output=1&error=1&tty=1", upgrade,
		ARRAY_LEN(upgrade));
	run_until("asked", has_asked);
	CHECK_STR("command", world.words, "sh|-c|a b|");
	CHECK("a terminal has no stderr",
	      world.asked.tty && world.asked.stdin && world.asked.stdout && !world.asked.stderr);

	int conn = -1;
	fcntl(listener, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 1000 && conn < 0; i++) {
		wanted_size = 0;
		run_until("a turn", has_size);
		conn = accept(listener, NULL, NULL);
	}
	CHECK("dialled", conn >= 0);
	n = 0;
	for (int i = 0; i < 1000 && n <= 0; i++) {
		run_until("a turn", has_size);
		n = recv(conn, head, sizeof head - 1, MSG_DONTWAIT);
	}
	CHECK("head", n > 0);
	head[n] = 0;
	CHECK("request line", str_has_prefix(head, "POST /exec/token HTTP/1.1\r\n"));
	CHECK("upgrade", strstr(head, "\r\nUpgrade: SPDY/3.1\r\n"));
	CHECK("protocol", strstr(head, "\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"));
	CHECK("client", strstr(head, "\r\nX-Forwarded-For: 10.9.9.9, 10.1.2.3\r\n"));
	CHECK("no credential", !strstr(head, "Bearer"));
	CHECK("end", str_has_suffix(head, "\r\n\r\n"));
	CHECK("not before the runtime's first byte", !world.relayed);

	CHECK("answer", write(conn, "HTTP/1.1 101", 12) == 12);
	run_until("relayed", is_relayed_or_ended);
	CHECK_INT("a command", world.session, ==, GATE_COMMAND);
	CHECK_INT("alive", api_sessions(world.api), ==, 1);
	CHECK_INT("the answer is the gate's to read", recv(world.relay_fd, head, sizeof head, MSG_DONTWAIT), ==, 12);
	api_gone(world.api, 7);
	CHECK_INT("over", api_sessions(world.api), ==, 0);
	close(conn);
	close(listener);
	stop();
}

TEST(what_can_go_wrong_with_a_session)
{
	static const struct {
		const char *rule, *target, *url;
		int code;
		bool plain;
		int status;
		const char *body;
		bool tells_state, has_ended;
	} rows[] = {
		{ "no such container", "/exec/default/p/c?output=1", "", -ENOENT, false, 404, "sentence", false,
		  false },
		{ "too many", "/exec/default/p/c?output=1", "", -ENOBUFS, false, 429, "sentence", false, false },
		{ "else", "/attach/default/p/c?output=1", "", -EREMOTEIO, false, 500, "sentence", false, false },
		{ "it runs", "/exec/default/p/c?output=1", "", -EREMOTEIO, false, 500, "sentence", true, false },
		{ "it has ended since", "/exec/default/p/c?output=1", "", -EREMOTEIO, false, 500,
		  "container not found (\"c\")", true, true },
		{ "the same, to attach", "/attach/default/p/c?output=1", "", -EREMOTEIO, false, 500,
		  "container c not found in pod p_default", true, true },
		{ "the same, to run", "/run/default/p/c?cmd=x", "", -EREMOTEIO, false, 500,
		  "container not found (\"c\")", true, true },
		{ "no upgrade", "/exec/default/p/c?output=1", "http://127.0.0.1:1/x", 0, true, 500,
		  "Upgrade request required\n", false, false },
		{ "another host", "/exec/default/p/c?output=1", "http://10.0.0.1:80/x", 0, false, 500,
		  "error dialing backend: the runtime's streaming URL is not on this machine's loopback: "
		  "http://10.0.0.1:80\n",
		  false, false },
		{ "nobody there", "/portForward/default/p", "http://127.0.0.1:1/x", 0, false, 500,
		  "error dialing backend: dial tcp 127.0.0.1:1: connect: connection refused\n", false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		start();
		snprintf(world.url, sizeof world.url, "%s", rows[i].url);
		if (rows[i].code)
			err_set(&world.failure, rows[i].code, "sentence");
		world.tells_state = rows[i].tells_state;
		world.state = rows[i].has_ended ? CRI__CONTAINER_STATE__CONTAINER_EXITED
						: CRI__CONTAINER_STATE__CONTAINER_RUNNING;
		request("POST", rows[i].target, upgrade, rows[i].plain ? 1 : ARRAY_LEN(upgrade));
		run_until(rows[i].rule, has_ended);
		CHECK_INT(rows[i].rule, world.status, ==, rows[i].status);
		CHECK_STR(rows[i].rule, buf_text(&world.body), rows[i].body);
		CHECK(rows[i].rule, rows[i].status != 429 || strstr(world.headers, "Retry-After: 60\n"));
		stop();
	}
}

TEST(attach_asks_for_what_the_client_wants_of_a_terminal_too)
{
	start();
	container.tty = true;
	request("POST", "/attach/default/p/c?input=1&output=1&error=1", upgrade, ARRAY_LEN(upgrade));
	run_until("asked", has_asked);
	container.tty = false;
	CHECK("the spec says that there is a terminal", world.attached.tty);
	CHECK("the runtime says that it has no stderr",
	      world.attached.stdin && world.attached.stdout && world.attached.stderr);
	run_until("ended", has_ended);
	stop();
}

TEST(ports_of_the_old_websocket_form)
{
	static const struct gate_header websocket[] = { { "Connection", "keep-alive, Upgrade" },
							{ "Upgrade", "WebSocket" } };
	static const struct {
		const char *query, *want;
	} rows[] = {
		{ "", "query parameter \"port\" is required" },
		{ "?port=", "query parameter \"port\" cannot be empty" },
		{ "?port=80,x",
		  "unable to parse \"80,x\" as a port: strconv.ParseUint: parsing \"x\": invalid syntax" },
		{ "?port=70000",
		  "unable to parse \"70000\" as a port: strconv.ParseUint: parsing \"70000\": value out of range" },
		{ "?port=80,0", "port \"80,0\" must be > 0" },
		{ "?port=80,", "unable to parse \"80,\" as a port: strconv.ParseUint: parsing \"\": invalid syntax" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_free_ char *target = xasprintf("/portForward/default/p%s", rows[i].query);

		start();
		request("GET", target, websocket, ARRAY_LEN(websocket));
		run_until(target, has_ended);
		CHECK_INT(target, world.status, ==, 400);
		CHECK_STR(target, buf_text(&world.body), rows[i].want);
		stop();
	}
}
