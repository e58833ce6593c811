/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function for the Makefile: $(end-with N) ends make at once, with N as its exit code. By itself make ends with 0, 1
 * or 2 whatever a recipe ended with, and "make up" is to end as the command in the pod did.
 */
#include <gnumake.h>
#include <stdlib.h>

int plugin_is_GPL_compatible; /* make asks for it: Apache-2.0 is, with version 3 */
int make_exit_gmk_setup(void);

static char *end_with(const char *name, unsigned count, char **arguments)
{
	int code = 0;

	for (const char *at = arguments[0]; *at >= '0' && *at <= '9'; at++)
		code = code * 10 + *at - '0';
	exit(code);
}

int make_exit_gmk_setup(void)
{
	gmk_add_function("end-with", end_with, 1, 1, GMK_FUNC_DEFAULT);
	return 1;
}
