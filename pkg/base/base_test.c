/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkg/base/arena.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/err.h"
#include "pkg/base/file.h"
#include "pkg/base/list.h"
#include "pkg/base/log.h"
#include "pkg/base/map.h"
#include "pkg/base/memory.h"
#include "pkg/base/rate.h"
#include "pkg/test/test.h"

TEST(numbers_are_whole_and_in_range)
{
	static const struct {
		const char *text;
		int64_t low, high, want;
		int code;
	} rows[] = {
		{ "0", 0, 9, 0, 0 },
		{ "9", 0, 9, 9, 0 },
		{ "10", 0, 9, 0, -EINVAL },
		{ "-1", -5, 9, -1, 0 },
		{ "", 0, 9, 0, -EINVAL },
		{ "-", 0, 9, 0, -EINVAL },
		{ "1x", 0, 99, 0, -EINVAL },
		{ " 1", 0, 9, 0, -EINVAL },
		{ "+1", 0, 9, 0, -EINVAL },
		{ "9223372036854775807", INT64_MIN, INT64_MAX, INT64_MAX, 0 },
		{ "-9223372036854775808", INT64_MIN, INT64_MAX, INT64_MIN, 0 },
		{ "9223372036854775808", INT64_MIN, INT64_MAX, 0, -EINVAL },
		{ "99999999999999999999", INT64_MIN, INT64_MAX, 0, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t value = 0;

		CHECK_INT(rows[i].text, str_to_i64(rows[i].text, rows[i].low, rows[i].high, &value), ==, rows[i].code);
		CHECK_INT(rows[i].text, value, ==, rows[i].want);
	}
}

TEST(prefix_and_suffix)
{
	CHECK("prefix", str_has_prefix("docker.io/x", "docker.io/"));
	CHECK("longer prefix", !str_has_prefix("do", "docker"));
	CHECK("suffix", str_has_suffix("a.yaml", ".yaml"));
	CHECK("longer suffix", !str_has_suffix("l", ".yaml"));
	CHECK("absent texts are equal to empty ones", str_eq(NULL, ""));
}

TEST(errors_gain_context_and_keep_their_code)
{
	struct err err;

	CHECK_INT("set", err_set(&err, -ENOENT, "no %s", "pod"), ==, -ENOENT);
	CHECK_INT("wrap", err_wrap(&err, "cannot start %s", "nginx"), ==, -ENOENT);
	CHECK_STR("text", err.text, "cannot start nginx: no pod");
	errno = EACCES;
	CHECK_INT("errno", err_errno(&err, "cannot open /x"), ==, -EACCES);
	CHECK_STR("errno", err.text, "cannot open /x: permission denied");
}

TEST(long_errors_are_cut_not_overrun)
{
	struct err err;
	char long_text[ERR_TEXT_MAX * 2];

	memset(long_text, 'x', sizeof long_text);
	long_text[sizeof long_text - 1] = 0;
	err_set(&err, -EINVAL, "%s", long_text);
	err_wrap(&err, "%s", long_text);
	CHECK_INT("length", strlen(err.text), ==, ERR_TEXT_MAX - 1);
}

TEST(arena_hands_out_zeroed_aligned_memory)
{
	_cleanup_arena_ struct arena *arena = arena_new();

	for (size_t size = 1; size < 200000; size = size * 3 + 1) {
		char *memory = arena_alloc(arena, size);

		CHECK_INT("alignment", (uintptr_t)memory % 16, ==, 0);
		for (size_t i = 0; i < size; i++)
			CHECK("zeroed", memory[i] == 0);
		memset(memory, 0xff, size);
	}
	CHECK_STR("printf", arena_printf(arena, "%s-%d", "a", 7), "a-7");
}

TEST(arena_limit_answers_null)
{
	_cleanup_arena_ struct arena *arena = arena_new_limited(100);

	CHECK("fits", arena_alloc(arena, 60));
	CHECK("does not", !arena_alloc(arena, 60));
	CHECK("a smaller one still does", arena_alloc(arena, 30));
	CHECK("nothing left", !arena_strdup(arena, ""));
	CHECK("nothing can be so large", !arena_alloc(arena, SIZE_MAX));
}

TEST(arena_limit_is_one_of_memory)
{
	_cleanup_arena_ struct arena *arena = arena_new_limited(1600);
	int n = 0;

	while (arena_strdup(arena, ""))
		n++;
	CHECK_INT("short texts", n, ==, 100);
}

TEST(buf_consumes_from_the_front)
{
	_cleanup_buf_ struct buf buf = BUF_INIT(1000);

	for (int i = 0; i < 500; i++) {
		buf_printf(&buf, "%04d", i);
		if (i >= 100) {
			char want[5];

			snprintf(want, sizeof want, "%04d", i - 100);
			CHECK_MEM("order", buf.bytes, 4, want, 4);
			buf_consume(&buf, 4);
		}
	}
	CHECK("room was never passed", !buf.overflow);
	buf_consume(&buf, buf.size);
	CHECK_STR("empty", buf_text(&buf), "");
}

TEST(buf_limit_is_sticky)
{
	_cleanup_buf_ struct buf buf = BUF_INIT(4);

	buf_puts(&buf, "abc");
	buf_puts(&buf, "de");
	CHECK("overflow", buf.overflow);
	buf_puts(&buf, "f");
	CHECK_STR("what did not fit is dropped whole, and all after it", buf_text(&buf), "abc");
	buf_clear(&buf);
	buf_puts(&buf, "wxyz");
	CHECK_STR("cleared", buf_text(&buf), "wxyz");
}

TEST(map_grows_removes_and_keeps_order)
{
	_cleanup_map_ struct map *map = map_new();
	static int values[1000];
	char key[16];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1000; i++) {
			snprintf(key, sizeof key, "k%d", i);
			CHECK("new", !map_set(map, key, &values[i]));
		}
		for (int i = 0; i < 1000; i += 2) {
			snprintf(key, sizeof key, "k%d", i);
			CHECK("removed", map_remove(map, key) == &values[i]);
			CHECK("gone", !map_get(map, key));
		}
		CHECK_INT("size", map_size(map), ==, 500);
		size_t at = 0;
		void *value;
		for (int i = 1; i < 1000; i += 2) {
			CHECK("walk", map_next(map, &at, NULL, &value));
			CHECK("order", value == &values[i]);
			snprintf(key, sizeof key, "k%d", i);
			CHECK("removal while walking", map_remove(map, key) == value);
		}
		CHECK("end", !map_next(map, &at, NULL, NULL));
	}
	CHECK("replace returns the old", !map_set(map, "a", &values[0]) && map_set(map, "a", &values[1]) == &values[0]);
}

