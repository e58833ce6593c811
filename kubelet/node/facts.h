/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What can be read about this machine. Inside kubelet/node only. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkg/base/arena.h"
#include "pkg/sys/huge_pages.h"

struct node_facts {
	int64_t cpus, memory_bytes, swap_bytes, disk_bytes;
	struct huge_page hugepages[HUGE_PAGES_MAX];
	size_t n_hugepages;
	const char *machine_id, *system_uuid, *boot_id, *kernel, *os_image, *architecture;
	bool user_namespace; /* this process is not root of the machine */
};

/* What cannot be read stays empty or 0, as in stock's node. `root_dir` tells which file system pods use. */
struct node_facts facts_read(struct arena *arena, const char *root_dir);
