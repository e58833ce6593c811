/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/quantity.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "pkg/base/base.h"

__extension__ typedef __int128 wide; /* the one typedef: `__extension__ __int128` cannot be written in expressions */

enum { NANO = 1000000000, DIGITS_MAX = 64 /* upstream keeps any number; more than 2^63 units saturates anyway */ };

static const wide nano_max = (wide)INT64_MAX * NANO;

static const struct suffix {
	const char *name;
	enum quantity_format format;
	int base, exponent;
} suffixes[] = {
	{ "", QUANTITY_DECIMAL_SI, 10, 0 },   { "n", QUANTITY_DECIMAL_SI, 10, -9 },
	{ "u", QUANTITY_DECIMAL_SI, 10, -6 }, { "m", QUANTITY_DECIMAL_SI, 10, -3 },
	{ "k", QUANTITY_DECIMAL_SI, 10, 3 },  { "M", QUANTITY_DECIMAL_SI, 10, 6 },
	{ "G", QUANTITY_DECIMAL_SI, 10, 9 },  { "T", QUANTITY_DECIMAL_SI, 10, 12 },
	{ "P", QUANTITY_DECIMAL_SI, 10, 15 }, { "E", QUANTITY_DECIMAL_SI, 10, 18 },
	{ "Ki", QUANTITY_BINARY_SI, 2, 10 },  { "Mi", QUANTITY_BINARY_SI, 2, 20 },
	{ "Gi", QUANTITY_BINARY_SI, 2, 30 },  { "Ti", QUANTITY_BINARY_SI, 2, 40 },
	{ "Pi", QUANTITY_BINARY_SI, 2, 50 },  { "Ei", QUANTITY_BINARY_SI, 2, 60 },
};

static const struct suffix *find_suffix(const char *text, struct suffix *exponent)
{
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		if (strcmp(suffixes[i].name, text) == 0)
			return &suffixes[i];
	int64_t power;

	if ((text[0] != 'e' && text[0] != 'E') || str_to_i64(text[1] == '+' ? text + 2 : text + 1, -99, 99, &power) < 0)
		return NULL;
	*exponent = (struct suffix){ text, QUANTITY_DECIMAL_EXPONENT, 10, (int)power };
	return exponent;
}

/* value × base^exponent in nano units, rounded up away from zero, saturated. `scale` is how many decimals value has. */
static wide scaled(wide value, int scale, const struct suffix *suffix)
{
	int decimal = 9 - scale + (suffix->base == 10 ? suffix->exponent : 0);
	wide rest = 0;

	if (suffix->base == 2)
		for (int i = 0; i < suffix->exponent && value <= nano_max; i += 10)
			value *= 1024;
	for (; decimal > 0 && value <= nano_max; decimal--)
		value *= 10;
	for (; decimal < 0; decimal++) {
		rest |= value % 10;
		value /= 10;
	}
	if (rest)
		value++;
	return MIN(value, nano_max);
}

int quantity_parse(const char *text, struct quantity *ret_quantity, struct err *err)
{
	static const char format[] = "quantities must match the regular expression "
				     "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
	const char *at = text ? text : "";
	bool negative = *at == '-', point = false;
	wide value = 0;
	int digits = 0, scale = 0;
	struct suffix exponent;

	if (!*at) {
		*ret_quantity = quantity_of(0, QUANTITY_DECIMAL_SI);
		return 0;
	}
	if (*at == '-' || *at == '+')
		at++;
	for (; (*at >= '0' && *at <= '9') || (*at == '.' && !point); at++) {
		if (*at == '.') {
			point = true;
			continue;
		}
		if (++digits > DIGITS_MAX)
			return err_set(err, -EINVAL, "%s", format);
		/* Finer than what a suffix can lift to a nano unit, or behind what saturates. */
		if (point && (scale >= 27 || value > nano_max))
			continue;
		value = MIN(value * 10 + (*at - '0'), nano_max * 1000);
		scale += point;
	}
	/* Upstream wants no digit: "m" is zero. */
	const struct suffix *suffix = find_suffix(at, &exponent);
	if (!suffix) {
		const char *end = at + strspn(at, "eEinumkKMGTP");

		end += *end == '-' || *end == '+';
		end += strspn(end, "0123456789");
		return err_set(err, -EINVAL, "%s", *end ? format : "unable to parse quantity's suffix");
	}
	value = scaled(value, scale, suffix);
	*ret_quantity = (struct quantity){ .nano = negative ? -value : value, .format = suffix->format };
	return 0;
}

struct quantity quantity_of(int64_t value, enum quantity_format format)
{
	return (struct quantity){ .nano = (wide)value * NANO, .format = format };
}

static int64_t divided(wide nano, wide unit)
{
	wide value = nano / unit + (nano % unit > 0);

	return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

int64_t quantity_value(const struct quantity *quantity)
{
	return divided(quantity->nano, NANO);
}

int64_t quantity_milli(const struct quantity *quantity)
{
	return divided(quantity->nano, NANO / 1000);
}

int64_t quantity_text_value(const char *text)
{
	struct quantity quantity;
	struct err err;

	return quantity_parse(text, &quantity, &err) < 0 ? 0 : quantity_value(&quantity);
}

int64_t quantity_text_milli(const char *text)
{
	struct quantity quantity;
	struct err err;

	return quantity_parse(text, &quantity, &err) < 0 ? 0 : quantity_milli(&quantity);
}

/* printf knows no 128 bits; nano_max has 28 digits. */
static char *wide_text(struct arena *arena, wide value)
{
	static const wide half = (wide)1000000000000000000;

	if (value < half)
		return arena_printf(arena, "%" PRId64, (int64_t)value);
	return arena_printf(arena, "%" PRId64 "%018" PRId64, (int64_t)(value / half), (int64_t)(value % half));
}

/* The largest suffix that leaves a whole number. */
static char *decimal_text(struct arena *arena, wide nano, bool exponent_form, const char *sign)
{
	static const char *const names[] = { "n", "u", "m", "", "k", "M", "G", "T", "P", "E" };
	size_t step = 0;

	while (nano && nano % 1000 == 0 && step + 1 < ARRAY_LEN(names)) {
		nano /= 1000;
		step++;
	}
	if (!exponent_form)
		return arena_printf(arena, "%s%s%s", sign, wide_text(arena, nano), names[step]);
	int exponent = (int)step * 3 - 9;
	return exponent ? arena_printf(arena, "%s%se%d", sign, wide_text(arena, nano), exponent)
			: arena_printf(arena, "%s%s", sign, wide_text(arena, nano));
}

char *quantity_text(struct arena *arena, const struct quantity *quantity)
{
	static const char *const names[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
	wide nano = quantity->nano < 0 ? -quantity->nano : quantity->nano;
	const char *sign = quantity->nano < 0 ? "-" : "";
	size_t step = 0;

	if (nano == 0)
		return arena_strdup(arena, "0");
	/* A binary form below 1024, or with a fraction, is written in the decimal one, as upstream does. */
	if (quantity->format != QUANTITY_BINARY_SI || nano % NANO || nano < (wide)1024 * NANO)
		return decimal_text(arena, nano, quantity->format == QUANTITY_DECIMAL_EXPONENT, sign);
	int64_t value = (int64_t)(nano / NANO);
	while (value % 1024 == 0 && step + 1 < ARRAY_LEN(names)) {
		value /= 1024;
		step++;
	}
	return arena_printf(arena, "%s%" PRId64 "%s", sign, value, names[step]);
}
