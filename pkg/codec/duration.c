/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/duration.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct unit {
	const char *name;
	int64_t ns;
} units[] = {
	{ "ns", 1 },           { "us", 1000 },      { "\xc2\xb5s", 1000 }, /* micro sign */
	{ "\xce\xbcs", 1000 },                                             /* Greek mu */
	{ "ms", 1000000 },     { "s", 1000000000 }, { "m", INT64_C(60000000000) }, { "h", INT64_C(3600000000000) },
};

static const struct unit *take_unit(const char **at)
{
	size_t length = 0;

	while ((*at)[length] && (*at)[length] != '.' && ((*at)[length] < '0' || (*at)[length] > '9'))
		length++;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strlen(units[i].name) == length && memcmp(units[i].name, *at, length) == 0) {
			*at += length;
			return &units[i];
		}
	}
	return NULL;
}

/* One "12.5h"; adds to *ns. */
static int take_part(const char **at, int64_t *ns)
{
	int64_t whole = 0, fraction = 0, scale = 1;
	bool digits = false;

	for (; **at >= '0' && **at <= '9'; (*at)++, digits = true)
		if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, **at - '0', &whole))
			return -EINVAL;
	if (**at == '.') {
		for ((*at)++; **at >= '0' && **at <= '9'; (*at)++, digits = true) {
			if (scale < INT64_C(1000000000000000)) { /* finer than a nanosecond of an hour */
				fraction = fraction * 10 + (**at - '0');
				scale *= 10;
			}
		}
	}
	const struct unit *unit = digits ? take_unit(at) : NULL;
	if (!unit || __builtin_mul_overflow(whole, unit->ns, &whole))
		return -EINVAL;
	fraction = (int64_t)((double)fraction * ((double)unit->ns / (double)scale));
	return __builtin_add_overflow(whole, fraction, &whole) || __builtin_add_overflow(*ns, whole, ns) ? -EINVAL : 0;
}

int duration_parse(const char *text, int64_t *ret_ns)
{
	const char *at = text;
	bool negative = *at == '-';
	int64_t ns = 0;

	if (*at == '-' || *at == '+')
		at++;
	if (strcmp(at, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (!*at)
		return -EINVAL;
	while (*at)
		if (take_part(&at, &ns) < 0)
			return -EINVAL;
	*ret_ns = negative ? -ns : ns;
	return 0;
}

/* Why a text is no duration, in Go's words. */
static int not_a_duration(const char *text, struct err *err)
{
	const char *at = text + (*text == '-' || *text == '+');

	while (*at) {
		const char *number = at;
		bool known = false;

		at += strspn(at, "0123456789");
		at += *at == '.';
		at += strspn(at, "0123456789");
		if (at == number || (at == number + 1 && *number == '.'))
			break;
		size_t size = strcspn(at, ".0123456789");
		if (size == 0)
			return err_set(err, -EINVAL, "time: missing unit in duration \"%s\"", text);
		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			known = known || (strlen(units[i].name) == size && memcmp(units[i].name, at, size) == 0);
		if (!known)
			return err_set(err, -EINVAL, "time: unknown unit \"%.*s\" in duration \"%s\"", (int)size, at,
				       text);
		at += size;
	}
	return err_set(err, -EINVAL, "time: invalid duration \"%s\"", text);
}

int duration_read(const char *text, int64_t *ret_ns, struct err *err)
{
	return duration_parse(text, ret_ns) < 0 ? not_a_duration(text, err) : 0;
}

/* value / unit with as many digits behind the point as are needed. */
static void put_decimal(char *into, size_t room, uint64_t value, uint64_t unit, const char *name)
{
	int used = snprintf(into, room, "%" PRIu64, value / unit);
	uint64_t rest = value % unit;

	if (rest) {
		char digits[20];
		int width = 0;

		for (uint64_t u = unit; u > 1; u /= 10)
			width++;
		int n = snprintf(digits, sizeof digits, "%0*" PRIu64, width, rest);
		while (n > 0 && digits[n - 1] == '0')
			digits[--n] = 0;
		used += snprintf(into + used, room - (size_t)used, ".%s", digits);
	}
	snprintf(into + used, room - (size_t)used, "%s", name);
}

void duration_format(int64_t ns, char into[DURATION_TEXT_MAX])
{
	uint64_t value = ns < 0 ? (uint64_t)0 - (uint64_t)ns : (uint64_t)ns;
	int used = 0;

	if (ns == 0) {
		snprintf(into, DURATION_TEXT_MAX, "0s");
		return;
	}
	if (ns < 0)
		into[used++] = '-';
	if (value < 1000) {
		put_decimal(into + used, DURATION_TEXT_MAX - (size_t)used, value, 1, "ns");
	} else if (value < 1000000) {
		put_decimal(into + used, DURATION_TEXT_MAX - (size_t)used, value, 1000, "\xc2\xb5s");
	} else if (value < 1000000000) {
		put_decimal(into + used, DURATION_TEXT_MAX - (size_t)used, value, 1000000, "ms");
	} else {
		uint64_t minutes = value / UINT64_C(60000000000);

		if (minutes >= 60)
			used += snprintf(into + used, DURATION_TEXT_MAX - (size_t)used, "%" PRIu64 "h", minutes / 60);
		if (minutes > 0)
			used += snprintf(into + used, DURATION_TEXT_MAX - (size_t)used, "%" PRIu64 "m", minutes % 60);
		put_decimal(into + used, DURATION_TEXT_MAX - (size_t)used, value % UINT64_C(60000000000), 1000000000,
			    "s");
	}
}

int64_t duration_ms(const Config__Duration *duration)
{
	return duration ? duration->ns / NS_PER_MS : 0;
}
