/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/yaml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "pkg/base/base.h"
#include "pkg/codec/json.h"

enum {
	NODES_MAX = 200000, /* written nodes, aliases counted each time: a billion-laughs file ends here */
	MERGES_MAX = 16,    /* mappings that one merges; every key of a later one is looked for in all earlier ones, */
	MERGED_PAIRS_MAX = 1000, /* which is why those may not be large */
};

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

/* 0755, 0o17, 0x1f, 0b11 and a sign, as YAML 1.1 has them; false when it is none. */
static bool is_whole(const char *text, int64_t *ret_value)
{
	bool negative = *text == '-';
	int base = 10;
	int64_t value = 0;

	text += *text == '-' || *text == '+';
	if (text[0] == '0' && text[1]) {
		char c = text[1] | 0x20;

		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		text += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		int digit = hex_digit(*text);

		if (digit < 0 || digit >= base || __builtin_mul_overflow(value, base, &value) ||
		    (negative ? __builtin_sub_overflow(value, digit, &value)
			      : __builtin_add_overflow(value, digit, &value)))
			return false;
	}
	*ret_value = value;
	return true;
}

/* [-+]?(.digits|digits(.digits?)?)([eE][-+]?digits)? */
static bool is_float(const char *at)
{
	size_t whole, fraction = 0;

	at += *at == '-' || *at == '+';
	whole = strspn(at, "0123456789");
	at += whole;
	if (*at == '.') {
		fraction = strspn(at + 1, "0123456789");
		at += 1 + fraction;
	}
	if (whole + fraction == 0)
		return false;
	if (*at == 'e' || *at == 'E') {
		at++;
		at += *at == '-' || *at == '+';
		if (!*at)
			return false;
		at += strspn(at, "0123456789");
	}
	return *at == 0;
}

/* Writes what YAML takes for a number, underscores and all, as JSON has it; false when it is none. */
static bool put_number(struct conversion *conversion, const char *text)
{
	static const double exact = 1e15; /* whole numbers up to here are written without an exponent */
	char plain[64];
	size_t size = 0;
	int64_t value;

	if (!strchr("+-.0123456789", *text))
		return false;
	for (; *text; text++) {
		if (*text == '_')
			continue;
		if (size == sizeof plain - 1)
			return false;
		plain[size++] = *text;
	}
	plain[size] = 0;
	if (is_whole(plain, &value)) {
		json_int(&conversion->json, value);
		return true;
	}
	if (!is_float(plain))
		return false;
	double number = strtod(plain, NULL);
	if (!isfinite(number)) /* too large is a text */
		return false;
	if (number > -exact && number < exact && !(number < (double)(int64_t)number) &&
	    !(number > (double)(int64_t)number))
		json_int(&conversion->json, (int64_t)number);
	else if (is_number(plain))
		json_raw(&conversion->json, plain, size);
	else
		json_raw(&conversion->json, plain, (size_t)snprintf(plain, sizeof plain, "%.17g", number));
	return true;
}

static void put_scalar(struct conversion *conversion, const yaml_node_t *node)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	static const char *const trues[] = { "true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON" };
	static const char *const falses[] = {
		"false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"
	};
	const char *text = (const char *)node->data.scalar.value;
	size_t size = node->data.scalar.length;
	bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strlen(text) == size;
	bool forced_text = node->tag && strcmp((const char *)node->tag, YAML_STR_TAG) == 0 && !plain;

	if (!plain || forced_text)
		json_string_sized(&conversion->json, text, size);
	else if (str_is_one_of(text, nulls, ARRAY_LEN(nulls)))
		json_null(&conversion->json);
	else if (str_is_one_of(text, trues, ARRAY_LEN(trues)))
		json_bool(&conversion->json, true);
	else if (str_is_one_of(text, falses, ARRAY_LEN(falses)))
		json_bool(&conversion->json, false);
	else if (!put_number(conversion, text))
		json_string_sized(&conversion->json, text, size);
}

static int put_node(struct conversion *conversion, int index, int depth);

static bool is_merge_key(const yaml_node_t *key)
{
	return key->type == YAML_SCALAR_NODE && key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       key->data.scalar.length == 2 && memcmp(key->data.scalar.value, "<<", 2) == 0;
}

static bool names_key(const yaml_node_t *key, const yaml_node_t *wanted)
{
	return key->type == YAML_SCALAR_NODE && key->data.scalar.length == wanted->data.scalar.length &&
	       memcmp(key->data.scalar.value, wanted->data.scalar.value, wanted->data.scalar.length) == 0;
}

