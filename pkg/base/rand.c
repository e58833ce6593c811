/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/base/rand.h"

#include <errno.h>
#include <sys/random.h>

#include "pkg/base/base.h"

void rand_bytes(void *bytes, size_t size)
{
	char *place = bytes;

	while (size > 0) {
		ssize_t n = getrandom(place, size, 0);

		base_assert(n > 0 || errno == EINTR);
		if (n > 0) {
			place += n;
			size -= (size_t)n;
		}
	}
}

uint32_t rand_below(uint32_t limit)
{
	uint32_t fair = UINT32_MAX - UINT32_MAX % limit; /* values above it would favour small results */
	uint32_t value;

	do
		rand_bytes(&value, sizeof value);
	while (value >= fair);
	return value % limit;
}
