/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/node/facts.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kubelet/node/node.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/file.h"

enum { SMALL_FILE = 64 * 1024 }; /* /proc/meminfo has 1.5 KiB */

/* First line of a small file without blanks around it, "" when it is not there. */
static const char *first_line(struct arena *arena, const char *path)
{
	_cleanup_buf_ struct buf text = BUF_INIT(SMALL_FILE);
	struct err err;

	if (file_read(path, &text, &err) < 0)
		return "";
	size_t size = strcspn(buf_text(&text), "\r\n");
	while (size > 0 && text.bytes[size - 1] == ' ')
		size--;
	return arena_strndup(arena, buf_text(&text), size);
}

/* "MemTotal:       24684092 kB" in bytes. */
static int64_t meminfo_value(const char *meminfo, const char *key)
{
	const char *line = strstr(meminfo, key);
	int64_t kilobytes = 0;

	if (!line)
		return 0;
	line += strlen(key);
	line += strspn(line, ": ");
	for (; *line >= '0' && *line <= '9'; line++)
		kilobytes = kilobytes * 10 + (*line - '0');
	return kilobytes * 1024;
}

static void read_memory(struct node_facts *facts)
{
	_cleanup_buf_ struct buf meminfo = BUF_INIT(SMALL_FILE);
	struct err err;

	if (file_read("/proc/meminfo", &meminfo, &err) < 0)
		return;
	facts->memory_bytes = meminfo_value(buf_text(&meminfo), "MemTotal");
	facts->swap_bytes = meminfo_value(buf_text(&meminfo), "SwapTotal");
}

/* PRETTY_NAME="Debian GNU/Linux 12 (bookworm)" */
static const char *read_os_image(struct arena *arena)
{
	static const char *const paths[] = { "/etc/os-release", "/usr/lib/os-release" };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		_cleanup_buf_ struct buf text = BUF_INIT(SMALL_FILE);
		struct err err;

		if (file_read(paths[i], &text, &err) < 0)
			continue;
		const char *value = strstr(buf_text(&text), "PRETTY_NAME=");
		if (!value)
			continue;
		value += strlen("PRETTY_NAME=");
		value += *value == '"';
		return arena_strndup(arena, value, strcspn(value, "\"\n"));
	}
	return "Linux";
}

const char *node_architecture(struct arena *arena)
{
	static const char *const names[][2] = {
		{ "x86_64", "amd64" },    { "aarch64", "arm64" }, { "armv7l", "arm" },      { "i686", "386" },
		{ "ppc64le", "ppc64le" }, { "s390x", "s390x" },   { "riscv64", "riscv64" },
	};
	struct utsname name;

	uname(&name);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(names[i][0], name.machine))
			return names[i][1];
	return arena_strdup(arena, name.machine);
}

struct node_facts facts_read(struct arena *arena, const char *root_dir)
{
	struct node_facts facts = { .cpus = sysconf(_SC_NPROCESSORS_ONLN) };
	struct statvfs disk;
	struct utsname name;

	read_memory(&facts);
	facts.n_hugepages = huge_pages_read(facts.hugepages);
	if (statvfs(root_dir, &disk) == 0)
		facts.disk_bytes = (int64_t)disk.f_blocks * (int64_t)disk.f_frsize;
	facts.machine_id = first_line(arena, "/etc/machine-id");
	if (str_empty(facts.machine_id))
		facts.machine_id = first_line(arena, "/var/lib/dbus/machine-id");
	facts.system_uuid = first_line(arena, "/sys/class/dmi/id/product_uuid");
	if (str_empty(facts.system_uuid))
		facts.system_uuid = first_line(arena, "/proc/device-tree/system-id");
	if (str_empty(facts.system_uuid))
		facts.system_uuid = facts.machine_id;
	facts.boot_id = first_line(arena, "/proc/sys/kernel/random/boot_id");
	facts.os_image = read_os_image(arena);
	uname(&name);
	facts.kernel = arena_strdup(arena, name.release);
	facts.architecture = node_architecture(arena);
	/* In the first user namespace all 32-bit uids map to themselves. */
	facts.user_namespace = !strstr(first_line(arena, "/proc/self/uid_map"), "4294967295");
	return facts;
}
