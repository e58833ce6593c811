/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/sys/mount.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "pkg/base/base.h"
#include "pkg/base/log.h"
#include "pkg/sys/mountinfo.h"

int mount_tmpfs(const char *target, int64_t size_bytes, struct err *err)
{
	char options[64] = "noswap";

	if (size_bytes > 0)
		snprintf(options, sizeof options, "noswap,size=%" PRId64, size_bytes);
	if (mount("tmpfs", target, "tmpfs", 0, options) == 0)
		return 0;
	if (errno == EINVAL &&
	    mount("tmpfs", target, "tmpfs", 0, strchr(options, ',') ? strchr(options, ',') + 1 : "") == 0)
		return 0;
	return err_errno(err, "cannot mount a tmpfs at %s", target);
}

int mount_end(const char *target, struct err *err)
{
	/* EINVAL: not a mount point any more; somebody was faster. */
	if (umount2(target, UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return err_errno(err, "cannot unmount %s", target);
	return 0;
}

int mount_is_point(const char *target, struct err *err)
{
	char parent[PATH_MAX];
	struct stat here, above;

	if ((size_t)snprintf(parent, sizeof parent, "%s/..", target) >= sizeof parent)
		return err_set(err, -ENAMETOOLONG, "the path is too long: %s", target);
	if (stat(target, &here) < 0 || stat(parent, &above) < 0)
		return err_errno(err, "cannot look at %s", target);
	return here.st_dev != above.st_dev;
}

enum mount_sharing mount_sharing(const char *table, size_t size, const char *folder)
{
	size_t own = strcmp(folder, "/") == 0 ? 0 : strlen(folder), best = 0;
	bool is_shared = false, covers = false;
	struct mountinfo_line line;

	for (size_t at = 0; mountinfo_next(table, size, &at, &line);) {
		size_t above = strcmp(line.target, "/") == 0 ? 0 : strlen(line.target);

		covers |= above > own && strncmp(line.target, folder, own) == 0 && line.target[own] == '/';
		/* The nearest one, and of several at one place the last, which is on top. */
		if (above < best || above > own || strncmp(folder, line.target, above) != 0 ||
		    (above < own && folder[above] != '/'))
			continue;
		best = above;
		is_shared = line.is_shared;
	}
	return is_shared ? MOUNT_IS_SHARED : covers ? MOUNT_IS_COVERED : MOUNT_IS_PRIVATE;
}

int mount_make_shared(const char *folder, struct err *err)
{
	_cleanup_buf_ struct buf table = BUF_INIT(MOUNTINFO_MAX);
	_cleanup_free_ char *path = realpath(folder, NULL);
	enum mount_sharing sharing;

	if (!path)
		return err_errno(err, "cannot look at %s", folder);
	if (mountinfo_read(&table, err) < 0)
		return err->code;
	sharing = mount_sharing(buf_text(&table), table.size, path);
	if (sharing == MOUNT_IS_COVERED)
		log_warn("Mounts below the folder hide it from mount propagation", "folder", path, NULL);
	if (sharing != MOUNT_IS_PRIVATE)
		return 0;
	if (mount(path, path, NULL, MS_BIND, NULL) < 0)
		return err_errno(err, "failed to bind-mount %s", path);
	if (mount(NULL, path, NULL, MS_SHARED | MS_REC, NULL) < 0)
		return err_errno(err, "failed to make %s rshared", path);
	return 0;
}

int mount_main(int argc, char **argv)
{
	struct err err;

	if (argc != 3 || strcmp(argv[1], "umount") != 0) {
		fprintf(stderr, "usage: %s umount PATH\n", MOUNT_HELPER);
		return 2;
	}
	if (mount_end(argv[2], &err) < 0) {
		fprintf(stderr, "%s", err.text);
		return 1;
	}
	return 0;
}
