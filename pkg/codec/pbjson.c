/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/pbjson.h"

#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/base64.h"
#include "pkg/codec/json.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson_special.h"
#include "pkg/codec/utf8.h"

/* ---- reading ---- */

enum { NAME_MAX_BYTES = 64 }; /* the longest field name of ours has 48 */

/* The largest of the types that are read strictly, KubeletConfiguration, has 126 fields. */
enum { SEEN_WORDS = 4 };

/* One open JSON object or array, and where its values go. */
struct frame {
	enum { FRAME_MESSAGE, FRAME_LIST, FRAME_MAP } kind;
	ProtobufCMessage *message;             /* that the object is, or that has the list or map */
	const ProtobufCFieldDescriptor *field; /* where the next value goes; NULL: nowhere, skip it */
	ProtobufCMessage *home;                /* the message that has `field`: `message` or one inlined into it */
	ProtobufCMessage *entry;               /* FRAME_MAP: the entry whose value comes next */
	size_t index;                          /* FRAME_LIST: of the next item */
	uint64_t seen[SEEN_WORDS];             /* FRAME_MESSAGE, strict: fields given so far, a bit for each */
};

struct reader {
	const char *json;
	struct arena *arena;
	struct frame frames[JSON_DEPTH_MAX + 1];
	size_t n_frames;
	size_t skipping;       /* depth inside a value that goes nowhere */
	ProtobufCMessage *raw; /* the message that a skipped value is kept in, with the offset of its first byte */
	size_t raw_start;
	const ProtobufCMessageDescriptor *type;
	ProtobufCMessage *root;
	bool merging; /* into a root that is there already */
	pbjson_odd_fn *odd;
	void *odd_owner;
};

static struct frame *top(struct reader *reader)
{
	return &reader->frames[reader->n_frames - 1];
}

/* "spec.containers[0].image", for messages to people. */
static const char *path_of(const struct reader *reader, const char *last, char path[256])
{
	size_t used = 0;

	path[0] = 0;
	for (size_t i = 0; i < reader->n_frames && used < 255; i++) {
		const struct frame *frame = &reader->frames[i];
		bool end = i + 1 == reader->n_frames;

		if (frame->kind == FRAME_LIST)
			used += (size_t)snprintf(path + used, 256 - used, "[%zu]", frame->index);
		else if (end && last)
			used += (size_t)snprintf(path + used, 256 - used, "%s%s", used ? "." : "", last);
		else if (frame->kind == FRAME_MESSAGE && frame->field)
			used += (size_t)snprintf(path + used, 256 - used, "%s%s", used ? "." : "",
						 pbjson_name(frame->home->descriptor, frame->field));
	}
	return path;
}

static int wrong_type(struct reader *reader, const char *got, struct err *err)
{
	char path[256];

	return err_set(err, -EBADMSG, "%s: unexpected %s", str_or(path_of(reader, NULL, path), "(top)"), got);
}

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOBUFS, "the object is larger than allowed");
}

/* The place for the next value of `field`: its own, or a new one at the end of the list. */
static void *take_place(struct reader *reader, ProtobufCMessage *home, const ProtobufCFieldDescriptor *field)
{
	if (field->label != PROTOBUF_C_LABEL_REPEATED) {
		if (field->quantifier_offset && field->type != PROTOBUF_C_TYPE_STRING &&
		    field->type != PROTOBUF_C_TYPE_MESSAGE)
			*pb_has(home, field) = 1;
		return pb_place(home, field);
	}
	size_t *n = pb_count(home, field);
	void **array = pb_place(home, field);
	size_t size = pb_item_size(field);

	if ((*n & (*n - 1)) == 0) {
		void *grown = pb_grow(reader->arena, *array, *n, size);

		if (!grown)
			return NULL;
		*array = grown;
	}
	return (char *)*array + size * (*n)++;
}

