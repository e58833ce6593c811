/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The tables of kubelet/config: defaults, flags, and what does nothing yet. Inside this folder only. */
#include <stdbool.h>
#include <stddef.h>

struct config_default {
	const char *path, *value;
	bool zero_is_absent; /* a plain Go field: an explicit zero takes the default too */
};
extern const struct config_default config_defaults[];
extern const size_t config_n_defaults;

/* Flags that set a field of the configuration. */
struct config_flag {
	const char *name, *path;
	bool current; /* not deprecated in favour of the file */
};
extern const struct config_flag config_flags[];
extern const size_t config_n_flags;

/* Fields that are read and checked but change nothing in this version: told when they differ from their default. */
extern const char *const config_idle_fields[];
extern const size_t config_n_idle_fields;
