/* SPDX-License-Identifier: Apache-2.0 */
/* JSON events: no crash, every text is UTF-8, and rewriting what was read gives what reads the same. */
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/json.h"
#include "pkg/codec/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_null(void *owner, struct err *err)
{
	(void)err;
	json_null(owner);
	return 0;
}

static int on_boolean(void *owner, bool value, struct err *err)
{
	(void)err;
	json_bool(owner, value);
	return 0;
}

static int on_number(void *owner, const char *text, size_t size, struct err *err)
{
	(void)err;
	json_raw(owner, text, size);
	return 0;
}

static int on_string(void *owner, const char *text, size_t size, struct err *err)
{
	(void)err;
	base_assert(utf8_valid(text, size));
	json_string_sized(owner, text, size);
	return 0;
}

static int on_key(void *owner, const char *text, size_t size, struct err *err)
{
	(void)err;
	base_assert(utf8_valid(text, size));
	json_key_sized(owner, text, size);
	return 0;
}

static int on_begin_object(void *owner, size_t at, struct err *err)
{
	(void)at;
	(void)err;
	json_begin_object(owner);
	return 0;
}

static int on_end_object(void *owner, size_t at, struct err *err)
{
	(void)at;
	(void)err;
	json_end_object(owner);
	return 0;
}

static int on_begin_array(void *owner, size_t at, struct err *err)
{
	(void)at;
	(void)err;
	json_begin_array(owner);
	return 0;
}

static int on_end_array(void *owner, size_t at, struct err *err)
{
	(void)at;
	(void)err;
	json_end_array(owner);
	return 0;
}

static const struct json_events events = {
	.null = on_null,
	.boolean = on_boolean,
	.number = on_number,
	.string = on_string,
	.key = on_key,
	.begin_object = on_begin_object,
	.end_object = on_end_object,
	.begin_array = on_begin_array,
	.end_array = on_end_array,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf once = BUF_INIT(SIZE_MAX), twice = BUF_INIT(SIZE_MAX);
	struct json_writer writer = { .into = &once }, again = { .into = &twice };
	struct err err;

	if (json_parse((const char *)data, size, &events, &writer, &err) < 0)
		return 0;
	base_assert(json_parse(once.bytes, once.size, &events, &again, &err) == 0);
	base_assert(once.size == twice.size && memcmp(once.bytes, twice.bytes, once.size) == 0);
	return 0;
}
