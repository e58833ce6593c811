/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For tests only, the second half of cri_fake.h: what the runtime in memory does and answers, call by call. */
#include "kubelet/runtime/cri_fake.h"

#define FAKE_NEW(type, descriptor) PB_NEW(fake.arena, type, descriptor)

static const char *fake_uid(Cri__PodSandboxConfig__LabelsEntry **labels, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(labels[i]->key, "io.kubernetes.pod.uid"))
			return labels[i]->value;
	return "";
}

static const ProtobufCMessage *fake_list_sandboxes(const Cri__ListPodSandboxRequest *request)
{
	Cri__ListPodSandboxResponse *list =
		FAKE_NEW(Cri__ListPodSandboxResponse, cri__list_pod_sandbox_response__descriptor);
	const char *want = request->filter ? request->filter->label_selector[0]->value : NULL;

	for (size_t i = 0; i < fake.n_sandboxes; i++) {
		struct fake_sandbox *sandbox = &fake.sandboxes[i];
		Cri__PodSandbox *item = FAKE_NEW(Cri__PodSandbox, cri__pod_sandbox__descriptor);

		if (want && !str_eq(want, fake_uid(sandbox->config->labels, sandbox->config->n_labels)))
			continue;
		item->id = sandbox->id;
		item->metadata = sandbox->config->metadata;
		item->state = sandbox->ready ? CRI__POD_SANDBOX_STATE__SANDBOX_READY
					     : CRI__POD_SANDBOX_STATE__SANDBOX_NOTREADY;
		item->created_at = sandbox->created;
		item->n_labels = sandbox->config->n_labels;
		item->labels = (Cri__PodSandbox__LabelsEntry **)(void *)sandbox->config->labels;
		PB_APPEND(fake.arena, list, items, item);
	}
	return &list->base;
}

static const ProtobufCMessage *fake_list_containers(const Cri__ListContainersRequest *request)
{
	Cri__ListContainersResponse *list =
		FAKE_NEW(Cri__ListContainersResponse, cri__list_containers_response__descriptor);
	const char *want = request->filter ? request->filter->label_selector[0]->value : NULL;

	for (size_t i = 0; i < fake.n_containers; i++) {
		struct fake_container *container = &fake.containers[i];
		Cri__Container *item = FAKE_NEW(Cri__Container, cri__container__descriptor);
		Cri__ContainerConfig *config = container->config;

		if (want && !str_eq(want, fake_uid((Cri__PodSandboxConfig__LabelsEntry **)(void *)config->labels,
						   config->n_labels)))
			continue;
		item->id = container->id;
		item->pod_sandbox_id = (char *)(uintptr_t)container->sandbox_id;
		item->state = container->state;
		item->created_at = container->created;
		item->image = config->image;
		item->n_labels = config->n_labels;
		item->labels = (Cri__Container__LabelsEntry **)(void *)config->labels;
		PB_APPEND(fake.arena, list, containers, item);
	}
	return &list->base;
}

static const ProtobufCMessage *fake_container_status(const char *id, struct err *err)
{
	Cri__ContainerStatusResponse *response =
		FAKE_NEW(Cri__ContainerStatusResponse, cri__container_status_response__descriptor);
	struct fake_container *container = fake_find(id);
	Cri__ContainerStatus *status = FAKE_NEW(Cri__ContainerStatus, cri__container_status__descriptor);
	Cri__ContainerConfig *config;

	if (!container) {
		err_set(err, -ENOENT, "rpc error: code = NotFound desc = no container %s", id);
		return NULL;
	}
	config = container->config;
	status->id = container->id;
	status->state = container->state;
	status->created_at = container->created;
	status->started_at = container->started;
	status->finished_at = container->finished;
	status->exit_code = container->exit_code;
	status->reason = (char *)(uintptr_t)str_or(container->reason, "");
	status->message = (char *)(uintptr_t)str_or(container->message, "");
	status->image = config->image;
	status->image_ref = (char *)(uintptr_t) "sha256:abc";
	status->n_labels = config->n_labels;
	status->labels = (Cri__ContainerStatus__LabelsEntry **)(void *)config->labels;
	status->n_annotations = config->n_annotations;
	status->annotations = (Cri__ContainerStatus__AnnotationsEntry **)(void *)config->annotations;
	status->n_mounts = config->n_mounts;
	status->mounts = config->mounts;
	for (size_t i = 0; i < fake.n_sandboxes; i++)
		if (str_eq(fake.sandboxes[i].id, container->sandbox_id))
			status->log_path = arena_printf(fake.arena, "%s/%s", fake.sandboxes[i].config->log_directory,
							config->log_path);
	response->status = status;
	return &response->base;
}

static const ProtobufCMessage *fake_sandbox_status(const char *id, struct err *err)
{
	for (size_t i = 0; i < fake.n_sandboxes; i++) {
		struct fake_sandbox *sandbox = &fake.sandboxes[i];
		Cri__PodSandboxStatusResponse *response;
		Cri__PodSandboxStatus *status;

		if (!str_eq(sandbox->id, id))
			continue;
		response = FAKE_NEW(Cri__PodSandboxStatusResponse, cri__pod_sandbox_status_response__descriptor);
		status = response->status = FAKE_NEW(Cri__PodSandboxStatus, cri__pod_sandbox_status__descriptor);
		status->id = sandbox->id;
		status->metadata = sandbox->config->metadata;
		status->state = sandbox->ready ? CRI__POD_SANDBOX_STATE__SANDBOX_READY
					       : CRI__POD_SANDBOX_STATE__SANDBOX_NOTREADY;
		status->created_at = sandbox->created;
		status->network = FAKE_NEW(Cri__PodSandboxNetworkStatus, cri__pod_sandbox_network_status__descriptor);
		status->network->ip = (char *)(uintptr_t) "10.1.0.7";
		if (sandbox->config->linux && sandbox->config->linux->security_context) {
			status->linux = FAKE_NEW(Cri__LinuxPodSandboxStatus, cri__linux_pod_sandbox_status__descriptor);
			status->linux->namespaces = FAKE_NEW(Cri__Namespace, cri__namespace__descriptor);
			status->linux->namespaces->options =
				sandbox->config->linux->security_context->namespace_options;
		}
		return &response->base;
	}
	err_set(err, -ENOENT, "rpc error: code = NotFound desc = no sandbox %s", id);
	return NULL;
}

