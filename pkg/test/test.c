/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/test/test.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkg/base/file.h"

enum { EXIT_SKIPPED = 77, TIME_LIMIT_S = 120 };

static struct test_case *tests, **tests_end = &tests;
static char folder[64];

void test_register(struct test_case *test)
{
	*tests_end = test;
	tests_end = &test->next;
}

void test_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	printf("# %s:%d: ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

void test_skip(const char *format, ...)
{
	va_list args;

	printf("# skipped: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	_exit(EXIT_SKIPPED);
}

void test_check_str(const char *file, int line, const char *what, const char *expression, const char *got,
		    const char *want)
{
	if (!got || strcmp(got, want) != 0)
		test_fail(file, line, "%s: %s is \"%s\", want \"%s\"", what, expression, got ? got : "(null)", want);
}

void test_check_mem(const char *file, int line, const char *what, const char *expression, const void *got,
		    size_t got_size, const void *want, size_t want_size)
{
	if (got_size != want_size)
		test_fail(file, line, "%s: %s has %zu bytes, want %zu", what, expression, got_size, want_size);
	for (size_t i = 0; i < want_size; i++)
		if (((const unsigned char *)got)[i] != ((const unsigned char *)want)[i])
			test_fail(file, line, "%s: %s differs at byte %zu", what, expression, i);
}

const char *test_folder(void)
{
	return folder;
}

static int run_one(const struct test_case *test)
{
	struct err err;
	int status;

	snprintf(folder, sizeof folder, "/tmp/cubelet-test-XXXXXX");
	if (!mkdtemp(folder))
		return 1;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		alarm(TIME_LIMIT_S); /* a hang is a failure too */
		test->run();
		fflush(stdout);
		exit(0); /* not _exit: the leak check runs here */
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 1;
	if (dir_remove_all(folder, &err) < 0)
		printf("# %s\n", err.text);
	if (WIFSIGNALED(status))
		printf("# ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	int failed = 0, number = 0;

	for (const struct test_case *test = tests; test; test = test->next) {
		if (argc > 1 && strcmp(argv[1], test->name) != 0)
			continue;
		int code = run_one(test);

		number++;
		failed += code != 0 && code != EXIT_SKIPPED;
		printf("%s %d - %s%s\n", code == 0 || code == EXIT_SKIPPED ? "ok" : "not ok", number, test->name,
		       code == EXIT_SKIPPED ? " # SKIP" : "");
	}
	printf("1..%d\n", number);
	return failed != 0 || number == 0;
}
