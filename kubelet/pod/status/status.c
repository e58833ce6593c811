/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/status/status.h"

#include <string.h>

#include "kubelet/pod/status/internal.h"
#include "pkg/base/base.h"
#include "pkg/codec/meta.h"
#include "pkg/codec/pb.h"

static void add_pod_ip(Core__PodStatus *status, const char *ip, struct arena *arena)
{
	Core__PodIP *entry = PB_NEW(arena, Core__PodIP, core__pod_ip__descriptor);

	entry->ip = arena_strdup(arena, ip);
	PB_APPEND(arena, status, podips, entry);
}

static void set_ips(const struct status_input *input, Core__PodStatus *status, struct arena *arena)
{
	const struct runtime_pod *observed = input->observed;
	bool ready = observed && observed->n_sandboxes && observed->sandboxes[0].ready;

	if (ready && observed->sandboxes[0].n_ips) {
		const char *ips[2];
		size_t n = runtime_pick_ips(observed->sandboxes[0].ips, observed->sandboxes[0].n_ips,
					    input->n_host_ips ? input->host_ips[0] : NULL, ips);

		for (size_t i = 0; i < n; i++)
			add_pod_ip(status, ips[i], arena);
	} else if (!ready || input->pod->spec->hostnetwork) {
		for (size_t i = 0; i < input->before->n_podips; i++)
			add_pod_ip(status, input->before->podips[i]->ip, arena);
	}

	for (size_t i = 0; i < input->n_host_ips && i < 2; i++) {
		Core__HostIP *entry = PB_NEW(arena, Core__HostIP, core__host_ip__descriptor);

		entry->ip = arena_strdup(arena, input->host_ips[i]);
		PB_APPEND(arena, status, hostips, entry);
	}
	if (status->n_hostips)
		status->hostip = status->hostips[0]->ip;
	if (input->pod->spec->hostnetwork) {
		if (status->n_podips == 0 && status->n_hostips)
			add_pod_ip(status, status->hostips[0]->ip, arena);
		if (status->n_hostips == 2 && status->n_podips == 1 &&
		    runtime_ip_is_v6(status->podips[0]->ip) != runtime_ip_is_v6(status->hostips[1]->ip))
			add_pod_ip(status, status->hostips[1]->ip, arena);
	}
	if (status->n_podips)
		status->podip = status->podips[0]->ip;
}

static char *copy_text(struct arena *arena, const char *text)
{
	return str_empty(text) ? NULL : arena_strdup(arena, text);
}

/* Reason and message belong to the phase that they were given with. */
static void set_phase(const struct status_input *input, Core__PodStatus *status, struct arena *arena)
{
	const Core__PodStatus *before = input->before, *api = input->pod->status;
	const char *phase = status_phase(input->pod, status, input->stopped);

	if (!status_phase_is_final(phase)) {
		if (status_phase_is_final(before->phase))
			phase = before->phase;
		else if (api && status_phase_is_final(api->phase))
			phase = api->phase;
	}
	if (str_eq(phase, before->phase)) {
		bool ended = api && status_phase_is_final(api->phase); /* by somebody else, who may say why */

		status->reason = copy_text(arena, str_or(before->reason, ended ? api->reason : NULL));
		status->message = copy_text(arena, str_or(before->message, ended ? api->message : NULL));
	}
	if (input->end_reason) {
		phase = "Failed";
		status->reason = copy_text(arena, input->end_reason);
		status->message = copy_text(arena, input->end_message);
	}
	if (api && status_phase_is_final(api->phase))
		phase = api->phase;
	status->phase = arena_strdup(arena, phase);
}

static void set_start(const Core__PodStatus *before, Core__PodStatus *status, int64_t now_s, struct arena *arena)
{
	status->starttime = meta_time(arena, before && before->starttime ? before->starttime->seconds : now_s);
}

Core__PodStatus *status_make(const struct status_input *input, struct arena *arena)
{
	Core__PodStatus *status = PB_NEW(arena, Core__PodStatus, core__pod_status__descriptor);
	const Core__Pod *pod = input->pod;

	status_set_containers(input, status, arena);
	set_phase(input, status, arena);
	status_set_conditions(input, status, arena);
	set_ips(input, status, arena);
	set_start(input->before, status, input->now_s, arena);
	status_set_pod_resources(pod, status, arena);
	status->qosclass = copy_text(arena, pod->status ? pod->status->qosclass : NULL);
	status->has_observedgeneration = true;
	status->observedgeneration = MAX(pod->metadata->generation, input->before->observedgeneration);
	return status;
}

Core__PodStatus *status_reject(const Core__Pod *pod, const char *reason, const char *message, int64_t now_s,
			       struct arena *arena)
{
	Core__PodStatus *status = PB_NEW(arena, Core__PodStatus, core__pod_status__descriptor);

	status->phase = arena_strdup(arena, "Failed");
	status->reason = arena_strdup(arena, reason);
	status->message = arena_printf(arena, "Pod was rejected: %s", message);
	status->qosclass = copy_text(arena, pod->status ? pod->status->qosclass : NULL);
	set_start(pod->status, status, now_s, arena);
	status->has_observedgeneration = true;
	status->observedgeneration = pod->metadata->generation;
	return status;
}

void status_finish(const Core__Pod *pod, Core__PodStatus *status, int64_t now_s, struct arena *arena)
{
	for (size_t i = 0; i < status->n_containerstatuses; i++) {
		Core__ContainerStatus *container = status->containerstatuses[i];

		if (container->state && container->state->terminated)
			continue;
		container->state = PB_NEW(arena, Core__ContainerState, core__container_state__descriptor);
		container->state->terminated = status_lost(arena, STATUS_LOST);
		container->ready = container->started = false;
	}
	if (!status_phase_is_final(status->phase))
		status->phase = arena_strdup(arena, "Failed");
	status_end_readiness(pod, status, now_s, arena);
}

void status_hold_phase(Core__PodStatus *status, const Core__PodStatus *told, struct arena *arena)
{
	if (!status_phase_is_final(status->phase) || (told && status_phase_is_final(told->phase)))
		return;
	status->phase = arena_strdup(arena, told ? str_or(told->phase, "Pending") : "Pending");
	status->reason = told ? copy_text(arena, told->reason) : NULL;
	status->message = told ? copy_text(arena, told->message) : NULL;
}

static bool conditions_equal(const Core__PodStatus *a, const Core__PodStatus *b)
{
	if (status_count_ours(a) != status_count_ours(b))
		return false;
	for (size_t i = 0; i < a->n_conditions; i++) {
		const Core__PodCondition *mine = a->conditions[i], *other;

		if (!status_condition_is_ours(mine->type))
			continue;
		other = status_find_condition(b, mine->type);
		if (!other || !str_eq(mine->status, other->status) ||
		    !str_eq(str_or(mine->reason, ""), str_or(other->reason, "")) ||
		    !str_eq(str_or(mine->message, ""), str_or(other->message, "")))
			return false;
	}
	return true;
}

bool status_equal(const Core__PodStatus *a, const Core__PodStatus *b)
{
	Core__PodStatus left = status_owned(a), right = status_owned(b);

	left.n_conditions = right.n_conditions = 0; /* their times and those of others do not count */
	return conditions_equal(a, b) && pb_equal(&left.base, &right.base);
}
