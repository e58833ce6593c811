/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/observed.h"

#include <string.h>

bool runtime_ip_is_v6(const char *ip)
{
	return strchr(ip, ':') != NULL;
}

size_t runtime_pick_ips(const char *const *ips, size_t n_ips, const char *first_host_ip, const char *ret_ips[2])
{
	bool v6_first = first_host_ip && runtime_ip_is_v6(first_host_ip);
	size_t n = 0;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < n_ips; i++)
			if (runtime_ip_is_v6(ips[i]) == (pass == 0 ? v6_first : !v6_first)) {
				ret_ips[n++] = ips[i];
				break;
			}
	return n;
}
