/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/fields.h"

#include <string.h>

#include "config/kubelet.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/codec/duration.h"
#include "pkg/codec/pb.h"

/* One step of a path; the rest begins behind the dot. NULL for an unknown name, which is a bug in our tables. */
static const ProtobufCFieldDescriptor *step(const ProtobufCMessageDescriptor *type, const char **path)
{
	size_t size = strcspn(*path, ".");
	char name[64];

	base_assert(size < sizeof name);
	memcpy(name, *path, size);
	name[size] = 0;
	*path += size + ((*path)[size] == '.');
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(type, name);
	if (!field)
		base_bug("a path in the tables names no field");
	return field;
}

static bool is_message(const ProtobufCFieldDescriptor *field)
{
	return field->type == PROTOBUF_C_TYPE_MESSAGE && field->descriptor != &config__duration__descriptor &&
	       field->label != PROTOBUF_C_LABEL_REPEATED;
}

static int set_bool(const char *text, protobuf_c_boolean *place, struct err *err)
{
	static const char *const trues[] = { "true", "1", "t", "T", "TRUE", "True" };
	static const char *const falses[] = { "false", "0", "f", "F", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_LEN(trues); i++) {
		if (str_eq(text, trues[i]) || str_eq(text, falses[i])) {
			*place = str_eq(text, trues[i]);
			return 0;
		}
	}
	return err_set(err, -EINVAL, "strconv.ParseBool: parsing \"%s\": invalid syntax", text);
}

/* As Go reads a number whose base it has to find out: 0x1f, 0b1, 0o17, 017, and underscores between digits. */
static const char *read_number(const char *text, bool is_signed, int64_t low, int64_t high, int64_t *ret_value)
{
	bool negative = is_signed && *text == '-', too_large = false;
	int64_t value = 0;
	int base = 10;
	char last = 0;

	text += is_signed && (*text == '-' || *text == '+');
	if (is_signed && text[0] == '0' && text[1]) {
		char c = text[1] | 0x20;

		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		text += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
		last = '0';
	}
	if (!*text)
		return "invalid syntax";
	for (; *text; last = *text++) {
		if (*text == '_' && is_signed && last && last != '_' && text[1])
			continue;
		int digit = hex_digit(*text);
		if (digit < 0 || digit >= base)
			return "invalid syntax";
		too_large = too_large || __builtin_mul_overflow(value, base, &value) ||
			    (negative ? __builtin_sub_overflow(value, digit, &value)
				      : __builtin_add_overflow(value, digit, &value));
	}
	*ret_value = value;
	return too_large || value < low || value > high ? "value out of range" : NULL;
}

static int set_number(const ProtobufCFieldDescriptor *field, const char *text, void *place, struct err *err)
{
	bool wide = field->type == PROTOBUF_C_TYPE_INT64;
	bool natural = field->type == PROTOBUF_C_TYPE_UINT32; /* the log's verbosity, which fits an int there */
	int64_t value;
	const char *fault = read_number(text, !natural,
					wide      ? INT64_MIN
					: natural ? 0
						  : INT32_MIN,
					wide ? INT64_MAX : INT32_MAX, &value);

	if (fault)
		return err_set(err, -EINVAL, "strconv.%s: parsing \"%s\": %s", natural ? "ParseUint" : "ParseInt", text,
			       fault);
	if (wide)
		*(int64_t *)place = value;
	else
		*(int32_t *)place = (int32_t)value;
	return 0;
}

static int set_duration(const ProtobufCFieldDescriptor *field, const char *text, void *place, struct arena *arena,
			struct err *err)
{
	Config__Duration *duration = pb_new(arena, field->descriptor);

	if (duration_read(text, &duration->ns, err) < 0)
		return err->code;
	duration->has_ns = 1;
	*(Config__Duration **)place = duration;
	return 0;
}

/* "k=v" into a map entry: a message of key and value, where the value is a text or a boolean. */
static int set_entry(ProtobufCMessage *entry, char *pair, char separator, struct err *err)
{
	const ProtobufCFieldDescriptor *fields = entry->descriptor->fields;
	char *equals = strchr(pair, separator);

	if (!equals)
		return err_set(err, -EINVAL, "malformed pair, expect string%c%s", separator,
			       fields[1].type == PROTOBUF_C_TYPE_BOOL ? "bool" : "string");
	*equals = 0;
	char *key = str_trim(pair), *value = str_trim(equals + 1);
	*(char **)pb_place(entry, &fields[0]) = key;
	if (fields[1].type == PROTOBUF_C_TYPE_STRING) {
		*(char **)pb_place(entry, &fields[1]) = value;
		return 0;
	}
	*pb_has(entry, &fields[1]) = 1;
	if (set_bool(value, pb_place(entry, &fields[1]), err) < 0)
		return err_wrap(err, "invalid value of %s: %s, err", key, value);
	return 0;
}

