/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both sides of the gate in one tree: the kubelet's end here, the gate as this program again under its own name,
 * clients as blocking sockets of a forked child. Plain listeners; TLS has its own test beside tls_server.c.
 */
#include "kubelet/gate/gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate.pb-c.h"
#include "kubelet/gate/channel/channel.h"
#include "kubelet/gate/child/child.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/codec/pb.h"
#include "pkg/test/test.h"

enum { TEST_MS = 20000, LARGE_BYTES = 3 << 20 };

static void misbehave(int how);

/* Under the gate's name this program is the gate; at verbosities 90 to 99, which travel with it, one in foreign hands.
 */
__attribute__((constructor(101))) static void become_the_gate(int argc, char **argv)
{
	int64_t how;

	if (argc < 1 || strcmp(argv[0], GATE_PROGRAM) != 0)
		return;
	for (int i = 1; i < argc; i++)
		if (str_has_prefix(argv[i], "--v=9") && str_to_i64(argv[i] + 5, 0, 9, &how) == 0)
			misbehave((int)how);
	_exit(gate_child_main(argc, argv));
}

/* A literal with its zero bytes. */
#define SEND(fd, literal) CHECK("write", fd_write_all((fd), (literal), sizeof(literal) - 1) >= 0)

struct fixture {
	struct loop *loop;
	struct gate *gate;
	const struct gate_options *options; /* NULL: on a free port */
	int port;
	pid_t client;
	struct loop_timer watch, deadline;
	int n_requests, n_gone;
	uint64_t last_id, stream_id;
	char path[200];
	int stream_fd, runtime_fd, verdict_fd;
	bool timed_out;
	int status;
	void (*handle)(struct fixture *fixture, const struct gate_request *request);
	void (*on_gone)(struct fixture *fixture, uint64_t id);
	void (*tick)(struct fixture *fixture);
};

static int free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof in;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_INT("bind", bind(fd, (struct sockaddr *)&in, sizeof in), ==, 0);
	getsockname(fd, (struct sockaddr *)&in, &size);
	close(fd);
	return ntohs(in.sin_port);
}

static void take_request(void *owner, const struct gate_request *request)
{
	struct fixture *fixture = owner;

	fixture->n_requests++;
	fixture->last_id = request->id;
	snprintf(fixture->path, sizeof fixture->path, "%s", request->path);
	fixture->handle(fixture, request);
}

static void take_gone(void *owner, uint64_t id)
{
	struct fixture *fixture = owner;

	fixture->n_gone++;
	if (fixture->on_gone)
		fixture->on_gone(fixture, id);
}

static void look_at_client(void *owner)
{
	struct fixture *fixture = owner;
	int status;

	if (fixture->tick)
		fixture->tick(fixture);
	if (waitpid(fixture->client, &status, WNOHANG) == fixture->client) {
		fixture->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		loop_stop(fixture->loop);
		return;
	}
	loop_timer_start(&fixture->watch, 5);
}

static void too_late(void *owner)
{
	struct fixture *fixture = owner;

	fixture->timed_out = true;
	kill(fixture->client, SIGKILL);
}

/* Runs client(port) in a child against a gate whose requests `handle` answers; the child's exit code. */
static int run(struct fixture *fixture, int (*client)(int port))
{
	struct gate_options options = {
		.listen[GATE_READ_ONLY] = { "127.0.0.1", free_port() },
		.callbacks = { take_request, take_gone },
		.sandbox_off = geteuid() != 0,
	};
	struct err err;

	if (fixture->options)
		options = *fixture->options;
	options.owner = fixture;
	fixture->loop = loop_new();
	fixture->port = options.listen[GATE_READ_ONLY].port;
	CHECK_OK(gate_new(fixture->loop, &options, &fixture->gate, &err), &err);
	fixture->client = fork();
	if (fixture->client == 0) {
		char verdict = (char)client(fixture->port);

		if (fixture->verdict_fd)
			fd_write_all(fixture->verdict_fd, &verdict, 1);
		_exit(verdict);
	}
	loop_timer_init(&fixture->watch, fixture->loop, look_at_client, fixture);
	loop_timer_init(&fixture->deadline, fixture->loop, too_late, fixture);
	loop_timer_start(&fixture->watch, 5);
	loop_timer_start(&fixture->deadline, TEST_MS);
	loop_run(fixture->loop);
	loop_timer_stop(&fixture->deadline);
	gate_free(fixture->gate);
	loop_free(fixture->loop);
	CHECK("in time", !fixture->timed_out);
	return fixture->status;
}

