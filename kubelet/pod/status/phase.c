/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/status/internal.h"
#include "pkg/base/base.h"

struct tally {
	size_t unknown, waiting, running, stopped, stopped_for_good, succeeded;
};

/* A waiting container that ran before counts as stopped, but its exit code of 0 does not count as success. */
static void count(struct tally *tally, const Core__ContainerStatus *status, const char *policy)
{
	const Core__ContainerStateTerminated *ended = NULL;

	if (!status || !status->state) {
		tally->unknown++;
	} else if (status->state->running) {
		tally->running++;
	} else if (status->state->terminated) {
		ended = status->state->terminated;
		tally->succeeded += ended->exitcode == 0;
	} else if (status->state->waiting && status->laststate && status->laststate->terminated) {
		ended = status->laststate->terminated;
	} else if (status->state->waiting) {
		tally->waiting++;
	} else {
		tally->unknown++;
	}
	if (ended) {
		tally->stopped++;
		tally->stopped_for_good += !status_may_restart(policy, ended->exitcode);
	}
}

const char *status_phase(const Core__Pod *pod, const Core__PodStatus *status, bool stopped)
{
	struct tally tally = { 0 };

	for (size_t i = 0; i < pod->spec->n_containers; i++)
		count(&tally, status_find_container(status, pod->spec->containers[i]->name), pod->spec->restartpolicy);
	if (tally.waiting > 0 || tally.unknown > 0 || pod->spec->n_initcontainers > 0)
		return "Pending";
	if (tally.running > 0)
		return "Running";
	if (tally.stopped == 0)
		return "Pending";
	if (!stopped && tally.stopped != tally.stopped_for_good)
		return "Running";
	return tally.stopped == tally.succeeded ? "Succeeded" : "Failed";
}

bool status_phase_is_final(const char *phase)
{
	return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}
