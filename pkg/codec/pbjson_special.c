/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/pbjson_special.h"

#include <string.h>

#include "config/kubeconfig.pb-c.h"
#include "config/kubelet.pb-c.h"
#include "k8s/authentication.pb-c.h"
#include "k8s/authorization.pb-c.h"
#include "k8s/certificates.pb-c.h"
#include "k8s/coordination.pb-c.h"
#include "k8s/core.pb-c.h"
#include "k8s/intstr.pb-c.h"
#include "k8s/meta.pb-c.h"
#include "k8s/node.pb-c.h"
#include "k8s/resource.pb-c.h"
#include "k8s/runtime.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/codec/duration.h"
#include "pkg/codec/pbjson.h"
#include "pkg/codec/rfc3339.h"

static const struct {
	const ProtobufCMessageDescriptor *type;
	enum pbjson_shape shape;
} shapes[] = {
	{ &meta__time__descriptor, SHAPE_TIME },
	{ &meta__micro_time__descriptor, SHAPE_MICRO_TIME },
	{ &config__duration__descriptor, SHAPE_DURATION },
	{ &meta__fields_v1__descriptor, SHAPE_RAW },
	{ &resource__quantity__descriptor, SHAPE_QUANTITY },
	{ &intstr__int_or_string__descriptor, SHAPE_INT_OR_STRING },
	{ &runtime__raw_extension__descriptor, SHAPE_RAW },
	{ &authentication__extra_value__descriptor, SHAPE_LIST },
	{ &authentication__attestation_value__descriptor, SHAPE_LIST },
	{ &authorization__extra_value__descriptor, SHAPE_LIST },
	{ &certificates__extra_value__descriptor, SHAPE_LIST },
};

static const struct {
	const ProtobufCMessageDescriptor *parent;
	const char *field;
} inlined[] = {
	{ &core__volume__descriptor, "volumeSource" },
	{ &core__probe__descriptor, "handler" },
	{ &core__ephemeral_container__descriptor, "ephemeralContainerCommon" },
	{ &core__config_map_volume_source__descriptor, "localObjectReference" },
	{ &core__config_map_projection__descriptor, "localObjectReference" },
	{ &core__config_map_env_source__descriptor, "localObjectReference" },
	{ &core__config_map_key_selector__descriptor, "localObjectReference" },
	{ &core__secret_projection__descriptor, "localObjectReference" },
	{ &core__secret_env_source__descriptor, "localObjectReference" },
	{ &core__secret_key_selector__descriptor, "localObjectReference" },
};

static const struct {
	const ProtobufCMessageDescriptor *type;
	const char *proto, *json;
} names[] = {
	{ &authentication__bound_object_reference__descriptor, "uID", "uid" },
	{ &config__kubeconfig__descriptor, "current_context", "current-context" },
	{ &config__cluster__descriptor, "tls_server_name", "tls-server-name" },
	{ &config__cluster__descriptor, "insecure_skip_tls_verify", "insecure-skip-tls-verify" },
	{ &config__cluster__descriptor, "certificate_authority", "certificate-authority" },
	{ &config__cluster__descriptor, "certificate_authority_data", "certificate-authority-data" },
	{ &config__cluster__descriptor, "proxy_url", "proxy-url" },
	{ &config__cluster__descriptor, "disable_compression", "disable-compression" },
	{ &config__user__descriptor, "auth_provider", "auth-provider" },
	{ &config__user__descriptor, "client_certificate", "client-certificate" },
	{ &config__user__descriptor, "client_certificate_data", "client-certificate-data" },
	{ &config__user__descriptor, "client_key", "client-key" },
	{ &config__user__descriptor, "client_key_data", "client-key-data" },
};

