/* SPDX-License-Identifier: Apache-2.0 */
/* Image references: no crash, and the completed text parses to itself. */
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/imageref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	_cleanup_arena_ struct arena *arena = arena_new();
	struct imageref ref, again;
	struct err err;

	if (imageref_parse(text, arena, &ref, &err) < 0)
		return 0;
	char *whole = imageref_text(&ref, arena);
	base_assert(imageref_parse(whole, arena, &again, &err) == 0);
	base_assert(strcmp(imageref_text(&again, arena), whole) == 0);
	return 0;
}