TEST(list_removal_inside_the_walk)
{
	struct member {
		int number;
		struct list link;
	} members[5];
	struct list head;
	int sum = 0;

	list_init(&head);
	for (int i = 0; i < 5; i++) {
		members[i].number = i;
		list_append(&head, &members[i].link);
	}
	list_for_each(member, &head, struct member, link) {
		sum = sum * 10 + member->number;
		if (member->number % 2)
			list_remove(&member->link);
	}
	CHECK_INT("visited in order", sum, ==, 1234);
	CHECK_INT("kept", list_first(&head, struct member, link)->number, ==, 0);
}

TEST(files_are_replaced_whole)
{
	_cleanup_free_ char *path = xasprintf("%s/record", test_folder());
	_cleanup_buf_ struct buf buf = BUF_INIT(6);
	struct err err;
	struct stat st;

	CHECK_INT("none yet", file_read(path, &buf, &err), ==, -ENOENT);
	CHECK_OK(file_replace(path, "one", 3, 0600, &err), &err);
	CHECK_OK(file_replace(path, "second", 6, 0640, &err), &err);
	CHECK_OK(file_read(path, &buf, &err), &err);
	CHECK_STR("content up to the limit", buf_text(&buf), "second");
	CHECK_INT("mode", stat(path, &st) == 0 ? st.st_mode & 0777 : 0, ==, 0640);
	CHECK_OK(file_replace(path, "seventh", 7, 0600, &err), &err);
	buf_clear(&buf);
	CHECK_INT("one byte too many", file_read(path, &buf, &err), ==, -EFBIG);
}

