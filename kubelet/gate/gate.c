/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/gate/gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate.pb-c.h"
#include "kubelet/gate/channel/channel.h"
#include "kubelet/gate/former.h"
#include "kubelet/gate/request.h"
#include "pkg/base/arena.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/list.h"
#include "pkg/base/log.h"
#include "pkg/base/map.h"
#include "pkg/codec/pb.h"

enum {
	INLINE_BODY_BYTES = 32 << 10, /* longer answers go through a socket */
	BODY_MAX_BYTES = 256 << 20,   /* of a whole answer; the largest, /pods of a full node, is 5 MiB */
	REQUESTS_MAX = 4096,          /* the gate has no more connections than that */
	REBIND_MS = 5000,             /* 10248, as stock */
	RESTART_MS = 1000,            /* of a gate that died within a second of its start */
	PORT_MS = 2000,               /* for the gate of a former kubelet to see that it has ended */
	PORT_STEP_MS = 50,
	GENERATION_ASKS_MAX = 3, /* times that one request is sent back to be judged again */
	/* Texts of all open requests. An honest gate holds 64 MiB of heads, whose targets come up twice. */
	REQUESTS_MAX_BYTES = 160 << 20,
};

/* A request that has not ended. */
struct pending {
	uint64_t id;
	bool answered; /* head is on its way: only end and abort may follow */
	bool is_head;
	bool relayed;
	int asked_again;
	size_t bytes; /* of its texts */
};

/* A body that goes down in the background. */
struct body {
	struct list link;
	struct gate *gate;
	uint64_t id;
	int fd;
	struct loop_fd *watch;
	char *bytes;
	size_t size, at;
};

struct gate {
	struct loop *loop;
	struct gate_options options;
	int listeners[GATE_LISTENERS]; /* -1: not bound */
	char *ips[GATE_LISTENERS];
	struct loop_timer rebind, restart;
	struct former *former;
	struct arena *tls_arena;
	Gate__Tls *tls; /* NULL until there is one */
	uint64_t generation;

	struct channel *channel; /* NULL while no gate runs */
	pid_t pid;
	int pidfd;
	struct loop_fd *pidfd_watch;
	int64_t started_ms;
	bool is_ready;        /* it has said so, which it does once */
	struct map *requests; /* of struct pending, by id as text */
	size_t request_bytes; /* of all of them */
	struct list bodies;
};

/* ---- requests that are open ---- */

static const char *id_key(uint64_t id)
{
	static char key[24];

	snprintf(key, sizeof key, "%llu", (unsigned long long)id);
	return key;
}

static struct pending *find(struct gate *gate, uint64_t id)
{
	return map_get(gate->requests, id_key(id));
}

static void forget(struct gate *gate, uint64_t id)
{
	struct pending *pending = map_remove(gate->requests, id_key(id));

	if (pending)
		gate->request_bytes -= pending->bytes;
	free(pending);
}

static void body_free(struct body *body)
{
	list_remove(&body->link);
	loop_fd_unwatch(body->watch);
	close(body->fd);
	free(body->bytes);
	free(body);
}

static bool is_owned_body(struct gate *gate, uint64_t id)
{
	list_for_each(body, &gate->bodies, struct body, link)
		if (body->id == id)
			return true;
	return false;
}

static void drop_body(struct gate *gate, uint64_t id)
{
	list_for_each(body, &gate->bodies, struct body, link)
		if (body->id == id)
			body_free(body);
}

/* Its end is seen on the loop, where everybody can be told; not here, in the middle of somebody's answer. */
static void kill_gate(const struct gate *gate)
{
	if (gate->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, gate->pidfd, SIGKILL, NULL, 0);
}

static int send_down(struct gate *gate, const Gate__Down *down, int fd)
{
	int code;

	if (!gate->channel) {
		fd_done(&fd);
		return -ENOENT;
	}
	code = channel_send(gate->channel, &down->base, fd);
	if (code == -ENOBUFS && !down->tls) {
		log_warn("The gate does not read what it is told and is replaced", NULL);
		kill_gate(gate);
	}
	return code;
}

/* ---- answers ---- */

static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)str_or(text, ""), .len = strlen(str_or(text, "")) };
}

/* Headers come from our own code, but with texts of others in them: a line break there would forge an answer. */
static bool is_safe(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 && *text != '\t')
			return false;
	return true;
}

