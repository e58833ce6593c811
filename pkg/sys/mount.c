/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/sys/mount.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

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