static const struct {
	const ProtobufCMessageDescriptor *type;
	const char *api_version, *kind;
} kinds[] = {
	{ &core__pod__descriptor, "v1", "Pod" },
	{ &core__pod_list__descriptor, "v1", "PodList" },
	{ &core__node__descriptor, "v1", "Node" },
	{ &core__event__descriptor, "v1", "Event" },
	{ &core__config_map__descriptor, "v1", "ConfigMap" },
	{ &core__secret__descriptor, "v1", "Secret" },
	{ &core__service__descriptor, "v1", "Service" },
	{ &meta__status__descriptor, "v1", "Status" },
	{ &meta__delete_options__descriptor, "v1", "DeleteOptions" },
	{ &coordination__lease__descriptor, "coordination.k8s.io/v1", "Lease" },
	{ &authentication__token_review__descriptor, "authentication.k8s.io/v1", "TokenReview" },
	{ &authentication__token_request__descriptor, "authentication.k8s.io/v1", "TokenRequest" },
	{ &authorization__subject_access_review__descriptor, "authorization.k8s.io/v1", "SubjectAccessReview" },
	{ &certificates__certificate_signing_request__descriptor, "certificates.k8s.io/v1",
	  "CertificateSigningRequest" },
	{ &node__runtime_class__descriptor, "node.k8s.io/v1", "RuntimeClass" },
	{ &config__kubelet_configuration__descriptor, "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration" },
};

const char *pbjson_api_version(const ProtobufCMessageDescriptor *type)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].type == type)
			return kinds[i].api_version;
	return NULL;
}

const char *pbjson_kind(const ProtobufCMessageDescriptor *type)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].type == type)
			return kinds[i].kind;
	return NULL;
}

enum pbjson_shape pbjson_shape_of(const ProtobufCMessageDescriptor *type)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		if (shapes[i].type == type)
			return shapes[i].shape;
	return SHAPE_FIELDS;
}

bool pbjson_is_inlined(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field)
{
	for (size_t i = 0; i < ARRAY_LEN(inlined); i++)
		if (inlined[i].parent == type && strcmp(inlined[i].field, field->name) == 0)
			return true;
	return false;
}

bool pbjson_is_map_entry(const ProtobufCMessageDescriptor *type)
{
	return type->n_fields == 2 && str_has_suffix(type->name, "Entry") && strcmp(type->fields[0].name, "key") == 0 &&
	       strcmp(type->fields[1].name, "value") == 0;
}

const char *pbjson_name(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].type == type && strcmp(names[i].proto, field->name) == 0)
			return names[i].json;
	return field->name;
}

const ProtobufCFieldDescriptor *pbjson_field(const ProtobufCMessageDescriptor *type, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i].type != type)
			continue;
		if (strcmp(names[i].json, name) == 0)
			return protobuf_c_message_descriptor_get_field_by_name(type, names[i].proto);
		if (strcmp(names[i].proto, name) == 0)
			return NULL;
	}
	return protobuf_c_message_descriptor_get_field_by_name(type, name);
}

bool pbjson_is_text(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field)
{
	return type == &core__config_map__data_entry__descriptor && strcmp(field->name, "value") == 0;
}

bool pbjson_is_skipped(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field)
{
	return type == &meta__object_meta__descriptor && strcmp(field->name, "managedFields") == 0;
}

/* ---- the shapes ---- */

/* Time, MicroTime and Duration agree on their first two members only by name, so each is set by its own type. */
static int read_time(enum pbjson_shape shape, ProtobufCMessage *message, const char *text, struct err *err)
{
	int64_t seconds;
	int32_t nanos;

	if (rfc3339_parse(text, &seconds, &nanos) < 0)
		return err_set(err, -EBADMSG, "\"%s\" is not a time", text);
	if (shape == SHAPE_TIME) {
		Meta__Time *time = (Meta__Time *)message;

		time->has_seconds = time->has_nanos = 1;
		time->seconds = seconds;
		time->nanos = 0; /* the API keeps whole seconds */
	} else {
		Meta__MicroTime *time = (Meta__MicroTime *)message;

		time->has_seconds = time->has_nanos = 1;
		time->seconds = seconds;
		time->nanos = nanos / 1000 * 1000;
	}
	return 0;
}

static int read_duration(ProtobufCMessage *message, const char *text, struct err *err)
{
	Config__Duration *duration = (Config__Duration *)message;

	if (duration_read(text, &duration->ns, err) < 0)
		return err->code = -EBADMSG; /* what the decoder says of all that it cannot read */
	duration->has_ns = 1;
	return 0;
}

static int read_int_or_string(ProtobufCMessage *message, char *text, bool number, struct err *err)
{
	Intstr__IntOrString *value = (Intstr__IntOrString *)message;
	int64_t parsed = 0;

	value->has_type = 1;
	value->type = number ? 0 : 1;
	if (!number) {
		value->strval = text;
		return 0;
	}
	if (str_to_i64(text, INT32_MIN, INT32_MAX, &parsed) < 0)
		return err_set(err, -EBADMSG, "%s is not a 32-bit number", text);
	value->has_intval = 1;
	value->intval = (int32_t)parsed;
	return 0;
}