TEST(trees_are_made_and_removed)
{
	_cleanup_free_ char *deep = xasprintf("%s/t/a/b/c", test_folder());
	_cleanup_free_ char *top = xasprintf("%s/t", test_folder());
	_cleanup_free_ char *link = xasprintf("%s/t/a/link", test_folder());
	_cleanup_free_ char *outside = xasprintf("%s/outside", test_folder());
	struct err err;

	CHECK_OK(dir_make_all(deep, 0755, &err), &err);
	CHECK_OK(dir_make_all(deep, 0755, &err), &err);
	CHECK_OK(dir_make_all(outside, 0755, &err), &err);
	CHECK_INT("link", symlink(outside, link), ==, 0);
	CHECK_OK(dir_remove_all(top, &err), &err);
	CHECK_INT("gone", access(top, F_OK), ==, -1);
	CHECK_INT("a link is removed, not what it names", access(outside, F_OK), ==, 0);
	CHECK_OK(dir_remove_all(top, &err), &err);
}

/* A container can make them as deep as it likes: that must not keep its pod from ending. */
TEST(trees_of_any_depth_are_removed)
{
	enum { DEPTH = 3000 };
	_cleanup_free_ char *top = xasprintf("%s/t", test_folder());
	_cleanup_free_ char *taken = xasprintf("%s/t/.deep-1", test_folder());
	struct rlimit few = { .rlim_cur = 128, .rlim_max = 128 };
	struct err err;

	CHECK_OK(dir_make_all(top, 0755, &err), &err);
	CHECK_OK(dir_make_all(taken, 0755, &err), &err);
	int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < DEPTH; i++) {
		CHECK_INT("make", mkdirat(fd, "d", 0755), ==, 0);
		int below = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int file = openat(fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		close(file);
		close(fd);
		fd = below;
	}
	close(fd);
	CHECK_INT("few descriptors", setrlimit(RLIMIT_NOFILE, &few), ==, 0);
	CHECK_OK(dir_remove_all(top, &err), &err);
	CHECK_INT("gone", access(top, F_OK), ==, -1);
}

TEST(plain_names_stay_inside)
{
	CHECK("plain", path_is_plain_name("..data"));
	CHECK("empty", !path_is_plain_name(""));
	CHECK("parent", !path_is_plain_name(".."));
	CHECK("slash", !path_is_plain_name("a/b"));
}

static void log_some_lines(void)
{
	struct err err;

	log_info("Started \"it\"", "pod", "default/nginx", "text", "a\nb\x01", NULL);
	log_info("Lines", "one", "a\n", "two", "b", NULL);
	log_v(4, "Not at this verbosity", NULL);
	err_set(&err, -EIO, "broken");
	log_error(&err, "Failed", "count", log_i64(-7), NULL);
}

static void read_log(void (*log_them)(void), enum log_format format, struct buf *into)
{
	_cleanup_free_ char *path = xasprintf("%s/log", test_folder());
	FILE *file = fopen(path, "we");
	struct err err;

	log_set_fd(fileno(file));
	log_set_format(format);
	log_them();
	log_set_format(LOG_TEXT);
	log_set_fd(2);
	fclose(file);
	CHECK_OK(file_read(path, into, &err), &err);
}

TEST(log_lines_look_like_klog)
{
	_cleanup_buf_ struct buf buf = BUF_INIT(4096);

	read_log(log_some_lines, LOG_TEXT, &buf);
	CHECK("head", buf_text(&buf)[0] == 'I' && strstr(buf_text(&buf), "base_test.c:"));
	CHECK("pairs",
	      strstr(buf_text(&buf), "] \"Started \\\"it\\\"\" pod=\"default/nginx\" text=<\n\ta\n\tb\\x01\n >\n"));
	CHECK("the last line's end", strstr(buf_text(&buf), " one=<\n\ta\n > two=\"b\"\n"));
	CHECK("error", strstr(buf_text(&buf), "] \"Failed\" err=\"broken\" count=\"-7\"\n"));
	CHECK("verbosity", !strstr(buf_text(&buf), "Not at"));
}

