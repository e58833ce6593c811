/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/json.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/codec/pbjson_special.h"

struct patch {
	struct json_writer json;
	const struct pbjson_patch_rule *rules;
	size_t n_rules;
	struct err *err;
};

static const struct pbjson_patch_rule *rule_of(const struct patch *patch, const ProtobufCMessageDescriptor *type,
					       const ProtobufCFieldDescriptor *field)
{
	for (size_t i = 0; i < patch->n_rules; i++)
		if (patch->rules[i].type == type && strcmp(patch->rules[i].field, pbjson_name(type, field)) == 0)
			return &patch->rules[i];
	return NULL;
}

/* Of a text, a message or a list: the pointer that it is kept by. */
static const void *pointer(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return *(const void *const *)pb_place(message, field);
}

static bool is_empty(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *pb_count(message, field) == 0;
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return str_empty(pointer(message, field));
	base_assert(field->type == PROTOBUF_C_TYPE_MESSAGE); /* no number or bool of ours is ever taken away */
	return !pointer(message, field);
}

static int write_message(struct patch *patch, const ProtobufCMessage *message, const ProtobufCMessage *before);

static int write_replaced(struct patch *patch, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	struct json_writer *json = &patch->json;

	json_key(json, pbjson_name(message->descriptor, field));
	json_begin_array(json);
	json_begin_object(json);
	json_key(json, "$patch");
	json_string(json, "replace");
	json_end_object(json);
	for (size_t i = 0; i < *pb_count(message, field); i++) {
		int code = pbjson_write_item(json, message, field, i, patch->err);

		if (code < 0)
			return code;
	}
	json_end_array(json);
	return 0;
}

/* ---- lists in which others have items ---- */

struct items {
	ProtobufCMessage *const *items;
	size_t n;
	const ProtobufCFieldDescriptor *key;
};

static struct items items_of(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
			     const struct pbjson_patch_rule *rule)
{
	const ProtobufCFieldDescriptor *key = pbjson_field(field->descriptor, rule->key);

	base_assert(key && key->type == PROTOBUF_C_TYPE_STRING);
	if (!message)
		return (struct items){ .key = key };
	return (struct items){ pointer(message, field), *pb_count(message, field), key };
}

static const char *key_at(const struct items *items, size_t i)
{
	return str_or(pointer(items->items[i], items->key), "");
}

static bool has_key(const struct items *items, const char *key)
{
	for (size_t i = 0; i < items->n; i++)
		if (strcmp(key_at(items, i), key) == 0)
			return true;
	return false;
}

static bool is_gone(const struct pbjson_patch_rule *rule, const struct items *now, const char *key)
{
	return rule->is_ours(key) && !has_key(now, key);
}

static void write_order(struct json_writer *json, const struct pbjson_patch_rule *rule, const struct items *now)
{
	_cleanup_buf_ struct buf name = BUF_INIT(256); /* a field's name has at most 48 bytes */

	buf_printf(&name, "$setElementOrder/%s", rule->field);
	json_key(json, buf_text(&name));
	json_begin_array(json);
	for (size_t i = 0; i < now->n; i++) {
		json_begin_object(json);
		json_key(json, rule->key);
		json_string(json, key_at(now, i));
		json_end_object(json);
	}
	json_end_array(json);
}

static void write_deletions(struct json_writer *json, const struct pbjson_patch_rule *rule, const struct items *now,
			    const struct items *then)
{
	for (size_t i = 0; i < then->n; i++) {
		if (!is_gone(rule, now, key_at(then, i)))
			continue;
		json_begin_object(json);
		json_key(json, "$patch");
		json_string(json, "delete");
		json_key(json, rule->key);
		json_string(json, key_at(then, i));
		json_end_object(json);
	}
}

static int write_merged(struct patch *patch, const ProtobufCMessage *message, const ProtobufCMessage *before,
			const ProtobufCFieldDescriptor *field,
			const struct pbjson_patch_rule *rule) // NOLINT(misc-no-recursion): as deep as the message
{
	struct items now = items_of(message, field, rule), then = items_of(before, field, rule);
	struct json_writer *json = &patch->json;
	bool any_gone = false;

	for (size_t i = 0; i < then.n; i++)
		any_gone = any_gone || is_gone(rule, &now, key_at(&then, i));
	if (now.n == 0 && !any_gone)
		return 0;
	write_order(json, rule, &now);
	json_key(json, rule->field);
	json_begin_array(json);
	for (size_t i = 0; i < now.n; i++) {
		int code = rule->is_ours(key_at(&now, i)) ? write_message(patch, now.items[i], NULL) : 0;

		if (code < 0)
			return code;
	}
	write_deletions(json, rule, &now, &then);
	json_end_array(json);
	return 0;
}

/* ---- fields and messages ---- */

static int write_field(struct patch *patch, const ProtobufCMessage *message, const ProtobufCMessage *before,
		       const ProtobufCFieldDescriptor *field) // NOLINT(misc-no-recursion): as deep as the message
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	const struct pbjson_patch_rule *rule = rule_of(patch, type, field);

	if (rule && rule->how == PBJSON_PATCH_REPLACE)
		return write_replaced(patch, message, field);
	if (rule && rule->how == PBJSON_PATCH_MERGE)
		return write_merged(patch, message, before, field, rule);
	if (rule && is_empty(message, field)) {
		json_key(&patch->json, pbjson_name(type, field));
		json_null(&patch->json);
		return 0;
	}
	bool is_fields = field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED &&
			 pbjson_shape_of(field->descriptor) == SHAPE_FIELDS && !pbjson_is_inlined(type, field);
	if (!is_fields || !pointer(message, field))
		return pbjson_write_field(&patch->json, message, field, patch->err);
	json_key(&patch->json, pbjson_name(type, field));
	return write_message(patch, pointer(message, field), before ? pointer(before, field) : NULL);
}

static int write_message(struct patch *patch, const ProtobufCMessage *message,
			 const ProtobufCMessage *before) // NOLINT(misc-no-recursion): as deep as the message
{
	const ProtobufCMessageDescriptor *type = message->descriptor;

	json_begin_object(&patch->json);
	for (unsigned i = 0; i < type->n_fields; i++) {
		int code = write_field(patch, message, before, &type->fields[i]);

		if (code < 0)
			return code;
	}
	json_end_object(&patch->json);
	return 0;
}

int pbjson_patch(const ProtobufCMessage *message, const ProtobufCMessage *before, const struct pbjson_patch_rule *rules,
		 size_t n_rules, struct buf *into, struct err *err)
{
	struct patch patch = { .json = { .into = into }, .rules = rules, .n_rules = n_rules, .err = err };
	int code = write_message(&patch, message, before);

	return code < 0 ? code : pbjson_check_size(message, into, err);
}
