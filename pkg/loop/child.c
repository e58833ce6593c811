/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/loop/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/file.h"

enum child_state {
	CHILD_RUNS,
	CHILD_TERMINATED, /* SIGTERM sent */
	CHILD_KILLED,     /* SIGKILL sent */
	CHILD_ABANDONED,  /* done was called, the process still is there */
};

struct output {
	struct child *child;
	struct loop_fd *watch;
	struct buf bytes;
	int fd;
};

struct child {
	struct task task;
	struct loop *loop;
	task_done_fn *done;
	void *owner;

	enum child_state state;
	struct err why; /* code 0: nobody asked it to end */
	pid_t pid;
	int pidfd;
	struct loop_fd *exit_watch;
	struct output out, err;
	struct loop_timer timer;
};

/* ---- output ---- */

static void output_close(struct output *output)
{
	if (output->fd < 0)
		return;
	loop_fd_unwatch(output->watch);
	close(output->fd);
	output->fd = -1;
}

static void output_read(void *owner, int events)
{
	struct output *output = owner;
	char bytes[8192];
	ssize_t n = read(output->fd, bytes, sizeof bytes);

	(void)events;
	if (n > 0)
		buf_append(&output->bytes, bytes, MIN((size_t)n, CHILD_OUTPUT_MAX - output->bytes.size));
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		output_close(output);
}

/* What is still in the pipe of a child that has ended. Its own children may hold the pipe open: nobody waits for them.
 */
static void output_drain(struct output *output)
{
	for (int i = 0; output->fd >= 0 && i < 64; i++) {
		char bytes[8192];
		ssize_t n = read(output->fd, bytes, sizeof bytes);

		if (n <= 0)
			break;
		buf_append(&output->bytes, bytes, MIN((size_t)n, CHILD_OUTPUT_MAX - output->bytes.size));
	}
	output_close(output);
}

/* ---- the end ---- */

static void child_free(struct child *child)
{
	output_close(&child->out);
	output_close(&child->err);
	buf_done(&child->out.bytes);
	buf_done(&child->err.bytes);
	if (child->exit_watch)
		loop_fd_unwatch(child->exit_watch);
	if (child->pidfd >= 0)
		close(child->pidfd);
	loop_timer_stop(&child->timer);
	free(child);
}

/* Somebody else has reaped it: how it ended is not known. */
static int child_is_lost(struct child *child)
{
	errno = ECHILD;
	return err_errno(&child->why, "cannot read how a program ended");
}

static void child_exits(void *owner, int events)
{
	struct child *child = owner;
	int status = 0;
	pid_t ended = waitpid(child->pid, &status, WNOHANG);

	(void)events;
	if (ended == 0)
		return;
	if (ended < 0 && child->why.code == 0)
		child_is_lost(child);
	if (child->state != CHILD_ABANDONED) {
		output_drain(&child->out);
		output_drain(&child->err);
		struct child_result result = {
			.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
			.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
			.out = buf_text(&child->out.bytes),
			.out_size = child->out.bytes.size,
			.err = buf_text(&child->err.bytes),
			.err_size = child->err.bytes.size,
		};

		child->done(child->owner, ended < 0 ? NULL : &result, child->why.code ? &child->why : NULL);
	}
	child_free(child);
}

static void signal_child(struct child *child, int number)
{
	kill(-child->pid, number); /* the group: a helper's own helpers too */
	kill(child->pid, number);  /* in case it has not made its group yet */
}

static void child_insist(void *owner)
{
	struct child *child = owner;

	switch (child->state) {
	case CHILD_RUNS:
		err_set(&child->why, -ETIMEDOUT, "timed out");
		signal_child(child, SIGTERM);
		child->state = CHILD_TERMINATED;
		loop_timer_start(&child->timer, CHILD_TERM_MS);
		break;
	case CHILD_TERMINATED:
		signal_child(child, SIGKILL);
		child->state = CHILD_KILLED;
		loop_timer_start(&child->timer, CHILD_KILL_MS);
		break;
	case CHILD_KILLED:
		child->state = CHILD_ABANDONED;
		child->done(child->owner, NULL, &child->why);
		break;
	case CHILD_ABANDONED:
		break;
	}
}

static void child_cancel(struct task *task)
{
	struct child *child = container_of(task, struct child, task);

	if (child->state != CHILD_RUNS || child->pid == 0)
		return;
	child_insist(child);
	err_canceled(&child->why);
}

static void child_not_followed(void *arg)
{
	struct child *child = arg;

	child->done(child->owner, NULL, &child->why);
	child_free(child);
}

/* ---- the start ---- */

static void pipe_for(struct child *child, struct output *output, int *write_end)
{
	int ends[2];

	*output = (struct output){ .child = child, .fd = -1, .bytes = BUF_INIT(CHILD_OUTPUT_MAX) };
	*write_end = -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	output->fd = ends[0];
	*write_end = ends[1];
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	output->watch = loop_fd_watch(child->loop, ends[0], LOOP_READ, output_read, output);
}

static int spawn(struct child *child, const struct child_spec *spec, int out, int err)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	extern char **environ;

	posix_spawn_file_actions_init(&files);
	if (spec->stdin_fd > 0)
		posix_spawn_file_actions_adddup2(&files, spec->stdin_fd, 0);
	else
		posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_adddup2(&files, err, 2);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	if (spec->cwd)
		posix_spawn_file_actions_addchdir_np(&files, spec->cwd);

	sigemptyset(&none);
	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);

	int code = posix_spawn(&child->pid, spec->program, &files, &attributes, (char *const *)spec->argv,
			       spec->env ? (char *const *)spec->env : environ);

	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return -code;
}

/* Makes the end of a started child an event. Without a pidfd nothing is sent to its number, which may be another's. */
static int watch_exit(struct child *child, const char *program)
{
	child->pidfd = pidfd_open(child->pid, 0);
	if (child->pidfd < 0 && (errno == ESRCH || errno == EINVAL)) /* gone, or just going */
		return child_is_lost(child);
	if (child->pidfd >= 0)
		child->exit_watch = loop_fd_watch(child->loop, child->pidfd, LOOP_READ, child_exits, child);
	if (child->exit_watch)
		return 0;

	int code = err_errno(&child->why, "cannot start %s", program);

	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	return code;
}

struct task *child_run(struct loop *loop, const struct child_spec *spec, task_done_fn *done, void *owner)
{
	struct child *child = xcalloc(1, sizeof *child);
	int out, err, code;

	*child = (struct child){ .task.cancel = child_cancel, .loop = loop, .done = done, .owner = owner, .pidfd = -1 };
	loop_timer_init(&child->timer, loop, child_insist, child);
	pipe_for(child, &child->out, &out);
	pipe_for(child, &child->err, &err);
	code = out < 0 || err < 0 ? -errno : spawn(child, spec, out, err);
	if (out >= 0)
		close(out);
	if (err >= 0)
		close(err);

	if (code < 0) {
		errno = -code;
		err_errno(&child->why, "cannot start %s", spec->program);
	} else {
		code = watch_exit(child, spec->program);
	}
	if (code < 0) {
		child->pid = 0;
		loop_post(loop, child_not_followed, child);
	} else if (spec->timeout_ms > 0) {
		loop_timer_start(&child->timer, spec->timeout_ms);
	}
	return &child->task;
}