static void add_header(Gate__Answer *answer, struct arena *arena, const char *name, const char *value)
{
	Gate__Header *header = PB_NEW(arena, Gate__Header, gate__header__descriptor);

	if (!is_safe(name) || !is_safe(value)) {
		log_warn("A header with a control character was left out of an answer", "header", name, NULL);
		return;
	}
	header->name = bytes_of(name);
	header->value = bytes_of(value);
	PB_APPEND(arena, answer, headers, header);
}

static int send_answer(struct gate *gate, const struct pending *pending, int status, const struct gate_header *headers,
		       size_t n_headers, const void *body, size_t size, int64_t length, int fd)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	Gate__Answer *answer = PB_NEW(arena, Gate__Answer, gate__answer__descriptor);
	Gate__Down down = GATE__DOWN__INIT;

	answer->id = pending->id;
	answer->status = (uint32_t)status;
	for (size_t i = 0; i < n_headers; i++)
		add_header(answer, arena, headers[i].name, str_or(headers[i].value, ""));
	if (length >= 0)
		add_header(answer, arena, "Content-Length", arena_printf(arena, "%lld", (long long)length));
	if (size) {
		answer->has_body = true;
		answer->body = (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)body, .len = size };
	}
	down.answer = answer;
	return send_down(gate, &down, fd);
}

static void send_end(struct gate *gate, uint64_t id, bool whole)
{
	Gate__End end = GATE__END__INIT;
	Gate__Down down = GATE__DOWN__INIT;

	end.id = id;
	end.whole = whole;
	down.end = &end;
	send_down(gate, &down, -1);
}

/* What cannot be answered is ended: a client that is told nothing would wait for as long as it likes. */
static int give_up(struct gate *gate, uint64_t id, int code)
{
	log_warn("A request could not be answered and its connection is closed", "reason", strerror(-code), NULL);
	send_end(gate, id, false);
	forget(gate, id);
	return code;
}

static void body_ready(void *owner, int events)
{
	struct body *body = owner;
	struct gate *gate = body->gate;
	uint64_t id = body->id;
	ssize_t n = send(body->fd, body->bytes + body->at, body->size - body->at, MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		body->at += (size_t)n;
	if (n > 0 && body->at < body->size)
		return;
	body_free(body);
	send_end(gate, id, n > 0);
	forget(gate, id);
}

/* A socket towards the gate: our end does not block, theirs travels. */
static int make_pair(int *ret_ours, int *ret_theirs)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	return 0;
}

static int answer_by_socket(struct gate *gate, struct pending *pending, int status, const struct gate_header *headers,
			    size_t n_headers, const void *bytes, size_t size)
{
	_cleanup_fd_ int ours = -1;
	struct body *body;
	int theirs = -1, code = make_pair(&ours, &theirs);

	if (code >= 0)
		code = send_answer(gate, pending, status, headers, n_headers, NULL, 0, (int64_t)size, theirs);
	if (code < 0)
		return give_up(gate, pending->id, code);
	pending->answered = true;
	body = xcalloc(1, sizeof *body);
	*body = (struct body){ .gate = gate, .id = pending->id, .fd = fd_steal(&ours), .size = size };
	body->bytes = xmalloc(size);
	memcpy(body->bytes, bytes, size);
	list_append(&gate->bodies, &body->link);
	body->watch = loop_fd_watch(gate->loop, body->fd, LOOP_WRITE, body_ready, body);
	return 0;
}

int gate_answer(struct gate *gate, uint64_t id, int status, const struct gate_header *headers, size_t n_headers,
		const void *body, size_t size)
{
	struct pending *pending = find(gate, id);
	int code;

	if (!pending || pending->answered)
		return -ENOENT;
	if (size > BODY_MAX_BYTES)
		return gate_answer(gate, id, 500, NULL, 0, "the answer is too long", 22);
	if (size > INLINE_BODY_BYTES && !pending->is_head)
		return answer_by_socket(gate, pending, status, headers, n_headers, body, size);
	code = send_answer(gate, pending, status, headers, n_headers, body, pending->is_head ? 0 : size,
			   pending->is_head && size && size <= COUNTED_BODY_BYTES ? (int64_t)size : -1, -1);
	forget(gate, id);
	return code;
}

