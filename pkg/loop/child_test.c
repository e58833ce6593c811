/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/test/test.h"

struct seen {
	struct loop *loop;
	struct task *task;
	struct loop_timer timer;
	int done, code, exit_code, signal;
	struct buf out, err;
	char text[ERR_TEXT_MAX];
};

static void child_done(void *owner, const void *result, const struct err *err)
{
	struct seen *seen = owner;
	const struct child_result *child = result;

	seen->done++;
	seen->code = err ? err->code : 0;
	if (err)
		buf_puts(&seen->err, err->text);
	if (child) {
		seen->exit_code = child->exit_code;
		seen->signal = child->signal;
		buf_append(&seen->out, child->out, child->out_size);
		buf_append(&seen->err, child->err, child->err_size);
	}
	loop_timer_stop(&seen->timer);
	loop_stop(seen->loop);
}

static void cancel_now(void *owner)
{
	task_cancel(((struct seen *)owner)->task);
	task_cancel(((struct seen *)owner)->task);
}

static struct seen run(const char *script, struct child_spec spec, int64_t cancel_ms)
{
	struct seen seen = { .loop = loop_new(), .out = BUF_INIT(1 << 20), .err = BUF_INIT(1 << 20) };
	const char *argv[] = { "sh", "-c", script, NULL };

	spec.program = spec.program ? spec.program : "/bin/sh";
	spec.argv = argv;
	loop_timer_init(&seen.timer, seen.loop, cancel_now, &seen);
	seen.task = child_run(seen.loop, &spec, child_done, &seen);
	CHECK_INT("not before the start has returned", seen.done, ==, 0);
	if (cancel_ms > 0)
		loop_timer_start(&seen.timer, cancel_ms);
	loop_run(seen.loop);
	CHECK_INT("ends exactly once", seen.done, ==, 1);
	loop_free(seen.loop);
	return seen;
}

static void free_seen(struct seen *seen)
{
	buf_done(&seen->out);
	buf_done(&seen->err);
}

TEST(output_and_exit_code_come_back)
{
	struct seen seen = run("echo out; echo err >&2; exit 7", (struct child_spec){ 0 }, 0);

	CHECK_INT("no error", seen.code, ==, 0);
	CHECK_INT("exit code", seen.exit_code, ==, 7);
	CHECK_STR("stdout", buf_text(&seen.out), "out\n");
	CHECK_STR("stderr", buf_text(&seen.err), "err\n");
	free_seen(&seen);
}

/*
 * A process may be born with its children's ends ignored. What is not known must not be taken for success. Some of
 * these children are gone before they can be followed.
 */
TEST(an_exit_code_that_is_lost_is_no_success)
{
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 50; i++) {
		struct seen seen = run("exit 7", (struct child_spec){ 0 }, 0);

		CHECK_INT("an error", seen.code, ==, -ECHILD);
		CHECK_STR("its text", buf_text(&seen.err), "cannot read how a program ended: no child processes");
		free_seen(&seen);
	}
	signal(SIGCHLD, SIG_DFL);
}

TEST(output_is_bounded_and_the_child_is_not_blocked_by_it)
{
	struct seen seen = run("head -c 3000000 /dev/zero; exit 3", (struct child_spec){ 0 }, 0);

	CHECK_INT("exit code", seen.exit_code, ==, 3);
	CHECK_INT("kept", seen.out.size, ==, CHILD_OUTPUT_MAX);
	free_seen(&seen);
}

TEST(a_missing_program_is_an_error)
{
	struct seen seen = run("", (struct child_spec){ .program = "/no/such/program" }, 0);

	CHECK_INT("code", seen.code, ==, -ENOENT);
	CHECK_STR("text", buf_text(&seen.err), "cannot start /no/such/program: no such file or directory");
	free_seen(&seen);
}

TEST(cancel_ends_the_whole_group)
{
	struct seen seen = run("sleep 60 & sleep 60", (struct child_spec){ 0 }, 100);

	CHECK_INT("code", seen.code, ==, -ECANCELED);
	CHECK_INT("signal", seen.signal, ==, SIGTERM);
	free_seen(&seen);
}

TEST(a_child_that_ignores_terminate_is_killed)
{
	struct seen seen =
		run("trap '' TERM; while :; do sleep 0.1; done", (struct child_spec){ .timeout_ms = 200 }, 0);

	CHECK_INT("code", seen.code, ==, -ETIMEDOUT);
	CHECK_INT("signal", seen.signal, ==, SIGKILL);
	free_seen(&seen);
}

TEST(no_descriptor_is_inherited_and_folder_and_env_are_set)
{
	int leak = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
	const char *env[] = { "WORD=hello", NULL };
	struct seen seen = run("echo $WORD; pwd; for f in /proc/self/fd/*; do echo ${f##*/}; done | head -3",
			       (struct child_spec){ .env = env, .cwd = "/usr" }, 0);

	CHECK_STR("what it saw", buf_text(&seen.out), "hello\n/usr\n0\n1\n2\n");
	close(leak);
	free_seen(&seen);
}
