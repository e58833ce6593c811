/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/cri/check.h"

#include "pkg/base/base.h"
#include "pkg/base/buf.h"

enum { CONDITIONS_MIN = 2 }; /* RuntimeReady and NetworkReady */

/* Each field that must not be empty, in stock's order. */
static int check_version(const Cri__VersionResponse *answer, struct err *err)
{
	const struct {
		const char *value, *name;
	} fields[] = {
		{ answer->version, "Version" },
		{ answer->runtime_name, "RuntimeName" },
		{ answer->runtime_api_version, "RuntimeApiVersion" },
		{ answer->runtime_version, "RuntimeVersion" },
	};
	_cleanup_buf_ struct buf missing = BUF_INIT(256);

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (str_empty(fields[i].value))
			buf_printf(&missing, "%s%s", missing.size ? ", " : "", fields[i].name);
	if (missing.size)
		return err_set(err, -EBADMSG, "not all fields are set in VersionResponse (missing %s)",
			       buf_text(&missing));
	return 0;
}

static int check_sandbox(const Cri__PodSandboxStatus *status, struct err *err)
{
	const Cri__PodSandboxMetadata *metadata = status ? status->metadata : NULL;

	if (!status)
		return err_set(err, -EBADMSG, "pod sandbox status is nil");
	if (str_empty(status->id))
		return err_set(err, -EBADMSG, "status.Id is not set");
	if (!metadata)
		return err_set(err, -EBADMSG, "status.Metadata is not set");
	if (str_empty(metadata->name) || str_empty(metadata->namespace_) || str_empty(metadata->uid))
		return err_set(err, -EBADMSG, "metadata.Name, metadata.Namespace or metadata.Uid is not in metadata");
	if (!status->created_at)
		return err_set(err, -EBADMSG, "status.CreatedAt is not set");
	return 0;
}

static int check_container(const Cri__ContainerStatus *status, struct err *err)
{
	if (!status)
		return err_set(err, -EBADMSG, "container status is nil");
	if (str_empty(status->id))
		return err_set(err, -EBADMSG, "status.Id is not set");
	if (!status->metadata)
		return err_set(err, -EBADMSG, "status.Metadata is not set");
	if (str_empty(status->metadata->name))
		return err_set(err, -EBADMSG, "metadata.Name is not in metadata");
	if (!status->created_at)
		return err_set(err, -EBADMSG, "status.CreatedAt is not set");
	if (!status->image || str_empty(status->image->image))
		return err_set(err, -EBADMSG, "status.Image is not set");
	if (str_empty(status->image_ref))
		return err_set(err, -EBADMSG, "status.ImageRef is not set");
	return 0;
}

static int check_set(const char *value, const char *complaint, struct err *err)
{
	return str_empty(value) ? err_set(err, -EBADMSG, "%s", complaint) : 0;
}

int cri_check_answer(enum cri_method method, const void *answer, struct err *err)
{
	const Cri__StatusResponse *status = answer;
	const Cri__ImageStatusResponse *image = answer;

	switch (method) {
	case CRI_VERSION:
		return check_version(answer, err);
	case CRI_STATUS:
		if (!status->status || status->status->n_conditions < CONDITIONS_MIN)
			return err_set(err, -EBADMSG, "RuntimeReady or NetworkReady condition are not set");
		return 0;
	case CRI_RUN_POD_SANDBOX:
		return check_set(((const Cri__RunPodSandboxResponse *)answer)->pod_sandbox_id,
				 "PodSandboxId is not set for sandbox", err);
	case CRI_CREATE_CONTAINER:
		return check_set(((const Cri__CreateContainerResponse *)answer)->container_id,
				 "ContainerId is not set for container", err);
	case CRI_POD_SANDBOX_STATUS:
		return check_sandbox(((const Cri__PodSandboxStatusResponse *)answer)->status, err);
	case CRI_CONTAINER_STATUS:
		return check_container(((const Cri__ContainerStatusResponse *)answer)->status, err);
	case CRI_EXEC:
		return check_set(((const Cri__ExecResponse *)answer)->url, "URL is not set", err);
	case CRI_ATTACH:
		return check_set(((const Cri__AttachResponse *)answer)->url, "URL is not set", err);
	case CRI_PORT_FORWARD:
		return check_set(((const Cri__PortForwardResponse *)answer)->url, "URL is not set", err);
	case CRI_IMAGE_STATUS:
		if (image->image && (str_empty(image->image->id) || !image->image->size))
			return err_set(err, -EBADMSG, "Id or size of image is not set");
		return 0;
	case CRI_PULL_IMAGE:
		return check_set(((const Cri__PullImageResponse *)answer)->image_ref, "imageRef of image is not set",
				 err);
	default:
		return 0;
	}
}