/* Whether a mapping, or each of a list of them, has a key of its own or one that it merges. */
static bool has_key(struct conversion *conversion, const yaml_node_t *node, const yaml_node_t *wanted, bool whole,
		    int depth) // NOLINT(misc-no-recursion): bounded by JSON_DEPTH_MAX
{
	if (depth > JSON_DEPTH_MAX || ++conversion->written > NODES_MAX)
		return true; /* the next node says that it is too much */
	if (node->type == YAML_SEQUENCE_NODE) {
		for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top;
		     item++)
			if (has_key(conversion, yaml_document_get_node(&conversion->document, *item), wanted, whole,
				    depth + 1))
				return true;
	}
	if (node->type != YAML_MAPPING_NODE)
		return false;
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = yaml_document_get_node(&conversion->document, pair->key);

		if (names_key(key, wanted))
			return true;
		if (whole && is_merge_key(key) &&
		    has_key(conversion, yaml_document_get_node(&conversion->document, pair->value), wanted, whole,
			    depth + 1))
			return true;
	}
	return false;
}

/* A mapping whose own keys win over those that come from further below; `by` is who merges it. */
struct winner {
	const yaml_node_t *mapping;
	const struct winner *by;
	bool whole; /* with what it merges itself: its turn is over */
};

static bool is_hidden(struct conversion *conversion, const yaml_node_t *key, const struct winner *winner)
{
	for (; winner; winner = winner->by)
		if (has_key(conversion, winner->mapping, key, winner->whole, 0))
			return true;
	return false;
}

static int put_pairs(struct conversion *conversion, const yaml_node_t *mapping, const struct winner *winner, int depth);

/* "<<: *a" and "<<: [*a, *b]": the pairs of those mappings, the earlier one's first. */
static int put_merged(struct conversion *conversion, int index, const struct winner *winner,
		      int depth) // NOLINT(misc-no-recursion): bounded by JSON_DEPTH_MAX
{
	yaml_node_t *node = yaml_document_get_node(&conversion->document, index);

	if (node->type == YAML_MAPPING_NODE)
		return put_pairs(conversion, node, winner, depth + 1);
	yaml_node_item_t *first = node->data.sequence.items.start;
	if (node->type != YAML_SEQUENCE_NODE || node->data.sequence.items.top - first > MERGES_MAX)
		return err_set(conversion->err, -EBADMSG,
			       "yaml: map merge requires map or sequence of maps as the value");
	struct winner winners[MERGES_MAX];
	for (yaml_node_item_t *item = first; item < node->data.sequence.items.top; item++) {
		yaml_node_t *source = yaml_document_get_node(&conversion->document, *item);
		int code;

		if (source->type != YAML_MAPPING_NODE)
			return err_set(conversion->err, -EBADMSG,
				       "yaml: map merge requires map or sequence of maps as the value");
		code = put_pairs(conversion, source, winner, depth + 1);
		if (code < 0)
			return code;
		winners[item - first] = (struct winner){ source, winner, true };
		winner = &winners[item - first];
	}
	return 0;
}

static int put_pairs(struct conversion *conversion, const yaml_node_t *mapping, const struct winner *winner,
		     int depth) // NOLINT(misc-no-recursion): bounded by JSON_DEPTH_MAX
{
	const struct winner own = { mapping, winner, false };
	bool large = mapping->data.mapping.pairs.top - mapping->data.mapping.pairs.start > MERGED_PAIRS_MAX;
	int merge = 0;

	if (depth > JSON_DEPTH_MAX || ++conversion->written > NODES_MAX || (winner && large))
		return err_set(conversion->err, -E2BIG, "the YAML document is too large or too deep");
	for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
	     pair++) {
		yaml_node_t *key = yaml_document_get_node(&conversion->document, pair->key);

		if (key->type != YAML_SCALAR_NODE)
			return err_set(conversion->err, -EBADMSG, "line %zu: a key must be a plain text",
				       key->start_mark.line + 1);
		if (is_merge_key(key)) {
			merge = pair->value;
			continue;
		}
		if (is_hidden(conversion, key, winner))
			continue;
		json_key_sized(&conversion->json, (const char *)key->data.scalar.value, key->data.scalar.length);
		int code = put_node(conversion, pair->value, depth + 1);
		if (code < 0)
			return code;
	}
	if (merge == 0)
		return 0;
	if (large)
		return err_set(conversion->err, -E2BIG, "a YAML mapping that merges others is too large");
	return put_merged(conversion, merge, &own, depth);
}

static int put_node(struct conversion *conversion, int index,
		    int depth) // NOLINT(misc-no-recursion): bounded by JSON_DEPTH_MAX
{
	yaml_node_t *node = yaml_document_get_node(&conversion->document, index);
	int code;

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
			code = put_node(conversion, *item, depth + 1);
			if (code < 0)
				return code;
		}
		json_end_array(&conversion->json);
		return 0;
	case YAML_MAPPING_NODE:
		json_begin_object(&conversion->json);
		code = put_pairs(conversion, node, NULL, depth);
		json_end_object(&conversion->json);
		return code;
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
