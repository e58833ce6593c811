/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Unit tests: `TEST(name) { ... }` registers itself, test.c has main(). Prints TAP. A failed check tells both values
 * and ends its test; the others still run, each in a process of its own, so a crash or a leak names its test.
 *
 *   build/unit/pkg/base/map_test            runs all      build/unit/pkg/base/map_test grows   runs one by name
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test_case {
	const char *name;
	void (*run)(void);
	struct test_case *next;
};

void test_register(struct test_case *test);
__attribute__((format(printf, 3, 4), noreturn)) void test_fail(const char *file, int line, const char *format, ...);
__attribute__((format(printf, 1, 2), noreturn)) void test_skip(const char *format, ...);

#define TEST(title)                                                                 \
	static void test_##title(void);                                             \
	static struct test_case test_case_##title = { #title, test_##title, NULL }; \
	__attribute__((constructor)) static void test_add_##title(void)             \
	{                                                                           \
		test_register(&test_case_##title);                                  \
	}                                                                           \
	static void test_##title(void)

/* In table tests the row's rule goes first: CHECK_INT(row->rule, got, ==, want). */
#define CHECK(what, condition) \
	((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "%s: not true: %s", (what), #condition))
#define CHECK_INT(what, got, op, want)                                                                                 \
	do {                                                                                                           \
		long long _got = (long long)(got), _want = (long long)(want);                                          \
		if (!(_got op _want))                                                                                  \
			test_fail(__FILE__, __LINE__, "%s: %s is %lld, want " #op " %lld", (what), #got, _got, _want); \
	} while (0)
#define CHECK_STR(what, got, want) test_check_str(__FILE__, __LINE__, (what), #got, (got), (want))
#define CHECK_MEM(what, got, got_size, want, want_size) \
	test_check_mem(__FILE__, __LINE__, (what), #got, (got), (got_size), (want), (want_size))
/* A call that fills `err`: fails with its text. */
#define CHECK_OK(call, err) ((call) >= 0 ? (void)0 : test_fail(__FILE__, __LINE__, "%s failed: %s", #call, (err)->text))

void test_check_str(const char *file, int line, const char *what, const char *expression, const char *got,
		    const char *want);
void test_check_mem(const char *file, int line, const char *what, const char *expression, const void *got,
		    size_t got_size, const void *want, size_t want_size);

/* A folder of the test's own, removed after it. */
const char *test_folder(void);

/* Runs the loop for so long: what has been posted, or is about to end in the background, comes to its end. */
struct loop;
void test_run(struct loop *loop, int64_t ms);