int gate_answer_stream(struct gate *gate, uint64_t id, int status, const struct gate_header *headers, size_t n_headers,
		       int *ret_fd)
{
	struct pending *pending = find(gate, id);
	_cleanup_fd_ int ours = -1;
	int theirs = -1, code;

	if (!pending || pending->answered)
		return -ENOENT;
	code = make_pair(&ours, &theirs);
	if (code >= 0)
		code = send_answer(gate, pending, status, headers, n_headers, NULL, 0, -1, theirs);
	if (code < 0)
		return give_up(gate, id, code);
	pending->answered = true;
	*ret_fd = fd_steal(&ours);
	return 0;
}

void gate_end(struct gate *gate, uint64_t id)
{
	const struct pending *pending = find(gate, id);

	if (!pending || is_owned_body(gate, id))
		return;
	send_end(gate, id, pending->answered && !pending->relayed);
	forget(gate, id);
}

void gate_abort(struct gate *gate, uint64_t id)
{
	if (!find(gate, id))
		return;
	drop_body(gate, id);
	send_end(gate, id, false);
	forget(gate, id);
}

int gate_relay(struct gate *gate, uint64_t id, int fd, enum gate_session session)
{
	struct pending *pending = find(gate, id);
	Gate__Relay relay = GATE__RELAY__INIT;
	Gate__Down down = GATE__DOWN__INIT;
	int code;

	if (!pending || pending->answered) {
		fd_done(&fd);
		return -ENOENT;
	}
	relay.id = id;
	relay.session = session;
	down.relay = &relay;
	code = send_down(gate, &down, fd);
	if (code < 0)
		return give_up(gate, id, code);
	pending->answered = pending->relayed = true;
	return 0;
}

/* ---- requests ---- */

static void gate_lost(struct gate *gate);

static void hostile(struct gate *gate, const char *what)
{
	struct err err;

	err_set(&err, -EBADMSG, "%s", what);
	log_error(&err, "The gate misbehaves and is replaced", NULL);
	kill_gate(gate);
	gate_lost(gate);
}

static void take_request(struct gate *gate, const Gate__Request *message)
{
	_cleanup_arena_ struct arena *arena = arena_new_limited(CHANNEL_MESSAGE_BYTES * 4);
	struct pending *pending = find(gate, message->id);
	size_t bytes = request_bytes(message);
	struct gate_request request;

	if (pending && (pending->answered || !pending->asked_again)) {
		hostile(gate, "a request came twice");
		return;
	}
	if (map_size(gate->requests) >= REQUESTS_MAX && !pending) {
		hostile(gate, "more requests than connections");
		return;
	}
	if (!request_read(arena, message, &request)) {
		hostile(gate, "a request holds what no client can send");
		return;
	}
	if (gate->request_bytes + bytes > REQUESTS_MAX_BYTES) {
		hostile(gate, "more of requests than it can hold itself");
		return;
	}
	if (!pending) {
		pending = xcalloc(1, sizeof *pending);
		pending->id = message->id;
		pending->is_head = str_eq(request.method, "HEAD");
		map_set(gate->requests, id_key(message->id), pending);
	}
	gate->request_bytes += bytes - pending->bytes;
	pending->bytes = bytes;
	if (request.identity.presented && message->identity->generation != gate->generation &&
	    pending->asked_again < GENERATION_ASKS_MAX) {
		Gate__Again again = GATE__AGAIN__INIT;
		Gate__Down down = GATE__DOWN__INIT;

		pending->asked_again++;
		again.id = message->id;
		down.again = &again;
		send_down(gate, &down, -1);
		return;
	}
	pending->asked_again = 0;
	if (message->identity->generation != gate->generation)
		request.identity.verified = false; /* no bundle of ours says so: a 401 is the safe answer */
	gate->options.callbacks.request(gate->options.owner, &request);
}

static void take_ready(struct gate *gate, const Gate__Ready *ready)
{
	_cleanup_free_ char *missing = xstrndup(
		ready->missing_layers.len ? (const char *)ready->missing_layers.data : "", ready->missing_layers.len);

	gate->is_ready = true;
	if (*missing)
		log_warn("The gate runs without some layers of its sandbox", "missing", missing, NULL);
}

