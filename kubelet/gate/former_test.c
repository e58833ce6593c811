/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is ended and who is not, on a clock that the test moves. This file's own clock is linked in place of
 * pkg/base/clock.c. The gates are children of the test that wait; pid 1 stands for the kubelet that they have lost.
 */
#include "kubelet/gate/former.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kubelet/gate/channel/terms.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
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
	return now_ms * NS_PER_MS;
}

int64_t clock_wall_ms(void)
{
	return now_ms;
}

int64_t clock_wall_s(void)
{
	return now_ms / 1000;
}

static void stop(void *loop)
{
	loop_stop(loop);
}

static void nothing(void *owner)
{
}

static void pass_time(struct loop *loop, int64_t ms)
{
	struct loop_timer kick;

	loop_timer_init(&kick, loop, nothing, NULL);
	loop_timer_start(&kick, 0); /* lets the loop look at the clock */
	now_ms += ms;
	for (int i = 0; i < 4; i++) {
		loop_post(loop, stop, loop);
		loop_run(loop);
	}
	loop_timer_stop(&kick);
}

static pid_t start_waiting(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static bool was_killed(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0 && info.si_pid == pid;
}

static void end_waiting(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static const char *boot_id(void)
{
	static char text[64];
	_cleanup_buf_ struct buf read = BUF_INIT(sizeof text);
	struct err err;

	CHECK_OK(file_read("/proc/sys/kernel/random/boot_id", &read, &err), &err);
	snprintf(text, sizeof text, "%.36s", buf_text(&read));
	return text;
}

/* As `ps` and others count it: the 20th word behind the name. */
static int64_t start_of(pid_t pid)
{
	_cleanup_buf_ struct buf stat = BUF_INIT(4096);
	char path[32], *at, *word = NULL;
	struct err err;
	int64_t start;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	CHECK_OK(file_read(path, &stat, &err), &err);
	at = strrchr(stat.bytes, ')') + 2;
	for (int i = 0; i < 20; i++)
		word = strsep(&at, " ");
	CHECK_INT("start", str_to_i64(word, 1, INT64_MAX, &start), ==, 0);
	return start;
}

static const char *path_of_file(void)
{
	static char path[300];

	snprintf(path, sizeof path, "%s/former", test_folder());
	return path;
}

static void write_file(const char *text, size_t size)
{
	struct err err;

	CHECK_OK(file_replace(path_of_file(), text, size, 0600, &err), &err);
}

/* ---- what a file says ---- */

#define BOOT "01234567-89ab-cdef-0123-456789abcdef"
#define OTHER "11234567-89ab-cdef-0123-456789abcdef"
#define TEXT(literal) literal, sizeof(literal) - 1
#define FOUR(line) line line line line

static const struct text {
	const char *rule, *text;
	size_t size;
	int n; /* -1: refused */
} texts[] = {
	{ "a gate", TEXT("12 345 " BOOT " 10\n"), 1 },
	{ "nothing", TEXT(""), 0 },
	{ "two", TEXT("12 345 " BOOT " 10\n13 346 " BOOT " 11\n"), 2 },
	{ "before the machine was booted", TEXT("12 345 " OTHER " 10\n"), 0 },
	{ "as many as are written", TEXT(FOUR(FOUR("12 345 " BOOT " 10\n"))), 16 },
	{ "more", TEXT(FOUR(FOUR("12 345 " BOOT " 10\n")) "12 345 " BOOT " 10\n"), -1 },
	{ "a number cut off", TEXT("12 345 " BOOT " 10"), -1 },
	{ "a line cut off", TEXT("12 345 " BOOT "\n"), -1 },
	{ "only a number", TEXT("12\n"), -1 },
	{ "a word too many", TEXT("12 345 " BOOT " 10 1\n"), -1 },
	{ "a blank too many", TEXT("12  345 " BOOT " 10\n"), -1 },
	{ "an empty line", TEXT("12 345 " BOOT " 10\n\n"), -1 },
	{ "garbage behind a good line", TEXT("12 345 " BOOT " 10\nx\n"), -1 },
	{ "every process", TEXT("-1 345 " BOOT " 10\n"), -1 },
	{ "the own group", TEXT("0 345 " BOOT " 10\n"), -1 },
	{ "init", TEXT("1 345 " BOOT " 10\n"), -1 },
	{ "a large number", TEXT("4294967308 345 " BOOT " 10\n"), -1 },
	{ "no number", TEXT("12x 345 " BOOT " 10\n"), -1 },
	{ "no time", TEXT("12 -5 " BOOT " 10\n"), -1 },
	{ "no boot", TEXT("12 345 - 10\n"), -1 },
	{ "zero bytes", TEXT("12 345 " BOOT " 10\0\n"), -1 },
	{ "zero bytes only", TEXT("\0\0\0\0"), -1 },
	{ "a binary", TEXT("\177ELF\2\1\1\n"), -1 },
};

TEST(a_file_names_gates_or_is_garbage)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const struct text *row = &texts[i];
		struct former_gate gates[FORMER_MAX];
		size_t n = 99;
		int code = former_parse(row->text, row->size, BOOT, gates, &n);

		CHECK_INT(row->rule, code < 0 ? -1 : (int)n, ==, row->n);
		if (code >= 0 && n) {
			CHECK_INT(row->rule, gates[0].pid, ==, 12);
			CHECK_INT(row->rule, gates[0].start, ==, 345);
			CHECK_INT(row->rule, gates[0].kubelet, ==, 10);
		}
	}
}

