/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void append(struct err *err, const char *between, const char *text)
{
	size_t used = strlen(err->text);

	snprintf(err->text + used, sizeof err->text - used, "%s%s", between, text);
}

int err_set(struct err *err, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	return err->code = code;
}

/* In the words of the stock programs, which people's scripts match: glibc's, but for a small first letter. */
static const char *errno_text(int code, char text[128])
{
	snprintf(text, 128, "%s", strerror(code));
	if (text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z')
		text[0] = (char)(text[0] - 'A' + 'a');
	return text;
}

int err_errno(struct err *err, const char *format, ...)
{
	int why = errno;
	char text[128];
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	append(err, ": ", errno_text(why, text));
	return err->code = -why;
}

int err_wrap(struct err *err, const char *format, ...)
{
	char inner[ERR_TEXT_MAX];
	va_list args;

	memcpy(inner, err->text, sizeof inner);
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	append(err, ": ", inner);
	return err->code;
}

int err_canceled(struct err *err)
{
	return err_set(err, -ECANCELED, "canceled");
}
