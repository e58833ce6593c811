/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the gate sends up: it is read or refused, and what is read holds nothing that forges a head. */
#include <string.h>

#include "kubelet/gate/request.h"
#include "pkg/base/base.h"
#include "pkg/codec/pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *arena = arena_new_limited(16 << 20), *copy = arena_new_limited(16 << 20);
	struct gate_request request;
	ProtobufCMessage *message;
	struct err err;
	const Gate__Up *up;

	if (pb_decode(&gate__up__descriptor, data, size, arena, &message, &err) < 0)
		return 0;
	up = (const Gate__Up *)(const void *)message;
	if (!up->request || !request_read(copy, up->request, &request))
		return 0;
	base_assert(request.listener < GATE_LISTENERS);
	base_assert(!strpbrk(request.method, " \r\n") && !strpbrk(request.target, " \r\n"));
	for (size_t i = 0; i < request.n_headers; i++)
		base_assert(!strpbrk(request.headers[i].name, "\r\n") && !strpbrk(request.headers[i].value, "\r\n"));
	gate_request_header(&request, "host");
	return 0;
}
