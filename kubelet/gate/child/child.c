/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/gate/child/child.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kubelet/gate/child/client.h"
#include "kubelet/gate/child/sandbox.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/base/memory.h"
#include "pkg/codec/pb.h"

enum { TRIM_AFTER_MS = 5 * 1000 }; /* of the start, or a client's end; then the memory of all that ended meanwhile */

static void accepted(void *owner, struct tls_conn *conn)
{
	struct gate_child *child = ((struct gate_child **)owner)[0];
	size_t listener = 0;

	while (owner != (void *)&child->listeners[listener])
		listener++;
	client_accept(child, (enum gate_listener)listener, conn);
}

static void serve(struct gate_child *child, const Gate__Serve *serve, int fd)
{
	if (fd < 0 || serve->listener >= GATE_LISTENERS || child->listeners[serve->listener].listener) {
		fd_done(&fd);
		return;
	}
	child->listeners[serve->listener].child = child;
	child->listeners[serve->listener].listener = tls_server_listen(child->server, fd, serve->listener == GATE_API,
								       accepted, &child->listeners[serve->listener]);
}

static char *text_of(struct arena *arena, protobuf_c_boolean has, ProtobufCBinaryData data)
{
	return has && data.len ? arena_strndup(arena, (const char *)data.data, data.len) : NULL;
}

static void set_tls(struct gate_child *child, const Gate__Tls *tls)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const char **suites = arena_alloc(arena, (tls->n_cipher_suites + 1) * sizeof *suites);
	struct tls_server_config config = {
		.certificate = text_of(arena, tls->has_certificate, tls->certificate),
		.key = text_of(arena, tls->has_key, tls->key),
		.client_ca = text_of(arena, tls->has_client_ca, tls->client_ca),
		.min_version = text_of(arena, tls->has_min_version, tls->min_version),
		.cipher_suites = suites,
		.n_cipher_suites = tls->n_cipher_suites,
		.generation = tls->generation,
	};
	struct err err;

	for (size_t i = 0; i < tls->n_cipher_suites; i++)
		suites[i] = text_of(arena, true, tls->cipher_suites[i]);
	if (tls_server_configure(child->server, &config, &err) < 0)
		log_error(&err, "Unable to use the new TLS configuration, the former one stays in force", NULL);
	if (config.key)
		explicit_bzero((char *)(uintptr_t)config.key, strlen(config.key));
}

static void message(void *owner, const ProtobufCMessage *incoming, int fd)
{
	struct gate_child *child = owner;
	const Gate__Down *down = (const Gate__Down *)(const void *)incoming;

	if (down->serve) {
		serve(child, down->serve, fd);
	} else if (down->answer) {
		client_answer(child, down->answer, fd);
	} else if (down->relay) {
		client_relay(child, down->relay, fd);
	} else {
		fd_done(&fd);
		if (down->tls)
			set_tls(child, down->tls);
		else if (down->end)
			client_end(child, down->end);
		else if (down->again)
			client_again(child, down->again);
	}
}

static void end(void *owner)
{
	struct gate_child *child = owner;

	loop_stop(child->loop);
}

static void trim_memory(void *owner)
{
	memory_trim();
	memory_forget_start();
}

void gate_child_client_gone(struct gate_child *child)
{
	if (!loop_timer_is_running(&child->trim))
		loop_timer_start(&child->trim, TRIM_AFTER_MS);
	if (child->ending && !child->n_clients && !tls_server_lingering(child->server))
		loop_timer_start(&child->end, 0);
}

/* Lingering connections say nothing when they are over: look now and then. */
static void look_again(void *owner)
{
	struct gate_child *child = owner;
	static int64_t since_ms;

	if (!since_ms)
		since_ms = loop_now_ms(child->loop);
	if ((!child->n_clients && !tls_server_lingering(child->server)) ||
	    loop_now_ms(child->loop) - since_ms > GATE_LAST_WORDS_MS)
		end(child);
	else
		loop_timer_start(&child->end, 100);
}

static void kubelet_gone(void *owner, const char *problem)
{
	struct gate_child *child = owner;

	if (problem)
		log_write('E', 0, __FILE__, __LINE__, problem, "The kubelet said what the gate does not understand",
			  NULL);
	for (size_t i = 0; i < GATE_LISTENERS; i++)
		tls_listener_free(steal_pointer(&child->listeners[i].listener));
	channel_free(steal_pointer(&child->channel));
	child->ending = true;
	loop_timer_init(&child->end, child->loop, look_again, child);
	loop_timer_start(&child->end, 0);
	clients_end_all(child);
}

static int probe(void)
{
	_cleanup_buf_ struct buf report = BUF_INIT(8192);
	int worked = sandbox_probe(&report);

	if (write(STDOUT_FILENO, report.bytes, report.size) < 0)
		return 2;
	return worked ? 1 : 0;
}

int gate_child_main(int argc, char **argv)
{
	struct gate_child *child = xcalloc(1, sizeof *child);
	_cleanup_buf_ struct buf missing = BUF_INIT(4096);
	bool lenient = false, probing = false;
	Gate__Ready ready = GATE__READY__INIT;
	Gate__Up up = GATE__UP__INIT;
	struct err err;

	for (int i = 1; i < argc; i++) {
		int64_t verbosity;

		if (strcmp(argv[i], "--sandbox=off") == 0)
			lenient = true;
		else if (strcmp(argv[i], "--probe-sandbox") == 0)
			probing = true;
		else if (strcmp(argv[i], "--json") == 0)
			log_set_format(LOG_JSON);
		else if (str_has_prefix(argv[i], "--v=") && str_to_i64(argv[i] + 4, 0, 100, &verbosity) == 0)
			log_set_verbosity((int)verbosity);
	}
	prctl(PR_SET_NAME, GATE_PROGRAM);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* the terminal's Ctrl-C goes to the kubelet, whose end ends us */
	signal(SIGTERM, SIG_IGN);
	child->loop = loop_new();
	loop_timer_init(&child->trim, child->loop, trim_memory, child);
	child->server = tls_server_new(child->loop);
	if (sandbox_enter(lenient, &missing, &err) < 0) {
		log_error(&err, "The gate cannot be shut in; --gate-sandbox=off starts it all the same", NULL);
		return 1;
	}
	if (probing)
		return probe();
	child->channel =
		channel_new(child->loop, GATE_CHANNEL_FD, &gate__down__descriptor, message, kubelet_gone, child);
	if (missing.size) {
		ready.has_missing_layers = true;
		ready.missing_layers = (ProtobufCBinaryData){ .data = (uint8_t *)missing.bytes, .len = missing.size };
	}
	up.ready = &ready;
	channel_send(child->channel, &up.base, -1);
	loop_timer_start(&child->trim, TRIM_AFTER_MS);
	loop_run(child->loop);
	_exit(0); /* nothing to tidy: all that is left dies with us */
}
