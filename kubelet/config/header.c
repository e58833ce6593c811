/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/header.h"

#include "k8s/core.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/codec/pbjson.h"

int config_header_read(const char *json, size_t size, struct arena *arena, struct config_header *ret_header,
		       struct err *err)
{
	ProtobufCMessage *message;
	int code = pbjson_decode(&core__object_reference__descriptor, json, size, arena, &message, err);

	if (code < 0)
		return code;
	const Core__ObjectReference *reference = (const Core__ObjectReference *)message;
	*ret_header = (struct config_header){ .kind = str_or(reference->kind, ""),
					      .api_version = str_or(reference->apiversion, "") };
	if (!*ret_header->kind)
		return err_set(err, -EINVAL, "Object 'Kind' is missing in '%.*s'", (int)MIN(size, (size_t)500), json);
	return 0;
}
