/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities: no overflow, and the canonical text has the same value (not always the format: 62.5Ki is 64000). */
#include "pkg/base/base.h"
#include "pkg/codec/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	_cleanup_arena_ struct arena *arena = arena_new();
	struct quantity quantity, again;
	struct err err;

	if (quantity_parse(text, &quantity, &err) < 0)
		return 0;
	char *canonical = quantity_text(arena, &quantity);
	base_assert(quantity_parse(canonical, &again, &err) == 0);
	base_assert(again.nano == quantity.nano);
	base_assert(quantity_value(&quantity) == quantity_value(&again));
	base_assert(quantity_milli(&quantity) == quantity_milli(&again));
	return 0;
}
