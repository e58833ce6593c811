/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/pb.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/utf8.h"

enum { FIELD_MAX = (1 << 29) - 1 }; /* of the protobuf wire */
enum { DEPTH_MAX = 32 };            /* the deepest of ours, a pod's probe header in a list of pods, is 9 */

/* ---- building ---- */

size_t pb_item_size(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 4;
	}
}

/* Descriptors of ours carry no init function (it would cost 300 kB): memory is zero, only defaults are to be set. */
static void set_default(const ProtobufCFieldDescriptor *field, void *member)
{
	if (!field->default_value || field->label == PROTOBUF_C_LABEL_REPEATED)
		return;
	if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
		*(const void **)member = field->default_value;
	else
		memcpy(member, field->default_value, pb_item_size(field));
}

void *pb_new(struct arena *arena, const ProtobufCMessageDescriptor *type)
{
	char *message = arena_alloc(arena, type->sizeof_message);

	if (!message)
		return NULL;
	((ProtobufCMessage *)(void *)message)->descriptor = type;
	for (unsigned i = 0; i < type->n_fields; i++)
		set_default(&type->fields[i], message + type->fields[i].offset);
	return message;
}

void *pb_grow(struct arena *arena, const void *array, size_t n, size_t item_size)
{
	char *grown = arena_alloc(arena, MAX(n * 2, (size_t)1) * item_size);

	if (grown && n)
		memcpy(grown, array, n * item_size);
	return grown;
}

/* ---- decoding ---- */

/* protobuf-c sees texts as C strings, so what it would cut or pass on broken is looked for on the wire first. */
struct wire {
	const unsigned char *at, *end;
};

static bool read_varint(struct wire *wire, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (int shift = 0; shift < 64 && wire->at < wire->end; shift += 7) {
		unsigned char byte = *wire->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

static bool skip_bytes(struct wire *wire, uint64_t size)
{
	if (size > (uint64_t)(wire->end - wire->at))
		return false;
	wire->at += size;
	return true;
}

static int check_texts(const ProtobufCMessageDescriptor *type, struct wire wire, int depth, struct err *err);

static int check_piece(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field, struct wire piece,
		       int depth, struct err *err) // NOLINT(misc-no-recursion): bounded by DEPTH_MAX
{
	size_t size = (size_t)(piece.end - piece.at);

	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return check_texts(field->descriptor, piece, depth + 1, err);
	if (field->type != PROTOBUF_C_TYPE_STRING)
		return 0;
	if (memchr(piece.at, 0, size))
		return err_set(err, -EBADMSG, "%s.%s holds a zero byte", type->short_name, field->name);
	if (!utf8_valid((const char *)piece.at, size))
		return err_set(err, -EBADMSG, "%s.%s is not UTF-8", type->short_name, field->name);
	return 0;
}

static int check_texts(const ProtobufCMessageDescriptor *type, struct wire wire, int depth,
		       struct err *err) // NOLINT(misc-no-recursion): bounded by DEPTH_MAX
{
	if (depth > DEPTH_MAX)
		return err_set(err, -EBADMSG, "%s is nested too deeply", type->short_name);
	while (wire.at < wire.end) {
		uint64_t tag, size;
		bool whole = read_varint(&wire, &tag) && tag >> 3 >= 1 && tag >> 3 <= FIELD_MAX;

		switch (tag & 7) {
		case 0:
			whole = whole && read_varint(&wire, &size);
			break;
		case 1:
			whole = whole && skip_bytes(&wire, 8);
			break;
		case 5:
			whole = whole && skip_bytes(&wire, 4);
			break;
		case 2: {
			whole = whole && read_varint(&wire, &size);
			struct wire piece = wire;

			whole = whole && skip_bytes(&wire, size);
			if (!whole)
				break;
			piece.end = wire.at;
			const ProtobufCFieldDescriptor *field =
				protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
			int code = field ? check_piece(type, field, piece, depth, err) : 0;
			if (code < 0)
				return code;
			break;
		}
		default:
			whole = false;
		}
		if (!whole)
			return err_set(err, -EBADMSG, "not a protobuf message of type %s", type->short_name);
	}
	return 0;
}

struct taking {
	struct arena *arena;
	bool refused;
};

static void *allocate(void *context, size_t size)
{
	struct taking *taking = context;
	void *memory = arena_alloc(taking->arena, size);

	taking->refused |= !memory;
	return memory;
}

static void free_nothing(void *context, void *memory)
{
	(void)context;
	(void)memory;
}

int pb_decode(const ProtobufCMessageDescriptor *type, const void *bytes, size_t size, struct arena *arena,
	      ProtobufCMessage **ret_message, struct err *err)
{
	struct taking taking = { .arena = arena };
	ProtobufCAllocator allocator = { .alloc = allocate, .free = free_nothing, .allocator_data = &taking };
	struct wire wire = { .at = bytes, .end = (const unsigned char *)bytes + size };
	static const unsigned char nothing[1];

	if (size == 0)
		wire = (struct wire){ nothing, nothing };
	int code = check_texts(type, wire, 0, err);
	if (code < 0)
		return code;
	ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, size, wire.at);
	if (taking.refused)
		return err_set(err, -ENOBUFS, "%s is larger than allowed", type->short_name);
	if (!message)
		return err_set(err, -EBADMSG, "not a protobuf message of type %s", type->short_name);
	*ret_message = message;
	return 0;
}

/* ---- walking what is set ---- */

static size_t quantifier(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return field->label == PROTOBUF_C_LABEL_REPEATED ? *pb_count(message, field) : (size_t)*pb_has(message, field);
}

/* How many items of a field there are to look at; scalars without presence always count as one. */
static size_t count_items(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
			  const char **ret_first)
{
	const void *place = pb_place(message, field);

	*ret_first = place;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		*ret_first = *(const char *const *)place;
		return quantifier(message, field);
	}
	if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void *const *)place ? 1 : 0;
	if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset)
		return quantifier(message, field) ? 1 : 0;
	return 1;
}

