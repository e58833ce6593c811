/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/sys/huge_pages.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"

#define FOLDER "/sys/kernel/mm/hugepages"

void huge_page_name(int64_t bytes, char into[HUGE_PAGE_NAME_MAX])
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB" };
	size_t unit = 0;

	for (; bytes > 0 && bytes % 1024 == 0 && unit + 1 < ARRAY_LEN(units); bytes /= 1024)
		unit++;
	snprintf(into, HUGE_PAGE_NAME_MAX, "%" PRId64 "%s", bytes, units[unit]);
}

static int64_t read_count(const char *folder)
{
	_cleanup_free_ char *path = xasprintf(FOLDER "/%s/nr_hugepages", folder);
	_cleanup_buf_ struct buf text = BUF_INIT(64);
	struct err ignored;
	int64_t count;

	if (file_read(path, &text, &ignored) < 0)
		return 0;

	_cleanup_free_ char *digits = xstrndup(buf_text(&text), strcspn(buf_text(&text), "\n"));

	return str_to_i64(digits, 0, INT64_MAX, &count) < 0 ? 0 : count;
}

size_t huge_pages_read(struct huge_page ret_pages[HUGE_PAGES_MAX])
{
	_cleanup_dir_ DIR *folder = opendir(FOLDER);
	size_t n = 0;

	/* "hugepages-2048kB" */
	for (const struct dirent *entry; folder && n < HUGE_PAGES_MAX && (entry = readdir(folder));) {
		const char *number = str_has_prefix(entry->d_name, "hugepages-") ? entry->d_name + 10 : "";
		_cleanup_free_ char *digits = xstrndup(number, strcspn(number, "k"));
		struct huge_page *page = &ret_pages[n];
		int64_t kilobytes;

		if (str_to_i64(digits, 1, INT64_MAX >> 10, &kilobytes) < 0)
			continue;
		page->bytes = kilobytes << 10;
		if (__builtin_mul_overflow(read_count(entry->d_name), page->bytes, &page->total_bytes))
			page->total_bytes = 0;
		huge_page_name(page->bytes, page->name);
		n++;
	}
	return n;
}
