/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets user-mode-linux 6.1 run on processors with AMX, by LD_PRELOAD.
 *
 * It keeps 2.7 KiB of vector registers of a process, as much as there was before AMX, and Linux takes them back
 * only whole (EFAULT otherwise). So what it does not know is read first and written back as it was: a guest that never
 * asked for AMX has nothing in there.
 */
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

typedef long ptrace_fn(int request, long pid, void *address, void *data);

long ptrace(enum __ptrace_request request, ...)
{
	static ptrace_fn *next;
	static char bytes[64 * 1024]; /* not on the stack: that of the guest's kernel is small; it has one processor */
	struct iovec whole = { bytes, sizeof bytes };
	va_list arguments;

	va_start(arguments, request);
	long pid = va_arg(arguments, int);
	void *address = va_arg(arguments, void *), *data = va_arg(arguments, void *);
	va_end(arguments);
	if (!next)
		next = (ptrace_fn *)(uintptr_t)dlsym(RTLD_NEXT, "ptrace");
	if (request == PTRACE_SETREGSET && (uintptr_t)address == NT_X86_XSTATE &&
	    next(PTRACE_GETREGSET, pid, address, &whole) == 0) {
		const struct iovec *known = data;

		if (known->iov_len < whole.iov_len) {
			memcpy(bytes, known->iov_base, known->iov_len);
			data = &whole;
		}
	}
	return next((int)request, pid, address, data);
}