static const ProtobufCMessage *fake_image_status(const Cri__ImageSpec *image)
{
	Cri__ImageStatusResponse *response = FAKE_NEW(Cri__ImageStatusResponse, cri__image_status_response__descriptor);

	for (size_t i = 0; i < fake.n_images; i++)
		if (str_eq(fake.images[i], image->image)) {
			response->image = FAKE_NEW(Cri__Image, cri__image__descriptor);
			response->image->id = (char *)(uintptr_t) "sha256:abc";
			response->image->size = 123;
		}
	return &response->base;
}

static const ProtobufCMessage *fake_list_images(void)
{
	Cri__ListImagesResponse *list = FAKE_NEW(Cri__ListImagesResponse, cri__list_images_response__descriptor);

	for (size_t i = 0; i < fake.n_images; i++) {
		Cri__Image *image = FAKE_NEW(Cri__Image, cri__image__descriptor);

		image->id = (char *)(uintptr_t) "sha256:abc";
		PB_APPEND(fake.arena, image, repo_tags, (char *)(uintptr_t)fake.images[i]);
		PB_APPEND(fake.arena, list, images, image);
	}
	return &list->base;
}

static const ProtobufCMessage *fake_change(enum cri_method method, const ProtobufCMessage *request, struct err *err)
{
	switch (method) {
	case CRI_PULL_IMAGE: {
		Cri__PullImageResponse *response =
			FAKE_NEW(Cri__PullImageResponse, cri__pull_image_response__descriptor);

		fake.images[fake.n_images++] =
			arena_strdup(fake.arena, ((const Cri__PullImageRequest *)request)->image->image);
		response->image_ref = (char *)(uintptr_t) "sha256:abc";
		return &response->base;
	}
	case CRI_RUN_POD_SANDBOX: {
		Cri__RunPodSandboxResponse *response =
			FAKE_NEW(Cri__RunPodSandboxResponse, cri__run_pod_sandbox_response__descriptor);
		struct fake_sandbox *sandbox = &fake.sandboxes[fake.n_sandboxes++];

		snprintf(sandbox->id, sizeof sandbox->id, "sandbox-%zu", fake.n_sandboxes);
		sandbox->config = PB_COPY(((const Cri__RunPodSandboxRequest *)request)->config, fake.arena);
		sandbox->ready = true;
		sandbox->created = ++fake.clock;
		response->pod_sandbox_id = sandbox->id;
		return &response->base;
	}
	case CRI_STOP_POD_SANDBOX:
		for (size_t i = 0; i < fake.n_sandboxes; i++)
			if (str_eq(fake.sandboxes[i].id, ((const Cri__StopPodSandboxRequest *)request)->pod_sandbox_id))
				fake.sandboxes[i].ready = false;
		return request;
	case CRI_REMOVE_POD_SANDBOX:
		for (size_t i = 0; i < fake.n_sandboxes; i++)
			if (str_eq(fake.sandboxes[i].id,
				   ((const Cri__RemovePodSandboxRequest *)request)->pod_sandbox_id))
				fake.sandboxes[i] = fake.sandboxes[--fake.n_sandboxes];
		return request;
	case CRI_CREATE_CONTAINER: {
		const Cri__CreateContainerRequest *create = (const Cri__CreateContainerRequest *)request;
		Cri__CreateContainerResponse *response =
			FAKE_NEW(Cri__CreateContainerResponse, cri__create_container_response__descriptor);
		struct fake_container *container = &fake.containers[fake.n_containers++];

		*container = (struct fake_container){ .created = ++fake.clock };
		snprintf(container->id, sizeof container->id, "container-%zu", fake.n_containers);
		container->config = PB_COPY(create->config, fake.arena);
		container->sandbox_id = arena_strdup(fake.arena, create->pod_sandbox_id);
		response->container_id = container->id;
		return &response->base;
	}
	case CRI_START_CONTAINER: {
		struct fake_container *container =
			fake_find(((const Cri__StartContainerRequest *)request)->container_id);

		container->state = CRI__CONTAINER_STATE__CONTAINER_RUNNING;
		container->started = ++fake.clock;
		return request;
	}
	case CRI_STOP_CONTAINER:
		if (fake_find(((const Cri__StopContainerRequest *)request)->container_id))
			fake_exit(((const Cri__StopContainerRequest *)request)->container_id, 143, "Error");
		return request;
	case CRI_REMOVE_CONTAINER: {
		struct fake_container *container =
			fake_find(((const Cri__RemoveContainerRequest *)request)->container_id);

		if (container)
			*container = fake.containers[--fake.n_containers];
		return request;
	}
	default:
		err_set(err, -ENOSYS, "rpc error: code = Unimplemented desc = not in the fake");
		return NULL;
	}
}
