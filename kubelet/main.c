/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process: which of its roles this is, what it was told, how it ends.
 *
 * One file is installed; under the name kubelet-gate it is the gate, under kubelet-mount the helper that may hang.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "kubelet/config/config.h"
#include "kubelet/gate/child/child.h"
#include "kubelet/kubelet.h"
#include "kubelet/node/node.h"
#include "kubelet/systemd.h"
#include "kubelet/volume/volume.h"
#include "pkg/base/base.h"
#include "pkg/base/log.h"
#include "pkg/base/memory.h"
#include "pkg/loop/loop.h"
#include "pkg/net/algorithms.h"
#include "pkg/sys/mount.h"

enum {
	TRIM_EVERY_MS = 10 * 1000, /* what a burst of pods leaves free between others' memory */
	FILES_MIN = 64,            /* with fewer the libraries below abort at the start */
};

struct process {
	struct loop *loop;
	struct kubelet *kubelet;
	struct loop_timer trim, watchdog;
	bool settled; /* the start is over */
	int64_t watchdog_ms;
	int code;
};

static void trim_memory(void *owner)
{
	struct process *process = owner;

	memory_trim();
	if (!process->settled)
		memory_forget_start();
	process->settled = true;
	loop_timer_start(&process->trim, TRIM_EVERY_MS);
}

static void feed_watchdog(void *owner)
{
	struct process *process = owner;

	systemd_notify("WATCHDOG=1");
	loop_timer_start(&process->watchdog, process->watchdog_ms);
}

/* The service manager may want to hear that the loop turns, and ends a process that it does not hear of. */
static int start_watchdog(struct process *process, struct err *err)
{
	if (systemd_watchdog_interval(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), &process->watchdog_ms, err) < 0)
		return err_wrap(err, "create health checker");
	loop_timer_init(&process->watchdog, process->loop, feed_watchdog, process);
	if (process->watchdog_ms > 0)
		feed_watchdog(process);
	return 0;
}

static void say_failure(const struct err *why)
{
	struct err err = *why;

	err_wrap(&err, "failed to run Kubelet");
	log_error(&err, "command failed", NULL);
}

static void started(void *owner)
{
	systemd_notify("READY=1");
	log_info("Started kubelet", NULL);
}

static void failed(void *owner, const struct err *err)
{
	struct process *process = owner;

	say_failure(err);
	process->code = 1;
	loop_stop(process->loop);
}

static void on_signal(void *owner, int signal)
{
	struct process *process = owner;

	log_info("Received a signal, ending", "signal", strsignal(signal), NULL);
	systemd_notify("STOPPING=1");
	loop_stop(process->loop);
}

static void set_log(const struct config *config)
{
	const Config__Logging *logging = config->kubelet->logging;

	if (!logging)
		return;
	log_set_format(str_eq(logging->format, "json") ? LOG_JSON : LOG_TEXT);
	log_set_verbosity((int)logging->verbosity);
}

/* A service manager's usual 1,024 are gone with some 300 followed logs, and then no volume can be mounted either. */
static int set_open_files(const struct config *config, struct err *err)
{
	rlim_t files = (rlim_t)config->kubelet->maxopenfiles;
	struct rlimit limit = { files, files };

	if (files > 0 && files < FILES_MIN)
		return err_set(err, -EMFILE, "maxOpenFiles %lld: too many open files, at least %d are needed",
			       (long long)files, FILES_MIN);
	if (files > 0 && setrlimit(RLIMIT_NOFILE, &limit) < 0) {
		err_errno(err, "cannot have %lld open files", (long long)files);
		log_error(err, "Failed to set rlimit on max file handles", NULL);
	}
	return 0;
}

/* A parent that ignores the ends of its children hands that on, and then no exit code of a child of ours could be read.
 */
static void reset_signals(void)
{
	static const int unheard[] = { SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR };
	sigset_t none;

	/* Go's programs hear none of these. */
	for (size_t i = 0; i < ARRAY_LEN(unheard); i++)
		signal(unheard[i], SIG_IGN);
	signal(SIGQUIT, SIG_DFL); /* a shell's background job has it ignored */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int run(const struct config *config)
{
	struct process process = { .loop = loop_new() };
	struct kubelet_options options = {
		.loop = process.loop, .config = config, .started = started, .failed = failed, .owner = &process
	};
	struct err err;

	if (start_watchdog(&process, &err) < 0 || kubelet_new(&options, &process.kubelet, &err) < 0) {
		say_failure(&err);
		return 1;
	}
	loop_on_signal(process.loop, SIGTERM, on_signal, &process);
	loop_on_signal(process.loop, SIGINT, on_signal, &process);
	loop_timer_init(&process.trim, process.loop, trim_memory, &process);
	loop_timer_start(&process.trim, TRIM_EVERY_MS);
	kubelet_start(process.kubelet);
	loop_run(process.loop);
	kubelet_stop(process.kubelet);
	return process.code;
}

/* As Go prints the struct that stock has of it. What is Go's own is empty. */
static void print_raw_version(void)
{
	static const char version[] = CONFIG_KUBERNETES_VERSION;
	const char *minor = strchr(version, '.'), *patch = strrchr(version, '.');
	_cleanup_arena_ struct arena *arena = arena_new();

	printf("version.Info{Major:\"%.*s\", Minor:\"%.*s\", EmulationMajor:\"\", EmulationMinor:\"\", "
	       "MinCompatibilityMajor:\"\", MinCompatibilityMinor:\"\", GitVersion:\"%s\", GitCommit:\"\", "
	       "GitTreeState:\"\", BuildDate:\"1970-01-01T00:00:00Z\", GoVersion:\"\", Compiler:\"\", "
	       "Platform:\"linux/%s\"}\n",
	       (int)(minor - version - 1), version + 1, (int)(patch - minor - 1), minor + 1, version,
	       node_architecture(arena));
}

static const char *own_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : str_or(path, "");
}

int main(int argc, char **argv)
{
	struct config *config;
	struct err err;

	memory_set_up();
	if (str_eq(own_name(argv[0]), MOUNT_HELPER))
		return volume_helper_main(argc, argv);
	reset_signals();
	signal(SIGPIPE, SIG_IGN);
	if (str_eq(own_name(argv[0]), GATE_PROGRAM))
		return gate_child_main(argc, argv);

	if (config_load(argc, argv, &config, &err) < 0) {
		log_error(&err, "command failed", NULL);
		return 1;
	}
	if (config->what == CONFIG_HELP) {
		config_print_help();
		return 0;
	}
	if (config->what == CONFIG_VERSION) {
		printf("Kubernetes " CONFIG_KUBERNETES_VERSION "\n");
		return 0;
	}
	if (config->what == CONFIG_VERSION_RAW) {
		print_raw_version();
		return 0;
	}
	set_log(config);
	if (set_open_files(config, &err) < 0) {
		say_failure(&err);
		return 1;
	}
	log_info("Kubelet version", "kubeletVersion", CONFIG_KUBERNETES_VERSION, NULL);
	config_log_idle(config);
	algorithms_limit();
	return run(config);
}