/* A new message at the place of a field; an inlined or repeated key returns the one that is there. */
static ProtobufCMessage *take_message(struct reader *reader, ProtobufCMessage *home,
				      const ProtobufCFieldDescriptor *field)
{
	ProtobufCMessage **place = NULL;

	if (field->label != PROTOBUF_C_LABEL_REPEATED && *(ProtobufCMessage **)pb_place(home, field))
		return *(ProtobufCMessage **)pb_place(home, field);
	ProtobufCMessage *message = pb_new(reader->arena, field->descriptor);
	if (message)
		place = take_place(reader, home, field);
	if (!place)
		return NULL;
	return *place = message;
}

static const ProtobufCFieldDescriptor *find_own(const ProtobufCMessageDescriptor *type, const char *name)
{
	const ProtobufCFieldDescriptor *field = pbjson_field(type, name);

	return field && !pbjson_is_inlined(type, field) ? field : NULL;
}

/* Finds where a key belongs: in the message itself or in one that is inlined into it. */
static int find_field(struct reader *reader, struct frame *frame, const char *key, size_t size, struct err *err)
{
	const ProtobufCMessageDescriptor *type = frame->message->descriptor;
	char name[NAME_MAX_BYTES];

	frame->home = frame->message;
	frame->field = NULL;
	if (size >= sizeof name || memchr(key, 0, size))
		return 0;
	memcpy(name, key, size);
	name[size] = 0;
	frame->field = find_own(type, name);
	for (unsigned i = 0; i < type->n_fields && !frame->field; i++) {
		const ProtobufCFieldDescriptor *inlined = &type->fields[i];

		if (!pbjson_is_inlined(type, inlined))
			continue;
		frame->field = find_own(inlined->descriptor, name);
		if (!frame->field)
			continue;
		frame->home = take_message(reader, frame->message, inlined);
		if (!frame->home)
			return out_of_memory(err);
	}
	if (frame->field && pbjson_is_skipped(frame->home->descriptor, frame->field))
		frame->field = NULL;
	return 0;
}

static int tell_oddity(struct reader *reader, enum pbjson_oddity what, const char *key, size_t size, struct err *err)
{
	_cleanup_free_ char *name = xstrndup(key, size);
	char path[256];

	return reader->odd(reader->odd_owner, what, path_of(reader, name, path), err);
}

/* Strict reading: unknown and repeated fields. The type's own header fields are nobody's mistake. */
static int check_oddity(struct reader *reader, struct frame *frame, const char *key, size_t size, struct err *err)
{
	if (!frame->field) {
		bool header = reader->n_frames == 1 && ((size == 4 && memcmp(key, "kind", 4) == 0) ||
							(size == 10 && memcmp(key, "apiVersion", 10) == 0));

		return header ? 0 : tell_oddity(reader, PBJSON_UNKNOWN_FIELD, key, size, err);
	}
	/* Fields of an inlined message have indexes of their own: what is given twice there is not told. */
	if (frame->home != frame->message)
		return 0;
	size_t index = (size_t)(frame->field - frame->home->descriptor->fields);
	base_assert(index < (size_t)SEEN_WORDS * 64);
	uint64_t *word = &frame->seen[index / 64], bit = UINT64_C(1) << (index % 64);
	bool again = *word & bit;

	*word |= bit;
	return again ? tell_oddity(reader, PBJSON_DUPLICATE_FIELD, key, size, err) : 0;
}

/* Takes the entry of this key out of a map that is merged into; the array becomes one of the reader's own. */
static int drop_entry(struct reader *reader, ProtobufCMessage *home, const ProtobufCFieldDescriptor *field,
		      const char *key, size_t size, struct err *err)
{
	size_t n = pb_count(home, field)[0], left = 0;
	ProtobufCMessage **old = *(ProtobufCMessage ***)pb_place(home, field), **array = NULL;

	*pb_count(home, field) = 0;
	for (size_t i = 0; i < n; i++) {
		const char *own = *(char **)pb_place(old[i], &old[i]->descriptor->fields[0]);

		if (strlen(own) == size && memcmp(own, key, size) == 0)
			continue;
		array = take_place(reader, home, field);
		if (!array)
			return out_of_memory(err);
		*array = old[i];
		left++;
	}
	base_assert(*pb_count(home, field) == left);
	return 0;
}

