/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Between the files of this folder. */
#include "kubelet/pod/status/status.h"

/* By restart policy; the API server's default is Always. */
bool status_may_restart(const char *policy, int32_t exit_code);
const Core__ContainerStatus *status_find_container(const Core__PodStatus *status, const char *name); /* NULL: none */

#define STATUS_LOST "The container could not be located when the pod was terminated"

/* The exit of a container that nobody saw. */
Core__ContainerStateTerminated *status_lost(struct arena *arena, const char *message);

/* Asks of the spec, and for what runs what the runtime made of them. */
void status_set_container_resources(Core__ContainerStatus *status, const Core__Container *spec,
				    const struct runtime_container *container, struct arena *arena);
void status_set_pod_resources(const Core__Pod *pod, Core__PodStatus *status, struct arena *arena);

/* Does something run with other resources than its spec asks for by now? A restart gives them, nothing else yet. */
bool status_resize_pending(const Core__Pod *pod, const struct runtime_pod *observed);

void status_set_containers(const struct status_input *input, Core__PodStatus *status, struct arena *arena);
const char *status_phase(const Core__Pod *pod, const Core__PodStatus *status, bool stopped);

/* All conditions: foreign ones as the API has them, then ours. */
void status_set_conditions(const struct status_input *input, Core__PodStatus *status, struct arena *arena);

/* Ready and ContainersReady are False in a final phase, whatever the containers last said. */
void status_end_readiness(const Core__Pod *pod, Core__PodStatus *status, int64_t now_s, struct arena *arena);

bool status_condition_is_ours(const char *type);
size_t status_count_ours(const Core__PodStatus *status); /* NULL has none */

/* What the kubelet says of a pod, foreign conditions among it; it points into `status`. An empty text is absent. */
Core__PodStatus status_owned(const Core__PodStatus *status);
