/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "kubelet/pod/status/internal.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/codec/meta.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/utf8.h"

enum {
	MESSAGE_MAX_BYTES =
		12 * 1024, /* termination messages of a pod together, shared out evenly; upstream's number */
	EXIT_LOST = 137,
};

static Meta__Time *time_of_ns(struct arena *arena, int64_t ns)
{
	return ns ? meta_time(arena, ns / NS_PER_S) : NULL;
}

/* What ended has both times: one that never started did so in 1970, as users of the stock kubelet see it. */
static Meta__Time *exit_time(struct arena *arena, int64_t ns)
{
	Meta__Time *time = meta_time(arena, ns / NS_PER_S);

	if (time->seconds == 0)
		time->nanos = 1; /* all zero would be no time */
	return time;
}

Core__ContainerStateTerminated *status_lost(struct arena *arena, const char *message)
{
	Core__ContainerStateTerminated *lost =
		PB_NEW(arena, Core__ContainerStateTerminated, core__container_state_terminated__descriptor);

	lost->has_exitcode = true;
	lost->exitcode = EXIT_LOST;
	lost->reason = arena_text(arena, "ContainerStatusUnknown");
	lost->message = arena_text(arena, message);
	return lost;
}

static Core__ContainerState *state_new(struct arena *arena)
{
	return PB_NEW(arena, Core__ContainerState, core__container_state__descriptor);
}

static Core__ContainerState *waiting(struct arena *arena, const char *reason, const char *message)
{
	Core__ContainerState *state = state_new(arena);

	state->waiting = PB_NEW(arena, Core__ContainerStateWaiting, core__container_state_waiting__descriptor);
	if (!str_empty(reason))
		state->waiting->reason = arena_text(arena, reason);
	if (!str_empty(message))
		state->waiting->message = arena_text(arena, message);
	return state;
}

static Core__ContainerState *ended(struct arena *arena, Core__ContainerStateTerminated *terminated)
{
	Core__ContainerState *state = state_new(arena);

	state->terminated = terminated;
	return state;
}

static char *container_id(const struct status_input *input, const struct runtime_container *container,
			  struct arena *arena)
{
	return arena_printf(arena, "%s://%s", input->runtime_name, container->id);
}

/* Cut between characters, or the API server would refuse the text. */
static char *bounded(struct arena *arena, const char *message, size_t limit)
{
	return arena_strndup(arena, message, utf8_cut(message, strlen(message), limit));
}

static const Core__ContainerStateTerminated *terminated_of(const Core__ContainerState *state)
{
	return state ? state->terminated : NULL;
}

static bool was_running(const Core__ContainerStatus *old)
{
	return old && old->state && old->state->running;
}

static void set_mounts(Core__ContainerStatus *status, const Core__Container *spec, struct arena *arena)
{
	for (size_t i = 0; i < spec->n_volumemounts; i++) {
		const Core__VolumeMount *mount = spec->volumemounts[i];
		Core__VolumeMountStatus *shown =
			PB_NEW(arena, Core__VolumeMountStatus, core__volume_mount_status__descriptor);

		shown->name = arena_text(arena, mount->name);
		shown->mountpath = arena_text(arena, mount->mountpath);
		if (mount->readonly) {
			shown->has_readonly = true;
			shown->readonly = true;
			shown->recursivereadonly = arena_text(arena, "Disabled");
		}
		PB_APPEND(arena, status, volumemounts, shown);
	}
}

static void set_user(Core__ContainerStatus *status, const struct runtime_container *container, struct arena *arena)
{
	Core__LinuxContainerUser *user;

	if (!container->has_user)
		return;
	user = PB_NEW(arena, Core__LinuxContainerUser, core__linux_container_user__descriptor);
	user->has_uid = user->has_gid = true;
	user->uid = container->uid;
	user->gid = container->gid;
	user->n_supplementalgroups = container->n_groups;
	user->supplementalgroups = arena_alloc(arena, sizeof(int64_t) * (container->n_groups + 1));
	if (container->n_groups)
		memcpy(user->supplementalgroups, container->groups, sizeof(int64_t) * container->n_groups);
	status->user = PB_NEW(arena, Core__ContainerUser, core__container_user__descriptor);
	status->user->linux = user;
}

