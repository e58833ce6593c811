/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/yaml.h"

#include <string.h>
#include <yaml.h>

#include "pkg/base/base.h"
#include "pkg/codec/json.h"

enum { NODES_MAX = 200000 }; /* written nodes, aliases counted each time: a billion-laughs file ends here */

struct conversion {
	yaml_document_t document;
	struct json_writer json;
	struct err *err;
	size_t written;
};

static void parser_done(yaml_parser_t *parser)
{
	yaml_parser_delete(parser);
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(*words, text) == 0)
			return true;
	return false;
}

/* A number that JSON can hold as it stands: -?digits(.digits)?([eE][+-]?digits)? without a leading zero. */
static bool is_number(const char *at)
{
	at += *at == '-';
	if (*at < '0' || *at > '9' || (*at == '0' && at[1] >= '0' && at[1] <= '9'))
		return false;
	while (*at >= '0' && *at <= '9')
		at++;
	if (*at == '.') {
		at++;
		if (*at < '0' || *at > '9')
			return false;
		while (*at >= '0' && *at <= '9')
			at++;
	}
	if (*at == 'e' || *at == 'E') {
		at++;
		at += *at == '+' || *at == '-';
		if (*at < '0' || *at > '9')
			return false;
		while (*at >= '0' && *at <= '9')
			at++;
	}
	return *at == 0;
}

/* 0755, 0o17, 0x1f as YAML 1.1 has them; false when it is none. */
static bool other_base(const char *text, int64_t *ret_value)
{
	int base = 8;
	int64_t value = 0;

	if (text[0] != '0' || !text[1])
		return false;
	text++;
	if (*text == 'x' || *text == 'o') {
		base = *text == 'x' ? 16 : 8;
		text++;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		int digit = hex_digit(*text);

		if (digit < 0 || digit >= base || __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*ret_value = value;
	return true;
}

static void put_scalar(struct conversion *conversion, const yaml_node_t *node)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const trues[] = { "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL };
	static const char *const falses[] = { "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL };
	const char *text = (const char *)node->data.scalar.value;
	size_t size = node->data.scalar.length;
	bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strlen(text) == size;
	bool forced_text = node->tag && strcmp((const char *)node->tag, YAML_STR_TAG) == 0 && !plain;
	int64_t value;

	if (!plain || forced_text)
		json_string_sized(&conversion->json, text, size);
	else if (is_one_of(text, nulls))
		json_null(&conversion->json);
	else if (is_one_of(text, trues))
		json_bool(&conversion->json, true);
	else if (is_one_of(text, falses))
		json_bool(&conversion->json, false);
	else if (is_number(text))
		json_raw(&conversion->json, text, size);
	else if (other_base(text, &value))
		json_int(&conversion->json, value);
	else
		json_string_sized(&conversion->json, text, size);
}

static int put_node(struct conversion *conversion, int index,
		    int depth) // NOLINT(misc-no-recursion): bounded by JSON_DEPTH_MAX
{
	yaml_node_t *node = yaml_document_get_node(&conversion->document, index);

	if (depth > JSON_DEPTH_MAX || ++conversion->written > NODES_MAX)
		return err_set(conversion->err, -E2BIG, "the YAML document is too large or too deep");
	switch (node->type) {
	case YAML_SCALAR_NODE:
		put_scalar(conversion, node);
		return 0;
	case YAML_SEQUENCE_NODE:
		json_begin_array(&conversion->json);
		for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top;
		     item++) {
			int code = put_node(conversion, *item, depth + 1);

			if (code < 0)
				return code;
		}
		json_end_array(&conversion->json);
		return 0;
	case YAML_MAPPING_NODE:
		json_begin_object(&conversion->json);
		for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
		     pair++) {
			yaml_node_t *key = yaml_document_get_node(&conversion->document, pair->key);

			if (key->type != YAML_SCALAR_NODE)
				return err_set(conversion->err, -EBADMSG, "line %zu: a key must be a plain text",
					       key->start_mark.line + 1);
			json_key_sized(&conversion->json, (const char *)key->data.scalar.value,
				       key->data.scalar.length);
			int code = put_node(conversion, pair->value, depth + 1);
			if (code < 0)
				return code;
		}
		json_end_object(&conversion->json);
		return 0;
	default:
		return err_set(conversion->err, -EBADMSG, "the YAML document has an unknown node");
	}
}

/* In the words and with the line of the stock programs' parser, a port of this one. */
static int not_yaml(const yaml_parser_t *parser, struct err *err)
{
	const char *problem = parser->problem ? parser->problem : "unknown problem parsing YAML content";
	size_t line = parser->context_mark.line ? parser->context_mark.line : parser->problem_mark.line;

	if (line == 0)
		return err_set(err, -EBADMSG, "yaml: %s", problem);
	return err_set(err, -EBADMSG, "yaml: line %zu: %s", line + (parser->error == YAML_SCANNER_ERROR), problem);
}

int yaml_to_json(const char *yaml, size_t size, struct buf *json, struct err *err)
{
	_cleanup_(parser_done) yaml_parser_t parser;
	struct conversion conversion = { .json = { .into = json }, .err = err };

	base_assert(yaml_parser_initialize(&parser));
	yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, size);
	if (!yaml_parser_load(&parser, &conversion.document))
		return not_yaml(&parser, err);
	int code;
	if (!yaml_document_get_root_node(&conversion.document)) {
		json_null(&conversion.json);
		code = 0;
	} else {
		code = put_node(&conversion, 1, 0);
	}
	yaml_document_delete(&conversion.document);
	if (code == 0 && json->overflow)
		code = err_set(err, -E2BIG, "the YAML document is larger than the %zu bytes allowed", json->limit);
	return code;
}