/* A C string holds no zero byte. */
static int copy_text(struct reader *reader, const char *text, size_t size, char **ret_copy, struct err *err)
{
	_cleanup_buf_ struct buf whole = BUF_INIT(SIZE_MAX);
	bool has_zero = memchr(text, 0, size);

	if (has_zero && reader->odd)
		return wrong_type(reader, "zero byte in a text", err);
	if (has_zero) {
		utf8_sanitize_zeros(text, size, &whole);
		text = whole.bytes;
		size = whole.size;
	}
	*ret_copy = arena_strndup(reader->arena, text, size);
	return *ret_copy ? 0 : out_of_memory(err);
}

static int take_entry(struct reader *reader, struct frame *frame, const char *key, size_t size, struct err *err)
{
	if (reader->merging) {
		int code = drop_entry(reader, frame->home, frame->field, key, size, err);

		if (code < 0)
			return code;
	}
	frame->entry = take_message(reader, frame->home, frame->field);
	if (!frame->entry)
		return out_of_memory(err);
	char *copy;
	int code = copy_text(reader, key, size, &copy, err);

	if (code < 0)
		return code;
	/* A map entry is a message of two fields, key and value. */
	*(char **)pb_place(frame->entry, &frame->entry->descriptor->fields[0]) = copy;
	return 0;
}

static int on_key(void *owner, const char *key, size_t size, struct err *err)
{
	struct reader *reader = owner;
	struct frame *frame = top(reader);

	if (reader->skipping)
		return 0;
	if (frame->kind == FRAME_MAP)
		return take_entry(reader, frame, key, size, err);
	int code = find_field(reader, frame, key, size, err);
	if (code == 0 && reader->odd)
		code = check_oddity(reader, frame, key, size, err);
	return code;
}

/* Where the next value goes; false when it is skipped. */
static bool next_target(struct reader *reader, ProtobufCMessage **ret_home, const ProtobufCFieldDescriptor **ret_field)
{
	struct frame *frame = top(reader);

	if (frame->kind == FRAME_MAP) {
		*ret_home = frame->entry;
		*ret_field = &frame->entry->descriptor->fields[1];
		return true;
	}
	*ret_home = frame->home;
	*ret_field = frame->field;
	return frame->field;
}

static bool is_map(const ProtobufCFieldDescriptor *field)
{
	return field->label == PROTOBUF_C_LABEL_REPEATED && field->type == PROTOBUF_C_TYPE_MESSAGE &&
	       pbjson_is_map_entry(field->descriptor);
}

/* A list's values go one by one into the repeated field; elsewhere a repeated field wants '[' or, a map, '{'. */
static bool wants_scalar(const struct frame *frame, const ProtobufCFieldDescriptor *field)
{
	return frame->kind == FRAME_LIST || field->label != PROTOBUF_C_LABEL_REPEATED;
}

static void value_done(struct reader *reader)
{
	struct frame *frame = reader->n_frames ? top(reader) : NULL;

	if (frame && frame->kind == FRAME_LIST)
		frame->index++;
}