/* The message of this very instance as told before: its file may have gone with the pod's volumes since. */
static const char *told_message(const Core__ContainerStatus *old, const char *id)
{
	const Core__ContainerStateTerminated *states[2] = { old ? terminated_of(old->state) : NULL,
							    old ? terminated_of(old->laststate) : NULL };

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (states[i] && str_eq(states[i]->containerid, id) && !str_empty(states[i]->message))
			return states[i]->message;
	return NULL;
}

static Core__ContainerState *exit_state(const struct status_input *input, const struct runtime_container *container,
					const Core__ContainerStatus *old, struct arena *arena)
{
	Core__ContainerStateTerminated *exit =
		PB_NEW(arena, Core__ContainerStateTerminated, core__container_state_terminated__descriptor);

	exit->has_exitcode = true;
	exit->exitcode = container->exit_code;
	if (!str_empty(container->reason))
		exit->reason = arena_text(arena, container->reason);
	exit->containerid = container_id(input, container, arena);
	const char *message = str_or(container->message, told_message(old, exit->containerid));
	if (!str_empty(message))
		exit->message = bounded(arena, message, MESSAGE_MAX_BYTES / input->pod->spec->n_containers);
	exit->startedat = exit_time(arena, container->started_ns);
	exit->finishedat = exit_time(arena, container->finished_ns);
	return ended(arena, exit);
}

static void set_state(const struct status_input *input, Core__ContainerStatus *status,
		      const struct runtime_container *container, const Core__ContainerStatus *old, struct arena *arena)
{
	switch (container->state) {
	case RUNTIME_RUNNING:
		status->state = state_new(arena);
		status->state->running =
			PB_NEW(arena, Core__ContainerStateRunning, core__container_state_running__descriptor);
		status->state->running->startedat = time_of_ns(arena, container->started_ns);
		if (old && terminated_of(old->state) && old->restartcount >= container->restart_count &&
		    !str_eq(old->containerid, status->containerid))
			status->restartcount = old->restartcount + 1;
		return;
	case RUNTIME_EXITED:
		status->state = exit_state(input, container, old, arena);
		return;
	case RUNTIME_UNKNOWN:
		if (!was_running(old))
			break;
		status->state = ended(arena, status_lost(arena, STATUS_LOST));
		status->restartcount = old->restartcount + 1;
		return;
	case RUNTIME_CREATED:
		break;
	}
	status->state = waiting(arena, NULL, NULL);
}

/* What the runtime says of one instance, with what only earlier statuses know. */
static Core__ContainerStatus *convert(const struct status_input *input, const struct runtime_container *container,
				      const Core__Container *spec, const Core__ContainerStatus *old,
				      struct arena *arena)
{
	Core__ContainerStatus *status = PB_NEW(arena, Core__ContainerStatus, core__container_status__descriptor);

	status->name = arena_text(arena, container->name);
	status->image = arena_text(arena, container->image);
	status->imageid = arena_text(arena, container->image_id);
	status->containerid = container_id(input, container, arena);
	status->has_restartcount = true;
	status->restartcount = old ? MAX(old->restartcount, container->restart_count) : container->restart_count;
	status->laststate = state_new(arena);
	if (old) {
		bool is_other = !str_eq(old->containerid, status->containerid);
		const Core__ContainerStateTerminated *last = is_other ? terminated_of(old->state) : NULL;

		if (!last)
			last = terminated_of(old->laststate);
		if (last)
			status->laststate->terminated = PB_COPY((Core__ContainerStateTerminated *)last, arena);
	}
	set_mounts(status, spec, arena);
	status_set_container_resources(status, spec, container, arena);
	set_user(status, container, arena);
	set_state(input, status, container, old, arena);
	return status;
}

