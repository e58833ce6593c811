/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/sysctl.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/sys/sysctl.h"

/* The newest of them is namespaced since Linux 5.15. */
static const char *const safe[] = {
	"kernel.shm_rmid_forced",
	"net.ipv4.ip_local_port_range",
	"net.ipv4.tcp_syncookies",
	"net.ipv4.ping_group_range",
	"net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ip_local_reserved_ports",
	"net.ipv4.tcp_keepalive_time",
	"net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_keepalive_intvl",
	"net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_rmem",
	"net.ipv4.tcp_wmem",
	"net.ipv4.tcp_slow_start_after_idle",
	"net.ipv4.tcp_notsent_lowat",
};

static const struct {
	const char *prefix, *namespace_;
} namespaces[] = {
	{ "kernel.sem", "ipc" }, { "kernel.shm", "ipc" }, { "kernel.msg", "ipc" },
	{ "fs.mqueue.", "ipc" }, { "net.", "net" },
};

static bool matches(const char *pattern, const char *name)
{
	size_t size = strlen(pattern);

	if (size > 0 && pattern[size - 1] == '*')
		return strncmp(pattern, name, size - 1) == 0;
	return str_eq(pattern, name);
}

static bool is_allowed(const char *name, char *const *unsafe, size_t n_unsafe, struct arena *arena)
{
	for (size_t i = 0; i < ARRAY_LEN(safe); i++)
		if (str_eq(safe[i], name))
			return true;
	for (size_t i = 0; i < n_unsafe; i++)
		if (matches(sysctl_dotted(unsafe[i], arena), name))
			return true;
	return false;
}

/* The host's namespace that the pod shares and the setting would change. */
static const char *shared_namespace(const Core__PodSpec *spec, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
		if (!str_has_prefix(name, namespaces[i].prefix))
			continue;
		bool shared = str_eq(namespaces[i].namespace_, "ipc") ? spec->hostipc : spec->hostnetwork;

		return shared ? namespaces[i].namespace_ : NULL;
	}
	return NULL;
}

const char *sysctl_forbidden(const Core__PodSpec *spec, char *const *unsafe, size_t n_unsafe, struct arena *arena)
{
	for (size_t i = 0; spec->securitycontext && i < spec->securitycontext->n_sysctls; i++) {
		const char *name = sysctl_dotted(str_or(spec->securitycontext->sysctls[i]->name, ""), arena);

		if (!is_allowed(name, unsafe, n_unsafe, arena))
			return arena_printf(arena, "forbidden sysctl: \"%s\" not allowlisted", name);
		const char *shared = shared_namespace(spec, name);
		if (shared)
			return arena_printf(arena, "forbidden sysctl: \"%s\" not allowed with host %s enabled", name,
					    shared);
	}
	return NULL;
}