TEST(log_lines_as_json)
{
	_cleanup_buf_ struct buf buf = BUF_INIT(4096);

	read_log(log_some_lines, LOG_JSON, &buf);
	CHECK("pairs", strstr(buf_text(&buf), "\"v\":0,\"pod\":\"default/nginx\",\"text\":\"a\\nb\\u0001\"}\n"));
	CHECK("error", strstr(buf_text(&buf), "\"msg\":\"Failed\",\"err\":\"broken\",\"count\":\"-7\"}\n"));
}

/* "\u00e4" in an odd place, so that the cut would fall into one; then control bytes, of which each becomes six. */
static void log_long_lines(void)
{
	static char umlauts[2 * LOG_LINE_MAX + 1], controls[LOG_LINE_MAX + 1];

	for (size_t i = 0; i + 1 < sizeof umlauts; i++)
		umlauts[i] = i % 2 ? '\xa4' : '\xc3';
	memset(controls, 1, sizeof controls - 1);
	log_info("Long", "text", umlauts, "next", "left out", NULL);
	log_info("Longer", "text", umlauts, NULL);
	log_info("Control", "text", controls, NULL);
}

TEST(log_lines_that_are_too_long_are_cut_and_stay_whole_lines)
{
	_cleanup_buf_ struct buf buf = BUF_INIT(4 * LOG_LINE_MAX);
	char *text, *end;
	int n = 0;

	read_log(log_long_lines, LOG_JSON, &buf);
	for (text = buf.bytes; (end = strchr(text, '\n')); text = end + 1, n++) {
		CHECK_INT("size", end - text, <, LOG_LINE_MAX);
		CHECK_INT("little is lost", end - text, >, LOG_LINE_MAX - 32);
		CHECK("end", memcmp(end - 5, "...\"}", 5) == 0);
		CHECK("no half character before it", end[-6] != '\xc3');
	}
	CHECK_INT("lines", n, ==, 3);
}

TEST(a_rate_lets_a_burst_through_and_then_so_many_a_second)
{
	struct rate rate = { .per_second = 5, .burst = 2, .left = 2 }, none = { 0 };

	CHECK("first", rate_take(&rate, 0));
	CHECK("second", rate_take(&rate, 0));
	CHECK("third is too early", !rate_take(&rate, 100));
	CHECK("a fifth of a second is one", rate_take(&rate, 200));
	CHECK("idle time", rate_take(&rate, 60000) && rate_take(&rate, 60000));
	CHECK("is not saved up", !rate_take(&rate, 60000));
	CHECK("no limit", rate_take(&none, 0) && rate_take(&none, 0));
}

TEST(a_wait_doubles_up_to_its_end)
{
	CHECK_INT("first", rate_back_off(0, 500, 3000), ==, 500);
	CHECK_INT("second", rate_back_off(500, 500, 3000), ==, 1000);
	CHECK_INT("last", rate_back_off(2000, 500, 3000), ==, 3000);
	CHECK_INT("stays", rate_back_off(3000, 500, 3000), ==, 3000);
}

/* The third number of statm: pages in memory that belong to files. */
static int64_t file_pages(void)
{
	_cleanup_buf_ struct buf text = BUF_INIT(256);
	struct err err;
	int64_t pages = -1;

	CHECK_INT("statm", file_read("/proc/self/statm", &text, &err), ==, 0);

	const char *third = strchr(strchr(buf_text(&text), ' ') + 1, ' ') + 1;
	_cleanup_free_ char *digits = xstrndup(third, strcspn(third, " "));

	CHECK_INT(digits, str_to_i64(digits, 0, INT64_MAX, &pages), ==, 0);
	return pages;
}

TEST(pages_of_the_start_go_and_come_back)
{
	static int changed = 1; /* its page is not the file's any more */
	static const char *const relocated[] = { "a", "b" };
	int64_t before = file_pages();

	changed = 2;
	memory_forget_start();
	CHECK_INT("pages", file_pages(), <, before);
	CHECK_INT("variable", changed, ==, 2);
	CHECK_STR("relocated", relocated[1], "b");
}
