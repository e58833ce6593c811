/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/volume/ownership.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"

enum {
	DEPTH_MAX = 1000, /* one descriptor a level */
	READ_WRITE = 0660,
	READ_ONLY = 0440,
	FOLDER = S_ISGID | 0110,
};

static void set_one(int folder, const char *name, const struct stat *st, int64_t group, bool read_only)
{
	mode_t mask = read_only ? READ_ONLY : READ_WRITE;

	(void)!fchownat(folder, name, (uid_t)-1, (gid_t)group, AT_SYMLINK_NOFOLLOW);
	if (S_ISLNK(st->st_mode))
		return;
	if (S_ISDIR(st->st_mode))
		mask |= FOLDER;
	/* Not through a link that took its place since it was looked at. */
	(void)!fchmodat(folder, name, (st->st_mode & 07777) | mask, AT_SYMLINK_NOFOLLOW);
}

static int set_below(int folder, int64_t group, bool read_only, int depth)
{
	_cleanup_dir_ DIR *entries = fdopendir(folder);
	int code = 0;

	if (!entries) {
		code = -errno;
		close(folder);
		return code;
	}
	if (depth > DEPTH_MAX)
		return -ELOOP;
	for (struct dirent *entry; code == 0 && (entry = readdir(entries));) {
		struct stat st;

		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..") ||
		    fstatat(dirfd(entries), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			int inner =
				openat(dirfd(entries), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			code = inner < 0 ? -errno : set_below(inner, group, read_only, depth + 1);
		}
		set_one(dirfd(entries), entry->d_name, &st, group, read_only);
	}
	return code;
}

int ownership_set(const char *dir, int64_t group, bool read_only, struct err *err)
{
	int folder = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (folder < 0)
		return err_errno(err, "cannot open %s", dir);

	int code = set_below(folder, group, read_only, 0);

	if (code < 0) {
		errno = -code;
		return err_errno(err, "cannot give %s to the group %lld", dir, (long long)group);
	}
	if (lstat(dir, &st) < 0)
		return err_errno(err, "cannot look at %s", dir);
	set_one(AT_FDCWD, dir, &st, group, read_only);
	return 0;
}

bool ownership_root_matches(const char *dir, int64_t group, bool read_only)
{
	mode_t mask = (read_only ? READ_ONLY : READ_WRITE) | FOLDER;
	struct stat st;

	return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && (int64_t)st.st_gid == group &&
	       (st.st_mode & mask) == mask;
}
