/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/cri/check.h"

#include <errno.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

TEST(what_an_answer_must_hold)
{
#define SANDBOX "\"id\":\"a\",\"metadata\":{\"name\":\"n\",\"namespace\":\"s\",\"uid\":\"u\"}"
#define CONTAINER "\"id\":\"a\",\"metadata\":{\"name\":\"n\"},\"created_at\":1"
	static const struct {
		const char *what;
		enum cri_method method;
		const ProtobufCMessageDescriptor *type;
		const char *json, *complaint; /* NULL: fine */
	} rows[] = {
		{ "version", CRI_VERSION, &cri__version_response__descriptor,
		  "{\"version\":\"0.1.0\",\"runtime_name\":\"c\",\"runtime_version\":\"2\",\"runtime_api_version\":"
		  "\"v1\"}",
		  NULL },
		{ "version of half", CRI_VERSION, &cri__version_response__descriptor,
		  "{\"runtime_name\":\"c\",\"runtime_api_version\":\"v1\"}",
		  "not all fields are set in VersionResponse (missing Version, RuntimeVersion)" },
		{ "no status", CRI_STATUS, &cri__status_response__descriptor, "{}",
		  "RuntimeReady or NetworkReady condition are not set" },
		{ "one condition", CRI_STATUS, &cri__status_response__descriptor,
		  "{\"status\":{\"conditions\":[{\"type\":\"RuntimeReady\"}]}}",
		  "RuntimeReady or NetworkReady condition are not set" },
		{ "two conditions", CRI_STATUS, &cri__status_response__descriptor,
		  "{\"status\":{\"conditions\":[{},{}]}}", NULL },
		{ "made sandbox", CRI_RUN_POD_SANDBOX, &cri__run_pod_sandbox_response__descriptor, "{}",
		  "PodSandboxId is not set for sandbox" },
		{ "made container", CRI_CREATE_CONTAINER, &cri__create_container_response__descriptor, "{}",
		  "ContainerId is not set for container" },
		{ "no sandbox", CRI_POD_SANDBOX_STATUS, &cri__pod_sandbox_status_response__descriptor, "{}",
		  "pod sandbox status is nil" },
		{ "sandbox without id", CRI_POD_SANDBOX_STATUS, &cri__pod_sandbox_status_response__descriptor,
		  "{\"status\":{}}", "status.Id is not set" },
		{ "sandbox without metadata", CRI_POD_SANDBOX_STATUS, &cri__pod_sandbox_status_response__descriptor,
		  "{\"status\":{\"id\":\"a\"}}", "status.Metadata is not set" },
		{ "sandbox of nobody", CRI_POD_SANDBOX_STATUS, &cri__pod_sandbox_status_response__descriptor,
		  "{\"status\":{\"id\":\"a\",\"metadata\":{\"name\":\"n\"}}}",
		  "metadata.Name, metadata.Namespace or metadata.Uid is not in metadata" },
		{ "sandbox without age", CRI_POD_SANDBOX_STATUS, &cri__pod_sandbox_status_response__descriptor,
		  "{\"status\":{" SANDBOX "}}", "status.CreatedAt is not set" },
		{ "sandbox", CRI_POD_SANDBOX_STATUS, &cri__pod_sandbox_status_response__descriptor,
		  "{\"status\":{" SANDBOX ",\"created_at\":1}}", NULL },
		{ "no container", CRI_CONTAINER_STATUS, &cri__container_status_response__descriptor, "{}",
		  "container status is nil" },
		{ "container without image", CRI_CONTAINER_STATUS, &cri__container_status_response__descriptor,
		  "{\"status\":{" CONTAINER "}}", "status.Image is not set" },
		{ "container without reference", CRI_CONTAINER_STATUS, &cri__container_status_response__descriptor,
		  "{\"status\":{" CONTAINER ",\"image\":{\"image\":\"i\"}}}", "status.ImageRef is not set" },
		{ "container", CRI_CONTAINER_STATUS, &cri__container_status_response__descriptor,
		  "{\"status\":{" CONTAINER ",\"image\":{\"image\":\"i\"},\"image_ref\":\"r\"}}", NULL },
		{ "exec", CRI_EXEC, &cri__exec_response__descriptor, "{}", "URL is not set" },
		{ "attach", CRI_ATTACH, &cri__attach_response__descriptor, "{\"url\":\"http://x\"}", NULL },
		{ "port-forward", CRI_PORT_FORWARD, &cri__port_forward_response__descriptor, "{}", "URL is not set" },
		{ "image that is not there", CRI_IMAGE_STATUS, &cri__image_status_response__descriptor, "{}", NULL },
		{ "image of no size", CRI_IMAGE_STATUS, &cri__image_status_response__descriptor,
		  "{\"image\":{\"id\":\"a\"}}", "Id or size of image is not set" },
		{ "pulled", CRI_PULL_IMAGE, &cri__pull_image_response__descriptor, "{}",
		  "imageRef of image is not set" },
		{ "removed", CRI_REMOVE_IMAGE, &cri__remove_image_response__descriptor, "{}", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct err err = { 0 };
		ProtobufCMessage *answer;

		CHECK_OK(pbjson_decode(rows[i].type, rows[i].json, strlen(rows[i].json), arena, &answer, &err), &err);
		CHECK_INT(rows[i].what, cri_check_answer(rows[i].method, answer, &err), ==,
			  rows[i].complaint ? -EBADMSG : 0);
		if (rows[i].complaint)
			CHECK_STR(rows[i].what, err.text, rows[i].complaint);
	}
}
