/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Mounting. What may hang on a dead file system (umount) runs in a child that can be killed: this program again, under
 * the name MOUNT_HELPER.
 */
#include <stddef.h>
#include <stdint.h>

#include "pkg/base/err.h"

#define MOUNT_HELPER "kubelet-mount"

/* A tmpfs at an existing folder; size_bytes 0 leaves the kernel's default. Never swapped where
 * the kernel can promise that (6.4), since secrets are kept there. Does not hang. */
int mount_tmpfs(const char *target, int64_t size_bytes, struct err *err);

/*
 * Takes away what is mounted at the folder; nothing there is a success. May hang, unless it is a tmpfs: for others run
 * the helper.
 */
int mount_end(const char *target, struct err *err);

/* Whether something is mounted right at the folder. */
int mount_is_point(const char *target, struct err *err);

/*
 * Lets mounts below a folder reach containers and come from them: where the mount that it is on is not shared, the
 * folder becomes a shared mount of its own. Not while something is mounted below, which would be hidden for good.
 */
enum mount_sharing { MOUNT_IS_SHARED, MOUNT_IS_PRIVATE, MOUNT_IS_COVERED };
enum mount_sharing mount_sharing(const char *table, size_t size, const char *folder); /* of a mountinfo; pure */
int mount_make_shared(const char *folder, struct err *err);

/*
 * The helper: `kubelet-mount umount PATH`. main() calls it when the last part of argv[0] is MOUNT_HELPER. Exit code 0
 * when nothing is mounted at PATH any more, else 1 with one sentence on stderr.
 */
int mount_main(int argc, char **argv);