static int set_number(struct reader *reader, const ProtobufCFieldDescriptor *field, void *place, const char *text,
		      size_t size, struct err *err)
{
	char copy[64];
	int64_t value = 0;

	if (size >= sizeof copy)
		return wrong_type(reader, "long number", err);
	memcpy(copy, text, size);
	copy[size] = 0;
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
		if (str_to_i64(copy, INT32_MIN, INT32_MAX, &value) < 0)
			break;
		*(int32_t *)place = (int32_t)value;
		return 0;
	case PROTOBUF_C_TYPE_UINT32:
		if (str_to_i64(copy, 0, UINT32_MAX, &value) < 0)
			break;
		*(uint32_t *)place = (uint32_t)value;
		return 0;
	case PROTOBUF_C_TYPE_INT64:
		if (str_to_i64(copy, INT64_MIN, INT64_MAX, &value) < 0)
			break;
		*(int64_t *)place = value;
		return 0;
	case PROTOBUF_C_TYPE_UINT64:
		if (str_to_i64(copy, 0, INT64_MAX, &value) < 0)
			break;
		*(uint64_t *)place = (uint64_t)value;
		return 0;
	case PROTOBUF_C_TYPE_DOUBLE:
		*(double *)place = strtod(copy, NULL);
		return 0;
	default:
		return wrong_type(reader, "number", err);
	}
	char path[256];

	return err_set(err, -EBADMSG, "%s: %s is not a number of this kind", path_of(reader, NULL, path), copy);
}

static int set_text(struct reader *reader, ProtobufCMessage *home, const ProtobufCFieldDescriptor *field, void *place,
		    const char *text, size_t size, struct err *err)
{
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return copy_text(reader, text, size, place, err);
	if (field->type != PROTOBUF_C_TYPE_BYTES)
		return wrong_type(reader, "text", err);

	ProtobufCBinaryData *data = place;
	size_t room = pbjson_is_text(home->descriptor, field) ? size : base64_decoded_max(size);
	data->data = (uint8_t *)arena_alloc(reader->arena, room + 1);
	if (!data->data)
		return out_of_memory(err);
	data->len = size;
	if (pbjson_is_text(home->descriptor, field))
		memcpy(data->data, text, size);
	else if (base64_decode(text, size, data->data, &data->len) < 0)
		return wrong_type(reader, "text that is not base64", err);
	return 0;
}

static void clear(ProtobufCMessage *home, const ProtobufCFieldDescriptor *field)
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		*pb_count(home, field) = 0;
	if (field->label == PROTOBUF_C_LABEL_REPEATED || field->type == PROTOBUF_C_TYPE_STRING ||
	    field->type == PROTOBUF_C_TYPE_MESSAGE) {
		*(void **)pb_place(home, field) = NULL;
		return;
	}
	memset(pb_place(home, field), 0, pb_item_size(field));
	*pb_has(home, field) = 0;
}

static int on_scalar(struct reader *reader, const char *text, size_t size, bool number, struct err *err)
{
	const ProtobufCFieldDescriptor *field;
	ProtobufCMessage *home;

	if (reader->skipping || (reader->n_frames && !next_target(reader, &home, &field)))
		return 0;
	if (reader->n_frames == 0 || !wants_scalar(top(reader), field))
		return wrong_type(reader, number ? "number" : "text", err);

	if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		enum pbjson_shape shape = pbjson_shape_of(field->descriptor);
		ProtobufCMessage *message;

		if (reader->merging && top(reader)->kind == FRAME_MESSAGE)
			clear(home, field); /* what is there may be another field's too */
		message = take_message(reader, home, field);

		if (!message)
			return out_of_memory(err);
		if (shape == SHAPE_FIELDS)
			return wrong_type(reader, number ? "number" : "text", err);
		int code = pbjson_shape_read(shape, message, text, size, number, reader->arena, err);
		if (code < 0) {
			char path[256];

			return err_wrap(err, "%s", path_of(reader, NULL, path));
		}
		value_done(reader);
		return 0;
	}
	void *place = take_place(reader, home, field);
	if (!place)
		return out_of_memory(err);
	value_done(reader);
	return number ? set_number(reader, field, place, text, size, err)
		      : set_text(reader, home, field, place, text, size, err);
}

static int on_number(void *owner, const char *text, size_t size, struct err *err)
{
	return on_scalar(owner, text, size, true, err);
}

static int on_string(void *owner, const char *text, size_t size, struct err *err)
{
	return on_scalar(owner, text, size, false, err);
}

