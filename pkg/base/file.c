/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkg/base/base.h"

enum {
	READ_STEP = 4096,
	TREE_DEPTH_MAX = 64, /* folders open at once, and calls inside each other */
};

void fd_done(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int fd_steal(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

int fd_write_all(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

int file_read(const char *path, struct buf *into, struct err *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_errno(err, "open %s", path);
	for (;;) {
		size_t step = MIN((size_t)READ_STEP, into->limit - into->size);
		char extra;
		char *place = step ? buf_reserve(into, step) : &extra; /* full: is there one byte more? */

		if (!place)
			return err_set(err, -EFBIG, "%s is larger than the %zu bytes allowed", path, into->limit);
		ssize_t n = read(fd, place, step ? step : 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "read %s", path);
		if (n == 0)
			return 0;
		if (step == 0)
			return err_set(err, -EFBIG, "%s is larger than the %zu bytes allowed", path, into->limit);
		buf_grow(into, (size_t)n);
	}
}

static void unlink_done(const char **path)
{
	if (*path)
		unlink(*path);
}

/* A new name is durable only once the folder that holds it is. */
static int sync_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder = slash ? xstrndup(path, MAX((size_t)(slash - path), (size_t)1)) : xstrdup(".");
	_cleanup_fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_read_text(const char *path, size_t limit, struct arena *arena, const char **ret_text, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(limit);
	int code = file_read(path, &text, err);

	if (code >= 0)
		*ret_text = arena_strdup(arena, buf_text(&text));
	return code;
}

int file_read_copy(const char *path, size_t limit, char **ret_text, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(limit);
	int code = file_read(path, &text, err);

	if (code >= 0)
		*ret_text = xstrdup(buf_text(&text));
	return code;
}

int file_replace(const char *path, const void *bytes, size_t size, mode_t mode, struct err *err)
{
	_cleanup_free_ char *name = xasprintf("%s.new", path);

	return file_replace_by(path, name, bytes, size, mode, err);
}

int file_replace_by(const char *path, const char *name, const void *bytes, size_t size, mode_t mode, struct err *err)
{
	_cleanup_(unlink_done) const char *temporary = NULL;
	_cleanup_fd_ int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		return err_errno(err, "cannot create %s", name);
	temporary = name;
	int code = fd_write_all(fd, bytes, size);
	if (code < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0) {
		if (code < 0)
			errno = -code;
		return err_errno(err, "cannot write %s", name);
	}
	if (rename(name, path) < 0)
		return err_errno(err, "cannot replace %s", path);
	temporary = NULL;
	if (sync_folder_of(path) < 0)
		return err_errno(err, "cannot make %s durable", path);
	return 0;
}

int file_poke(const char *path, const char *text, struct err *err)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, "open %s", path);
	if (write(fd, text, strlen(text)) < 0)
		return err_errno(err, "cannot write \"%s\" to %s", text, path);
	return 0;
}

int dir_make_all(const char *path, mode_t mode, struct err *err)
{
	_cleanup_free_ char *copy = xstrdup(path);

	for (char *at = copy + 1; *copy; at++) {
		char saved = *at;

		if (saved != '/' && saved != 0)
			continue;
		*at = 0;
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return err_errno(err, "cannot make the folder %s", copy);
		*at = saved;
		if (saved == 0)
			break;
	}
	return 0;
}

DIR *dir_entries(int fd)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);

	if (!dir && again >= 0)
		fd_done(&again);
	return dir;
}

void dir_done(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* A tree on its way out. */
struct removal {
	int top_fd;
	dev_t device;
	size_t n_moved; /* folders that lay too deep, and are right below the top now */
};

static int remove_below(struct removal *removal, DIR *folder, int depth);

/* A folder that lies so deep that recursion and open folders would not stay bounded: the top takes it, for later. */
static int move_up(struct removal *removal, int folder_fd, const char *name)
{
	char place[32];

	do {
		snprintf(place, sizeof place, ".deep-%zu", ++removal->n_moved);
		if (renameat(folder_fd, name, removal->top_fd, place) == 0)
			return 0;
	} while (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR); /* somebody has this very name there */
	return -errno;
}

static int remove_entry(struct removal *removal, int folder_fd, const char *name, int depth)
{
	struct stat st;

	if (unlinkat(folder_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	_cleanup_fd_ int fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != removal->device)
		return -EBUSY; /* something is still mounted here */
	if (depth == TREE_DEPTH_MAX)
		return move_up(removal, folder_fd, name);
	DIR *folder = fdopendir(fd);
	if (!folder)
		return -errno;
	fd = -1;
	int code = remove_below(removal, folder, depth + 1);
	if (code < 0)
		return code;
	return unlinkat(folder_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* Closes the folder. */
static int remove_below(struct removal *removal, DIR *folder,
			int depth) // NOLINT(misc-no-recursion): bounded by TREE_DEPTH_MAX
{
	_cleanup_dir_ DIR *dir = folder;

	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);

		if (!entry)
			return -errno;
		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		int code = remove_entry(removal, dirfd(dir), entry->d_name, depth);
		if (code < 0)
			return code;
	}
}

static int remove_folder(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct removal removal = { .top_fd = fd };
	struct stat st;
	size_t moved_before;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	removal.device = st.st_dev;
	do { /* again, as long as there were folders too deep */
		moved_before = removal.n_moved;
		DIR *folder = dir_entries(fd);
		int code = folder ? remove_below(&removal, folder, 0) : -errno;

		if (code < 0)
			return code;
		if (rmdir(path) == 0 || errno == ENOENT)
			return 0;
	} while (errno == ENOTEMPTY && removal.n_moved != moved_before);
	return -errno;
}

int dir_remove_all(const char *path, struct err *err)
{
	int code = unlink(path) == 0 || errno == ENOENT ? 0 : errno == EISDIR ? remove_folder(path) : -errno;

	if (code < 0) {
		errno = -code;
		return err_errno(err, "cannot remove %s", path);
	}
	return 0;
}

bool path_is_plain_name(const char *name)
{
	return !str_empty(name) && !str_eq(name, ".") && !str_eq(name, "..") && !strchr(name, '/') &&
	       strlen(name) <= NAME_MAX;
}