static void take_message(void *owner, const ProtobufCMessage *message, int fd)
{
	struct gate *gate = owner;
	const Gate__Up *up = (const Gate__Up *)(const void *)message;

	if (fd >= 0) {
		close(fd);
		hostile(gate, "a descriptor came up");
	} else if (up->request) {
		take_request(gate, up->request);
	} else if (up->gone) {
		uint64_t id = up->gone->id;

		/* An unknown id is one that we have ended just now. */
		if (!find(gate, id))
			return;
		bool ours = is_owned_body(gate, id);

		drop_body(gate, id);
		forget(gate, id);
		if (!ours)
			gate->options.callbacks.gone(gate->options.owner, id);
	} else if (up->ready && !gate->is_ready) {
		take_ready(gate, up->ready);
	} else {
		hostile(gate, up->ready ? "it is ready twice" : "a message says nothing");
	}
}

/* ---- the process ---- */

static void channel_closed(void *owner, const char *problem)
{
	struct gate *gate = owner;

	if (problem)
		hostile(gate, problem);
	else
		gate_lost(gate);
}

static void tell_all_gone(struct gate *gate)
{
	const char *key;
	void *value;

	while (!list_empty(&gate->bodies)) {
		struct body *body = list_first(&gate->bodies, struct body, link);

		forget(gate, body->id);
		body_free(body);
	}
	for (;;) {
		size_t at = 0;
		uint64_t id;

		if (!map_next(gate->requests, &at, &key, &value))
			return;
		id = ((struct pending *)value)->id;
		forget(gate, id);
		gate->options.callbacks.gone(gate->options.owner, id);
	}
}

/* The channel is closed or the process ended, whichever is seen first. */
static void gate_lost(struct gate *gate)
{
	if (!gate->channel)
		return;
	channel_free(steal_pointer(&gate->channel));
	/* One that closed its end but lives is of no use; its listening sockets would take connections away. */
	kill_gate(gate);
	tell_all_gone(gate);
	loop_timer_start(&gate->restart, loop_now_ms(gate->loop) - gate->started_ms < RESTART_MS ? RESTART_MS : 0);
}

static void process_ended(void *owner, int events)
{
	struct gate *gate = owner;
	siginfo_t info = { 0 };

	waitid(P_PIDFD, (id_t)gate->pidfd, &info, WEXITED);
	log_warn("The gate ended", "pid", log_i64(gate->pid), info.si_code == CLD_EXITED ? "code" : "signal",
		 log_i64(info.si_status), NULL);
	loop_fd_unwatch(steal_pointer(&gate->pidfd_watch));
	close(gate->pidfd);
	gate->pidfd = -1;
	gate_lost(gate);
}

/* Between clone and exec: only system calls, for other threads' locks are frozen in this copy. */
__attribute__((noreturn)) static void become_gate(int exe, int channel, char *const *argv)
{
	static char *const environment[] = { NULL };
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	exe = fcntl(exe, F_DUPFD_CLOEXEC, 10);
	channel = fcntl(channel, F_DUPFD_CLOEXEC, 10);
	if (null >= 0)
		dup2(null, 0);
	dup3(exe, 4, O_CLOEXEC);
	dup2(channel, GATE_CHANNEL_FD);
	syscall(SYS_close_range, 5, ~0U, 0);
	syscall(SYS_execveat, 4, "", argv, environment, 0x1000 /* AT_EMPTY_PATH */);
	_exit(127);
}

static int clone_gate(struct gate *gate, int channel, char *const *argv, struct err *err)
{
	_cleanup_fd_ int exe = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	long pid;

	if (exe < 0)
		return err_errno(err, "cannot open the own program");
	pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0 && gate->options.sandbox_off) {
		log_warn("The gate runs without namespaces of its own", "reason", strerror(errno), NULL);
		args.flags = CLONE_PIDFD;
		pid = syscall(SYS_clone3, &args, sizeof args);
	}
	if (pid == 0)
		become_gate(exe, channel, argv);
	if (pid < 0)
		return err_errno(err,
				 "cannot start the gate in namespaces of its own (--gate-sandbox=off does without)");
	gate->pid = (pid_t)pid;
	gate->pidfd = pidfd;
	return 0;
}