static int on_boolean(void *owner, bool value, struct err *err)
{
	struct reader *reader = owner;
	const ProtobufCFieldDescriptor *field;
	ProtobufCMessage *home;

	if (reader->skipping || (reader->n_frames && !next_target(reader, &home, &field)))
		return 0;
	if (reader->n_frames && field->type == PROTOBUF_C_TYPE_MESSAGE &&
	    pbjson_shape_of(field->descriptor) == SHAPE_RAW)
		return on_scalar(reader, value ? "true" : "false", value ? 4 : 5, true, err);
	if (reader->n_frames == 0 || !wants_scalar(top(reader), field) || field->type != PROTOBUF_C_TYPE_BOOL)
		return wrong_type(reader, "boolean", err);
	protobuf_c_boolean *place = take_place(reader, home, field);
	if (!place)
		return out_of_memory(err);
	*place = value;
	value_done(reader);
	return 0;
}

/* null is absent; in a list it is an item with nothing in it, as Go has it. */
static int on_null(void *owner, struct err *err)
{
	struct reader *reader = owner;
	const ProtobufCFieldDescriptor *field;
	ProtobufCMessage *home;

	if (reader->skipping)
		return 0;
	if (reader->n_frames == 0)
		return wrong_type(reader, "null", err);
	if (!next_target(reader, &home, &field))
		return 0;
	if (top(reader)->kind == FRAME_MESSAGE) {
		if (reader->merging)
			clear(home, field);
		return 0;
	}
	if (reader->merging && top(reader)->kind == FRAME_MAP) {
		--*pb_count(top(reader)->home, top(reader)->field);
		return 0;
	}
	void *place = field->type == PROTOBUF_C_TYPE_MESSAGE ? (void *)take_message(reader, home, field)
							     : take_place(reader, home, field);
	if (!place)
		return out_of_memory(err);
	if (field->type == PROTOBUF_C_TYPE_STRING)
		*(char **)place = arena_strdup(reader->arena, "");
	value_done(reader);
	return 0;
}

static void skip(struct reader *reader, size_t at, ProtobufCMessage *raw)
{
	reader->skipping = 1;
	reader->raw = raw;
	reader->raw_start = at - 1;
}

static void open_frame(struct reader *reader, int kind, ProtobufCMessage *message,
		       const ProtobufCFieldDescriptor *field)
{
	reader->frames[reader->n_frames++] =
		(struct frame){ .kind = kind, .message = message, .home = message, .field = field };
}

static int on_begin_object(void *owner, size_t at, struct err *err)
{
	struct reader *reader = owner;
	const ProtobufCFieldDescriptor *field;
	ProtobufCMessage *home;

	if (reader->skipping) {
		reader->skipping++;
		return 0;
	}
	if (reader->n_frames == 0) {
		if (!reader->merging)
			reader->root = pb_new(reader->arena, reader->type);
		if (!reader->root)
			return out_of_memory(err);
		open_frame(reader, FRAME_MESSAGE, reader->root, NULL);
		return 0;
	}
	if (!next_target(reader, &home, &field)) {
		skip(reader, at, NULL);
		return 0;
	}
	if (top(reader)->kind != FRAME_LIST && is_map(field)) {
		open_frame(reader, FRAME_MAP, home, field);
		return 0;
	}
	if (!wants_scalar(top(reader), field) || field->type != PROTOBUF_C_TYPE_MESSAGE)
		return wrong_type(reader, "object", err);
	ProtobufCMessage *message = take_message(reader, home, field);
	if (!message)
		return out_of_memory(err);
	switch (pbjson_shape_of(field->descriptor)) {
	case SHAPE_RAW:
		skip(reader, at, message);
		return 0;
	case SHAPE_FIELDS:
		open_frame(reader, FRAME_MESSAGE, message, NULL);
		return 0;
	default:
		return wrong_type(reader, "object", err);
	}
}

