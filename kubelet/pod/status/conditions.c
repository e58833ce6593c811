/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/status/internal.h"
#include "pkg/base/base.h"
#include "pkg/codec/meta.h"
#include "pkg/codec/pb.h"

enum { NAMES_MAX = 256 * 1024 }; /* names of all containers in one sentence; a pod has at most some hundred */

static const char *const ours[] = { "PodReadyToStartContainers",
				    "Initialized",
				    "Ready",
				    "ContainersReady",
				    "PodScheduled",
				    "PodResizePending",
				    "PodResizeInProgress",
				    "AllContainersRestarting" };

bool status_condition_is_ours(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (str_eq(ours[i], type))
			return true;
	return false;
}

size_t status_count_ours(const Core__PodStatus *status)
{
	size_t n = 0;

	for (size_t i = 0; status && i < status->n_conditions; i++)
		n += status_condition_is_ours(status->conditions[i]->type);
	return n;
}

struct verdict {
	bool is_true;
	const char *reason, *message; /* NULL for none */
};

/* The time of a condition moves only with its status. */
static void add(const struct status_input *input, Core__PodStatus *status, const char *type,
		const struct verdict *verdict, struct arena *arena)
{
	Core__PodCondition *condition = PB_NEW(arena, Core__PodCondition, core__pod_condition__descriptor);
	const Core__PodCondition *old = status_find_condition(input->before, type);

	condition->lastprobetime = PB_NEW(arena, Meta__Time, meta__time__descriptor); /* null, which /pods shows */
	condition->type = arena_strdup(arena, type);
	condition->status = arena_strdup(arena, verdict->is_true ? "True" : "False");
	if (verdict->reason)
		condition->reason = arena_strdup(arena, verdict->reason);
	if (!str_empty(verdict->message))
		condition->message = arena_strdup(arena, verdict->message);
	condition->has_observedgeneration = input->pod->metadata->generation != 0;
	condition->observedgeneration = input->pod->metadata->generation;
	condition->lasttransitiontime = old && str_eq(old->status, condition->status) && old->lasttransitiontime
						? meta_time(arena, old->lasttransitiontime->seconds)
						: meta_time(arena, input->now_s);
	PB_APPEND(arena, status, conditions, condition);
}

/* "[a b]", as Go prints a list; NULL when no container of the kind that is asked for is there. */
static char *names(const Core__Pod *pod, const Core__PodStatus *status, bool unknown, struct arena *arena)
{
	_cleanup_buf_ struct buf text = BUF_INIT(NAMES_MAX);

	for (size_t i = 0; i < pod->spec->n_containers; i++) {
		const char *name = pod->spec->containers[i]->name;
		const Core__ContainerStatus *found = status_find_container(status, name);

		if (unknown ? !found : found && !found->ready)
			buf_printf(&text, "%s%s", text.size ? " " : "", name);
	}
	return text.size ? arena_printf(arena, "[%s]", buf_text(&text)) : NULL;
}

static struct verdict containers_ready(const Core__Pod *pod, const Core__PodStatus *status, struct arena *arena)
{
	char *unknown, *unready;

	if (status->n_containerstatuses == 0)
		return (struct verdict){ false, "UnknownContainerStatuses", NULL };
	unknown = names(pod, status, true, arena);
	unready = names(pod, status, false, arena);
	if (str_eq(status->phase, "Succeeded") && !unknown)
		return (struct verdict){ false, "PodCompleted", NULL };
	if (str_eq(status->phase, "Failed"))
		return (struct verdict){ false, "PodFailed", NULL };
	if (!unknown && !unready)
		return (struct verdict){ true, NULL, NULL };
	return (struct verdict){ false, "ContainersNotReady",
				 arena_printf(arena, "%s%s%s%s%s", unknown ? "containers with unknown status: " : "",
					      unknown ? unknown : "", unknown && unready ? ", " : "",
					      unready ? "containers with unready status: " : "",
					      unready ? unready : "") };
}

/* A readiness gate is a condition that somebody else keeps. */
static struct verdict ready(const Core__Pod *pod, const Core__PodStatus *status, struct arena *arena)
{
	struct verdict verdict = containers_ready(pod, status, arena);
	char *message = NULL;

	if (!verdict.is_true)
		return verdict;
	for (size_t i = 0; i < pod->spec->n_readinessgates; i++) {
		const char *type = pod->spec->readinessgates[i]->conditiontype;
		const Core__PodCondition *gate = status_find_condition(status, type);
		char *line;

		if (gate && str_eq(gate->status, "True"))
			continue;
		line = gate ? arena_printf(arena, "the status of pod readiness gate \"%s\" is not \"True\", but %s",
					   type, gate->status)
			    : arena_printf(arena,
					   "corresponding condition of pod readiness gate \"%s\" does not exist.",
					   type);
		message = message ? arena_printf(arena, "%s, %s", message, line) : line;
	}
	return message ? (struct verdict){ false, "ReadinessGatesNotReady", message } : verdict;
}

void status_set_conditions(const struct status_input *input, Core__PodStatus *status, struct arena *arena)
{
	const Core__Pod *pod = input->pod;
	const char *problem = status_sandbox_problem(pod, input->observed);
	bool completed = str_eq(status->phase, "Succeeded");

	for (size_t i = 0; pod->status && i < pod->status->n_conditions; i++)
		if (!status_condition_is_ours(pod->status->conditions[i]->type))
			PB_APPEND(arena, status, conditions, PB_COPY(pod->status->conditions[i], arena));

	add(input, status, "PodReadyToStartContainers",
	    &(struct verdict){ !problem, problem ? "PodSandboxNotReady" : NULL, problem }, arena);
	add(input, status, "Initialized", &(struct verdict){ true, completed ? "PodCompleted" : NULL, NULL }, arena);

	struct verdict verdict = ready(pod, status, arena);

	add(input, status, "Ready", &verdict, arena);
	verdict = containers_ready(pod, status, arena);
	add(input, status, "ContainersReady", &verdict, arena);
	add(input, status, "PodScheduled", &(struct verdict){ true, NULL, NULL }, arena);
	if (status_resize_pending(pod, input->observed))
		add(input, status, "PodResizePending",
		    &(struct verdict){ true, "Infeasible", "In-place resize is not supported by this kubelet yet" },
		    arena);
}

void status_end_readiness(const Core__Pod *pod, Core__PodStatus *status, int64_t now_s, struct arena *arena)
{
	static const char *const types[] = { "ContainersReady", "Ready" };
	bool failed = str_eq(status->phase, "Failed");

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		Core__PodCondition *condition = status_find_condition(status, types[i]);

		if (!condition || !str_eq(condition->status, "True"))
			continue;
		condition->status = arena_strdup(arena, "False");
		condition->reason = arena_strdup(arena, failed ? "PodFailed" : "PodCompleted");
		condition->message = NULL;
		condition->observedgeneration = pod->metadata->generation;
		condition->lasttransitiontime = meta_time(arena, now_s);
	}
}