/* Before the runtime says anything: as it was if it had ended, else waiting to be created. */
static Core__ContainerStatus *start_from(const Core__Pod *pod, const Core__Container *spec,
					 const Core__ContainerStatus *old, struct arena *arena)
{
	Core__ContainerStatus *status;

	if (old && terminated_of(old->state))
		return PB_COPY((Core__ContainerStatus *)old, arena);
	status = PB_NEW(arena, Core__ContainerStatus, core__container_status__descriptor);
	status->name = arena_text(arena, spec->name);
	status->image = arena_text(arena, spec->image);
	status->imageid = arena_text(arena, "");
	status->state = waiting(arena, pod->spec->n_initcontainers ? "PodInitializing" : "ContainerCreating", NULL);
	status->laststate = old && old->laststate ? PB_COPY(old->laststate, arena) : state_new(arena);
	status->has_restartcount = true;
	status->restartcount = old ? old->restartcount : 0;
	set_mounts(status, spec, arena);
	return status;
}

/* The runtime lost it. It ran, so it must not look as if it never had. */
static void note_lost(const Core__Pod *pod, Core__ContainerStatus *status, const Core__ContainerStatus *old,
		      struct arena *arena)
{
	if (!was_running(old) || status->laststate->terminated)
		return;
	status->laststate->terminated = status_lost(
		arena,
		"The container could not be located when the pod was deleted.  The container used to be Running");
	if (!pod->metadata->deletiontimestamp)
		status->restartcount++;
}

static Core__ContainerStatus *compute(const struct status_input *input, size_t index, struct arena *arena)
{
	const Core__Pod *pod = input->pod;
	const Core__Container *spec = pod->spec->containers[index];
	const Core__ContainerStatus *old = status_find_container(input->before, spec->name);
	const struct status_waiting *why = input->waiting ? &input->waiting[index] : NULL;
	Core__ContainerStatus *status = start_from(pod, spec, old, arena);
	size_t seen = 0;

	for (size_t i = 0; input->observed && i < input->observed->n_containers && seen < 2; i++) {
		const struct runtime_container *container = &input->observed->containers[i];

		if (!str_eq(container->name, spec->name))
			continue;
		if (seen++ == 0)
			status = convert(input, container, spec, old, arena);
		else
			status->laststate = convert(input, container, spec, old, arena)->state;
	}
	if (seen == 0)
		note_lost(pod, status, old, arena);

	bool is_finished = input->stopped && seen == 0 && terminated_of(status->state);

	if (why && why->reason && !is_finished && status_restart_due(pod, status_latest(input->observed, spec->name))) {
		if (terminated_of(status->state))
			status->laststate = status->state;
		status->state = waiting(arena, why->reason, why->message);
	}

	/* Without probes a container is started and ready as long as it runs. */
	status->has_ready = status->has_started = true;
	status->ready = status->started = status->state->running != NULL;
	return status;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(Core__ContainerStatus *const *)a)->name, (*(Core__ContainerStatus *const *)b)->name);
}

/* They come to a pod that runs, so nobody can refuse them: "kubectl debug" shows the message of one that waits. */
static void set_ephemeral(const Core__PodSpec *spec, Core__PodStatus *status, struct arena *arena)
{
	for (size_t i = 0; i < spec->n_ephemeralcontainers; i++) {
		const Core__EphemeralContainerCommon *container =
			spec->ephemeralcontainers[i]->ephemeralcontainercommon;
		Core__ContainerStatus *made;

		if (!container)
			continue;
		made = PB_NEW(arena, Core__ContainerStatus, core__container_status__descriptor);
		made->name = arena_text(arena, container->name);
		made->image = arena_text(arena, container->image);
		made->imageid = arena_text(arena, "");
		made->state = waiting(arena, "UnexpectedAdmissionError",
				      "spec.ephemeralContainers is not supported by this kubelet yet");
		made->laststate = state_new(arena);
		made->has_restartcount = made->has_ready = true;
		PB_APPEND(arena, status, ephemeralcontainerstatuses, made);
	}
}

void status_set_containers(const struct status_input *input, Core__PodStatus *status, struct arena *arena)
{
	for (size_t i = 0; i < input->pod->spec->n_containers; i++)
		PB_APPEND(arena, status, containerstatuses, compute(input, i, arena));
	if (status->n_containerstatuses)
		qsort(status->containerstatuses, status->n_containerstatuses, sizeof *status->containerstatuses,
		      by_name);
	set_ephemeral(input->pod->spec, status, arena);
}