static int on_begin_array(void *owner, size_t at, struct err *err)
{
	struct reader *reader = owner;
	const ProtobufCFieldDescriptor *field;
	ProtobufCMessage *home;

	if (reader->skipping) {
		reader->skipping++;
		return 0;
	}
	if (reader->n_frames == 0)
		return wrong_type(reader, "list", err);
	if (!next_target(reader, &home, &field)) {
		skip(reader, at, NULL);
		return 0;
	}
	if (field->type == PROTOBUF_C_TYPE_MESSAGE && pbjson_shape_of(field->descriptor) == SHAPE_RAW &&
	    wants_scalar(top(reader), field)) {
		ProtobufCMessage *message = take_message(reader, home, field);

		if (!message)
			return out_of_memory(err);
		skip(reader, at, message);
		return 0;
	}
	if (field->type == PROTOBUF_C_TYPE_MESSAGE && pbjson_shape_of(field->descriptor) == SHAPE_LIST &&
	    wants_scalar(top(reader), field)) {
		ProtobufCMessage *message = take_message(reader, home, field);

		if (!message)
			return out_of_memory(err);
		open_frame(reader, FRAME_LIST, message, &message->descriptor->fields[0]);
		return 0;
	}
	if (wants_scalar(top(reader), field) || is_map(field))
		return wrong_type(reader, "list", err);
	/* A list given twice: the later one counts, as in Go. */
	*pb_count(home, field) = 0;
	open_frame(reader, FRAME_LIST, home, field);
	return 0;
}

/* [] and {} are told from absent by an array that is not NULL: configuration files mean something by it. */
static void mark_given(struct frame *frame)
{
	static void *nothing[1];

	if (frame->kind == FRAME_MESSAGE || frame->field->label != PROTOBUF_C_LABEL_REPEATED)
		return;
	void **array = pb_place(frame->home, frame->field);
	if (!*array)
		*array = nothing;
}

static int on_end(void *owner, size_t at, struct err *err)
{
	struct reader *reader = owner;

	if (reader->skipping) {
		if (--reader->skipping > 0)
			return 0;
		ProtobufCMessage *raw = steal_pointer(&reader->raw);

		value_done(reader);
		return raw ? pbjson_raw_set(raw, reader->json + reader->raw_start, at - reader->raw_start,
					    reader->arena, err)
			   : 0;
	}
	mark_given(top(reader));
	reader->n_frames--;
	value_done(reader);
	return 0;
}

static const struct json_events events = {
	.null = on_null,
	.boolean = on_boolean,
	.number = on_number,
	.string = on_string,
	.begin_object = on_begin_object,
	.key = on_key,
	.end_object = on_end,
	.begin_array = on_begin_array,
	.end_array = on_end,
};

int pbjson_decode_strict(const ProtobufCMessageDescriptor *type, const char *json, size_t size, struct arena *arena,
			 ProtobufCMessage **ret_message, pbjson_odd_fn *odd, void *owner, struct err *err)
{
	struct reader reader = { .json = json, .arena = arena, .type = type, .odd = odd, .odd_owner = owner };
	int code = json_parse(json, size, &events, &reader, err);

	if (code < 0)
		return code;
	*ret_message = reader.root;
	return 0;
}

int pbjson_decode(const ProtobufCMessageDescriptor *type, const char *json, size_t size, struct arena *arena,
		  ProtobufCMessage **ret_message, struct err *err)
{
	return pbjson_decode_strict(type, json, size, arena, ret_message, NULL, NULL, err);
}

int pbjson_merge(ProtobufCMessage *message, const char *json, size_t size, struct arena *arena, pbjson_odd_fn *odd,
		 void *owner, struct err *err)
{
	struct reader reader = { .json = json,
				 .arena = arena,
				 .type = message->descriptor,
				 .root = message,
				 .merging = true,
				 .odd = odd,
				 .odd_owner = owner };

	return json_parse(json, size, &events, &reader, err);
}

/* ---- writing ---- */

struct writing {
	struct json_writer json;
	struct err *err;
};

static int write_message(struct writing *writing, const ProtobufCMessage *message);

