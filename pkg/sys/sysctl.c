/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/sys/sysctl.h"

#include <string.h>

#include "pkg/base/base.h"

char *sysctl_dotted(const char *name, struct arena *arena)
{
	char *copy = arena_text(arena, name);

	if (copy[strcspn(copy, "./")] == '/')
		for (char *at = copy; *at; at++)
			*at = *at == '/' ? '.' : *at == '.' ? '/' : *at;
	return copy;
}