/* Where the item goes: over the one with the same key, or to the end. */
static size_t place_of_entry(void *const *items, size_t n, const ProtobufCMessage *entry)
{
	const ProtobufCFieldDescriptor *key = entry->descriptor->fields;
	size_t at = 0;

	while (at < n && !str_eq(*(char *const *)pb_place(items[at], key), *(char *const *)pb_place(entry, key)))
		at++;
	return at;
}

static int set_list(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const char *text, bool add,
		    struct arena *arena, struct err *err)
{
	/* Thresholds are written memory.available<100Mi; all else, also minimum reclaims, with '='. */
	char separator = str_eq(field->name, "evictionHard") || str_eq(field->name, "evictionSoft") ? '<' : '=';
	bool is_map = field->type != PROTOBUF_C_TYPE_STRING, is_one = str_eq(field->name, "cpuManagerPolicyOptions");
	size_t n = add ? *pb_count(message, field) : 0, n_most = n + 1;
	char *rest = arena_strdup(arena, text);

	for (const char *comma = text; (comma = strchr(comma, ',')); comma++)
		n_most++;
	void **items = arena_alloc(arena, n_most * sizeof *items);
	if (n > 0)
		memcpy(items, *(void ***)pb_place(message, field), n * sizeof *items);
	for (char *item; *text && rest && (item = is_one ? rest : strsep(&rest, ","));) {
		if (is_one)
			rest = NULL;
		if (!is_map) {
			items[n++] = item;
			continue;
		}
		if (!*item && !is_one)
			continue;
		ProtobufCMessage *entry = pb_new(arena, field->descriptor);
		int code = set_entry(entry, item, separator, err);
		if (code < 0)
			return code;
		size_t at = place_of_entry(items, n, entry);
		items[at] = entry;
		n = MAX(n, at + 1);
	}
	*(void ***)pb_place(message, field) = items;
	*pb_count(message, field) = n;
	return 0;
}

int fields_check(const char *kind, const char *text, struct err *err)
{
	static const ProtobufCFieldDescriptor number = { .type = PROTOBUF_C_TYPE_INT32 };
	protobuf_c_boolean is_on;
	int32_t value;
	int64_t ns;

	if (str_eq(kind, "bool"))
		return set_bool(text, &is_on, err);
	if (str_eq(kind, "int"))
		return set_number(&number, text, &value, err);
	return str_eq(kind, "duration") ? duration_read(text, &ns, err) : 0;
}

int fields_set(ProtobufCMessage *root, const char *path, const char *text, bool add, struct arena *arena,
	       struct err *err)
{
	ProtobufCMessage *message = root;
	const ProtobufCFieldDescriptor *field = step(message->descriptor, &path);

	for (; *path; field = step(message->descriptor, &path)) {
		ProtobufCMessage **place = pb_place(message, field);

		base_assert(is_message(field));
		if (!*place)
			*place = pb_new(arena, field->descriptor);
		message = *place;
	}
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return set_list(message, field, text, add, arena, err);
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)pb_place(message, field) = arena_strdup(arena, text);
		return 0;
	case PROTOBUF_C_TYPE_BOOL:
		*pb_has(message, field) = 1;
		return set_bool(text, pb_place(message, field), err);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_INT64:
		*pb_has(message, field) = 1;
		return set_number(field, text, pb_place(message, field), err);
	case PROTOBUF_C_TYPE_MESSAGE:
		return set_duration(field, text, pb_place(message, field), arena, err);
	default:
		base_bug("a table names a field of a kind that no flag has");
	}
}

