/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a client may take, on a clock that the test moves: nobody waits for the 30 and 90 seconds. This file's own
 * clock is linked in place of pkg/base/clock.c.
 */
#include "kubelet/gate/child/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kubelet/gate/child/internal.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/test/test.h"

static int64_t now_ms = 1000000;

int64_t clock_mono_ms(void)
{
	return now_ms;
}

int64_t clock_wall_ns(void)
{
	return (INT64_C(1700000000000) + now_ms) * NS_PER_MS;
}

int64_t clock_wall_ms(void)
{
	return clock_wall_ns() / NS_PER_MS;
}

int64_t clock_wall_s(void)
{
	return clock_wall_ns() / NS_PER_S;
}

struct fixture {
	struct gate_child child;
	struct tls_listener *listener;
	struct loop_timer kick;
	int port, kubelet_fd;
};

static void accepted(void *owner, struct tls_conn *conn)
{
	client_accept(owner, GATE_API, conn);
}

static void nothing(void *owner)
{
}

static void stop(void *loop)
{
	loop_stop(loop);
}

/* All that is ready without the clock. */
static void settle(struct fixture *fixture)
{
	for (int i = 0; i < 4; i++) {
		loop_post(fixture->child.loop, stop, fixture->child.loop);
		loop_run(fixture->child.loop);
	}
}

static void pass_time(struct fixture *fixture, int64_t ms)
{
	loop_timer_start(&fixture->kick, 0); /* lets the loop look at the clock */
	now_ms += ms;
	settle(fixture);
}

static void start(struct fixture *fixture, bool use_tls)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof in;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[2];
	struct tls_server_config config = { 0 };
	struct err err;

	*fixture = (struct fixture){ 0 };
	fixture->child.loop = loop_new();
	fixture->child.server = tls_server_new(fixture->child.loop);
	CHECK_OK(tls_server_configure(fixture->child.server, &config, &err), &err);
	CHECK_OK(channel_pair(fds, &err), &err);
	fixture->kubelet_fd = fds[0];
	fixture->child.channel = channel_new(fixture->child.loop, fds[1], &gate__down__descriptor, NULL, NULL, fixture);
	CHECK_INT("bind", bind(fd, (struct sockaddr *)&in, sizeof in), ==, 0);
	CHECK_INT("listen", listen(fd, 16), ==, 0);
	getsockname(fd, (struct sockaddr *)&in, &size);
	fixture->port = ntohs(in.sin_port);
	loop_timer_init(&fixture->kick, fixture->child.loop, nothing, NULL);
	loop_timer_init(&fixture->child.trim, fixture->child.loop, nothing, NULL);
	fixture->listener = tls_server_listen(fixture->child.server, fd, use_tls, accepted, &fixture->child);
}

static void finish(struct fixture *fixture)
{
	clients_end_all(&fixture->child);
	loop_timer_stop(&fixture->kick);
	loop_timer_stop(&fixture->child.trim);
	tls_listener_free(fixture->listener);
	tls_server_free(fixture->child.server);
	channel_free(fixture->child.channel);
	close(fixture->kubelet_fd);
	loop_free(fixture->child.loop);
}

static int dial(struct fixture *fixture)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)fixture->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_INT("connect", connect(fd, (struct sockaddr *)&in, sizeof in), ==, 0);
	settle(fixture);
	return fd;
}

static bool is_closed(int fd)
{
	char bytes[4096];
	ssize_t n;

	do {
		n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
	} while (n > 0);
	return n == 0 || errno == ECONNRESET;
}

static void say(struct fixture *fixture, int fd, const char *text, size_t size)
{
	CHECK_INT("send", send(fd, text, size, MSG_NOSIGNAL), ==, (int)size);
	settle(fixture);
}

/* One whole exchange on a connection: what the kubelet would answer is given straight away. */
static void exchange(struct fixture *fixture, int fd)
{
	static const char request[] = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";
	Gate__Answer answer = GATE__ANSWER__INIT;
	char bytes[512] = "";
	size_t slot = 0;

	say(fixture, fd, request, sizeof request - 1);
	/* The newest client: ids are the serial number above, the place below. */
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		answer.id = fixture->child.serial * CLIENTS_MAX + i;
		answer.status = 200;
		slot = i;
		client_answer(&fixture->child, &answer, -1);
		settle(fixture);
		if (recv(fd, bytes, sizeof bytes - 1, MSG_DONTWAIT) > 0)
			break;
		if (i > 16)
			break;
	}
	CHECK_INT("place", slot, <=, 16);
	CHECK("answered", str_has_prefix(bytes, "HTTP/1.1 200 OK\r\n"));
}

static const struct slow {
	const char *rule;
	bool use_tls;
	const char *first;
	size_t size;
	const char *each_step;
} slow[] = {
	{ "not a byte", false, "", 0, NULL },
	{ "half a request line", false, "GET /heal", 9, NULL },
	{ "half a head", false, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 27, NULL },
	{ "a head, byte by byte", false, "GET / HTTP/1.1\r\nX: ", 19, "y" },
	{ "headers, one by one", false, "GET / HTTP/1.1\r\n", 16, "X: y\r\n" },
	{ "not a byte of TLS", true, "", 0, NULL },
	{ "the beginning of a handshake", true, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, NULL },
	{ "a handshake, byte by byte", true, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, "x" },
};

