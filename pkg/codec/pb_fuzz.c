/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf from a runtime or the gate: no crash, and what is taken can be written and read again as the same. */
#include <string.h>

#include "cri/cri.pb-c.h"
#include "k8s/core.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const ProtobufCMessageDescriptor *const types[] = {
		&cri__list_containers_response__descriptor,
		&cri__container_status_response__descriptor,
		&cri__pod_sandbox_status_response__descriptor,
		&cri__image_fs_info_response__descriptor,
		&core__pod__descriptor,
	};

	if (size < 1)
		return 0;
	_cleanup_arena_ struct arena *arena = arena_new_limited(8 << 20), *other = arena_new();
	_cleanup_buf_ struct buf wire = BUF_INIT(SIZE_MAX), again = BUF_INIT(SIZE_MAX), json = BUF_INIT(SIZE_MAX);
	const ProtobufCMessageDescriptor *type = types[data[0] % ARRAY_LEN(types)];
	ProtobufCMessage *message, *back;
	struct err err;

	if (pb_decode(type, data + 1, size - 1, arena, &message, &err) < 0)
		return 0;
	base_assert(pb_encode(message, &wire, &err) == 0);
	base_assert(pb_decode(type, wire.bytes, wire.size, other, &back, &err) == 0);
	base_assert(pb_encode(pb_copy(message, other), &again, &err) == 0);
	if (message->n_unknown_fields == 0)
		pb_equal(message, back);
	if (type == &core__pod__descriptor)
		(void)pbjson_encode(message, &json, &err);
	return 0;
}
