/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The sizes of huge pages that the kernel has, from /sys/kernel/mm/hugepages. */
#include <stddef.h>
#include <stdint.h>

enum {
	HUGE_PAGES_MAX = 8,      /* two sizes on x86, four on arm64 */
	HUGE_PAGE_NAME_MAX = 24, /* any number of 64 bits and its unit */
};

struct huge_page {
	int64_t bytes, total_bytes;    /* of one; of all that are reserved on this machine */
	char name[HUGE_PAGE_NAME_MAX]; /* "2MB": the kernel's and the runtime's */
};

/* How many were found; none on a kernel without huge pages. */
size_t huge_pages_read(struct huge_page ret_pages[HUGE_PAGES_MAX]);

void huge_page_name(int64_t bytes, char into[HUGE_PAGE_NAME_MAX]);