/* ---- who is ended ---- */

static const struct claim {
	const char *rule;
	int64_t later; /* the start time is wrong by so much */
	bool other_boot, with_kubelet;
	const char *behind;
	bool ends;
} claims[] = {
	{ "a gate without its kubelet", 0, false, false, "\n", true },
	{ "a process that has the number now", -1, false, false, "\n", false },
	{ "a process that had the number", 1, false, false, "\n", false },
	{ "another boot", 0, true, false, "\n", false },
	{ "its kubelet lives", 0, false, true, "\n", false },
	{ "in a file with garbage", 0, false, false, "\ngarbage\n", false },
	{ "cut off", 0, false, false, "", false },
};

TEST(only_the_very_process_of_a_line_is_ended)
{
	for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
		const struct claim *row = &claims[i];
		struct loop *loop = loop_new();
		pid_t pid = start_waiting();
		char text[200];
		struct former *former;

		snprintf(text, sizeof text, "%d %" PRId64 " %s %d%s", (int)pid, start_of(pid) + row->later,
			 row->other_boot ? OTHER : boot_id(), row->with_kubelet ? (int)getpid() : 1, row->behind);
		write_file(text, strlen(text));
		former = former_new(loop, path_of_file());
		CHECK_INT(row->rule, former_lives(former), ==, row->ends);
		CHECK(row->rule, !was_killed(pid));
		pass_time(loop, 10 * GATE_LAST_WORDS_MS);
		former_end(former);
		CHECK_INT(row->rule, was_killed(pid), ==, row->ends);
		former_free(former);
		end_waiting(pid);
		loop_free(loop);
	}
}

static struct former *start_with_one(struct loop *loop, pid_t *ret_pid)
{
	char text[200];

	*ret_pid = start_waiting();
	snprintf(text, sizeof text, "%d %" PRId64 " %s 1\n", (int)*ret_pid, start_of(*ret_pid), boot_id());
	write_file(text, strlen(text));
	return former_new(loop, path_of_file());
}

TEST(a_gate_has_its_30_seconds)
{
	struct loop *loop = loop_new();
	pid_t pid;
	struct former *former = start_with_one(loop, &pid);

	pass_time(loop, GATE_LAST_WORDS_MS);
	CHECK("still there", !was_killed(pid) && former_lives(former));
	pass_time(loop, 10 * 1000);
	waitpid(pid, NULL, 0); /* hangs unless it was killed */
	CHECK("gone", !former_lives(former));
	former_free(former);
	loop_free(loop);
}

TEST(one_that_is_in_the_way_is_ended_at_once)
{
	struct loop *loop = loop_new();
	pid_t pid;
	struct former *former = start_with_one(loop, &pid);

	former_end(former);
	CHECK("killed", was_killed(pid));
	CHECK("gone", !former_lives(former));
	former_free(former);
	end_waiting(pid);
	loop_free(loop);
}

TEST(one_that_has_ended_is_no_gate)
{
	struct loop *loop = loop_new();
	pid_t pid;
	struct former *former = start_with_one(loop, &pid);

	kill(pid, SIGKILL);
	while (!was_killed(pid))
		poll(NULL, 0, 1);
	CHECK("not reaped yet", !former_lives(former));
	waitpid(pid, NULL, 0);
	CHECK("reaped", !former_lives(former));
	former_free(former);
	loop_free(loop);
}

TEST(the_file_keeps_all_that_may_still_live)
{
	struct loop *loop = loop_new();
	pid_t first, second = start_waiting(), third = start_waiting();
	struct former *former = start_with_one(loop, &first);
	struct former_gate gates[FORMER_MAX];
	_cleanup_buf_ struct buf text = BUF_INIT(FORMER_FILE_BYTES);
	struct err err;
	size_t n;

	former_note(former, second);
	former_note(former, third); /* the second one was this kubelet's own, which saw it end */
	former_free(former);
	CHECK_OK(file_read(path_of_file(), &text, &err), &err);
	CHECK_INT("read", former_parse(buf_text(&text), text.size, boot_id(), gates, &n), ==, 0);
	CHECK_INT("two", n, ==, 2);
	CHECK_INT("the newest", gates[0].pid, ==, third);
	CHECK_INT("its start", gates[0].start, ==, start_of(third));
	CHECK_INT("its kubelet", gates[0].kubelet, ==, getpid());
	CHECK_INT("the older", gates[1].pid, ==, first);
	CHECK_INT("its kubelet", gates[1].kubelet, ==, 1);

	former = former_new(loop, path_of_file());
	former_end(former);
	CHECK("the one without a kubelet", was_killed(first));
	CHECK("the one that has one", !was_killed(third));
	former_free(former);
	end_waiting(first);
	end_waiting(second);
	end_waiting(third);
	loop_free(loop);
}

TEST(without_a_file_nothing_is_known)
{
	struct loop *loop = loop_new();
	struct former *former = former_new(loop, NULL);

	former_note(former, getpid());
	CHECK("nothing", !former_lives(former));
	former_free(former);
	former = former_new(loop, "/nowhere/at/all");
	former_note(former, getpid()); /* is logged */
	CHECK("nothing", !former_lives(former));
	former_free(former);
	loop_free(loop);
}
