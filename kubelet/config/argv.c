/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/argv.h"

#include <stdbool.h>
#include <string.h>

#include "pkg/base/base.h"

struct reading {
	const struct argv_flags *flags;
	struct arena *arena;
	char **rest; /* arguments that have not been looked at, up to NULL */
	struct err *err;
};

static int set(struct reading *reading, const char *name, const char *value)
{
	const struct argv_flags *flags = reading->flags;
	bool has_letter = str_eq(flags->long_name(flags->owner, name[0]), name);
	char letter[] = { '-', name[0], ',', ' ', 0 };
	int code = flags->set(flags->owner, name, value, reading->err);

	if (code < 0)
		return err_wrap(reading->err, "invalid argument \"%s\" for \"%s--%s\" flag", value,
				has_letter ? letter : "", name);
	return 0;
}

static int take_long(struct reading *reading, const char *argument)
{
	const struct argv_flags *flags = reading->flags;
	char *name = arena_strdup(reading->arena, argument + 2);
	char *equals = strchr(name, '=');
	const char *value = equals ? equals + 1 : NULL;

	if (!*name || *name == '-' || *name == '=')
		return err_set(reading->err, -EINVAL, "bad flag syntax: %s", argument);
	if (equals)
		*equals = 0;
	const char *written = arena_strdup(reading->arena, name);
	for (char *at = name; *at; at++)
		if (*at == '_')
			*at = '-';
	enum argv_kind kind = flags->kind(flags->owner, name);
	if (kind == ARGV_UNKNOWN)
		return err_set(reading->err, -EINVAL, "unknown flag: --%s", written);
	if (!value && kind == ARGV_SWITCH)
		value = "true";
	if (!value && *reading->rest)
		value = *reading->rest++;
	if (!value)
		return err_set(reading->err, -EINVAL, "flag needs an argument: --%s", written);
	return set(reading, name, value);
}

/* Letters behind one dash: each one a switch, up to one that takes the rest, or the next argument, as its value. */
static int take_letters(struct reading *reading, const char *argument)
{
	const struct argv_flags *flags = reading->flags;

	for (const char *letters = argument + 1; *letters; letters++) {
		const char *name = flags->long_name(flags->owner, *letters);
		const char *value = NULL;
		bool is_switch;

		if (!name)
			return err_set(reading->err, -EINVAL, "unknown shorthand flag: '%c' in -%s", *letters, letters);
		is_switch = flags->kind(flags->owner, name) == ARGV_SWITCH && (letters[1] != '=' || !letters[2]);
		if (letters[1] == '=' && letters[2])
			value = letters + 2;
		else if (is_switch)
			value = "true";
		else if (letters[1])
			value = letters + 1;
		else if (*reading->rest)
			value = *reading->rest++;
		if (!value)
			return err_set(reading->err, -EINVAL, "flag needs an argument: '%c' in -%s", *letters, letters);
		int code = set(reading, name, value);
		if (code < 0 || !is_switch)
			return code;
	}
	return 0;
}

int argv_read(int argc, char **argv, const struct argv_flags *flags, struct arena *arena, const char **ret_word,
	      struct err *err)
{
	struct reading reading = { .flags = flags, .arena = arena, .rest = argv + (argc > 0), .err = err };

	*ret_word = NULL;
	while (*reading.rest) {
		const char *argument = *reading.rest++;
		int code = 0;

		if (str_eq(argument, "--")) {
			if (!*ret_word)
				*ret_word = *reading.rest;
			return 0;
		}
		if (str_has_prefix(argument, "--"))
			code = take_long(&reading, argument);
		else if (argument[0] == '-' && argument[1])
			code = take_letters(&reading, argument);
		else if (!*ret_word)
			*ret_word = argument;
		if (code < 0)
			return code;
	}
	return 0;
}
