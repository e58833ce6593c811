/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * resource.Quantity of the Kubernetes API: "100m", "1.5Gi", "2e3". Kept as a whole number of nano units, which is the
 * finest that the API keeps; what is larger than an int64 of units saturates, as upstream's Value() does.
 */
#include <stdint.h>

#include "pkg/base/arena.h"
#include "pkg/base/err.h"

enum quantity_format { QUANTITY_DECIMAL_SI, QUANTITY_BINARY_SI, QUANTITY_DECIMAL_EXPONENT };

struct quantity {
	__extension__ __int128 nano;
	enum quantity_format format;
};

/* -EINVAL, with upstream's sentence. NULL and "" are zero. */
int quantity_parse(const char *text, struct quantity *ret_quantity, struct err *err);

struct quantity quantity_of(int64_t value, enum quantity_format format);

int64_t quantity_value(const struct quantity *quantity); /* whole units, rounded up */
int64_t quantity_milli(const struct quantity *quantity); /* thousandths, rounded up */

/* Value of a text that the API has validated already; 0 when it is absent or broken. */
int64_t quantity_text_value(const char *text);
int64_t quantity_text_milli(const char *text);

char *quantity_text(struct arena *arena, const struct quantity *quantity); /* canonical form */