/* ---- the client's side ---- */

static int dial(int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&in, sizeof in) < 0)
		_exit(90);
	return fd;
}

static void say(int fd, const char *text)
{
	if (fd_write_all(fd, text, strlen(text)) < 0)
		_exit(91);
}

/* All up to the end of the connection. */
static size_t hear(int fd, char *text, size_t size)
{
	size_t at = 0;
	ssize_t n;

	while (at < size - 1 && (n = read(fd, text + at, size - 1 - at)) > 0)
		at += (size_t)n;
	text[at] = 0;
	return at;
}

#define NEED(code, condition)                                                  \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "client: not true: %s\n", #condition); \
			_exit(code);                                           \
		}                                                              \
	} while (0)

/* ---- short answers ---- */

static void answer_path(struct fixture *fixture, const struct gate_request *request)
{
	struct gate_header type = { "Content-Type", "text/plain" };

	gate_answer(fixture->gate, request->id, 200, &type, 1, request->path, strlen(request->path));
}

static int two_requests_on_one(int port)
{
	static char text[4096];
	int fd = dial(port);

	say(fd,
	    "GET /a%20b?x HTTP/1.1\r\nHost: h\r\n\r\nPOST /second HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
	    "HEAD /third HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	hear(fd, text, sizeof text);
	NEED(1, strstr(text, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n") == text);
	NEED(2, strstr(text, "Content-Length: 4\r\n\r\n/a bHTTP/1.1 200"));
	NEED(3, strstr(text, "Content-Length: 7\r\n\r\n/secondHTTP/1.1 200"));
	NEED(4, strstr(text, "Content-Length: 6\r\n"));
	NEED(5, strstr(text, "Connection: close\r\n\r\n") && str_has_suffix(text, "\r\n\r\n"));
	return 0;
}

TEST(requests_on_one_connection)
{
	struct fixture fixture = { .handle = answer_path };

	CHECK_INT("client", run(&fixture, two_requests_on_one), ==, 0);
	CHECK_INT("requests", fixture.n_requests, ==, 3);
	CHECK_INT("gone", fixture.n_gone, ==, 0);
	CHECK_STR("path", fixture.path, "/third");
}

static int half_closed(int port)
{
	static char text[4096];
	int fd = dial(port);

	say(fd, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
	shutdown(fd, SHUT_WR);
	hear(fd, text, sizeof text);
	NEED(1, strstr(text, "\r\n\r\n/x"));
	return 0;
}

TEST(a_client_that_has_finished_sending_is_answered)
{
	struct fixture fixture = { .handle = answer_path };

	CHECK_INT("client", run(&fixture, half_closed), ==, 0);
}

static int bad_requests(int port)
{
	static char text[8192];
	static const char *const rows[][2] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n" },
		{ "\x01\x02\x03garbage\r\n", "HTTP/1.1 400 Bad Request\r\n" },
		{ "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request: missing required Host header\r\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fd = dial(port);

		say(fd, rows[i][0]);
		hear(fd, text, sizeof text);
		NEED(1 + (int)i, strstr(text, rows[i][1]) == text);
		close(fd);
	}
	return 0;
}

TEST(bad_heads_are_answered_by_the_gate_itself)
{
	struct fixture fixture = { .handle = answer_path };

	CHECK_INT("client", run(&fixture, bad_requests), ==, 0);
	CHECK_INT("requests", fixture.n_requests, ==, 0);
}

static int big_head(int port)
{
	static char text[4096];
	char *value = xmalloc(900 << 10);
	int fd = dial(port);

	memset(value, 'v', 900 << 10);
	value[(900 << 10) - 1] = 0;
	say(fd, "GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Big: ");
	say(fd, value);
	say(fd, "\r\n\r\n");
	hear(fd, text, sizeof text);
	free(value);
	NEED(1, str_has_suffix(text, "\r\n\r\n/big"));
	return 0;
}

static void answer_big_head(struct fixture *fixture, const struct gate_request *request)
{
	const char *value = gate_request_header(request, "x-big");

	gate_answer(fixture->gate, request->id, 200, NULL, 0, value && strlen(value) == (900 << 10) - 1 ? "/big" : "no",
		    4);
}

TEST(a_head_of_900_kb_travels_in_many_packets)
{
	struct fixture fixture = { .handle = answer_big_head };

	CHECK_INT("client", run(&fixture, big_head), ==, 0);
}

/* What one connection gets that sends all of it and then ends its half. */
static const struct bytes {
	const char *rule, *sent, *wanted, *unwanted;
} of_go[] = {
	{ "1.0 has its own status line and no word about the end", "GET /x HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n",
	  "Connection" },
	{ "1.0 is told when the connection lives on", "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	  "Connection: keep-alive\r\n", NULL },
	{ "a body that is too long to be read", "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n",
	  "Connection: close\r\n", NULL },
	{ "a body in broken chunks", "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
	  "Connection: close\r\n", NULL },
	{ "a body that nobody asked for in the end",
	  "POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
	  "Connection: close\r\n", NULL },
	{ "nothing to wait for",
	  "GET /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\nGET /y HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n/y",
	  NULL },
	{ "an empty line behind a body",
	  "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na\r\nGET /y HTTP/1.1\r\nHost: h\r\n\r\n",
	  "\r\n\r\n/y", " 400 " },
	{ "an empty line behind a request without one",
	  "GET /x HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /y HTTP/1.1\r\nHost: h\r\n\r\n", " 400 Bad Request\r\n", "/y" },
	{ "an empty line first", "\r\nGET /y HTTP/1.1\r\nHost: h\r\n\r\n", " 400 Bad Request\r\n", "/y" },
	{ "half a request line", "GET /hea", " 400 Bad Request\r\n", NULL },
	{ "half a head", "GET /x HTTP/1.1\r\nHost", " 400 Bad Request\r\n", NULL },
};

static int talk_as_go_expects(int port)
{
	static char text[8192];

	for (size_t i = 0; i < ARRAY_LEN(of_go); i++) {
		int fd = dial(port);

		say(fd, of_go[i].sent);
		shutdown(fd, SHUT_WR);
		hear(fd, text, sizeof text);
		if (!strstr(text, of_go[i].wanted) || (of_go[i].unwanted && strstr(text, of_go[i].unwanted))) {
			fprintf(stderr, "%s: %s\n", of_go[i].rule, text);
			return 1 + (int)i;
		}
		close(fd);
	}
	return 0;
}

TEST(connections_end_and_live_on_as_with_go)
{
	struct fixture fixture = { .handle = answer_path };

	CHECK_INT("client", run(&fixture, talk_as_go_expects), ==, 0);
}

static int send_the_body_late(int port)
{
	static char text[4096];
	int fd = dial(port);
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	say(fd, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab");
	NEED(1, poll(&readable, 1, 200) == 0);
	say(fd, "cGET /y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	hear(fd, text, sizeof text);
	NEED(2, strstr(text, "\r\n\r\n/xHTTP/1.1 200 OK\r\n") && str_has_suffix(text, "\r\n\r\n/y"));
	return 0;
}

TEST(an_answer_waits_for_the_rest_of_a_short_body)
{
	struct fixture fixture = { .handle = answer_path };

	CHECK_INT("client", run(&fixture, send_the_body_late), ==, 0);
}

/* ---- long answers ---- */

static void answer_large(struct fixture *fixture, const struct gate_request *request)
{
	char *body = xmalloc(LARGE_BYTES);

	memset(body, 'b', LARGE_BYTES);
	gate_answer(fixture->gate, request->id, 200, NULL, 0, body, LARGE_BYTES);
	free(body);
}

static int hear_large(int port)
{
	char *text = xmalloc(LARGE_BYTES + (64 << 10));
	int fd = dial(port);
	size_t n;

	say(fd, "GET /l HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	n = hear(fd, text, LARGE_BYTES + (64 << 10));
	NEED(1, strstr(text, "Transfer-Encoding: chunked\r\n") && !strstr(text, "Content-Length"));
	NEED(2, n > LARGE_BYTES && strcmp(text + n - 5, "0\r\n\r\n") == 0);
	close(fd);
	fd = dial(port);
	say(fd, "GET /l HTTP/1.0\r\n\r\n");
	n = hear(fd, text, LARGE_BYTES + 4096);
	NEED(3, n == (size_t)(strstr(text, "\r\n\r\n") + 4 - text) + LARGE_BYTES);
	free(text);
	return 0;
}

TEST(a_large_answer_comes_whole)
{
	struct fixture fixture = { .handle = answer_large };

	CHECK_INT("client", run(&fixture, hear_large), ==, 0);
}

static void answer_stream(struct fixture *fixture, const struct gate_request *request)
{
	int fd;

	CHECK_INT("stream", gate_answer_stream(fixture->gate, request->id, 200, NULL, 0, &fd), ==, 0);
	CHECK_INT("write", write(fd, "line one\n", 9), ==, 9);
	close(fd);
	if (strcmp(request->path, "/cut") == 0)
		gate_abort(fixture->gate, request->id);
	else
		gate_end(fixture->gate, request->id);
}

static int hear_stream(int port)
{
	static char text[4096];
	int fd = dial(port);

	say(fd, "GET /whole HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	hear(fd, text, sizeof text);
	NEED(1, strstr(text, "Transfer-Encoding: chunked\r\n"));
	NEED(2, str_has_suffix(text, "\r\n\r\n9\r\nline one\n\r\n0\r\n\r\n"));
	close(fd);
	fd = dial(port);
	say(fd, "GET /whole HTTP/1.0\r\n\r\n");
	hear(fd, text, sizeof text);
	NEED(3, !strstr(text, "chunked") && str_has_suffix(text, "\r\n\r\nline one\n"));
	close(fd);
	fd = dial(port);
	say(fd, "GET /cut HTTP/1.1\r\nHost: h\r\n\r\n");
	hear(fd, text, sizeof text);
	NEED(4, !str_has_suffix(text, "0\r\n\r\n"));
	return 0;
}

TEST(a_stream_gets_its_last_chunk_only_when_it_is_whole)
{
	struct fixture fixture = { .handle = answer_stream };

	CHECK_INT("client", run(&fixture, hear_stream), ==, 0);
	CHECK_INT("gone", fixture.n_gone, ==, 0);
}

static void answer_endlessly(struct fixture *fixture, const struct gate_request *request)
{
	CHECK_INT("stream", gate_answer_stream(fixture->gate, request->id, 200, NULL, 0, &fixture->stream_fd), ==, 0);
	fixture->stream_id = request->id;
	CHECK_INT("write", write(fixture->stream_fd, "x", 1), ==, 1);
}

static int leave_early(int port)
{
	char text[512];
	int fd = dial(port);

	say(fd, "GET /follow HTTP/1.1\r\nHost: h\r\n\r\n");
	NEED(1, read(fd, text, sizeof text) > 0);
	close(fd);
	poll(NULL, 0, 300);
	return 0;
}

TEST(a_client_that_leaves_a_stream_is_told_of)
{
	struct fixture fixture = { .handle = answer_endlessly };

	CHECK_INT("client", run(&fixture, leave_early), ==, 0);
	CHECK_INT("gone", fixture.n_gone, ==, 1);
	CHECK_INT("writing fails", send(fixture.stream_fd, "x", 1, MSG_NOSIGNAL), ==, -1);
	close(fixture.stream_fd);
}

/* ---- sessions ---- */

static void relay(struct fixture *fixture, const struct gate_request *request)
{
	int fds[2];

	CHECK_INT("pair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
	fixture->runtime_fd = fds[0];
	if (strcmp(request->path, "/refused") == 0)
		SEND(fds[0], "HTTP/1.1 403 Forbidden\r\nX-B: 1\r\n\r\nno way");
	else if (strcmp(request->path, "/redirect") == 0)
		SEND(fds[0], "HTTP/1.1 302 Found\r\n\r\n");
	else
		SEND(fds[0], "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			     "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n\x82\x01\x01");
	CHECK_INT("relay", gate_relay(fixture->gate, request->id, fds[1], GATE_COMMAND), ==, 0);
	if (strcmp(request->path, "/broken") == 0)
		SEND(fds[0], "\x82\x05\x01"
			     "ab"); /* half a frame */
	if (strcmp(request->path, "/ws") != 0)
		close(fds[0]);
}

/* The runtime echoes one message and then sends the status. */
static void echo_runtime(struct fixture *fixture)
{
	char text[64];
	ssize_t n = fixture->runtime_fd > 0 ? recv(fixture->runtime_fd, text, sizeof text, MSG_DONTWAIT) : -1;

	if (n <= 0)
		return;
	CHECK_MEM("from the client", text, (size_t)n, "hello", 5);
	SEND(fixture->runtime_fd, "\x82\x06\x01hello");
	CHECK("write",
	      fd_write_all(fixture->runtime_fd, "\x82\x15\x03{\"status\":\"Success\"}\x88\x02\x03\xe8", 27) >= 0);
	close(fixture->runtime_fd);
	fixture->runtime_fd = -1;
}

static int talk_session(int port)
{
	static char text[4096];
	int fd = dial(port);
	size_t n;

	say(fd, "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello");
	n = hear(fd, text, sizeof text);
	NEED(1, strstr(text, "HTTP/1.1 101 Switching Protocols\r\n") == text);
	NEED(2,
	     memmem(text, n, "\x82\x01\x01\x82\x06\x01hello\x82\x15\x03{\"status\":\"Success\"}\x88\x02\x03\xe8", 38));
	NEED(3, !strstr(text, "Failure"));
	return 0;
}

TEST(a_session_passes_both_ways_to_its_status)
{
	struct fixture fixture = { .handle = relay, .tick = echo_runtime };

	CHECK_INT("client", run(&fixture, talk_session), ==, 0);
	CHECK_INT("gone", fixture.n_gone, ==, 1);
}

static int broken_session(int port)
{
	static char text[4096];
	int fd = dial(port);
	size_t n;

	say(fd, "GET /broken HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	n = hear(fd, text, sizeof text);
	NEED(1, memmem(text, n, "\"status\":\"Failure\"", 18));
	NEED(2, n > 4 && memcmp(text + n - 4, "\x88\x02\x03\xe8", 4) == 0);
	NEED(3, !memmem(text, n, "ab\x82", 3) && !memmem(text, n, "\x82\x05\x01", 3));
	return 0;
}

TEST(a_broken_session_ends_with_a_failure)
{
	struct fixture fixture = { .handle = relay };

	CHECK_INT("client", run(&fixture, broken_session), ==, 0);
	CHECK_INT("gone", fixture.n_gone, ==, 1);
}

static int refused_sessions(int port)
{
	static char text[4096];
	int fd = dial(port);

	say(fd, "GET /refused HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	hear(fd, text, sizeof text);
	NEED(1, strcmp(text, "HTTP/1.1 403 Forbidden\r\nX-B: 1\r\nConnection: close\r\n\r\nno way") == 0);
	close(fd);
	fd = dial(port);
	say(fd, "GET /redirect HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	hear(fd, text, sizeof text);
	NEED(2, strstr(text, "HTTP/1.1 500 ") == text);
	NEED(3, str_has_suffix(text, "\r\n\r\ninvalid upgrade response: status code 302\n"));
	return 0;
}

TEST(a_runtime_that_refuses_is_passed_on)
{
	struct fixture fixture = { .handle = relay };

	CHECK_INT("client", run(&fixture, refused_sessions), ==, 0);
	CHECK_INT("gone", fixture.n_gone, ==, 2);
}

/* ---- death ---- */

/* The first child of this process is the gate: it was started before the client. */
static pid_t first_child(void)
{
	char path[64], pid[16];
	_cleanup_buf_ struct buf children = BUF_INIT(4096);
	struct err err;
	int64_t child;

	snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
	CHECK_OK(file_read(path, &children, &err), &err);
	snprintf(pid, sizeof pid, "%.*s", (int)strcspn(buf_text(&children), " "), buf_text(&children));
	CHECK_INT("pid", str_to_i64(pid, 2, INT32_MAX, &child), ==, 0);
	return (pid_t)child;
}

static void kill_the_gate(struct fixture *fixture, const struct gate_request *request)
{
	if (fixture->n_requests > 1) {
		answer_path(fixture, request);
		return;
	}
	kill(first_child(), SIGKILL);
}

static int survive(int port)
{
	static char text[4096];
	int first = dial(port), second;

	say(first, "GET /kill HTTP/1.1\r\nHost: h\r\n\r\n");
	NEED(1, hear(first, text, sizeof text) == 0);
	second = dial(port); /* in the gap: the kubelet's own socket takes it */
	say(second, "GET /again HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	hear(second, text, sizeof text);
	NEED(2, str_has_suffix(text, "\r\n\r\n/again"));
	return 0;
}

TEST(a_killed_gate_is_replaced_without_a_gap)
{
	struct fixture fixture = { .handle = kill_the_gate };

	CHECK_INT("client", run(&fixture, survive), ==, 0);
	CHECK_INT("gone", fixture.n_gone, ==, 1);
}

static void relay_for_ever(struct fixture *fixture, const struct gate_request *request)
{
	int fds[2];

	CHECK_INT("pair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
	SEND(fds[0], "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		     "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n\x82\x01\x01");
	CHECK_INT("relay", gate_relay(fixture->gate, request->id, fds[1], GATE_COMMAND), ==, 0);
}

static int outlive_the_kubelet(int port)
{
	static char text[4096];
	int fd = dial(port);
	ssize_t first;
	size_t n;

	say(fd, "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	first = read(fd, text, sizeof text);
	NEED(1, first > 0 && strstr(text, " 101 "));
	kill(getppid(), SIGKILL);
	n = hear(fd, text, sizeof text);
	NEED(2, memmem(text, n, "\"status\":\"Failure\"", 18));
	NEED(3, n > 4 && memcmp(text + n - 4, "\x88\x02\x03\xe8", 4) == 0);
	return 0;
}

TEST(sessions_of_a_killed_kubelet_end_with_a_failure)
{
	char verdict = 'x';
	int fds[2];
	pid_t kubelet;

	CHECK_INT("pipe", pipe(fds), ==, 0);
	kubelet = fork();
	if (kubelet == 0) {
		struct fixture fixture = { .handle = relay_for_ever };

		fixture.verdict_fd = fds[1];
		run(&fixture, outlive_the_kubelet);
		_exit(1);
	}
	close(fds[1]);
	waitpid(kubelet, NULL, 0);
	CHECK_INT("verdict", read(fds[0], &verdict, 1), ==, 1);
	CHECK_INT("client", verdict, ==, 0);
	close(fds[0]);
}

/* ---- a gate in foreign hands ---- */

enum {
	HOSTILE_GARBAGE,
	HOSTILE_FORGED_HEAD,
	HOSTILE_TWICE,
	HOSTILE_ENDLESS,
	HOSTILE_DESCRIPTOR,
	HOSTILE_READY_TWICE,
	HOSTILE_NOTHING,
	HOSTILE_KINDS
};
enum { HOSTILE_DEAF = HOSTILE_KINDS, HOSTILE_HOARD, DEAF_MS = 60 * 1000 };

/* As the channel does, but waits for the other side to read. */
static void send_slowly(const ProtobufCMessage *message)
{
	_cleanup_buf_ struct buf bytes = BUF_INIT(CHANNEL_MESSAGE_BYTES);
	static char packet[CHANNEL_PACKET_BYTES + 1];
	struct pollfd wait = { .fd = 3, .events = POLLOUT };
	struct err err;

	pb_encode(message, &bytes, &err);
	while (bytes.size > 0) {
		size_t part = MIN(bytes.size, (size_t)CHANNEL_PACKET_BYTES);

		packet[0] = part < bytes.size;
		memcpy(packet + 1, bytes.bytes, part);
		while (send(3, packet, part + 1, MSG_NOSIGNAL) < 0)
			if (errno != EAGAIN || poll(&wait, 1, TEST_MS) <= 0)
				_exit(0);
		buf_consume(&bytes, part);
	}
}

static void send_up(uint64_t id, const char *path, const char *value, int fd)
{
	Gate__Header header = GATE__HEADER__INIT, *headers[] = { &header };
	Gate__Identity identity = GATE__IDENTITY__INIT;
	Gate__Request request = GATE__REQUEST__INIT;
	Gate__Up up = GATE__UP__INIT;

	header.name = (ProtobufCBinaryData){ 1, (uint8_t *)(uintptr_t) "X" };
	header.value = (ProtobufCBinaryData){ strlen(value), (uint8_t *)(uintptr_t)value };
	request.id = id;
	request.listener = GATE_READ_ONLY;
	request.method = (ProtobufCBinaryData){ 3, (uint8_t *)(uintptr_t) "GET" };
	request.path = (ProtobufCBinaryData){ strlen(path), (uint8_t *)(uintptr_t)path };
	request.target = (ProtobufCBinaryData){ 2, (uint8_t *)(uintptr_t) "/x" };
	request.headers = headers;
	request.n_headers = 1;
	request.identity = &identity;
	up.request = &request;
	if (fd < 0) {
		send_slowly(&up.base);
		return;
	}
	struct channel *channel =
		channel_new(loop_new(), fcntl(3, F_DUPFD_CLOEXEC, 5), &gate__down__descriptor, NULL, NULL, NULL);

	channel_send(channel, &up.base, fd);
	channel_free(channel);
}

/* More than 160 MiB, in requests that each could be. */
static void hoard(void)
{
	static char large[1000 * 1024];

	memset(large, 'a', sizeof large - 1);
	for (uint64_t id = 1; id <= 200; id++)
		send_up(id, large, "a", -1);
}

static void misbehave(int how)
{
	static char more[1000] = "\x01";

	if (how == HOSTILE_DEAF) { /* keeps all that it was passed, whoever ends; a test that failed shall end, too */
		poll(NULL, 0, DEAF_MS);
		_exit(0);
	}
	prctl(PR_SET_PDEATHSIG,
	      SIGKILL); /* else one that was started last outlives the test, and holds its output open */
	switch (how) {
	case HOSTILE_GARBAGE:
		send(3, "\0\xff\xff\xff", 4, 0);
		break;
	case HOSTILE_FORGED_HEAD:
		send_up(1, "/x", "a\r\nAuthorization: b", -1);
		break;
	case HOSTILE_TWICE:
		send_up(1, "/x", "a", -1);
		send_up(1, "/x", "a", -1);
		break;
	case HOSTILE_ENDLESS:
		for (int i = 0; i < 100000; i++) {
			struct pollfd wait = { .fd = 3, .events = POLLOUT };

			if (send(3, more, sizeof more, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
				break;
			poll(&wait, 1, 100);
		}
		break;
	case HOSTILE_DESCRIPTOR:
		send_up(1, "/x", "a", fcntl(2, F_DUPFD_CLOEXEC, 5));
		break;
	case HOSTILE_READY_TWICE: /* Up.ready, empty */
		send(3, "\0\x1a\0", 3, 0);
		send(3, "\0\x1a\0", 3, 0);
		break;
	case HOSTILE_NOTHING:
		send(3, "\0", 1, 0);
		break;
	case HOSTILE_HOARD:
		hoard();
		break;
	default:
		break;
	}
	for (;;)
		pause();
}

static int wait_a_moment(int port)
{
	poll(NULL, 0, 1500); /* long enough for a second gate, which does the same */
	return 0;
}

static void take_note(struct fixture *fixture, const struct gate_request *request)
{
}

TEST(a_gate_in_foreign_hands_is_replaced)
{
	for (int how = 0; how < HOSTILE_KINDS; how++) {
		struct fixture fixture = { .handle = take_note };
		int n = how == HOSTILE_TWICE ? 1 : 0;

		log_set_verbosity(90 + how);
		run(&fixture, wait_a_moment);
		CHECK_INT("requests that reached the kubelet, from each of two", fixture.n_requests, >=, n);
		CHECK_INT("and no more", fixture.n_requests, <=, 2 * n);
		CHECK_INT("each is gone", fixture.n_gone, ==, fixture.n_requests);
	}
	log_set_verbosity(0);
}

static int wait_for_the_end(int port)
{
	poll(NULL, 0, TEST_MS);
	return 0;
}

static void end_when_replaced(struct fixture *fixture)
{
	if (fixture->n_gone > 0)
		kill(fixture->client, SIGKILL);
}

/* Each of its requests is one that a client could make. */
TEST(a_gate_that_hoards_requests_is_replaced)
{
	struct fixture fixture = { .handle = take_note, .tick = end_when_replaced };

	log_set_verbosity(90 + HOSTILE_HOARD);
	run(&fixture, wait_for_the_end);
	log_set_verbosity(0);
	CHECK_INT("as many as fit, and some of the next gate", fixture.n_requests, <=, 163 + 163);
	CHECK_INT("each is gone", fixture.n_gone, ==, 163);
}

/* A kubelet that is killed when its gate has all it can use; the pid of that gate. */
static pid_t leave_a_gate(const struct gate_options *options)
{
	struct gate_options own = *options;
	int fds[2];
	pid_t kubelet, gate = 0;

	CHECK_INT("pipe", pipe2(fds, O_CLOEXEC), ==, 0);
	kubelet = fork();
	if (kubelet == 0) {
		struct fixture fixture = { .handle = take_note, .loop = loop_new() };
		struct err err;

		own.owner = &fixture;
		if (gate_new(fixture.loop, &own, &fixture.gate, &err) < 0)
			_exit(1);
		gate = first_child();
		fd_write_all(fds[1], &gate, sizeof gate);
		pause();
		_exit(1);
	}
	close(fds[1]);
	CHECK_INT("its gate", read(fds[0], &gate, sizeof gate), ==, sizeof gate);
	close(fds[0]);
	kill(kubelet, SIGKILL);
	waitpid(kubelet, NULL, 0);
	return gate;
}

static int ask_once(int port)
{
	static char text[4096];
	int fd = dial(port);

	say(fd, "GET /new HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	hear(fd, text, sizeof text);
	NEED(1, str_has_suffix(text, "\r\n\r\n/new"));
	return 0;
}

static void leave_and_start_anew(bool deaf)
{
	struct fixture fixture = { .handle = answer_path };
	struct pollfd ended = { .events = POLLIN };
	char *file = xasprintf("%s/former", test_folder());
	struct gate_options options = {
		.listen[GATE_READ_ONLY] = { "127.0.0.1", free_port() },
		.callbacks = { take_request, take_gone },
		.sandbox_off = geteuid() != 0,
		.former_file = file,
	};
	int64_t started_ms;

	log_set_verbosity(deaf ? 90 + HOSTILE_DEAF : 0);
	ended.fd = pidfd_open(leave_a_gate(&options), 0);
	CHECK("the gate outlives its kubelet", !deaf || (ended.fd >= 0 && poll(&ended, 1, 100) == 0));
	log_set_verbosity(0);
	fixture.options = &options;
	started_ms = clock_mono_ms();
	CHECK_INT("client", run(&fixture, ask_once), ==, 0);
	if (deaf)
		CHECK_INT("had its time", clock_mono_ms() - started_ms, >=, 2000);
	CHECK("ended", ended.fd < 0 || poll(&ended, 1, 5000) == 1);
	fd_done(&ended.fd);
	free(file);
}

TEST(a_gate_that_ignores_the_end_of_its_kubelet_is_ended)
{
	leave_and_start_anew(true);
}

TEST(a_gate_that_ends_with_its_kubelet_is_not_in_the_way)
{
	leave_and_start_anew(false);
}

/* ---- rights ---- */

TEST(the_gate_reaches_nothing)
{
	char *argv[] = { (char *)(uintptr_t)GATE_PROGRAM, (char *)(uintptr_t) "--probe-sandbox", NULL };
	char text[4096] = "";
	int fds[2], status;
	pid_t pid;

	if (geteuid() != 0)
		test_skip("needs root");
	CHECK_INT("pipe", pipe(fds), ==, 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execv("/proc/self/exe", argv);
		_exit(99);
	}
	close(fds[1]);
	hear(fds[0], text, sizeof text);
	close(fds[0]);
	CHECK_INT("wait", waitpid(pid, &status, 0), ==, pid);
	CHECK("ended by itself", WIFEXITED(status));
	CHECK_STR("report", strstr(text, "POSSIBLE") ? text : "", "");
	CHECK("all tried", strstr(text, "open a file: refused\n") && strstr(text, "connect: refused\n") &&
				   strstr(text, "connect by sending: refused\n") &&
				   strstr(text, "signal a process: refused\n") &&
				   strstr(text, "become root: refused\n"));
	CHECK_INT("exit code", WEXITSTATUS(status), ==, 0);
}
