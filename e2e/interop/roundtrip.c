/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns JSON into protobuf and back for the interop test, on standard input and output:
 *
 *   question: mode ('p': JSON to protobuf, 'j': the other way, 'f': a small format as it is written canonically),
 *             length of the kind, kind, 4 bytes size, data
 *   answer:   0 or 1 (error), 4 bytes size, data or sentence
 */
#include <stdio.h>
#include <string.h>

#include "k8s/authentication.pb-c.h"
#include "k8s/authorization.pb-c.h"
#include "k8s/certificates.pb-c.h"
#include "k8s/coordination.pb-c.h"
#include "k8s/core.pb-c.h"
#include "k8s/meta.pb-c.h"
#include "k8s/node.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/codec/duration.h"
#include "pkg/codec/imageref.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/codec/quantity.h"
#include "pkg/codec/rfc3339.h"

enum { DATA_MAX = 16 << 20 };

static const ProtobufCMessageDescriptor *const types[] = {
	&core__pod__descriptor,
	&core__node__descriptor,
	&core__config_map__descriptor,
	&core__secret__descriptor,
	&core__service__descriptor,
	&core__event__descriptor,
	&coordination__lease__descriptor,
	&authentication__token_review__descriptor,
	&authentication__token_request__descriptor,
	&authorization__subject_access_review__descriptor,
	&certificates__certificate_signing_request__descriptor,
	&node__runtime_class__descriptor,
	&meta__status__descriptor,
	&meta__delete_options__descriptor,
};

static int rewrite(const char *kind, const char *text, struct buf *into, struct err *err)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	char written[MAX((int)RFC3339_MAX, (int)DURATION_TEXT_MAX)];
	struct quantity quantity;
	struct imageref ref;
	int64_t number;
	int32_t nanos;
	int code;

	if (str_eq(kind, "quantity")) {
		if ((code = quantity_parse(text, &quantity, err)) < 0)
			return code;
		buf_printf(into, "%s %lld %lld", quantity_text(arena, &quantity), (long long)quantity_value(&quantity),
			   (long long)quantity_milli(&quantity));
	} else if (str_eq(kind, "image")) {
		if ((code = imageref_parse(text, arena, &ref, err)) < 0)
			return code;
		buf_puts(into, imageref_text(&ref, arena));
	} else if (str_eq(kind, "duration")) {
		if ((code = duration_parse(text, &number)) < 0)
			return err_set(err, code, "no duration");
		duration_format(number, written);
		buf_puts(into, written);
	} else {
		if ((code = rfc3339_parse(text, &number, &nanos)) < 0)
			return err_set(err, code, "no time");
		rfc3339_format(number, nanos, -1, written);
		buf_puts(into, written);
	}
	return 0;
}

static int convert(char mode, const char *kind, const char *data, size_t size, struct buf *into, struct err *err)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	ProtobufCMessage *message;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (!str_eq(types[i]->short_name, kind))
			continue;
		int code = mode == 'p' ? pbjson_decode(types[i], data, size, arena, &message, err)
				       : pb_decode(types[i], data, size, arena, &message, err);

		if (code < 0)
			return code;
		return mode == 'p' ? pb_encode(message, into, err) : pbjson_encode(message, into, err);
	}
	return err_set(err, -EINVAL, "unknown kind %s", kind);
}

static void answer(int code, const char *data, size_t size)
{
	unsigned char head[5] = { code < 0, size & 0xff, size >> 8 & 0xff, size >> 16 & 0xff, size >> 24 & 0xff };

	fwrite(head, 1, sizeof head, stdout);
	fwrite(data, 1, size, stdout);
	fflush(stdout);
}

int main(void)
{
	unsigned char head[2], size_bytes[4];

	while (fread(head, 1, sizeof head, stdin) == sizeof head) {
		_cleanup_buf_ struct buf into = BUF_INIT(DATA_MAX);
		char kind[256] = "";
		struct err err;

		if (fread(kind, 1, head[1], stdin) != head[1] || fread(size_bytes, 1, 4, stdin) != 4)
			return 1;
		size_t size = size_bytes[0] | size_bytes[1] << 8 | size_bytes[2] << 16 | (size_t)size_bytes[3] << 24;
		if (size > DATA_MAX)
			return 1;
		_cleanup_free_ char *data = xcalloc(1, size + 1);
		if (fread(data, 1, size, stdin) != size)
			return 1;
		int code = head[0] == 'f' ? rewrite(kind, data, &into, &err)
					  : convert((char)head[0], kind, data, size, &into, &err);
		answer(code, code < 0 ? err.text : buf_text(&into), code < 0 ? strlen(err.text) : into.size);
	}
	return 0;
}
