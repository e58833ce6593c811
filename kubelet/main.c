/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kubelet/config/config.h"
#include "kubelet/kubelet.h"
#include "pkg/base/base.h"
#include "pkg/base/log.h"
#include "pkg/loop/loop.h"

/*
 * One arena and a fixed threshold: memory of a large answer goes back to the system at once. Without it a process that
 * once received a large list keeps 30 MB.
 */
static void set_up_memory(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 64 * 1024);
	mallopt(M_TRIM_THRESHOLD, 128 * 1024);
}

/* systemd's readiness protocol: one datagram. */
static void notify_supervisor(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path)
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
	close(fd);
}

static void stop(void *owner, int number)
{
	(void)number;
	loop_stop(owner);
}

static int run(const struct config *config)
{
	struct loop *loop = loop_new();
	struct kubelet *kubelet;
	struct err err;

	log_set_verbosity((int)config->kubelet->logging->verbosity);
	log_set_format(str_eq(config->kubelet->logging->format, "json") ? LOG_JSON : LOG_TEXT);
	log_info("Kubelet version", "kubeletVersion", CONFIG_KUBERNETES_VERSION, NULL);
	config_log_idle(config);
	if (kubelet_new(loop, config, &kubelet, &err) < 0) {
		log_error(&err, "command failed", NULL);
		return 1;
	}
	loop_on_signal(loop, SIGTERM, stop, loop);
	loop_on_signal(loop, SIGINT, stop, loop);
	kubelet_start(kubelet);
	notify_supervisor("READY=1");
	loop_run(loop);
	/* Containers go on; whatever was under way is found again by the next start. */
	notify_supervisor("STOPPING=1");
	return 0;
}

int main(int argc, char **argv)
{
	struct config *config;
	struct err err;

	set_up_memory();
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	if (config_load(argc, argv, &config, &err) < 0) {
		log_error(&err, "command failed", NULL);
		return 1;
	}
	switch (config->what) {
	case CONFIG_HELP:
		config_print_help();
		return 0;
	case CONFIG_VERSION:
		printf("Kubernetes %s\n", CONFIG_KUBERNETES_VERSION);
		return 0;
	case CONFIG_RUN:
		break;
	}
	return run(config);
}