static void send_serve(struct gate *gate, size_t listener)
{
	Gate__Serve serve = GATE__SERVE__INIT;
	Gate__Down down = GATE__DOWN__INIT;

	if (gate->listeners[listener] < 0)
		return;
	serve.listener = (uint32_t)listener;
	down.serve = &serve;
	send_down(gate, &down, fcntl(gate->listeners[listener], F_DUPFD_CLOEXEC, 3));
}

static void send_tls(struct gate *gate)
{
	Gate__Down down = GATE__DOWN__INIT;

	if (!gate->tls)
		return;
	down.tls = gate->tls;
	if (send_down(gate, &down, -1) == -ENOBUFS)
		log_warn("The certificates are too large for the gate", NULL);
}

static int start_gate(struct gate *gate, struct err *err)
{
	char verbosity[16];
	char *argv[6] = { (char *)(uintptr_t)GATE_PROGRAM, verbosity };
	size_t n = 2;
	int fds[2], code;

	snprintf(verbosity, sizeof verbosity, "--v=%d", log_verbosity());
	if (gate->options.sandbox_off)
		argv[n++] = (char *)(uintptr_t) "--sandbox=off";
	if (gate->options.log_json)
		argv[n++] = (char *)(uintptr_t) "--json";
	code = channel_pair(fds, err);
	if (code < 0)
		return code;
	code = clone_gate(gate, fds[1], argv, err);
	close(fds[1]);
	if (code < 0) {
		close(fds[0]);
		return code;
	}
	former_note(gate->former, gate->pid);
	gate->is_ready = false;
	gate->started_ms = loop_now_ms(gate->loop);
	gate->pidfd_watch = loop_fd_watch(gate->loop, gate->pidfd, LOOP_READ, process_ended, gate);
	gate->channel = channel_new(gate->loop, fds[0], &gate__up__descriptor, take_message, channel_closed, gate);
	send_tls(gate); /* before the listeners: the first connection finds a certificate */
	for (size_t i = 0; i < GATE_LISTENERS; i++)
		send_serve(gate, i);
	return 0;
}

static void restart_gate(void *owner)
{
	struct gate *gate = owner;
	struct err err;

	if (gate->pidfd >= 0) { /* the killed one is not gone yet */
		loop_timer_start(&gate->restart, 10);
		return;
	}
	if (start_gate(gate, &err) < 0) {
		log_error(&err, "Unable to start the gate, trying again", NULL);
		loop_timer_start(&gate->restart, RESTART_MS);
	}
}

/* ---- listeners ---- */

static int bind_one(struct gate *gate, size_t listener, struct err *err)
{
	const char *ip = gate->ips[listener];
	int port = gate->options.listen[listener].port, on = 1, off = 0;
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	bool is_v6 = strchr(ip, ':') != NULL;
	_cleanup_fd_ int fd = -1;

	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, ip, is_v6 ? (void *)&in6.sin6_addr : (void *)&in.sin_addr) != 1)
		return err_set(err, -EINVAL, "listen tcp: \"%s\" is no IP address", ip);
	fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, "listen tcp %s%s%s:%d: socket", is_v6 ? "[" : "", ip, is_v6 ? "]" : "", port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (is_v6) /* as Go: the unspecified address takes both families */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr) ? &off : &on,
			   sizeof on);
	if (bind(fd, is_v6 ? (void *)&in6 : (void *)&in, is_v6 ? sizeof in6 : sizeof in) < 0 || listen(fd, 4096) < 0) {
		int saved = errno;

		/* Go's words for the one that people meet */
		if (saved == EADDRINUSE)
			return err_set(err, -saved, "listen tcp %s%s%s:%d: bind: address already in use",
				       is_v6 ? "[" : "", ip, is_v6 ? "]" : "", port);
		errno = saved;
		return err_errno(err, "listen tcp %s%s%s:%d: bind", is_v6 ? "[" : "", ip, is_v6 ? "]" : "", port);
	}
	gate->listeners[listener] = fd_steal(&fd);
	return 0;
}

/*
 * Where the gate of a former kubelet has the port: an honest one gives it up in a moment, another is ended. Waits in
 * place, for a kubelet does nothing else before it has its ports.
 */
