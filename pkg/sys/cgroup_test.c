/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/sys/cgroup.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/sys/mountinfo.h"
#include "pkg/test/test.h"

static const char hybrid[] = "30 20 0:25 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n"
			     "31 30 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:1 - cgroup2 cgroup2 rw,nsdelegate\n"
			     "32 30 0:27 / /sys/fs/cgroup/systemd rw shared:2 - cgroup cgroup rw,xattr,name=systemd\n"
			     "33 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
			     "34 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
			     "35 30 0:29 / /mnt/a\\040long/way/to/memory rw - cgroup cgroup rw,memory\n";
static const char unified[] = "30 20 0:25 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

TEST(detects_what_is_mounted)
{
	struct cgroup_layout layout;
	struct err err;

	CHECK_OK(cgroup_detect_in(hybrid, strlen(hybrid), "", &layout, &err), &err);
	CHECK("hybrid is v1", !layout.v2);
	CHECK("cpu", layout.has[CGROUP_CPU] && layout.has[CGROUP_CPUACCT] && !layout.has[CGROUP_PIDS]);
	CHECK_STR("cpu and cpuacct share a mount", layout.mount[CGROUP_CPU], "/sys/fs/cgroup/cpu,cpuacct");
	CHECK_STR("the shorter of two", layout.mount[CGROUP_MEMORY], "/sys/fs/cgroup/memory");
	CHECK("systemd", layout.has[CGROUP_SYSTEMD]);

	CHECK_OK(cgroup_detect_in(unified, strlen(unified), "cpuset cpu io memory hugetlb pids\n", &layout, &err),
		 &err);
	CHECK("v2", layout.v2 && layout.has[CGROUP_CPU] && layout.has[CGROUP_PIDS] && !layout.has[CGROUP_CPUACCT]);

	CHECK_INT("v2 without memory", cgroup_detect_in(unified, strlen(unified), "cpuset cpu", &layout, &err), ==,
		  -ENOENT);
	CHECK_STR("says which", err.text, "the cgroup controllers cpu and memory are needed, memory is missing");
	CHECK_INT("none", cgroup_detect_in("", 0, "", &layout, &err), ==, -ENOENT);
}

TEST(mountinfo_lines_with_odd_names)
{
	static const char table[] = "garbage\n"
				    "1 2 0:3 /a\\040b /t\\134x rw - ext4 /dev/sda rw,errors=remount-ro\n"
				    "1 2 0:3 / /y rw shared:1 master:2 - tmpfs tmpfs rw,size=4k";
	static struct mountinfo_line line;
	size_t at = 0;

	CHECK("first", mountinfo_next(table, sizeof table - 1, &at, &line));
	CHECK_STR("root", line.root, "/a b");
	CHECK_STR("target", line.target, "/t\\x");
	CHECK_STR("source", line.source, "/dev/sda");
	CHECK("second", mountinfo_next(table, sizeof table - 1, &at, &line));
	CHECK_STR("target", line.target, "/y");
	CHECK_STR("type", line.type, "tmpfs");
	CHECK("option", mountinfo_has_option(line.super_options, "size=4k"));
	CHECK("no part of a word", !mountinfo_has_option(line.super_options, "size=4"));
	CHECK("end", !mountinfo_next(table, sizeof table - 1, &at, &line));
}

static void note_name(void *owner, const char *name)
{
	snprintf(owner, 64, "%s", name);
}

TEST(makes_fills_kills_and_removes_real_groups)
{
	struct cgroup_layout layout;
	struct err err;
	char top[64], inner[80], value[64], names[64] = "";

	if (geteuid() != 0 || cgroup_detect(&layout, &err) < 0)
		test_skip("needs root and cgroups");
	snprintf(top, sizeof top, "/cubelet-test-%d", (int)getpid());
	snprintf(inner, sizeof inner, "%s/inner", top);
	CHECK_OK(cgroup_make(&layout, inner, &err), &err);
	CHECK_OK(cgroup_make(&layout, inner, &err), &err);
	CHECK("exists", cgroup_exists(&layout, inner));
	CHECK_OK(cgroup_write(&layout, CGROUP_PIDS, inner, "pids.max", "77", &err), &err);
	CHECK_OK(cgroup_read(&layout, CGROUP_PIDS, inner, "pids.max", value, sizeof value, &err), &err);
	CHECK_STR("value", value, "77");
	CHECK_OK(cgroup_each(&layout, top, note_name, names, &err), &err);
	CHECK_STR("below", names, "inner");

	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	snprintf(value, sizeof value, "%d", (int)child);
	CHECK_OK(cgroup_write(&layout, CGROUP_PIDS, inner, "cgroup.procs", value, &err), &err);
	CHECK_INT("busy", cgroup_remove(&layout, top, &err), ==, -EBUSY);
	CHECK_INT("killed", cgroup_kill(&layout, top), ==, 1);
	int status;

	waitpid(child, &status, 0);
	CHECK_INT("by a signal", WTERMSIG(status), ==, SIGKILL);
	CHECK_OK(cgroup_remove(&layout, top, &err), &err);
	CHECK("gone", !cgroup_exists(&layout, top));
	CHECK_OK(cgroup_remove(&layout, top, &err), &err);
	CHECK_INT("never the top", cgroup_remove(&layout, "/", &err), ==, -EINVAL);
}
