/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Descriptors that close themselves, and files small enough to be read and replaced whole.
 *
 * Names are taken as given; a caller that joins parts from a peer checks them first (path_is_plain_name).
 */
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "pkg/base/arena.h"
#include "pkg/base/buf.h"
#include "pkg/base/err.h"

void fd_done(int *fd); /* closes unless negative; keeps errno */
#define _cleanup_fd_ __attribute__((cleanup(fd_done)))
int fd_steal(int *fd); /* takes the descriptor away from its owner, -1 stays behind */

void dir_done(DIR **dir); /* closes unless NULL */
DIR *dir_entries(int fd); /* of an open folder, from the first; the descriptor stays the caller's. NULL: errno */
#define _cleanup_dir_ __attribute__((cleanup(dir_done)))

/* All bytes or -errno. For regular files, pipes and blocking sockets. */
int fd_write_all(int fd, const void *bytes, size_t size);

/*
 * Appends the whole file to `into`. -ENOENT when there is none (the one code callers may match), -EFBIG past the
 * buffer's limit. Works for /proc and /sys files, whose size is not known ahead. Failures are said in Go's words, since
 * users see them: "open X: no such file or directory".
 */
int file_read(const char *path, struct buf *into, struct err *err);

/* The same as one text in the arena, or malloc'ed. */
int file_read_text(const char *path, size_t limit, struct arena *arena, const char **ret_text, struct err *err);
int file_read_copy(const char *path, size_t limit, char **ret_text, struct err *err);

/*
 * Replaces the file so that a reader sees the old content or the new one, never a mixture, also after power loss.
 * On failure the old content is still there and no temporary file is left.
 */
int file_replace(const char *path, const void *bytes, size_t size, mode_t mode, struct err *err);

/* The same, where others look into the folder too: `temporary` is the name that they know to be no file yet. */
int file_replace_by(const char *path, const char *temporary, const void *bytes, size_t size, mode_t mode,
		    struct err *err);

/* Writes to an existing file in one write(2), as cgroup and sysctl files want it. */
int file_poke(const char *path, const char *text, struct err *err);

int dir_make_all(const char *path, mode_t mode, struct err *err); /* like mkdir -p; existing folders keep their mode */

/* Removes a whole tree without following links; what is gone already is no failure. Stays on one file system. */
int dir_remove_all(const char *path, struct err *err);

/* One component that stays inside its folder: not empty, not "." or "..", no slash, at most 255 bytes. */
bool path_is_plain_name(const char *name);
