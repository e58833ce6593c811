/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the file of former gates holds: it is refused, or what it names are processes that can be gates. */
#include "kubelet/gate/former.h"
#include "pkg/base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct former_gate gates[FORMER_MAX];
	size_t n;

	if (former_parse((const char *)data, size, "01234567-89ab-cdef-0123-456789abcdef", gates, &n) < 0)
		return 0;
	base_assert(n <= FORMER_MAX);
	for (size_t i = 0; i < n; i++)
		base_assert(gates[i].pid > 1 && gates[i].start > 0 && gates[i].kubelet > 0);
	return 0;
}
