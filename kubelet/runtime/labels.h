/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The memory of the kubelet that the runtime keeps for it: labels and annotations on sandboxes and containers.
 *
 * Names and values are the stock kubelet's (kuberuntime/labels.go), hash included, so that its containers survive when
 * this kubelet takes over the node, and the other way round.
 */
#include <stdbool.h>
#include <stdint.h>

#include "cri/cri.pb-c.h"
#include "k8s/core.pb-c.h"
#include "pkg/base/arena.h"

#define LABEL_POD_NAME "io.kubernetes.pod.name"
#define LABEL_POD_NAMESPACE "io.kubernetes.pod.namespace"
#define LABEL_POD_UID "io.kubernetes.pod.uid"
#define LABEL_CONTAINER_NAME "io.kubernetes.container.name"

void labels_set_sandbox(const Core__Pod *pod, Cri__PodSandboxConfig *config, struct arena *arena);
void labels_set_container(const Core__Pod *pod, const Core__Container *container, int32_t restart_count,
			  Cri__ContainerConfig *config, struct arena *arena);

/* Of an entry in ListPodSandbox or ListContainers; NULL when another client of the runtime made it. */
const char *labels_pod_uid(Cri__PodSandbox__LabelsEntry *const *labels, size_t n_labels);
const char *labels_container_pod_uid(Cri__Container__LabelsEntry *const *labels, size_t n_labels);

/* What a container's annotations say; a missing or broken one is 0 or NULL, as in a container of a much older kubelet.
 */
struct labels_container {
	const char *pod_name, *pod_namespace, *name;
	uint64_t hash;
	int32_t restart_count;
	const char *termination_message_path;
	bool termination_message_from_logs; /* policy FallbackToLogsOnError */
};
void labels_get_container(const Cri__ContainerStatus *status, struct labels_container *ret_labels);
