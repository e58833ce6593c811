/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "pkg/sys/cgroup.h"
#include "pkg/sys/mountinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct mountinfo_line line;
	struct cgroup_layout layout;
	struct err err;
	size_t at = 0;

	while (mountinfo_next((const char *)bytes, size, &at, &line))
		if (strlen(line.target) >= sizeof line.target || at > size)
			abort();
	if (cgroup_detect_in((const char *)bytes, size, "cpu memory", &layout, &err) < 0 && err.code >= 0)
		abort();
	return 0;
}
