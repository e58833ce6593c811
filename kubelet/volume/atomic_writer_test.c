/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/volume/atomic_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kubelet/volume/ownership.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/test/test.h"

static struct payload payload_of(struct arena *arena, const char *const *pairs)
{
	struct payload payload = { .arena = arena };
	struct err err;

	for (; pairs[0]; pairs += 2)
		CHECK_OK(payload_put(&payload, pairs[0], pairs[1], strlen(pairs[1]), 0644, -1, &err), &err);
	return payload;
}

static const char *read_in(const char *dir, const char *name)
{
	static struct buf content;
	char path[512];
	struct err err;

	buf_done(&content);
	content = BUF_INIT(4096);
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return file_read(path, &content, &err) < 0 ? NULL : buf_text(&content);
}

static int count_entries(const char *dir)
{
	DIR *entries = opendir(dir);
	int n = 0;

	while (readdir(entries))
		n++;
	closedir(entries);
	return n - 2;
}

static unsigned mode_in(const char *dir, const char *name)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

TEST(writes_then_changes_at_once)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const char *dir = test_folder();
	_cleanup_payload_ struct payload one =
		payload_of(arena, (const char *[]){ "a", "1", "b/c", "2", "b/d/e", "", NULL });
	_cleanup_payload_ struct payload two =
		payload_of(arena, (const char *[]){ "a", "1", "b/c", "changed", "f", "new", NULL });
	_cleanup_payload_ struct payload none = { .arena = arena };
	bool written;
	struct err err;

	CHECK_OK(atomic_write(dir, &one, -1, &written, &err), &err);
	CHECK("written", written);
	CHECK_STR("a", read_in(dir, "a"), "1");
	CHECK_STR("b/c", read_in(dir, "b/c"), "2");
	CHECK_STR("empty file", read_in(dir, "b/d/e"), "");
	CHECK_INT("a, b, ..data and the version", count_entries(dir), ==, 4);

	CHECK_OK(atomic_write(dir, &one, -1, &written, &err), &err);
	CHECK("not written again", !written);

	CHECK_OK(atomic_write(dir, &two, -1, &written, &err), &err);
	CHECK("written", written);
	CHECK_STR("changed", read_in(dir, "b/c"), "changed");
	CHECK_STR("new", read_in(dir, "f"), "new");
	CHECK("gone", !read_in(dir, "b/d/e"));
	CHECK_INT("one version", count_entries(dir), ==, 5);

	CHECK_OK(atomic_write(dir, &none, -1, &written, &err), &err);
	CHECK("empty is a version too", written && !read_in(dir, "a"));
	CHECK_INT("..data and the version", count_entries(dir), ==, 2);
	read_in(dir, "nothing");
}

TEST(a_part_of_a_folder_that_goes_is_a_change)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const char *dir = test_folder();
	_cleanup_payload_ struct payload one = payload_of(arena, (const char *[]){ "b/c", "2", "b/d", "3", NULL });
	_cleanup_payload_ struct payload two = payload_of(arena, (const char *[]){ "b/c", "2", NULL });
	bool written;
	struct err err;

	CHECK_OK(atomic_write(dir, &one, -1, NULL, &err), &err);
	CHECK_OK(atomic_write(dir, &two, -1, &written, &err), &err);
	CHECK("written", written && !read_in(dir, "b/d"));
	CHECK_STR("kept", read_in(dir, "b/c"), "2");
	read_in(dir, "nothing");
}

