/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/status/internal.h"
#include "pkg/base/base.h"

bool status_may_restart(const char *policy, int32_t exit_code)
{
	return !str_eq(policy, "Never") && (!str_eq(policy, "OnFailure") || exit_code != 0);
}

const Core__ContainerStatus *status_find_container(const Core__PodStatus *status, const char *name)
{
	for (size_t i = 0; i < status->n_containerstatuses; i++)
		if (str_eq(status->containerstatuses[i]->name, name))
			return status->containerstatuses[i];
	return NULL;
}

Core__PodCondition *status_find_condition(const Core__PodStatus *status, const char *type)
{
	for (size_t i = 0; i < status->n_conditions; i++)
		if (str_eq(status->conditions[i]->type, type))
			return status->conditions[i];
	return NULL;
}

const struct runtime_container *status_latest(const struct runtime_pod *observed, const char *container)
{
	if (!observed)
		return NULL;
	for (size_t i = 0; i < observed->n_containers; i++)
		if (str_eq(observed->containers[i].name, container))
			return &observed->containers[i];
	return NULL;
}

bool status_restart_due(const Core__Pod *pod, const struct runtime_container *latest)
{
	if (pod->metadata->deletiontimestamp)
		return false;
	if (!latest)
		return true;
	switch (latest->state) {
	case RUNTIME_RUNNING:
		return false;
	case RUNTIME_CREATED:
	case RUNTIME_UNKNOWN:
		return true;
	case RUNTIME_EXITED:
		break;
	}
	return status_may_restart(pod->spec->restartpolicy, latest->exit_code);
}

const char *status_sandbox_problem(const Core__Pod *pod, const struct runtime_pod *observed)
{
	bool host_network = pod->spec->hostnetwork;
	size_t ready = 0;

	if (!observed || observed->n_sandboxes == 0)
		return "no pod sandbox exists";
	for (size_t i = 0; i < observed->n_sandboxes; i++)
		ready += observed->sandboxes[i].ready;
	if (ready > 1)
		return "multiple pod sandboxes are ready and need to be reconciled";
	if (!observed->sandboxes[0].ready)
		return "pod sandbox is not ready";
	if (observed->sandboxes[0].host_network != host_network)
		return "network namespace mode changed and sandbox needs to be recreated";
	if (!host_network && observed->sandboxes[0].n_ips == 0)
		return "pod sandbox has no IP address";
	return NULL;
}

bool status_is_alive(const struct runtime_pod *observed)
{
	if (!observed)
		return false;
	for (size_t i = 0; i < observed->n_sandboxes; i++)
		if (observed->sandboxes[i].ready)
			return true;
	for (size_t i = 0; i < observed->n_containers; i++)
		if (observed->containers[i].state == RUNTIME_RUNNING ||
		    observed->containers[i].state == RUNTIME_UNKNOWN)
			return true;
	return false;
}
