/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names of kernel parameters. */
#include "pkg/base/arena.h"

/*
 * With dots between the parts, as runtimes and lists of names want it: net/ipv4/conf/eth0.1/x and
 * net.ipv4.conf.eth0/1.x are the same, what stands first says which sign separates. NULL is "".
 */
char *sysctl_dotted(const char *name, struct arena *arena);
