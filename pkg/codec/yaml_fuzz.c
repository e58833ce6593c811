/* SPDX-License-Identifier: Apache-2.0 */
/* YAML: no crash, bounded, and what comes out is JSON. */
#include "pkg/base/base.h"
#include "pkg/codec/pbjson.h"
#include "pkg/codec/yaml.h"

#include "config/kubelet.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf json = BUF_INIT(1 << 20), wrapped = BUF_INIT(SIZE_MAX);
	ProtobufCMessage *message;
	struct err err;

	if (yaml_to_json((const char *)data, size, &json, &err) < 0)
		return 0;
	/* An unknown field may hold anything: the value must be JSON and nothing but one value. */
	buf_printf(&wrapped, "{\"x\":%s}", buf_text(&json));
	base_assert(pbjson_decode(&config__kubelet_configuration__descriptor, wrapped.bytes, wrapped.size, arena,
				  &message, &err) == 0);
	return 0;
}