int pbjson_shape_read(enum pbjson_shape shape, ProtobufCMessage *message, const char *text, size_t size, bool number,
		      struct arena *arena, struct err *err)
{
	char *copy = arena_strndup(arena, text, size);

	if (!copy)
		return err_set(err, -ENOBUFS, "the object is larger than allowed");
	if (memchr(text, 0, size))
		return err_set(err, -EBADMSG, "unexpected zero byte");
	if (shape == SHAPE_INT_OR_STRING)
		return read_int_or_string(message, copy, number, err);
	if (shape == SHAPE_QUANTITY) {
		((Resource__Quantity *)message)->string = copy;
		return 0;
	}
	if (shape == SHAPE_RAW) {
		/* A text or number as a raw value: kept as the JSON that it was. */
		_cleanup_buf_ struct buf json = BUF_INIT(SIZE_MAX);
		struct json_writer writer = { .into = &json };

		if (number)
			json_raw(&writer, text, size);
		else
			json_string_sized(&writer, text, size);
		return pbjson_raw_set(message, json.bytes, json.size, arena, err);
	}
	if (number || shape == SHAPE_LIST)
		return err_set(err, -EBADMSG, "unexpected %s", number ? "number" : "text");
	return shape == SHAPE_DURATION ? read_duration(message, copy, err) : read_time(shape, message, copy, err);
}

int pbjson_raw_set(ProtobufCMessage *message, const char *json, size_t size, struct arena *arena, struct err *err)
{
	ProtobufCBinaryData data = { .len = size, .data = (uint8_t *)arena_strndup(arena, json, size) };

	if (!data.data)
		return err_set(err, -ENOBUFS, "the object is larger than allowed");
	if (message->descriptor == &runtime__raw_extension__descriptor) {
		((Runtime__RawExtension *)message)->has_raw = 1;
		((Runtime__RawExtension *)message)->raw = data;
	} else {
		((Meta__FieldsV1 *)message)->has_raw = 1;
		((Meta__FieldsV1 *)message)->raw = data;
	}
	return 0;
}

static void write_raw(const ProtobufCMessage *message, struct json_writer *writer)
{
	const ProtobufCBinaryData *raw = message->descriptor == &runtime__raw_extension__descriptor
						 ? &((const Runtime__RawExtension *)message)->raw
						 : &((const Meta__FieldsV1 *)message)->raw;

	if (raw->len)
		json_raw(writer, raw->data, raw->len);
	else
		json_null(writer);
}

int pbjson_shape_write(enum pbjson_shape shape, const ProtobufCMessage *message, struct json_writer *writer,
		       struct err *err)
{
	char text[RFC3339_MAX];

	switch (shape) {
	case SHAPE_TIME: {
		const Meta__Time *time = (const Meta__Time *)message;

		if (time->seconds == 0 && time->nanos == 0) { /* how upstream's protobuf writes no time at all */
			json_null(writer);
			break;
		}
		rfc3339_format(time->seconds, 0, 0, text);
		json_string(writer, text);
		break;
	}
	case SHAPE_MICRO_TIME:
		if (((const Meta__MicroTime *)message)->seconds == 0 &&
		    ((const Meta__MicroTime *)message)->nanos == 0) {
			json_null(writer);
			break;
		}
		rfc3339_format(((const Meta__MicroTime *)message)->seconds, ((const Meta__MicroTime *)message)->nanos,
			       6, text);
		json_string(writer, text);
		break;
	case SHAPE_QUANTITY:
		json_string(writer, str_or(((const Resource__Quantity *)message)->string, "0"));
		break;
	case SHAPE_INT_OR_STRING:
		if (((const Intstr__IntOrString *)message)->type == 0)
			json_int(writer, ((const Intstr__IntOrString *)message)->intval);
		else
			json_string(writer, str_or(((const Intstr__IntOrString *)message)->strval, ""));
		break;
	case SHAPE_DURATION:
		duration_format(((const Config__Duration *)message)->ns, text);
		json_string(writer, text);
		break;
	case SHAPE_RAW:
		write_raw(message, writer);
		break;
	case SHAPE_LIST:
	case SHAPE_FIELDS:
		return err_set(err, -EINVAL, "%s has no special shape", message->descriptor->short_name);
	}
	return 0;
}
