/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/sys/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/map.h"
#include "pkg/sys/mountinfo.h"

enum {
	DEPTH_MAX = PATH_MAX / 2, /* nested cgroups, each takes a slash and a letter: whatever a container made goes */
	PROCS_MAX = 4 << 20,      /* bytes of cgroup.procs: more than all pids of a machine */
	V2_CONTROLLERS = 5,       /* the first of the enum */
	VALUE_MAX = 64 * 1024,    /* bytes of one file; the longest are lists of CPUs */
	CHILDREN_MAX = 100000,    /* names below one group that are remembered */
};

static const struct {
	const char *name; /* as in the options of a v1 mount and in cgroup.controllers */
	bool counts;      /* for cgroup_exists() on v1 */
} controllers[CGROUP_CONTROLLERS] = {
	[CGROUP_CPU] = { "cpu", true },
	[CGROUP_CPUSET] = { "cpuset", true },
	[CGROUP_MEMORY] = { "memory", true },
	[CGROUP_PIDS] = { "pids", true },
	[CGROUP_HUGETLB] = { "hugetlb", true },
	[CGROUP_CPUACCT] = { "cpuacct", true },
	[CGROUP_BLKIO] = { "blkio", false },
	[CGROUP_DEVICES] = { "devices", false },
	[CGROUP_FREEZER] = { "freezer", false },
	[CGROUP_NET_CLS] = { "net_cls", false },
	[CGROUP_NET_PRIO] = { "net_prio", false },
	[CGROUP_PERF_EVENT] = { "perf_event", false },
	[CGROUP_SYSTEMD] = { "name=systemd", true },
	[CGROUP_UNIFIED] = { "", false },
};

/* ---- what is mounted ---- */

static bool has_word(const char *text, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += size)
		if ((at == text || at[-1] == ' ') && (!at[size] || at[size] == ' ' || at[size] == '\n'))
			return true;
	return false;
}

static void take_v1_mount(const struct mountinfo_line *line, struct cgroup_layout *layout)
{
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		char *mount = layout->mount[i];

		if (!*controllers[i].name || !mountinfo_has_option(line->super_options, controllers[i].name))
			continue;
		/* Mounted twice: the shortest path, as the stock kubelet takes. */
		if (layout->has[i] && strlen(mount) <= strlen(line->target))
			continue;
		layout->has[i] = true;
		memcpy(mount, line->target, strlen(line->target) + 1);
	}
}

int cgroup_detect_in(const char *mountinfo, size_t size, const char *v2_controllers, struct cgroup_layout *ret_layout,
		     struct err *err)
{
	struct mountinfo_line *line = xmalloc(sizeof *line);
	struct cgroup_layout layout = { 0 };
	bool any = false;
	size_t at = 0;

	while (mountinfo_next(mountinfo, size, &at, line)) {
		if (strlen(line->target) >= CGROUP_MOUNT_MAX)
			continue;
		if (str_eq(line->type, "cgroup2") && str_eq(line->target, "/sys/fs/cgroup")) {
			layout.v2 = any = true;
			for (int i = 0; i < V2_CONTROLLERS; i++) {
				layout.has[i] = has_word(v2_controllers, controllers[i].name);
				memcpy(layout.mount[i], line->target, strlen(line->target) + 1);
			}
		} else if (str_eq(line->type, "cgroup2") && str_has_prefix(line->target, "/sys/fs/cgroup/")) {
			layout.has[CGROUP_UNIFIED] = !layout.v2;
			memcpy(layout.mount[CGROUP_UNIFIED], line->target, strlen(line->target) + 1);
		} else if (str_eq(line->type, "cgroup") && !layout.v2) {
			any = true;
			take_v1_mount(line, &layout);
		}
	}
	free(line);
	if (!any)
		return err_set(err, -ENOENT, "no cgroups are mounted below /sys/fs/cgroup");
	if (!layout.has[CGROUP_CPU] || !layout.has[CGROUP_MEMORY])
		return err_set(err, -ENOENT, "the cgroup controllers cpu and memory are needed, %s is missing",
			       layout.has[CGROUP_CPU] ? "memory" : "cpu");
	*ret_layout = layout;
	return 0;
}

int cgroup_detect(struct cgroup_layout *ret_layout, struct err *err)
{
	_cleanup_buf_ struct buf table = BUF_INIT(MOUNTINFO_MAX);
	_cleanup_buf_ struct buf v2 = BUF_INIT(4096); /* a line of some ten words */
	struct err ignored;

	if (mountinfo_read(&table, err) < 0)
		return err->code;
	if (file_read("/sys/fs/cgroup/cgroup.controllers", &v2, &ignored) < 0)
		buf_clear(&v2);
	return cgroup_detect_in(table.bytes, table.size, buf_text(&v2), ret_layout, err);
}

