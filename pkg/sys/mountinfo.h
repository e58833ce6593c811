/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The mount table: /proc/self/mountinfo (proc(5)), read line by line. */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "pkg/base/buf.h"
#include "pkg/base/err.h"

enum { MOUNTINFO_MAX = 32 << 20 }; /* a node with 1,000 pods has some 10,000 lines of 300 bytes; a leak has more */

/* Texts are unescaped, and valid until the next line is read. Longer ones than PATH_MAX are cut by the kernel too. */
struct mountinfo_line {
	char root[PATH_MAX], target[PATH_MAX], source[PATH_MAX];
	char type[64];                           /* "tmpfs", "cgroup2" */
	char options[1024], super_options[4096]; /* of this mount; of the file system */
	bool is_shared;                          /* mounts below it reach its peers */
};

/* Reads the line at *at and moves it behind. False at the end. Lines that make no sense are passed over. */
bool mountinfo_next(const char *text, size_t size, size_t *at, struct mountinfo_line *into);

/* The table of this process. */
int mountinfo_read(struct buf *into, struct err *err);

/* "a,b,c" has b as a whole word */
bool mountinfo_has_option(const char *options, const char *option);
