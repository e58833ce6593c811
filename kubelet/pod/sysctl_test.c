/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/sysctl.h"

#include "pkg/base/base.h"
#include "pkg/test/test.h"

TEST(only_what_is_safe_or_allowed)
{
	static const struct {
		const char *name, *unsafe;
		bool host_network, host_ipc;
		const char *want;
	} rows[] = {
		{ "net.ipv4.tcp_syncookies", NULL, false, false, NULL },
		{ "net/ipv4/tcp_syncookies", NULL, false, false, NULL },
		{ "net.core.somaxconn", NULL, false, false,
		  "forbidden sysctl: \"net.core.somaxconn\" not allowlisted" },
		{ "net.core.somaxconn", "net.core.*", false, false, NULL },
		{ "net.core.somaxconn", "net.core.somaxconn", false, false, NULL },
		{ "net.core.somaxconn", "kernel.*", false, false,
		  "forbidden sysctl: \"net.core.somaxconn\" not allowlisted" },
		{ "net.ipv4.tcp_syncookies", NULL, true, false,
		  "forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host net enabled" },
		{ "kernel.shm_rmid_forced", NULL, false, true,
		  "forbidden sysctl: \"kernel.shm_rmid_forced\" not allowed with host ipc enabled" },
		{ "kernel.shm_rmid_forced", NULL, true, false, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		Core__Sysctl sysctl = CORE__SYSCTL__INIT, *list = &sysctl;
		Core__PodSecurityContext security = CORE__POD_SECURITY_CONTEXT__INIT;
		Core__PodSpec spec = CORE__POD_SPEC__INIT;
		char *unsafe = (char *)(uintptr_t)rows[i].unsafe;

		sysctl.name = (char *)(uintptr_t)rows[i].name;
		security.sysctls = &list;
		security.n_sysctls = 1;
		spec.securitycontext = &security;
		spec.hostnetwork = rows[i].host_network;
		spec.hostipc = rows[i].host_ipc;
		const char *got = sysctl_forbidden(&spec, &unsafe, unsafe ? 1 : 0, arena);
		CHECK(rows[i].name, !got == !rows[i].want);
		if (got)
			CHECK_STR(rows[i].name, got, rows[i].want);
	}
}