/* ---- paths ---- */

/* Two hierarchies in one mount (cpu,cpuacct; all of v2) are one place. */
static bool is_first_with_mount(const struct cgroup_layout *layout, int controller)
{
	if (layout->v2)
		return controller == 0;
	if (!layout->has[controller])
		return false;
	for (int i = 0; i < controller; i++)
		if (layout->has[i] && str_eq(layout->mount[i], layout->mount[controller]))
			return false;
	return true;
}

static int path_of(const struct cgroup_layout *layout, int controller, const char *group, char path[PATH_MAX],
		   struct err *err)
{
	int n = snprintf(path, PATH_MAX, "%s%s%s", layout->mount[controller], *group == '/' ? "" : "/", group);

	if (n >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "the name of the cgroup %.64s... is too long", group);
	while (n > 1 && path[n - 1] == '/')
		path[--n] = 0;
	return 0;
}

/* ---- making ---- */

static int copy_cpuset(const char *parent, const char *path, const char *file, struct err *err)
{
	char from[PATH_MAX + 32], to[PATH_MAX + 32];
	_cleanup_buf_ struct buf value = BUF_INIT(VALUE_MAX);

	snprintf(to, sizeof to, "%s/%s", path, file);
	if (file_read(to, &value, err) < 0)
		return err->code;
	if (value.size > 1)
		return 0;
	buf_clear(&value);
	snprintf(from, sizeof from, "%s/%s", parent, file);
	if (file_read(from, &value, err) < 0)
		return err->code;
	return file_poke(to, buf_text(&value), err);
}

static void enable_v2_controllers(const struct cgroup_layout *layout, const char *parent)
{
	char path[PATH_MAX + 32];
	struct err ignored;

	/* What cannot be turned on is missed by the write of its value, which says so. */
	snprintf(path, sizeof path, "%s/cgroup.subtree_control", parent);
	for (int i = 0; i < V2_CONTROLLERS; i++) {
		char word[32];

		snprintf(word, sizeof word, "+%s", controllers[i].name);
		if (layout->has[i])
			(void)file_poke(path, word, &ignored);
	}
	(void)file_poke(path, "+io", &ignored); /* not ours to set, but the runtime's */
}

/* `path` is below `mount`; every folder on the way is made too. */
static int make_one(const struct cgroup_layout *layout, int controller, const char *path, struct err *err)
{
	size_t top = strlen(layout->mount[controller]);
	char parent[PATH_MAX], now[PATH_MAX];

	snprintf(now, sizeof now, "%s", path);
	snprintf(parent, sizeof parent, "%s", layout->mount[controller]);
	for (char *slash = now + top; slash && *slash; slash = strchr(slash + 1, '/')) {
		char *next = strchr(slash + 1, '/');

		if (next)
			*next = 0;
		if (layout->v2)
			enable_v2_controllers(layout, parent);
		if (mkdir(now, 0755) < 0 && errno != EEXIST)
			return err_errno(err, "cannot make the cgroup %s", now);
		if (!layout->v2 && controller == CGROUP_CPUSET &&
		    (copy_cpuset(parent, now, "cpuset.cpus", err) < 0 ||
		     copy_cpuset(parent, now, "cpuset.mems", err) < 0))
			return err_wrap(err, "cannot make the cgroup %s", now);
		snprintf(parent, sizeof parent, "%s", now);
		if (!next)
			break;
		*next = '/';
	}
	return 0;
}

int cgroup_make(const struct cgroup_layout *layout, const char *group, struct err *err)
{
	char path[PATH_MAX];

	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		/* cpuset may share its mount with others, its values must be copied all the same */
		if (!is_first_with_mount(layout, i) && !(i == CGROUP_CPUSET && layout->has[i] && !layout->v2))
			continue;
		if (path_of(layout, i, group, path, err) < 0 || make_one(layout, i, path, err) < 0)
			return err->code;
	}
	return 0;
}

bool cgroup_exists(const struct cgroup_layout *layout, const char *group)
{
	char path[PATH_MAX];
	struct err ignored;

	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (is_first_with_mount(layout, i) && controllers[i].counts &&
		    (path_of(layout, i, group, path, &ignored) < 0 || access(path, F_OK) < 0))
			return false;
	return true;
}

/* ---- values ---- */

static int file_of(const struct cgroup_layout *layout, enum cgroup_controller controller, const char *group,
		   const char *file, char path[PATH_MAX], struct err *err)
{
	char folder[PATH_MAX];

	if (!layout->has[controller])
		return err_set(err, -ENOENT, "there is no cgroup controller %s", controllers[controller].name);
	if (path_of(layout, controller, group, folder, err) < 0)
		return err->code;
	if (snprintf(path, PATH_MAX, "%s/%s", folder, file) >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "the name of the cgroup %.64s... is too long", group);
	return 0;
}