static int write_text(struct writing *writing, const ProtobufCMessage *home, const ProtobufCFieldDescriptor *field,
		      const char *text, size_t size)
{
	if (!utf8_valid(text, size))
		return err_set(writing->err, -EILSEQ, "%s.%s is not UTF-8", home->descriptor->short_name, field->name);
	json_string_sized(&writing->json, text, size);
	return 0;
}

static int write_bytes(struct writing *writing, const ProtobufCMessage *home, const ProtobufCFieldDescriptor *field,
		       const ProtobufCBinaryData *data)
{
	if (pbjson_is_text(home->descriptor, field))
		return write_text(writing, home, field, (const char *)data->data, data->len);
	_cleanup_buf_ struct buf text = BUF_INIT(SIZE_MAX);

	base64_encode(data->data, data->len, &text);
	json_string_sized(&writing->json, buf_text(&text), text.size);
	return 0;
}

static int write_items(struct writing *writing, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

static int write_value(struct writing *writing, const ProtobufCMessage *home, const ProtobufCFieldDescriptor *field,
		       const void *place) // NOLINT(misc-no-recursion): as deep as the message
{
	struct json_writer *json = &writing->json;

	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE: {
		const ProtobufCMessage *message = *(ProtobufCMessage *const *)place;
		enum pbjson_shape shape = pbjson_shape_of(field->descriptor);

		if (shape == SHAPE_LIST)
			return write_items(writing, message, &message->descriptor->fields[0]);
		return shape == SHAPE_FIELDS ? write_message(writing, message)
					     : pbjson_shape_write(shape, message, json, writing->err);
	}
	case PROTOBUF_C_TYPE_STRING: {
		const char *text = *(char *const *)place;

		return write_text(writing, home, field, text, strlen(text));
	}
	case PROTOBUF_C_TYPE_BYTES:
		return write_bytes(writing, home, field, place);
	case PROTOBUF_C_TYPE_BOOL:
		json_bool(json, *(const protobuf_c_boolean *)place);
		return 0;
	case PROTOBUF_C_TYPE_INT32:
		json_int(json, *(const int32_t *)place);
		return 0;
	case PROTOBUF_C_TYPE_UINT32:
		json_int(json, *(const uint32_t *)place);
		return 0;
	case PROTOBUF_C_TYPE_INT64:
		json_int(json, *(const int64_t *)place);
		return 0;
	case PROTOBUF_C_TYPE_UINT64:
		json_uint(json, *(const uint64_t *)place);
		return 0;
	case PROTOBUF_C_TYPE_DOUBLE:
		json_double(json, *(const double *)place);
		return 0;
	default:
		base_bug("a field type that our .proto files do not use");
	}
}

static int write_map(struct writing *writing, ProtobufCMessage *const *entries,
		     size_t n) // NOLINT(misc-no-recursion): as deep as the message
{
	json_begin_object(&writing->json);
	for (size_t i = 0; i < n; i++) {
		const ProtobufCFieldDescriptor *fields = entries[i]->descriptor->fields;
		const void *value = (const char *)entries[i] + fields[1].offset;
		const char *key = *(char *const *)(const void *)((const char *)entries[i] + fields[0].offset);

		if (key && !utf8_valid(key, strlen(key)))
			return err_set(writing->err, -EILSEQ, "a key is not UTF-8");
		json_key(&writing->json, key ? key : "");
		if ((fields[1].type == PROTOBUF_C_TYPE_STRING || fields[1].type == PROTOBUF_C_TYPE_MESSAGE) &&
		    !*(void *const *)value) {
			json_string(&writing->json, "");
			continue;
		}
		int code = write_value(writing, entries[i], &fields[1], value);
		if (code < 0)
			return code;
	}
	json_end_object(&writing->json);
	return 0;
}

