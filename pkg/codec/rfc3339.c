/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/rfc3339.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Days from 1970-01-01 in the Gregorian calendar; years are counted from March so that leap days come last. */
static int64_t days_of(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, int *month, int *day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t of_era = days - era * 146097;
	int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t from_march = (5 * of_year + 2) / 153;

	*day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
	*month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
	*year = year_of_era + era * 400 + (*month <= 2);
}

static int days_in(int64_t year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Exactly `n` digits followed by `stop` (0: anything); -1 otherwise. */
static int take(const char **at, int n, char stop)
{
	int value = 0;

	for (int i = 0; i < n; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return -1;
		value = value * 10 + (**at - '0');
	}
	if (stop && *(*at)++ != stop)
		return -1;
	return value;
}

static int take_nanos(const char **at)
{
	int nanos = 0, digits = 0;

	if (**at != '.' && **at != ',')
		return 0;
	for ((*at)++; **at >= '0' && **at <= '9'; (*at)++, digits++)
		if (digits < 9)
			nanos = nanos * 10 + (**at - '0');
	if (digits == 0)
		return -1;
	for (; digits < 9; digits++)
		nanos *= 10;
	return nanos;
}

/* Seconds east of UTC, or INT32_MIN. */
static int take_offset(const char **at)
{
	char sign = *(*at)++;

	if (sign == 'Z' || sign == 'z')
		return 0;
	if (sign != '+' && sign != '-')
		return INT32_MIN;
	int hours = take(at, 2, ':');
	int minutes = hours < 0 ? -1 : take(at, 2, 0);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return INT32_MIN;
	int offset = hours * 3600 + minutes * 60;
	return sign == '-' ? -offset : offset;
}

int rfc3339_parse(const char *text, int64_t *ret_seconds, int32_t *ret_nanos)
{
	const char *at = text;
	int year = take(&at, 4, '-');
	int month = year < 0 ? -1 : take(&at, 2, '-');
	int day = month < 0 ? -1 : take(&at, 2, 0);

	if (day < 1 || month < 1 || month > 12 || day > days_in(year, month) || (*at != 'T' && *at != 't'))
		return -EINVAL;
	at++;
	int hour = take(&at, 2, ':');
	int minute = hour < 0 ? -1 : take(&at, 2, ':');
	int second = minute < 0 ? -1 : take(&at, 2, 0);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
		return -EINVAL;
	int nanos = take_nanos(&at);
	int offset = nanos < 0 ? INT32_MIN : take_offset(&at);
	if (offset == INT32_MIN || *at)
		return -EINVAL;
	*ret_seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
	*ret_nanos = nanos;
	return 0;
}

void rfc3339_format(int64_t seconds, int32_t nanos, int digits, char into[RFC3339_MAX])
{
	int64_t days = seconds / 86400 - (seconds % 86400 < 0);
	int of_day = (int)((seconds % 86400 + 86400) % 86400);
	int64_t year;
	int month, day;

	date_of(days, &year, &month, &day);
	int used = snprintf(into, RFC3339_MAX, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d", year, month, day,
			    of_day / 3600, of_day / 60 % 60, of_day % 60);
	char fraction[16];

	snprintf(fraction, sizeof fraction, ".%09d", nanos);
	size_t length = digits < 0 ? strlen(fraction) : digits == 0 ? 0 : (size_t)digits + 1;
	while (digits < 0 && length > 0 && (fraction[length - 1] == '0' || fraction[length - 1] == '.')) {
		bool point = fraction[length - 1] == '.';

		length--;
		if (point)
			break;
	}
	snprintf(into + used, RFC3339_MAX - (size_t)used, "%.*sZ", (int)length, fraction);
}