bool fields_is_set(const ProtobufCMessage *root, const char *path, bool zero_is_absent)
{
	const ProtobufCMessage *message = root;
	const ProtobufCFieldDescriptor *field = step(message->descriptor, &path);

	for (; *path; field = step(message->descriptor, &path)) {
		message = *(ProtobufCMessage **)pb_place(message, field);
		if (!message)
			return false;
	}
	const void *place = pb_place(message, field);
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *pb_count(message, field) > 0 || (!zero_is_absent && *(void *const *)place);
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return *(char *const *)place && (!zero_is_absent || **(char *const *)place);
	case PROTOBUF_C_TYPE_MESSAGE: {
		const Config__Duration *duration = *(Config__Duration *const *)place;

		return duration &&
		       (!zero_is_absent || field->descriptor != &config__duration__descriptor || duration->ns != 0);
	}
	case PROTOBUF_C_TYPE_BOOL:
		return *pb_has(message, field) && (!zero_is_absent || *(const protobuf_c_boolean *)place);
	case PROTOBUF_C_TYPE_INT64:
		return *pb_has(message, field) && (!zero_is_absent || *(const int64_t *)place);
	default:
		return *pb_has(message, field) && (!zero_is_absent || *(const int32_t *)place);
	}
}

/* A zero of any other number or truth either has a default or is one that a user can mean. */
static const char *const plain[] = {
	"enableContentionProfiling", "evictionMaxPodGracePeriod",
	"kernelMemcgNotification",   "podsPerCore",
	"protectKernelDefaults",     "readOnlyPort",
	"rotateCertificates",        "runOnce",
	"serverTLSBootstrap",
};

/* The one text that is a pointer: "" there is another file than the default one. */
static bool may_be_empty(const ProtobufCFieldDescriptor *field)
{
	return str_eq(field->name, "resolvConf");
}

void fields_drop_zeros(ProtobufCMessage *root)
{
	for (unsigned i = 0; i < root->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &root->descriptor->fields[i];
		void *place = pb_place(root, field);

		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			continue;
		if (field->type == PROTOBUF_C_TYPE_STRING) {
			if (str_empty(*(char **)place) && !may_be_empty(field))
				*(char **)place = NULL;
		} else if (is_message(field)) {
			if (*(ProtobufCMessage **)place)
				fields_drop_zeros(*(ProtobufCMessage **)place);
		} else if (str_is_one_of(field->name, plain, ARRAY_LEN(plain))) {
			bool zero = field->type == PROTOBUF_C_TYPE_BOOL ? !*(protobuf_c_boolean *)place
									: *(int32_t *)place == 0;

			*pb_has(root, field) = *pb_has(root, field) && !zero;
		}
	}
}

static int64_t ns_of(const ProtobufCMessage *duration)
{
	return duration ? ((const Config__Duration *)duration)->ns : 0;
}

static bool values_equal(const ProtobufCMessage *a, const ProtobufCMessage *b, const ProtobufCFieldDescriptor *field)
{
	const void *x = pb_place(a, field), *y = pb_place(b, field);

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *pb_count(a, field) == 0 && *pb_count(b, field) == 0;
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return str_eq(*(char *const *)x, *(char *const *)y);
	case PROTOBUF_C_TYPE_MESSAGE: {
		const ProtobufCMessage *p = *(ProtobufCMessage *const *)x, *q = *(ProtobufCMessage *const *)y;

		if (field->descriptor == &config__duration__descriptor)
			return ns_of(p) == ns_of(q);
		return p && q ? pb_equal(p, q) : p == q;
	}
	default:
		break;
	}
	/* What is absent is zero in memory. */
	if (field->type == PROTOBUF_C_TYPE_INT64 || field->type == PROTOBUF_C_TYPE_DOUBLE)
		return memcmp(x, y, 8) == 0;
	return memcmp(x, y, 4) == 0;
}

bool fields_equal(const ProtobufCMessage *a, const ProtobufCMessage *b, const char *path)
{
	const ProtobufCFieldDescriptor *field = step(a->descriptor, &path);

	for (; *path; field = step(a->descriptor, &path)) {
		a = *(ProtobufCMessage **)pb_place(a, field);
		b = *(ProtobufCMessage **)pb_place(b, field);
		if (!a || !b)
			return a == b;
	}
	return values_equal(a, b, field);
}

const char *fields_kind(const ProtobufCMessageDescriptor *type, const char *path)
{
	const ProtobufCFieldDescriptor *field = step(type, &path);

	while (*path)
		field = step(field->descriptor, &path);
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return field->type == PROTOBUF_C_TYPE_MESSAGE ? "map" : "strings";
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return "string";
	case PROTOBUF_C_TYPE_BOOL:
		return "bool";
	case PROTOBUF_C_TYPE_MESSAGE:
		return "duration";
	default:
		return "int";
	}
}
