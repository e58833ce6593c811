/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/volume/atomic_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kubelet/volume/ownership.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/base/rand.h"

#define DATA_LINK "..data"
#define NEW_DATA_LINK "..data_tmp"

enum {
	VERSION_NAME_MAX = 64, /* "..2026_11_25_08_00_00.1234567890" */
	NAME_TRIES = 100,      /* one in four billion is taken */
	DEPTH_MAX = 2048,      /* a path of 4096 characters has no more parts */
};

/* ---- what is there ---- */

/* The folder that `..data` names; empty when there is none, or when it names anything but a version of ours. */
static int read_version(int dir, char version[VERSION_NAME_MAX], struct err *err)
{
	ssize_t n = readlinkat(dir, DATA_LINK, version, VERSION_NAME_MAX - 1);

	if (n < 0 && errno != ENOENT && errno != EINVAL)
		return err_errno(err, "cannot read the link %s", DATA_LINK);
	version[MAX(n, (ssize_t)0)] = 0;
	if (strncmp(version, "..", 2) != 0 || !path_is_plain_name(version) || n == VERSION_NAME_MAX - 1)
		version[0] = 0;
	return 0;
}

static bool has_content(int folder, const struct payload_file *file)
{
	_cleanup_fd_ int fd = openat(folder, file->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	const char *expected = file->bytes;
	char bytes[4096];
	size_t at = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size != file->size)
		return false;
	while (at < file->size) {
		ssize_t n = read(fd, bytes, MIN(sizeof bytes, file->size - at));

		if (n <= 0 || memcmp(bytes, expected + at, (size_t)n) != 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* The paths of a payload in order, to be looked up. */
struct paths {
	const char **sorted;
	size_t n;
};

static void paths_done(struct paths *paths)
{
	free(paths->sorted);
}

static int by_path(const void *a, const void *b)
{
	return payload_compare(*(const char *const *)a, *(const char *const *)b);
}

static struct paths paths_of(const struct payload *payload)
{
	struct paths paths = { .sorted = xcalloc(payload->n, sizeof *paths.sorted) };

	for (const struct payload_file *file = payload->first; file; file = file->next)
		paths.sorted[paths.n++] = file->path;
	qsort(paths.sorted, paths.n, sizeof *paths.sorted, by_path);
	return paths;
}

/* Whether `path` is a file of the payload or a folder that leads to one: the first that is not before it tells. */
static bool is_in_payload(const struct paths *paths, const char *path)
{
	size_t size = strlen(path), low = 0, high = paths->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (payload_compare(paths->sorted[middle], path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < paths->n && strncmp(paths->sorted[low], path, size) == 0 &&
	       (paths->sorted[low][size] == 0 || paths->sorted[low][size] == '/');
}

/* Whether everything below `folder` is in the payload. */
static bool has_no_more(int folder, const char *prefix, const struct paths *paths, int depth)
{
	_cleanup_dir_ DIR *entries = dir_entries(folder);
	bool fine = entries && depth < DEPTH_MAX;

	for (struct dirent *entry; fine && (entry = readdir(entries));) {
		char path[PAYLOAD_PATH_MAX + 256];

		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		if (snprintf(path, sizeof path, "%s%s", prefix, entry->d_name) >= (int)sizeof path - 1 ||
		    !is_in_payload(paths, path)) {
			fine = false;
		} else if (entry->d_type == DT_DIR) {
			_cleanup_fd_ int inner =
				openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			size_t size = strlen(path);

			path[size] = '/';
			path[size + 1] = 0;
			fine = inner >= 0 && has_no_more(inner, path, paths, depth + 1);
		}
	}
	return fine;
}

static bool is_current(int dir, const char *version, const struct payload *payload, const struct paths *paths)
{
	if (!*version)
		return false;
	_cleanup_fd_ int folder = openat(dir, version, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (folder < 0)
		return false;
	for (const struct payload_file *file = payload->first; file; file = file->next)
		if (!has_content(folder, file))
			return false;
	return has_no_more(folder, "", paths, 0);
}

/* ---- a new version ---- */

static int make_version(int dir, char version[VERSION_NAME_MAX], struct err *err)
{
	time_t now = (time_t)(clock_wall_s());
	struct tm tm;

	gmtime_r(&now, &tm);
	for (int i = 0; i < NAME_TRIES; i++) {
		size_t n = strftime(version, VERSION_NAME_MAX, "..%Y_%m_%d_%H_%M_%S.", &tm);

		snprintf(version + n, VERSION_NAME_MAX - n, "%u", rand_below(UINT32_MAX));
		if (mkdirat(dir, version, 0755) == 0) {
			/* whatever the umask: everybody must be able to pass */
			if (fchmodat(dir, version, 0755, 0) < 0)
				return err_errno(err, "cannot set the mode of %s", version);
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return err_errno(err, "cannot make the folder %s", version);
}

static int write_file(int folder, const struct payload_file *file, struct err *err)
{
	char path[PAYLOAD_PATH_MAX + 1];

	snprintf(path, sizeof path, "%s", file->path);
	for (char *slash = path; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		if (mkdirat(folder, path, 0755) < 0 && errno != EEXIST)
			return err_errno(err, "cannot make the folder %s", path);
		*slash = '/';
	}

	_cleanup_fd_ int fd = openat(folder, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int code;

	if (fd < 0)
		return err_errno(err, "cannot create %s", path);
	code = fd_write_all(fd, file->bytes, file->size);
	if (code < 0)
		return err_set(err, code, "cannot write %s: %s", path, strerror(-code));
	if (fchmod(fd, file->mode & 07777) < 0)
		return err_errno(err, "cannot set the mode of %s", path);
	if (file->owner >= 0 && fchown(fd, (uid_t)file->owner, (gid_t)-1) < 0)
		return err_errno(err, "cannot set the owner of %s", path);
	return 0;
}

static int write_files(int dir, const char *version, const struct payload *payload, struct err *err)
{
	_cleanup_fd_ int folder = openat(dir, version, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (folder < 0)
		return err_errno(err, "cannot open the folder %s", version);
	for (const struct payload_file *file = payload->first; file; file = file->next)
		if (write_file(folder, file, err) < 0)
			return err->code;
	return 0;
}

static int switch_to(int dir, const char *version, struct err *err)
{
	unlinkat(dir, NEW_DATA_LINK, 0); /* of a kubelet that died in between */
	if (symlinkat(version, dir, NEW_DATA_LINK) < 0)
		return err_errno(err, "cannot make the link %s", NEW_DATA_LINK);
	if (renameat(dir, NEW_DATA_LINK, dir, DATA_LINK) < 0)
		return err_errno(err, "cannot replace the link %s", DATA_LINK);
	return 0;
}

/* ---- what the container sees ---- */

static int make_links(int dir, const struct payload *payload, struct err *err)
{
	for (const struct payload_file *file = payload->first; file; file = file->next) {
		char name[PAYLOAD_NAME_MAX + 1], target[PAYLOAD_NAME_MAX + 16], old[8];

		snprintf(name, sizeof name, "%.*s", (int)strcspn(file->path, "/"), file->path);
		if (readlinkat(dir, name, old, sizeof old) >= 0 || errno != ENOENT)
			continue;
		snprintf(target, sizeof target, DATA_LINK "/%s", name);
		if (symlinkat(target, dir, name) < 0)
			return err_errno(err, "cannot make the link %s", name);
		if (file->owner >= 0 && fchownat(dir, name, (uid_t)file->owner, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0)
			return err_errno(err, "cannot set the owner of the link %s", name);
	}
	return 0;
}

/* Links into `..data` that nothing is behind any more, and versions that a dead kubelet or we have left. */
static int remove_stale(const char *path, int dir, const char *version, const struct paths *paths, struct err *err)
{
	_cleanup_dir_ DIR *entries = dir_entries(dir);
	int code = 0;

	if (!entries)
		return err_errno(err, "cannot list %s", path);
	for (struct dirent *entry; code == 0 && (entry = readdir(entries));) {
		const char *name = entry->d_name;
		char target[16] = "";

		if (str_eq(name, ".") || str_eq(name, "..") || str_eq(name, DATA_LINK) || str_eq(name, version))
			continue;
		if (str_has_prefix(name, "..")) {
			_cleanup_free_ char *old = xasprintf("%s/%s", path, name);

			code = dir_remove_all(old, err);
		} else if (readlinkat(dir, name, target, sizeof target - 1) > 0 &&
			   str_has_prefix(target, DATA_LINK "/") && !is_in_payload(paths, name)) {
			if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
				code = err_errno(err, "cannot remove the link %s", name);
		}
	}
	return code;
}

static int write_version(const char *path, int dir, const struct payload *payload, int64_t group,
			 char version[VERSION_NAME_MAX], struct err *err)
{
	char made[VERSION_NAME_MAX] = "";
	struct err ignored;
	int code = make_version(dir, made, err);

	if (code == 0)
		code = write_files(dir, made, payload, err);
	/* The whole volume, not only the new folder: at the first time the volume's own folder is new too. */
	if (code == 0 && group >= 0)
		code = ownership_set(path, group, true, err);
	if (code == 0)
		code = switch_to(dir, made, err);
	if (code < 0 && *made) {
		_cleanup_free_ char *half = xasprintf("%s/%s", path, made);

		(void)dir_remove_all(half, &ignored);
	}
	if (code == 0)
		memcpy(version, made, sizeof made);
	return code;
}

int atomic_write(const char *dir, const struct payload *payload, int64_t group, bool *ret_written, struct err *err)
{
	_cleanup_fd_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_(paths_done) struct paths paths = paths_of(payload);
	char version[VERSION_NAME_MAX];
	bool write;

	if (fd < 0)
		return err_errno(err, "cannot open %s", dir);
	if (read_version(fd, version, err) < 0)
		return err->code;
	write = !is_current(fd, version, payload, &paths);
	if (write && write_version(dir, fd, payload, group, version, err) < 0)
		return err->code;
	if (make_links(fd, payload, err) < 0 || (write && remove_stale(dir, fd, version, &paths, err) < 0))
		return err->code;
	if (ret_written)
		*ret_written = write;
	return 0;
}