static int write_items(struct writing *writing, const ProtobufCMessage *message,
		       const ProtobufCFieldDescriptor *field) // NOLINT(misc-no-recursion): as deep as the message
{
	size_t n = *pb_count(message, field);
	const char *item = *(const char *const *)pb_place(message, field);

	json_begin_array(&writing->json);
	for (; n > 0; n--, item += pb_item_size(field)) {
		int code = write_value(writing, message, field, item);

		if (code < 0)
			return code;
	}
	json_end_array(&writing->json);
	return 0;
}

static int write_repeated(struct writing *writing, const ProtobufCMessage *message,
			  const ProtobufCFieldDescriptor *field) // NOLINT(misc-no-recursion): as deep as the message
{
	size_t n = *pb_count(message, field);
	const void *items = *(const void *const *)pb_place(message, field);

	if (n == 0)
		return 0;
	json_key(&writing->json, pbjson_name(message->descriptor, field));
	return is_map(field) ? write_map(writing, items, n) : write_items(writing, message, field);
}

static int write_fields(struct writing *writing, const ProtobufCMessage *message);

/* Nothing at all for a field that is absent. */
static int write_field(struct writing *writing, const ProtobufCMessage *message,
		       const ProtobufCFieldDescriptor *field) // NOLINT(misc-no-recursion): as deep as the message
{
	const void *place = pb_place(message, field);

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return write_repeated(writing, message, field);
	if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE) {
		if (!*(void *const *)place)
			return 0;
		if (pbjson_is_inlined(message->descriptor, field))
			return write_fields(writing, *(ProtobufCMessage *const *)place);
	} else if (field->quantifier_offset && !*pb_has(message, field)) {
		return 0;
	}
	json_key(&writing->json, pbjson_name(message->descriptor, field));
	return write_value(writing, message, field, place);
}

static int write_fields(struct writing *writing,
			const ProtobufCMessage *message) // NOLINT(misc-no-recursion): as deep as the message
{
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		int code = write_field(writing, message, &message->descriptor->fields[i]);

		if (code < 0)
			return code;
	}
	return 0;
}

static int write_message(struct writing *writing,
			 const ProtobufCMessage *message) // NOLINT(misc-no-recursion): as deep as the message
{
	json_begin_object(&writing->json);
	int code = write_fields(writing, message);
	json_end_object(&writing->json);
	return code;
}

int pbjson_write_field(struct json_writer *json, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
		       struct err *err)
{
	struct writing writing = { .json = *json, .err = err };
	int code = write_field(&writing, message, field);

	*json = writing.json;
	return code;
}

int pbjson_write_item(struct json_writer *json, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
		      size_t index, struct err *err)
{
	struct writing writing = { .json = *json, .err = err };
	const char *items = *(const char *const *)pb_place(message, field);
	int code = write_value(&writing, message, field, items + index * pb_item_size(field));

	*json = writing.json;
	return code;
}

static int encode(const ProtobufCMessage *message, const char *kind, struct buf *into, struct err *err)
{
	struct writing writing = { .json = { .into = into }, .err = err };

	json_begin_object(&writing.json);
	if (kind) {
		json_key(&writing.json, "kind");
		json_string(&writing.json, kind);
		json_key(&writing.json, "apiVersion");
		json_string(&writing.json, pbjson_api_version(message->descriptor));
	}
	int code = write_fields(&writing, message);
	json_end_object(&writing.json);
	return code < 0 ? code : pbjson_check_size(message, into, err);
}

int pbjson_encode(const ProtobufCMessage *message, struct buf *into, struct err *err)
{
	return encode(message, pbjson_kind(message->descriptor), into, err);
}

int pbjson_encode_item(const ProtobufCMessage *message, struct buf *into, struct err *err)
{
	return encode(message, NULL, into, err);
}

int pbjson_check_size(const ProtobufCMessage *message, const struct buf *into, struct err *err)
{
	if (!into->overflow)
		return 0;
	return err_set(err, -ENOBUFS, "the JSON of %s is larger than the %zu bytes allowed",
		       message->descriptor->short_name, into->limit);
}