static int check_encodable(const ProtobufCMessage *message, int depth,
			   struct err *err) // NOLINT(misc-no-recursion): bounded by DEPTH_MAX
{
	const ProtobufCMessageDescriptor *type = message->descriptor;

	if (depth > DEPTH_MAX)
		return err_set(err, -ELOOP, "%s is nested too deeply", type->short_name);
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		const char *item;
		size_t n = count_items(message, field, &item);

		if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		for (; n > 0; n--, item += sizeof(void *)) {
			const void *value = *(void *const *)(const void *)item;

			if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
				int code = check_encodable(value, depth + 1, err);

				if (code < 0)
					return code;
			} else if (!utf8_valid(value, strlen(value))) {
				return err_set(err, -EILSEQ, "%s.%s is not UTF-8", type->short_name, field->name);
			}
		}
	}
	return 0;
}

int pb_encode(const ProtobufCMessage *message, struct buf *into, struct err *err)
{
	int code = check_encodable(message, 0, err);

	if (code < 0)
		return code;
	size_t size = protobuf_c_message_get_packed_size(message);
	char *place = buf_reserve(into, size);
	if (!place)
		return err_set(err, -ENOBUFS, "%s of %zu bytes is larger than the %zu allowed",
			       message->descriptor->short_name, size, into->limit);
	protobuf_c_message_pack(message, (uint8_t *)place);
	buf_grow(into, size);
	return 0;
}

/* ---- copying and comparing ---- */

static void copy_item(const ProtobufCFieldDescriptor *field, char *to, const char *from,
		      struct arena *arena) // NOLINT(misc-no-recursion): as deep as the message
{
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		const char *text = *(char *const *)(const void *)from;

		*(char **)(void *)to = text ? arena_strdup(arena, text) : NULL;
	} else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		const ProtobufCMessage *message = *(ProtobufCMessage *const *)(const void *)from;

		*(ProtobufCMessage **)(void *)to = message ? pb_copy(message, arena) : NULL;
	} else if (field->type == PROTOBUF_C_TYPE_BYTES) {
		ProtobufCBinaryData *bytes = (void *)to;

		memcpy(to, from, sizeof *bytes);
		if (bytes->data)
			bytes->data = (uint8_t *)arena_strndup(arena, (const char *)bytes->data, bytes->len);
	} else {
		memcpy(to, from, pb_item_size(field));
	}
}

ProtobufCMessage *pb_copy(const ProtobufCMessage *message, struct arena *arena) // NOLINT(misc-no-recursion)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	char *copy = arena_alloc(arena, type->sizeof_message);

	memcpy(copy, message, type->sizeof_message);
	((ProtobufCMessage *)(void *)copy)->n_unknown_fields = 0; /* of a newer peer: not ours to pass on */
	((ProtobufCMessage *)(void *)copy)->unknown_fields = NULL;
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		const char *from;
		size_t n = count_items(message, field, &from);
		char *to = copy + field->offset;

		if (n == 0)
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t room = 1;

			while (room < n)
				room *= 2; /* what PB_APPEND goes by */

			char *array = arena_alloc(arena, room * pb_item_size(field));

			*(char **)(void *)to = array;
			to = array;
		}
		for (; n > 0; n--, from += pb_item_size(field), to += pb_item_size(field))
			copy_item(field, to, from, arena);
	}
	return (ProtobufCMessage *)(void *)copy;
}

static bool items_equal(const ProtobufCFieldDescriptor *field, const char *a,
			const char *b) // NOLINT(misc-no-recursion): as deep as the message
{
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return str_eq(*(char *const *)(const void *)a, *(char *const *)(const void *)b);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return pb_equal(*(ProtobufCMessage *const *)(const void *)a,
				*(ProtobufCMessage *const *)(const void *)b);
	if (field->type == PROTOBUF_C_TYPE_BYTES) {
		const ProtobufCBinaryData *x = (const void *)a, *y = (const void *)b;

		return x->len == y->len && (x->len == 0 || memcmp(x->data, y->data, x->len) == 0);
	}
	return memcmp(a, b, pb_item_size(field)) == 0;
}

bool pb_equal(const ProtobufCMessage *a, const ProtobufCMessage *b) // NOLINT(misc-no-recursion)
{
	if (a->descriptor != b->descriptor)
		return false;
	for (unsigned i = 0; i < a->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &a->descriptor->fields[i];
		const char *x, *y;
		size_t n = count_items(a, field, &x);

		if (n != count_items(b, field, &y))
			return false;
		for (; n > 0; n--, x += pb_item_size(field), y += pb_item_size(field))
			if (!items_equal(field, x, y))
				return false;
	}
	return true;
}
