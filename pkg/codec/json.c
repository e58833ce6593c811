/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "pkg/base/base.h"
#include "pkg/codec/utf8.h"

struct parse {
	const struct json_events *events;
	void *owner;
	struct err *err;
	yajl_handle handle;
	int depth, code;
};

/* yajl wants 1 to go on, 0 to stop. */
static int verdict(struct parse *parse, int code)
{
	parse->code = code;
	return code >= 0;
}

static size_t offset(const struct parse *parse)
{
	return yajl_get_bytes_consumed(parse->handle);
}

static int deeper(struct parse *parse)
{
	if (++parse->depth <= JSON_DEPTH_MAX)
		return 0;
	return err_set(parse->err, -EBADMSG, "JSON is nested deeper than %d", JSON_DEPTH_MAX);
}

static int on_null(void *context)
{
	struct parse *parse = context;

	return verdict(parse, parse->events->null(parse->owner, parse->err));
}

static int on_boolean(void *context, int value)
{
	struct parse *parse = context;

	return verdict(parse, parse->events->boolean(parse->owner, value, parse->err));
}

static int on_number(void *context, const char *text, size_t size)
{
	struct parse *parse = context;

	return verdict(parse, parse->events->number(parse->owner, text, size, parse->err));
}

/* yajl checks the bytes as written, but makes a broken sequence of a lone \udc00. */
static int check_text(struct parse *parse, const unsigned char *text, size_t size)
{
	if (utf8_valid((const char *)text, size))
		return 0;
	return err_set(parse->err, -EBADMSG, "a text is not Unicode at byte %zu", offset(parse));
}

static int on_string(void *context, const unsigned char *text, size_t size)
{
	struct parse *parse = context;
	int code = check_text(parse, text, size);

	if (code < 0)
		return verdict(parse, code);
	return verdict(parse, parse->events->string(parse->owner, (const char *)text, size, parse->err));
}

static int on_begin_object(void *context)
{
	struct parse *parse = context;
	int code = deeper(parse);

	return verdict(parse, code < 0 ? code : parse->events->begin_object(parse->owner, offset(parse), parse->err));
}

static int on_key(void *context, const unsigned char *text, size_t size)
{
	struct parse *parse = context;
	int code = check_text(parse, text, size);

	if (code < 0)
		return verdict(parse, code);
	return verdict(parse, parse->events->key(parse->owner, (const char *)text, size, parse->err));
}

static int on_end_object(void *context)
{
	struct parse *parse = context;

	parse->depth--;
	return verdict(parse, parse->events->end_object(parse->owner, offset(parse), parse->err));
}

static int on_begin_array(void *context)
{
	struct parse *parse = context;
	int code = deeper(parse);

	return verdict(parse, code < 0 ? code : parse->events->begin_array(parse->owner, offset(parse), parse->err));
}

static int on_end_array(void *context)
{
	struct parse *parse = context;

	parse->depth--;
	return verdict(parse, parse->events->end_array(parse->owner, offset(parse), parse->err));
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_begin_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end_object,
	.yajl_start_array = on_begin_array,
	.yajl_end_array = on_end_array,
};

/* yajl does not look at what its allocator returns. */
static void *yajl_take(void *context, size_t size)
{
	(void)context;
	return xmalloc(size);
}

static void *yajl_more(void *context, void *old, size_t size)
{
	(void)context;
	return xrealloc(old, size);
}

static void yajl_give_back(void *context, void *memory)
{
	(void)context;
	free(memory);
}

static int parse_failed(struct parse *parse, const char *json, size_t size, struct err *err)
{
	unsigned char *why = yajl_get_error(parse->handle, 0, (const unsigned char *)json, size);

	/* "parse error: unallowed token at this point in JSON text\n" */
	size_t length = strcspn((const char *)why, "\n");
	err_set(err, -EBADMSG, "%.*s at byte %zu", (int)length, (const char *)why, MIN(offset(parse), size));
	yajl_free_error(parse->handle, why);
	return err->code;
}

int json_parse(const char *json, size_t size, const struct json_events *events, void *owner, struct err *err)
{
	yajl_alloc_funcs allocator = { .malloc = yajl_take, .realloc = yajl_more, .free = yajl_give_back };
	struct parse parse = { .events = events, .owner = owner, .err = err };

	parse.handle = yajl_alloc(&callbacks, &allocator, &parse);
	yajl_config(parse.handle, yajl_allow_comments, 0);
	yajl_status status = yajl_parse(parse.handle, (const unsigned char *)json, size);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(parse.handle);

	int code = 0;
	if (status == yajl_status_client_canceled)
		code = parse.code;
	else if (status != yajl_status_ok)
		code = parse_failed(&parse, json, size, err);
	yajl_free(parse.handle);
	return code;
}

/* ---- writing ---- */

static void comma(struct json_writer *writer)
{
	if (writer->need_comma)
		buf_putc(writer->into, ',');
	writer->need_comma = true;
}

void json_begin_object(struct json_writer *writer)
{
	comma(writer);
	buf_putc(writer->into, '{');
	writer->need_comma = false;
}

void json_end_object(struct json_writer *writer)
{
	buf_putc(writer->into, '}');
	writer->need_comma = true;
}

void json_begin_array(struct json_writer *writer)
{
	comma(writer);
	buf_putc(writer->into, '[');
	writer->need_comma = false;
}

void json_end_array(struct json_writer *writer)
{
	buf_putc(writer->into, ']');
	writer->need_comma = true;
}

static void put_string(struct buf *into, const char *text, size_t size)
{
	size_t plain = 0;

	buf_putc(into, '"');
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_append(into, text + plain, i - plain);
		plain = i + 1;
		if (c == '"' || c == '\\')
			buf_printf(into, "\\%c", c);
		else if (c == '\n')
			buf_puts(into, "\\n");
		else if (c == '\t')
			buf_puts(into, "\\t");
		else if (c == '\r')
			buf_puts(into, "\\r");
		else
			buf_printf(into, "\\u%04x", c);
	}
	buf_append(into, text + plain, size - plain);
	buf_putc(into, '"');
}

void json_string_sized(struct json_writer *writer, const char *text, size_t size)
{
	comma(writer);
	put_string(writer->into, text, size);
}

void json_string(struct json_writer *writer, const char *text)
{
	json_string_sized(writer, text, strlen(text));
}

void json_key(struct json_writer *writer, const char *key)
{
	json_key_sized(writer, key, strlen(key));
}

void json_key_sized(struct json_writer *writer, const char *key, size_t size)
{
	json_string_sized(writer, key, size);
	buf_putc(writer->into, ':');
	writer->need_comma = false;
}

void json_int(struct json_writer *writer, int64_t value)
{
	comma(writer);
	buf_printf(writer->into, "%" PRId64, value);
}

void json_uint(struct json_writer *writer, uint64_t value)
{
	comma(writer);
	buf_printf(writer->into, "%" PRIu64, value);
}

void json_double(struct json_writer *writer, double value)
{
	char text[40] = "0";

	/* The shortest form that reads back the same; JSON has no word for what is not finite. */
	for (int digits = 1; isfinite(value) && digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	comma(writer);
	buf_puts(writer->into, text);
}

void json_bool(struct json_writer *writer, bool value)
{
	comma(writer);
	buf_puts(writer->into, value ? "true" : "false");
}

void json_null(struct json_writer *writer)
{
	comma(writer);
	buf_puts(writer->into, "null");
}

void json_raw(struct json_writer *writer, const void *json, size_t size)
{
	comma(writer);
	buf_append(writer->into, json, size);
}