TEST(repairs_links_and_what_a_dead_kubelet_left)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const char *dir = test_folder();
	_cleanup_payload_ struct payload one = payload_of(arena, (const char *[]){ "a", "1", NULL });
	_cleanup_payload_ struct payload two = payload_of(arena, (const char *[]){ "a", "2", NULL });
	char path[512];
	bool written;
	struct err err;

	CHECK_OK(atomic_write(dir, &one, -1, NULL, &err), &err);
	snprintf(path, sizeof path, "%s/a", dir);
	CHECK_INT("unlink", unlink(path), ==, 0);
	CHECK_OK(atomic_write(dir, &one, -1, &written, &err), &err);
	CHECK("link only", !written);
	CHECK_STR("back", read_in(dir, "a"), "1");

	snprintf(path, sizeof path, "%s/..data_tmp", dir);
	CHECK_INT("half", symlink("..2000_01_01_00_00_00.1", path), ==, 0);
	snprintf(path, sizeof path, "%s/..2000_01_01_00_00_00.1", dir);
	CHECK_INT("half", mkdir(path, 0755), ==, 0);
	CHECK_OK(atomic_write(dir, &two, -1, &written, &err), &err);
	CHECK_STR("new", read_in(dir, "a"), "2");
	CHECK_INT("nothing left over", count_entries(dir), ==, 3);
	read_in(dir, "nothing");
}

TEST(modes_owners_and_the_group)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const char *dir = test_folder();
	_cleanup_payload_ struct payload payload = { .arena = arena };
	char path[512];
	struct stat st;
	struct err err;

	if (geteuid() != 0)
		test_skip("needs root");
	chmod(dir, 0777);
	CHECK_OK(payload_put(&payload, "mine", "x", 1, 0600, 1234, &err), &err);
	CHECK_OK(payload_put(&payload, "run", "x", 1, 0755, -1, &err), &err);
	CHECK_OK(atomic_write(dir, &payload, 77, NULL, &err), &err);
	CHECK_INT("0600 and the group's read", mode_in(dir, "mine"), ==, 0640);
	CHECK_INT("0755 stays", mode_in(dir, "run"), ==, 0755);
	CHECK_INT("version", mode_in(dir, "..data"), ==, 02755);
	CHECK_INT("volume", mode_in(dir, ""), ==, 02777);
	snprintf(path, sizeof path, "%s/mine", dir);
	CHECK_INT("stat", stat(path, &st), ==, 0);
	CHECK_INT("owner", st.st_uid, ==, 1234);
	CHECK_INT("group", st.st_gid, ==, 77);
	CHECK_INT("lstat", lstat(path, &st), ==, 0);
	CHECK_INT("owner of the link", st.st_uid, ==, 1234);
	CHECK("root matches", ownership_root_matches(dir, 77, true) && !ownership_root_matches(dir, 78, true));
}

TEST(failure_leaves_the_old_version)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const char *dir = test_folder();
	_cleanup_payload_ struct payload one = payload_of(arena, (const char *[]){ "a", "1", NULL });
	_cleanup_payload_ struct payload clash = payload_of(arena, (const char *[]){ "b", "1", "b/c", "2", NULL });
	struct err err;

	CHECK_OK(atomic_write(dir, &one, -1, NULL, &err), &err);
	CHECK_INT("a file and a folder of one name", atomic_write(dir, &clash, -1, NULL, &err), <, 0);
	CHECK_STR("old", read_in(dir, "a"), "1");
	CHECK_INT("no half version", count_entries(dir), ==, 3);
	CHECK_INT("no folder", atomic_write("/no/such/folder", &one, -1, NULL, &err), ==, -ENOENT);
	read_in(dir, "nothing");
}

/* Names that begin like a folder of the volume, and sort on both sides of what is in it. */
TEST(a_volume_that_is_right_is_not_written_again)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_payload_ struct payload payload =
		payload_of(arena, (const char *[]){ "a/b", "1", "a-1", "2", "a/c/d", "3", "a.b", "4", "ab/c", "5", "A",
						    "6", NULL });
	const char *dir = test_folder();
	bool written = false;
	struct err err;

	CHECK_OK(atomic_write(dir, &payload, -1, &written, &err), &err);
	CHECK("first", written);
	CHECK_OK(atomic_write(dir, &payload, -1, &written, &err), &err);
	CHECK("second", !written);
	CHECK_STR("in the folder", read_in(dir, "a/c/d"), "3");
}
