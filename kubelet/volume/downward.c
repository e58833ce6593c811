/* SPDX-License-Identifier: Apache-2.0 */
/* Files that show fields of the pod and resources of its containers. */
#include <stdio.h>
#include <string.h>

#include "kubelet/object/field.h"
#include "kubelet/volume/payload.h"
#include "pkg/base/base.h"

/* Here, unlike in variables, the node also stands in for the limits of init containers: stock's oddity. */
static int resource_text(const Core__Pod *pod, const Core__ResourceFieldSelector *ref, const struct amounts *node,
			 struct arena *arena, const char **ret_text, struct err *err)
{
	const Core__Container *container;
	bool is_init;

	if (field_container(pod, ref->containername, &container, &is_init, err) < 0)
		return err->code;
	return field_resource(container, ref, node, arena, ret_text, err);
}

static int item_text(const Core__DownwardAPIVolumeFile *item, const Core__Pod *pod, const struct amounts *node,
		     struct arena *arena, const char **ret_text, struct err *err)
{
	if (item->fieldref)
		return field_text(pod, str_or(item->fieldref->fieldpath, ""), arena, ret_text, err);
	if (item->resourcefieldref)
		return resource_text(pod, item->resourcefieldref, node, arena, ret_text, err);
	*ret_text = "";
	return 0;
}

int payload_add_downward(struct payload *payload, Core__DownwardAPIVolumeFile *const *items, size_t n_items,
			 const Core__Pod *pod, const struct amounts *node, uint32_t mode, struct err *err)
{
	struct complaints complaints = { 0 };

	for (size_t i = 0; i < n_items; i++) {
		const Core__DownwardAPIVolumeFile *item = items[i];
		const char *text;

		if (item_text(item, pod, node, payload->arena, &text, err) < 0)
			complain(&complaints, err->text);
		else if (payload_put(payload, item->path, text, strlen(text),
				     item->has_mode ? (uint32_t)item->mode : mode, -1, err) < 0)
			return err->code;
	}
	return complaints.n ? complaints_tell(&complaints, -EINVAL, err) : 0;
}
