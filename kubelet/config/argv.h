/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A command line as pflag reads it: --name=value, --name value, -v4, words anywhere, "--". Inside kubelet/config only.
 */
#include "pkg/base/arena.h"
#include "pkg/base/err.h"

enum argv_kind {
	ARGV_UNKNOWN,
	ARGV_VALUE,  /* takes the next argument when it has no value of its own */
	ARGV_SWITCH, /* means true without a value, and never takes the next argument */
};

/* Names come with dashes, also those that were written with underscores. */
struct argv_flags {
	enum argv_kind (*kind)(void *owner, const char *name);
	const char *(*long_name)(void *owner, char letter); /* NULL: there is no such letter */
	int (*set)(void *owner, const char *name, const char *value, struct err *err);
	void *owner;
};

/* Sets flag by flag, in order. The first word that is no flag is returned, NULL for none. -EINVAL in pflag's words. */
int argv_read(int argc, char **argv, const struct argv_flags *flags, struct arena *arena, const char **ret_word,
	      struct err *err);
