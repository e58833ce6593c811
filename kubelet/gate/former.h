/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Gates that kubelets before this one have left behind.
 *
 * A gate outlives its kubelet on purpose: it frees the ports at once, and is gone within GATE_LAST_WORDS_MS. One in
 * foreign hands may do neither, and then no kubelet could serve any more. So the kubelet keeps a file that names its
 * gates, one a line, and the next kubelet ends those that stay:
 *
 *     PID START BOOT-ID KUBELET-PID
 *
 * Never is a process signalled that is not the very one of a line. The pidfd is opened first; then the number's start
 * time (field 22 of /proc/PID/stat) must be that of the line, and the machine must not have been booted since. A gate
 * that is still the child of its kubelet is not left behind: two kubelets on one root folder are no reason to end it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "pkg/base/err.h"
#include "pkg/loop/loop.h"

enum {
	FORMER_MAX = 16, /* lines; a kubelet that dies again and again within GATE_LAST_WORDS_MS leaves as many */
	FORMER_FILE_BYTES = 4096,
};

struct former_gate {
	pid_t pid, kubelet;
	int64_t start; /* clock ticks since the boot */
};

/* The gates of this boot that a file names. Pure; -EINVAL when a kubelet cannot have written it. */
int former_parse(const char *text, size_t size, const char *boot_id, struct former_gate gates[FORMER_MAX],
		 size_t *ret_n);

struct former;

/*
 * Reads the file; what is left behind is ended when it lives longer than an honest gate may. A file that cannot be used
 * is logged and counts as none. With `path` NULL nothing is known and nothing is written.
 */
struct former *former_new(struct loop *loop, const char *path);
void former_free(struct former *former);

bool former_lives(struct former *former); /* is there one, without a kubelet */

/* Ends them now, and waits for that: a few ms, a second each at most. For a kubelet that starts. */
void former_end(struct former *former);

/* The gate that this kubelet has now. */
void former_note(struct former *former, pid_t gate);