static int bind_after_former(struct gate *gate, size_t listener, struct err *err)
{
	int code = bind_one(gate, listener, err);

	for (int ms = 0; code == -EADDRINUSE && ms < PORT_MS && former_lives(gate->former); ms += PORT_STEP_MS) {
		poll(NULL, 0, PORT_STEP_MS);
		code = bind_one(gate, listener, err);
	}
	if (code == -EADDRINUSE && former_lives(gate->former)) {
		former_end(gate->former);
		code = bind_one(gate, listener, err);
	}
	return code;
}

static void bind_healthz(void *owner)
{
	struct gate *gate = owner;
	struct err err;

	if (bind_one(gate, GATE_HEALTHZ, &err) < 0) {
		log_error(&err, "Failed to start healthz server", NULL);
		loop_timer_start(&gate->rebind, REBIND_MS);
		return;
	}
	send_serve(gate, GATE_HEALTHZ);
}

int gate_new(struct loop *loop, const struct gate_options *options, struct gate **ret_gate, struct err *err)
{
	struct gate *gate = xcalloc(1, sizeof *gate);
	int code = 0;

	gate->loop = loop;
	gate->options = *options;
	gate->pidfd = -1;
	gate->requests = map_new();
	list_init(&gate->bodies);
	loop_timer_init(&gate->rebind, loop, bind_healthz, gate);
	loop_timer_init(&gate->restart, loop, restart_gate, gate);
	gate->former = former_new(loop, options->former_file);
	for (size_t i = 0; i < GATE_LISTENERS; i++) {
		gate->listeners[i] = -1;
		gate->ips[i] = xstrdup(str_or(options->listen[i].ip, "0.0.0.0"));
	}
	if (options->listen[GATE_API].port)
		code = bind_after_former(gate, GATE_API, err);
	if (code >= 0 && options->listen[GATE_READ_ONLY].port)
		code = bind_after_former(gate, GATE_READ_ONLY, err);
	if (code >= 0)
		code = start_gate(gate, err);
	if (code < 0) {
		gate_free(gate);
		return code;
	}
	if (options->listen[GATE_HEALTHZ].port)
		bind_healthz(gate);
	*ret_gate = gate;
	return 0;
}

void gate_free(struct gate *gate)
{
	const char *key;
	void *value;
	size_t at = 0;

	if (!gate)
		return;
	/* The gate sees the channel close, tells its sessions and ends by itself. */
	channel_free(steal_pointer(&gate->channel));
	loop_timer_stop(&gate->rebind);
	loop_timer_stop(&gate->restart);
	former_free(gate->former);
	while (!list_empty(&gate->bodies))
		body_free(list_first(&gate->bodies, struct body, link));
	while (map_next(gate->requests, &at, &key, &value))
		free(value);
	map_free(gate->requests);
	loop_fd_unwatch(gate->pidfd_watch);
	fd_done(&gate->pidfd);
	for (size_t i = 0; i < GATE_LISTENERS; i++) {
		fd_done(&gate->listeners[i]);
		free(gate->ips[i]);
	}
	arena_free(gate->tls_arena);
	free(gate);
}

void gate_set_tls(struct gate *gate, const struct gate_tls *tls)
{
	struct arena *arena = arena_new();
	Gate__Tls *message = PB_NEW(arena, Gate__Tls, gate__tls__descriptor);
	const struct {
		const char *text;
		protobuf_c_boolean *has;
		ProtobufCBinaryData *place;
	} rows[] = {
		{ tls->certificate, &message->has_certificate, &message->certificate },
		{ tls->key, &message->has_key, &message->key },
		{ tls->client_ca, &message->has_client_ca, &message->client_ca },
		{ tls->min_version, &message->has_min_version, &message->min_version },
	};

	message->generation = ++gate->generation;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!str_empty(rows[i].text)) {
			*rows[i].has = true;
			*rows[i].place = bytes_of(arena_strdup(arena, rows[i].text));
		}
	message->cipher_suites = arena_alloc(arena, (tls->n_cipher_suites + 1) * sizeof(ProtobufCBinaryData));
	for (size_t i = 0; i < tls->n_cipher_suites; i++)
		message->cipher_suites[message->n_cipher_suites++] =
			bytes_of(arena_strdup(arena, tls->cipher_suites[i]));
	arena_free(gate->tls_arena);
	gate->tls_arena = arena;
	gate->tls = message;
	send_tls(gate);
}
