/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The error contract of the whole tree.
 *
 * A function that can fail returns int: 0 (or a count) on success, a negative errno value on failure, and takes a
 * `struct err *` last. On failure it has filled *err with one sentence a user can act on. The caller does one of two
 * things: it handles the failure and drops err, or it forwards it, adding the words only it knows with err_wrap().
 * Whoever handles it at the top logs it, once. A negative code is matched only where the header documents it.
 *
 * The text lives in the struct, so reporting an error never allocates and never fails; what does not fit is cut.
 */
#include <errno.h>

enum { ERR_TEXT_MAX = 1024 }; /* a runtime's own message is forwarded whole in practice: containerd's reach 700 bytes */

struct err {
	int code; /* negative errno, 0 while nothing went wrong */
	char text[ERR_TEXT_MAX];
};

/* Says what failed; returns code, so that `return err_set(err, -ENOENT, "...")` reads as one step. */
__attribute__((format(printf, 3, 4))) int err_set(struct err *err, int code, const char *format, ...);

/* "cannot open /x: No such file or directory": `format` says what was tried, errno says why. Returns -errno. */
__attribute__((format(printf, 2, 3))) int err_errno(struct err *err, const char *format, ...);

/* What a task says that was asked to end early: -ECANCELED. */
int err_canceled(struct err *err);

/* Puts "context: " before the text of a failure that passes through; returns its code unchanged. */
__attribute__((format(printf, 2, 3))) int err_wrap(struct err *err, const char *format, ...);
