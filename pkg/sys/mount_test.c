/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/sys/mount.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/test/test.h"

#define ROOT "22 1 8:1 / / rw - ext4 /dev/sda rw\n"
#define SHARED_ROOT "22 1 8:1 / / rw shared:1 - ext4 /dev/sda rw\n"
#define SLAVE_ROOT "22 1 8:1 / / rw master:1 - ext4 /dev/sda rw\n"
#define VAR "23 22 8:2 / /var rw shared:2 - ext4 /dev/sdb rw\n"
#define NEIGHBOUR "24 22 8:2 / /var/lib/kube rw shared:2 - ext4 /dev/sdb rw\n"
#define OWN "25 22 8:1 /var/lib/kubelet /var/lib/kubelet rw shared:3 - ext4 /dev/sda rw\n"
#define OWN_PRIVATE "25 22 8:1 /var/lib/kubelet /var/lib/kubelet rw - ext4 /dev/sda rw\n"
#define BELOW "26 22 0:9 / /var/lib/kubelet/pods/1/v rw - tmpfs tmpfs rw\n"

TEST(a_folder_is_as_shared_as_the_nearest_mount)
{
	static const struct {
		const char *rule, *table;
		enum mount_sharing want;
	} rows[] = {
		{ "a private root", ROOT, MOUNT_IS_PRIVATE },
		{ "a shared root", SHARED_ROOT, MOUNT_IS_SHARED },
		{ "a slave gives nothing back", SLAVE_ROOT, MOUNT_IS_PRIVATE },
		{ "the nearest counts", ROOT VAR, MOUNT_IS_SHARED },
		{ "a name that begins alike is another", ROOT NEIGHBOUR, MOUNT_IS_PRIVATE },
		{ "made so before", ROOT OWN, MOUNT_IS_SHARED },
		{ "the one on top counts", ROOT OWN OWN_PRIVATE, MOUNT_IS_PRIVATE },
		{ "what is mounted below would be hidden", ROOT BELOW, MOUNT_IS_COVERED },
		{ "but not by a mount that is there", ROOT OWN BELOW, MOUNT_IS_SHARED },
		{ "no table", "", MOUNT_IS_PRIVATE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(rows[i].rule, mount_sharing(rows[i].table, strlen(rows[i].table), "/var/lib/kubelet"), ==,
			  rows[i].want);
	CHECK_INT("the root itself", mount_sharing(SHARED_ROOT, strlen(SHARED_ROOT), "/"), ==, MOUNT_IS_SHARED);
	CHECK_INT("a folder of the root", mount_sharing(ROOT, strlen(ROOT), "/x"), ==, MOUNT_IS_PRIVATE);
}
