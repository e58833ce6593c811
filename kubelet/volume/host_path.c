/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostPath must be, looked at in a child of ours. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kubelet/volume/internal.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/sys/mount.h"

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "Directory";
	case S_IFREG:
		return "File";
	case S_IFSOCK:
		return "Socket";
	case S_IFCHR:
		return "CharDevice";
	case S_IFBLK:
		return "BlockDevice";
	default:
		return NULL;
	}
}

static int host_path_is(const char *path, mode_t type, const char *what, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? err_set(err, -EINVAL,
						 "hostPath type check failed, %s is not a %s, unable to determine its "
						 "type: path \"%s\" does not exist",
						 path, what, path)
				       : err_errno(err,
						   "hostPath type check failed, %s is not a %s, unable to determine "
						   "its type: stat %s",
						   path, what, path);
	if ((st.st_mode & S_IFMT) == type)
		return 0;
	if (!type_name(st.st_mode))
		return err_set(
			err, -EINVAL,
			"hostPath type check failed, %s is not a %s, unable to determine its type: only recognise "
			"file, directory, socket, block device and character device",
			path, what);
	return err_set(err, -EINVAL, "hostPath type check failed: %s is not a %s, it's a %s", path, what,
		       type_name(st.st_mode));
}

/* A failure names the part of the path that is in the way. */
static int make_dir(const char *path, struct err *err)
{
	_cleanup_free_ char *part = xstrdup(path);
	struct err why;
	int code = dir_make_all(path, 0755, &why);

	if (code == 0)
		return 0;
	for (char *slash; code == -ENOTDIR && access(part, F_OK) < 0 && (slash = strrchr(part, '/')) && slash > part;)
		*slash = 0;
	errno = -code;
	return err_errno(err, "mkdir %s", part);
}

/* The type checks of a hostPath, in stock's words. */
static int check(const char *type, const char *path, struct err *err)
{
	static const struct {
		const char *type;
		mode_t mode;
		const char *what;
	} types[] = {
		{ "Directory", S_IFDIR, "directory" },
		{ "DirectoryOrCreate", S_IFDIR, "directory" },
		{ "File", S_IFREG, "file" },
		{ "FileOrCreate", S_IFREG, "file" },
		{ "Socket", S_IFSOCK, "socket file" },
		{ "CharDevice", S_IFCHR, "character device" },
		{ "BlockDevice", S_IFBLK, "block device" },
	};

	if (str_empty(type))
		return 0;
	if (str_eq(type, "DirectoryOrCreate") && access(path, F_OK) < 0) {
		int code = make_dir(path, err);

		if (code < 0)
			return code;
	}
	if (str_eq(type, "FileOrCreate") && access(path, F_OK) < 0) {
		/* Not exclusively: a link to nothing gets what it names. */
		_cleanup_fd_ int fd = open(path, O_CREAT | O_RDONLY | O_CLOEXEC, 0644);

		if (fd < 0)
			return err_errno(err, "open %s", path);
	}
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq(types[i].type, type))
			return host_path_is(path, types[i].mode, types[i].what, err);
	return err_set(err, -EINVAL, "%s is an invalid volume type", type);
}

int volume_helper_main(int argc, char **argv)
{
	struct err err;

	if (argc != 4 || !str_eq(argv[1], HOST_PATH_VERB))
		return mount_main(argc, argv);
	if (check(argv[2], argv[3], &err) == 0)
		return 0;
	fprintf(stderr, "%s", err.text);
	return 1;
}
