/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/test/fake_http.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/file.h"
#include "pkg/base/list.h"

enum { REQUEST_MAX = 1 << 20 };

struct fake_http {
	struct loop *loop;
	int fd;
	struct loop_fd *watch;
	char url[64];
	int n_calls;
	struct list connections, calls;
	void (*called)(void *owner, struct fake_call *call);
	void *owner;
};

struct connection {
	struct fake_http *fake;
	struct list link;
	int fd;
	struct loop_fd *watch;
	struct buf in;
};

struct request {
	struct fake_call call;
	struct connection *connection;
	struct list link;
	char *text[4]; /* method, target, head, body */
};

static void drop(struct connection *connection)
{
	loop_fd_unwatch(connection->watch);
	connection->watch = NULL;
	fd_done(&connection->fd);
	connection->fd = -1;
}

/* Tests send little; a socket's buffer takes all of it at once. */
static void send_all(struct connection *connection, const char *text, size_t size)
{
	if (connection->fd >= 0 && send(connection->fd, text, size, MSG_NOSIGNAL) != (ssize_t)size)
		drop(connection);
}

static size_t body_size(const char *head)
{
	static const char name[] = "\r\ncontent-length: ";
	const char *digit = strcasestr(head, name);
	size_t size = 0;

	for (digit = digit ? digit + strlen(name) : ""; *digit >= '0' && *digit <= '9'; digit++)
		size = size * 10 + (size_t)(*digit - '0');
	return size;
}

/* True when a whole request was taken from what has come. */
static bool take_request(struct connection *connection)
{
	const char *text = buf_text(&connection->in);
	const char *end = strstr(text, "\r\n\r\n");

	if (!end)
		return false;
	size_t head = (size_t)(end - text) + 4, body = body_size(text);
	if (connection->in.size < head + body)
		return false;
	struct request *request = xcalloc(1, sizeof *request);
	size_t method = strcspn(text, " ");
	request->connection = connection;
	request->text[0] = xstrndup(text, method);
	request->text[1] = xstrndup(text + method + 1, strcspn(text + method + 1, " "));
	request->text[2] = xstrndup(text, head);
	request->text[3] = xstrndup(text + head, body);
	request->call = (struct fake_call){ .method = request->text[0],
					    .target = request->text[1],
					    .head = request->text[2],
					    .body = request->text[3],
					    .number = connection->fake->n_calls++ };
	list_append(&connection->fake->calls, &request->link);
	struct buf rest = BUF_INIT(REQUEST_MAX);
	buf_append(&rest, text + head + body, connection->in.size - head - body);
	buf_done(&connection->in);
	connection->in = rest;
	connection->fake->called(connection->fake->owner, &request->call);
	return true;
}

static void bytes_come(void *owner, int events)
{
	struct connection *connection = owner;
	char bytes[16384];
	ssize_t size = recv(connection->fd, bytes, sizeof bytes, 0);

	(void)events;
	if (size <= 0) {
		drop(connection);
		return;
	}
	buf_append(&connection->in, bytes, (size_t)size);
	while (connection->fd >= 0 && take_request(connection))
		;
}

static void client_comes(void *owner, int events)
{
	struct fake_http *fake = owner;
	struct connection *connection = xcalloc(1, sizeof *connection);

	(void)events;
	connection->fake = fake;
	connection->in = (struct buf)BUF_INIT(REQUEST_MAX);
	list_append(&fake->connections, &connection->link);
	connection->fd = accept4(fake->fd, NULL, NULL, SOCK_CLOEXEC);
	if (connection->fd >= 0)
		connection->watch = loop_fd_watch(fake->loop, connection->fd, LOOP_READ, bytes_come, connection);
}

struct fake_http *fake_http_new(struct loop *loop, void (*called)(void *owner, struct fake_call *call), void *owner)
{
	struct fake_http *fake = xcalloc(1, sizeof *fake);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;

	fake->loop = loop;
	fake->called = called;
	fake->owner = owner;
	list_init(&fake->connections);
	list_init(&fake->calls);
	fake->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	base_assert(bind(fake->fd, (struct sockaddr *)&address, size) == 0 && listen(fake->fd, 16) == 0);
	base_assert(getsockname(fake->fd, (struct sockaddr *)&address, &size) == 0);
	snprintf(fake->url, sizeof fake->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
	fake->watch = loop_fd_watch(loop, fake->fd, LOOP_READ, client_comes, fake);
	return fake;
}

void fake_http_free(struct fake_http *fake)
{
	loop_fd_unwatch(fake->watch);
	fd_done(&fake->fd);
	list_for_each(request, &fake->calls, struct request, link) {
		for (size_t i = 0; i < ARRAY_LEN(request->text); i++)
			free(request->text[i]);
		free(request);
	}
	list_for_each(connection, &fake->connections, struct connection, link) {
		drop(connection);
		buf_done(&connection->in);
		free(connection);
	}
	free(fake);
}

const char *fake_http_url(const struct fake_http *fake)
{
	return fake->url;
}

static struct connection *connection_of(const struct fake_call *call)
{
	return container_of(call, struct request, call)->connection;
}

void fake_answer(struct fake_call *call, int status, const char *headers, const char *body)
{
	_cleanup_free_ char *text =
		xasprintf("HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s",
			  status, strlen(body), headers, body);

	send_all(connection_of(call), text, strlen(text));
}

void fake_begin(struct fake_call *call)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

	send_all(connection_of(call), head, strlen(head));
}

void fake_write(struct fake_call *call, const char *text)
{
	_cleanup_free_ char *chunk = xasprintf("%zx\r\n%s\r\n", strlen(text), text);

	send_all(connection_of(call), chunk, strlen(chunk));
}

void fake_end(struct fake_call *call)
{
	send_all(connection_of(call), "0\r\n\r\n", 5);
}

void fake_drop(struct fake_call *call)
{
	drop(connection_of(call));
}

bool fake_is_gone(const struct fake_call *call)
{
	return connection_of(call)->fd < 0;
}