TEST(a_head_has_30_seconds)
{
	for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
		const struct slow *row = &slow[i];
		struct fixture fixture;
		int fd;

		start(&fixture, row->use_tls);
		fd = dial(&fixture);
		if (row->size)
			say(&fixture, fd, row->first, row->size);
		for (int step = 0; step < 6; step++) {
			if (row->each_step)
				say(&fixture, fd, row->each_step, strlen(row->each_step));
			pass_time(&fixture, step < 5 ? 5000 : 4000);
			CHECK(row->rule, !is_closed(fd));
		}
		pass_time(&fixture, 1000);
		CHECK(row->rule, is_closed(fd));
		pass_time(&fixture, 3000);
		CHECK_INT(row->rule, fixture.child.n_clients, ==, 0);
		CHECK_INT(row->rule, tls_server_lingering(fixture.child.server), ==, 0);
		CHECK_INT(row->rule, fixture.child.head_bytes, ==, 0);
		close(fd);
		finish(&fixture);
	}
}

TEST(a_late_first_byte_wins_no_time)
{
	struct fixture fixture;
	int fd;

	start(&fixture, false);
	fd = dial(&fixture);
	pass_time(&fixture, 29000);
	say(&fixture, fd, "GET", 3);
	CHECK("still open", !is_closed(fd));
	pass_time(&fixture, 1000);
	CHECK("closed", is_closed(fd));
	close(fd);
	finish(&fixture);
}

TEST(others_are_served_beside_slow_ones)
{
	struct fixture fixture;
	int slow_fd, fd;

	start(&fixture, false);
	slow_fd = dial(&fixture);
	say(&fixture, slow_fd, "GET /", 5);
	pass_time(&fixture, 20000);
	fd = dial(&fixture);
	exchange(&fixture, fd);
	pass_time(&fixture, 10000);
	CHECK("the slow one is gone", is_closed(slow_fd));
	CHECK("the other one is there", !is_closed(fd));
	exchange(&fixture, fd);
	close(slow_fd);
	close(fd);
	finish(&fixture);
}

TEST(between_requests_there_are_90_seconds_and_then_30)
{
	struct fixture fixture;
	int idle, slow_again;

	start(&fixture, false);
	idle = dial(&fixture);
	exchange(&fixture, idle);
	slow_again = dial(&fixture);
	exchange(&fixture, slow_again);
	pass_time(&fixture, 80000);
	say(&fixture, slow_again, "GET", 3);
	pass_time(&fixture, 9000);
	CHECK("idle for 89 s", !is_closed(idle));
	pass_time(&fixture, 1000);
	CHECK("idle for 90 s", is_closed(idle));
	CHECK("a head of 10 s", !is_closed(slow_again));
	pass_time(&fixture, 19000);
	CHECK("a head of 29 s", !is_closed(slow_again));
	pass_time(&fixture, 1000);
	CHECK("a head of 30 s", is_closed(slow_again));
	close(idle);
	close(slow_again);
	finish(&fixture);
}

TEST(what_a_runtime_says_to_a_client_that_left_is_not_kept)
{
	static const char request[] = "GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
			  answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
	static char flood[256 << 10];
	Gate__Relay relay = GATE__RELAY__INIT;
	struct fixture fixture;
	const struct client *client;
	int fd, fds[2];

	start(&fixture, false);
	fd = dial(&fixture);
	say(&fixture, fd, request, sizeof request - 1);
	client = fixture.child.clients[0];
	relay.id = client->id;
	CHECK_INT("pair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
	client_relay(&fixture.child, &relay, fds[1]);
	say(&fixture, fds[0], answer, sizeof answer - 1);
	CHECK_INT("a session", client->state, ==, STATE_RELAY);
	close(fd);
	settle(&fixture);
	CHECK_INT("the client has left", client->state, ==, STATE_DRAIN);
	for (int i = 0; i < 20; i++) {
		while (send(fds[0], flood, sizeof flood, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			;
		settle(&fixture);
	}
	CHECK_INT("kept", client->out.size, ==, 0);
	close(fds[0]);
	settle(&fixture);
	CHECK_INT("gone with the runtime", fixture.child.n_clients, ==, 0);
	finish(&fixture);
}

/* The kubelet's end is read and not answered. */
static void hear_requests(struct fixture *fixture)
{
	static char bytes[CHANNEL_PACKET_BYTES + 1];

	do
		settle(fixture);
	while (recv(fixture->kubelet_fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0);
}

/* A head is as large when it is whole, and waits for its answer as long as the API server takes to know a token. */
TEST(heads_that_wait_for_an_answer_have_a_limit_together)
{
	enum { MANY = 80, FILL = 1000 * 1024, PIECE = 50 * 1024 };
	static char fill[FILL];
	struct fixture fixture;
	int fds[MANY];
	size_t open = 0;

	memset(fill, 'a', sizeof fill);
	start(&fixture, false);
	for (int i = 0; i < MANY; i++) {
		fds[i] = dial(&fixture);
		say(&fixture, fds[i], "GET / HTTP/1.1\r\nHost: h\r\nX: ", 28);
		for (int at = 0; at < FILL && !is_closed(fds[i]); at += PIECE)
			say(&fixture, fds[i], fill + at, PIECE);
		if (!is_closed(fds[i]))
			say(&fixture, fds[i], "\r\n\r\n", 4);
		hear_requests(&fixture);
	}
	for (int i = 0; i < MANY; i++)
		open += !is_closed(fds[i]);
	CHECK_INT("counted", fixture.child.head_bytes, <=, HEAD_MEMORY_BYTES);
	CHECK_INT("as many as fit", open, ==, HEAD_MEMORY_BYTES / FILL);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	hear_requests(&fixture);
	finish(&fixture);
	CHECK_INT("all given back", fixture.child.head_bytes, ==, 0);
}
