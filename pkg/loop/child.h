/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Programs as tasks: started, watched by a pidfd, their output kept up to a limit, ended when nobody waits any more.
 *
 * Cancel and timeout are the same: SIGTERM to the child's process group, SIGKILL after CHILD_TERM_MS. A child that
 * hangs in the kernel (umount of a dead file system) does not die even then: CHILD_KILL_MS later the task ends without
 * it, and the child is reaped whenever it ends.
 */
#include <stddef.h>
#include <stdint.h>

#include "pkg/loop/loop.h"

enum {
	CHILD_TERM_MS = 2000,         /* helpers of ours need milliseconds to end */
	CHILD_KILL_MS = 3000,         /* a kill that works at all works at once */
	CHILD_OUTPUT_MAX = 64 * 1024, /* of stdout and of stderr each; what is above is read and dropped */
};

struct child_spec {
	const char *program;     /* path of the file, no search; "/proc/self/exe" is ourselves */
	const char *const *argv; /* NULL at its end */
	const char *const *env;  /* NULL at its end; NULL: ours */
	const char *cwd;         /* NULL: ours */
	int stdin_fd;            /* stays the caller's; 0 and below: /dev/null. No other descriptor is inherited. */
	int64_t timeout_ms;      /* 0: none */
};

struct child_result {
	int exit_code;         /* 0 to 255, -1 when a signal ended it */
	int signal;            /* 0 unless a signal ended it */
	const char *out, *err; /* texts with a zero behind them; may hold zeros as well */
	size_t out_size, err_size;
};

/*
 * The result is a `const struct child_result *`: also with an exit code other than 0, which is the caller's to judge,
 * and together with -ETIMEDOUT and -ECANCELED. Without a result: the program could not be started (-errno), or somebody
 * else has reaped it, so that how it ended is not known (-ECHILD).
 */
struct task *child_run(struct loop *loop, const struct child_spec *spec, task_done_fn *done, void *owner);
