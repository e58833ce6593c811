/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/base/base.h"
#include "pkg/sys/huge_pages.h"
#include "pkg/test/test.h"

static const struct {
	int64_t bytes;
	const char *want;
} names[] = {
	{ 0, "0B" },          { 1000, "1000B" },    { 64 << 10, "64KB" },
	{ 2 << 20, "2MB" },   { 1LL << 30, "1GB" }, { 16LL << 30, "16GB" },
	{ 1LL << 40, "1TB" }, { 1LL << 50, "1PB" }, { 1LL << 60, "1024PB" },
	{ 3 << 10, "3KB" },
};

TEST(names_of_sizes)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char name[HUGE_PAGE_NAME_MAX];

		huge_page_name(names[i].bytes, name);
		CHECK_STR(names[i].want, name, names[i].want);
	}
}

TEST(what_this_machine_has_makes_sense)
{
	struct huge_page pages[HUGE_PAGES_MAX];
	size_t n = huge_pages_read(pages);

	for (size_t i = 0; i < n; i++) {
		CHECK_INT("a power of two", pages[i].bytes & (pages[i].bytes - 1), ==, 0);
		CHECK_INT("whole pages", pages[i].total_bytes % pages[i].bytes, ==, 0);
	}
}