int cgroup_write(const struct cgroup_layout *layout, enum cgroup_controller controller, const char *group,
		 const char *file, const char *value, struct err *err)
{
	char path[PATH_MAX];

	if (file_of(layout, controller, group, file, path, err) < 0)
		return err->code;
	return file_poke(path, value, err);
}

int cgroup_read(const struct cgroup_layout *layout, enum cgroup_controller controller, const char *group,
		const char *file, char *into, size_t size, struct err *err)
{
	_cleanup_buf_ struct buf value = BUF_INIT(VALUE_MAX);
	char path[PATH_MAX];

	if (file_of(layout, controller, group, file, path, err) < 0 || file_read(path, &value, err) < 0)
		return err->code;
	snprintf(into, size, "%.*s", (int)strcspn(buf_text(&value), "\n"), buf_text(&value));
	return 0;
}

/* ---- ending ---- */

/* Depth first: calls `visit` with each folder, the deepest first. A loop in the tree cannot be; depth is bounded. */
static void walk(char path[PATH_MAX], int depth, void (*visit)(const char *path, void *owner), void *owner)
{
	size_t size = strlen(path);
	_cleanup_dir_ DIR *folder = depth < DEPTH_MAX ? opendir(path) : NULL;

	for (struct dirent *entry; folder && (entry = readdir(folder));) {
		if (entry->d_type != DT_DIR || str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..") ||
		    size + 1 + strlen(entry->d_name) >= PATH_MAX)
			continue;
		snprintf(path + size, PATH_MAX - size, "/%s", entry->d_name);
		walk(path, depth + 1, visit, owner);
		path[size] = 0;
	}
	visit(path, owner);
}

static void kill_in(const char *path, void *owner)
{
	_cleanup_buf_ struct buf procs = BUF_INIT(PROCS_MAX);
	char file[PATH_MAX + 32];
	struct err ignored;
	int *killed = owner;

	snprintf(file, sizeof file, "%s/cgroup.procs", path);
	if (file_read(file, &procs, &ignored) < 0)
		return;
	for (const char *line = buf_text(&procs); *line;) {
		size_t size = strcspn(line, "\n");
		_cleanup_free_ char *digits = xstrndup(line, size);
		int64_t pid;

		/* 0 is a process of another pid namespace, which only the runtime can reach. */
		if (str_to_i64(digits, 0, INT32_MAX, &pid) < 0)
			break;
		if (pid > 1 && pid != getpid()) {
			kill((pid_t)pid, SIGKILL);
			(*killed)++;
		}
		line += size + (line[size] == '\n');
	}
}

int cgroup_kill(const struct cgroup_layout *layout, const char *group)
{
	int killed = 0;
	char path[PATH_MAX];
	struct err ignored;

	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (is_first_with_mount(layout, i) && path_of(layout, i, group, path, &ignored) == 0 &&
		    strlen(path) > strlen(layout->mount[i]))
			walk(path, 0, kill_in, &killed);
	return killed;
}

static void remove_one(const char *path, void *owner)
{
	struct err *err = owner;

	if (rmdir(path) < 0 && errno != ENOENT)
		err_errno(err, "cannot remove the cgroup %s", path);
}

int cgroup_remove(const struct cgroup_layout *layout, const char *group, struct err *err)
{
	char path[PATH_MAX];

	err->code = 0;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		if (!is_first_with_mount(layout, i))
			continue;
		if (path_of(layout, i, group, path, err) < 0)
			break;
		if (strlen(path) == strlen(layout->mount[i]))
			return err_set(err, -EINVAL, "the top cgroup cannot be removed");
		walk(path, 0, remove_one, err);
	}
	return err->code;
}

/* ---- listing ---- */

int cgroup_each(const struct cgroup_layout *layout, const char *group, void (*found)(void *owner, const char *name),
		void *owner, struct err *err)
{
	_cleanup_map_ struct map *names = map_new();
	const char *name;
	void *value;

	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		char path[PATH_MAX];

		if (!is_first_with_mount(layout, i))
			continue;
		if (path_of(layout, i, group, path, err) < 0)
			return err->code;
		_cleanup_dir_ DIR *folder = opendir(path);

		if (!folder && errno != ENOENT)
			return err_errno(err, "cannot list the cgroup %s", path);
		for (struct dirent *entry; folder && (entry = readdir(folder));)
			if (entry->d_type == DT_DIR && !str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..") &&
			    map_size(names) < CHILDREN_MAX)
				map_set(names, entry->d_name, names);
	}
	for (size_t at = 0; map_next(names, &at, &name, &value);)
		found(owner, name);
	return 0;
}
