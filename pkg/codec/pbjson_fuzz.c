/* SPDX-License-Identifier: Apache-2.0 */
/* The walker: no crash, within the arena's limit, and what was read is written to something that reads the same. */
#include <string.h>

#include "config/kubeconfig.pb-c.h"
#include "config/kubelet.pb-c.h"
#include "k8s/core.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int note(void *owner, enum pbjson_oddity what, const char *path, struct err *err)
{
	(void)owner;
	(void)what;
	(void)err;
	base_assert(path);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const ProtobufCMessageDescriptor *const types[] = {
		&core__pod__descriptor,          &core__node__descriptor,  &core__config_map__descriptor,
		&core__secret__descriptor,       &core__event__descriptor, &config__kubelet_configuration__descriptor,
		&config__kubeconfig__descriptor,
	};

	if (size < 1)
		return 0;
	_cleanup_arena_ struct arena *arena = arena_new_limited(8 << 20), *other = arena_new();
	_cleanup_buf_ struct buf json = BUF_INIT(SIZE_MAX), again = BUF_INIT(SIZE_MAX), wire = BUF_INIT(SIZE_MAX);
	const ProtobufCMessageDescriptor *type = types[data[0] % ARRAY_LEN(types)];
	ProtobufCMessage *message, *back;
	struct err err;

	if (pbjson_decode_strict(type, (const char *)data + 1, size - 1, arena, &message, note, NULL, &err) < 0)
		return 0;
	base_assert(pbjson_encode(message, &json, &err) == 0);
	base_assert(pbjson_decode(type, json.bytes, json.size, other, &back, &err) == 0);
	base_assert(pbjson_encode(back, &again, &err) == 0);
	base_assert(json.size == again.size && memcmp(json.bytes, again.bytes, json.size) == 0);
	base_assert(pb_encode(message, &wire, &err) == 0);
	base_assert(pb_decode(type, wire.bytes, wire.size, other, &back, &err) == 0);
	return 0;
}
