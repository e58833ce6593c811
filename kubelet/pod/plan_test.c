/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/plan.h"

#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/test/test.h"

enum { WALL_MS = 1000000, MONO_MS = 5000, MAX_PARTS = 8 };

static uint64_t hash(const Core__Container *container)
{
	return strlen(container->image);
}

/*
 * One row: the pod's restart policy; what the runtime has, newest first ("S" ready sandbox, "s" stopped one, "i" ready
 * without an address; "a:r" container a running, ":0" ":1" exited with that code, ":c" created, ":u" unknown, ":x"
 * running with another spec); what this process knows ("P" prepared, "M" mounted, "U" unmounted, "C" cgroup destroyed,
 * "E" ending, "G" gone, "D" being deleted, "R" refresh due, "T" not read since the last step, "L" a failed step holds
 * until later, "l" so does one that prepared, "A" ended for a new sandbox); the delay of a crash loop; what is wanted.
 */
static const struct row {
	const char *rule, *policy, *runtime, *known;
	int64_t crash_delay_ms;
	const char *want;
} rows[] = {
	{ "first the cgroup", "Always", "", "", 0, "prepare" },
	{ "then the volumes", "Always", "", "P", 0, "mount" },
	{ "a failed mount waits", "Always", "", "PL", 0, "wait 700" },
	{ "then the sandbox", "Always", "", "PM", 0, "sandbox 0" },
	{ "a failed sandbox waits", "Always", "", "PML", 0, "wait 700" },
	{ "then the first container", "Always", "S", "PM", 0, "start a -1" },
	{ "then the second", "Always", "S a:r", "PM", 0, "start b -1" },
	{ "then nothing", "Always", "S a:r b:r", "PM", 0, "nothing" },
	{ "a second container does not wait for the first's crash loop", "Always", "S a:1", "PM", 9000, "start b -1" },
	{ "volumes are refreshed when nothing else is to do", "Always", "S a:r b:r", "PMR", 0, "mount" },
	{ "a restart comes before a refresh", "Always", "S a:1 b:r", "PMR", 0, "start a 1" },
	{ "a restarted kubelet prepares and mounts again, and starts nothing twice", "Always", "S a:r b:r", "", 0,
	  "prepare" },

	{ "another spec prepares before a start", "Always", "S a:1 b:r", "M", 0, "prepare" },
	{ "and before a sandbox", "Always", "s a:1 b:1", "M", 0, "prepare" },
	{ "a failed one waits", "Always", "S a:1 b:r", "Ml", 0, "wait 700" },
	{ "also before a sandbox", "Always", "s a:1 b:1", "Ml", 0, "wait 700" },
	{ "also at the very first", "Always", "", "l", 0, "wait 700" },
	{ "what needs no start goes on: a refresh", "Always", "S a:1 b:r", "MRl", 0, "mount" },
	{ "a kill", "Always", "S a:1 b:x", "Ml", 0, "kill changed container b" },
	{ "and removals", "Always", "S a:1 b:r a:1", "Ml", 0, "remove a" },
	{ "but nothing is prepared under what runs", "Always", "S a:r b:r", "M", 0, "nothing" },

	{ "Always restarts a success", "Always", "S a:0 b:r", "PM", 0, "start a 1" },
	{ "Always restarts a failure", "Always", "S a:1 b:r", "PM", 0, "start a 1" },
	{ "OnFailure leaves a success", "OnFailure", "S a:0 b:r", "PM", 0, "nothing" },
	{ "OnFailure restarts a failure", "OnFailure", "S a:1 b:r", "PM", 0, "start a 1" },
	{ "Never leaves a failure", "Never", "S a:1 b:r", "PM", 0, "nothing" },
	{ "Never starts what never ran", "Never", "S a:1", "PM", 0, "start b -1" },
	{ "a crash loop waits", "Always", "S a:1 b:r", "PM", 9000, "wait 8000" },
	{ "all done: the sandbox is stopped", "OnFailure", "S a:0 b:0", "PM", 0, "kill" },
	{ "all failed under Never: the same", "Never", "S a:1 b:1", "PM", 0, "kill" },
	{ "a pod in crash loop keeps its sandbox", "Always", "S a:1 b:1", "PM", 9000, "wait 8000" },
	{ "created only is started anew", "Always", "S a:c b:r", "PM", 0, "start a 1" },
	{ "unknown is killed first", "Always", "S a:u b:r", "PM", 0, "kill unknown container a" },
	{ "another spec kills", "Never", "S a:x b:r", "PM", 0, "kill changed container a" },
	{ "and starts again, under any policy", "Never", "S a:1 b:r", "PMA", 0, "start a 1" },

	{ "a dead sandbox: what runs is killed", "Always", "s a:r b:1", "PM", 0, "kill for new" },
	{ "two ready ones: all go", "Always", "S S a:r", "PM", 0, "kill for new" },
	{ "one without an address goes", "Always", "i", "PM", 0, "kill for new" },
	{ "then the next is made", "Always", "s a:1 b:1", "PM", 0, "sandbox 1" },
	{ "also for a pod that never ran a container", "Never", "s", "PM", 0, "sandbox 1" },
	{ "Never gets no second one", "Never", "s a:1 b:1", "PM", 0, "nothing" },
	{ "Never, one still running in a dead one", "Never", "s a:r", "PM", 0, "kill" },
	{ "OnFailure gets none when all succeeded", "OnFailure", "s a:0 b:0", "PM", 0, "nothing" },
	{ "OnFailure gets one when one failed", "OnFailure", "s a:0 b:1", "PM", 0, "sandbox 1" },
	{ "OnFailure gets one when all ended for it", "OnFailure", "s a:0 b:0", "PMA", 0, "sandbox 1" },
	{ "in it these start", "OnFailure", "S s a:0 b:0", "PMA", 0, "start a 1" },
	{ "at once, as that was no crash", "OnFailure", "S s a:1 b:0", "PMA", 20000, "start a 1" },
	{ "in it only the failed one starts", "OnFailure", "S s a:0 b:1", "PM", 0, "start b 1" },

	{ "of the dead only the newest stays", "Always", "S a:r b:r a:1 a:1", "PM", 0, "remove a" },
	{ "one dead stays", "Always", "S a:r b:r a:1", "PM", 0, "nothing" },
	{ "an old empty sandbox goes", "Always", "S s a:r b:r", "PM", 0, "remove sandbox" },

	{ "the end kills", "Always", "S a:r b:r", "PME", 0, "kill" },
	{ "also what was not prepared by this process", "Always", "S a:r b:r", "E", 0, "kill" },
	{ "a dead container in a live sandbox", "Always", "S a:1 b:1", "PME", 0, "kill" },
	{ "a failed kill waits", "Always", "S a:r b:r", "PMEL", 0, "wait 700" },
	{ "then the volumes go", "Always", "s a:1 b:1", "PME", 0, "unmount" },
	{ "then the cgroup", "Always", "s a:1 b:1", "PMEU", 0, "destroy cgroup" },
	{ "then the object is left to be looked at", "Always", "s a:1 b:1", "PMEUC", 0, "nothing" },
	{ "when it is gone the rest goes", "Always", "s a:1 b:1", "PMEUCG", 0, "remove pod" },
	{ "gone in mid-life: killed first", "Always", "S a:r b:r", "PMG", 0, "kill" },
	{ "then forgotten", "Always", "", "PMEUCG", 0, "forget" },
	{ "what is not known is read first", "Always", "S a:r", "PMT", 0, "read" },
	{ "a failed step holds what is not a start", "Always", "S a:u b:r", "PML", 0, "wait 700" },
	{ "but starts go on", "Always", "S a:r b:1", "PML", 0, "start b 1" },
	{ "a deleted pod restarts nothing", "Always", "S a:1 b:r", "PMD", 0, "nothing" },
};

struct world {
	struct runtime_sandbox sandboxes[MAX_PARTS];
	struct runtime_container containers[MAX_PARTS];
	struct runtime_pod pod;
};

static void add_container(struct world *world, const char *text)
{
	struct runtime_container *container = &world->containers[world->pod.n_containers++];

	*container = (struct runtime_container){
		.name = text[0] == 'a' ? "a" : "b",
		.sandbox_id = world->sandboxes[0].id,
		.spec_hash = text[2] == 'x' ? 7 : 1,
		.exit_code = text[2] == '1',
		.finished_ns = (WALL_MS - 1000) * 1000000LL,
		.state = strchr("rx", text[2]) ? RUNTIME_RUNNING
			 : text[2] == 'c'      ? RUNTIME_CREATED
			 : text[2] == 'u'      ? RUNTIME_UNKNOWN
					       : RUNTIME_EXITED,
	};
}

static const struct runtime_pod *build(struct world *world, const char *text)
{
	static const char *const ids[MAX_PARTS] = { "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7" };
	static const char *ip = "10.0.0.1";

	*world = (struct world){ 0 };
	for (; *text; text += strcspn(text, " "), text += *text == ' ') {
		if (text[0] == 'a' || text[0] == 'b') {
			add_container(world, text);
			continue;
		}
		world->sandboxes[world->pod.n_sandboxes] = (struct runtime_sandbox){
			.id = ids[world->pod.n_sandboxes],
			.ready = text[0] != 's',
			.ips = &ip,
			.n_ips = text[0] != 'i',
		};
		world->pod.n_sandboxes++;
	}
	world->pod.sandboxes = world->sandboxes;
	world->pod.containers = world->containers;
	return world->pod.n_sandboxes || world->pod.n_containers ? &world->pod : NULL;
}

static void show(const struct plan_step *step, const Core__Pod *pod, char *text, size_t size)
{
	switch (step->kind) {
	case PLAN_NOTHING:
		if (step->wait_ms < 0)
			snprintf(text, size, "nothing");
		else
			snprintf(text, size, "wait %d", (int)step->wait_ms);
		break;
	case PLAN_KILL_POD:
		snprintf(text, size, "kill%s", step->sandbox_changed ? " for new" : "");
		break;
	case PLAN_RUN_SANDBOX:
		snprintf(text, size, "sandbox %u", step->attempt);
		break;
	case PLAN_START_CONTAINER:
		snprintf(text, size, "start %s %d", pod->spec->containers[step->container]->name, step->restart_count);
		break;
	case PLAN_KILL_CONTAINER:
		snprintf(text, size, "kill %s container %s",
			 step->why == RUNTIME_KILL_CHANGED   ? "changed"
			 : step->why == RUNTIME_KILL_UNKNOWN ? "unknown"
							     : "any",
			 step->instance->name);
		break;
	case PLAN_REMOVE_CONTAINER:
		snprintf(text, size, "remove %s", step->instance->name);
		break;
	default: {
		static const char *const names[] = { [PLAN_READ] = "read",
						     [PLAN_PREPARE] = "prepare",
						     [PLAN_MOUNT] = "mount",
						     [PLAN_REMOVE_SANDBOX] = "remove sandbox",
						     [PLAN_UNMOUNT] = "unmount",
						     [PLAN_DESTROY_CGROUP] = "destroy cgroup",
						     [PLAN_REMOVE_POD] = "remove pod",
						     [PLAN_FORGET] = "forget" };
		snprintf(text, size, "%s", names[step->kind]);
	}
	}
}

static bool knows(const struct row *row, char what)
{
	return strchr(row->known, what) != NULL;
}

static void check_row(const struct row *row)
{
	Core__Container a = CORE__CONTAINER__INIT, b = CORE__CONTAINER__INIT, *containers[] = { &a, &b };
	Core__PodSpec spec = CORE__POD_SPEC__INIT;
	Meta__ObjectMeta meta = META__OBJECT_META__INIT;
	Meta__Time deleted = META__TIME__INIT;
	Core__Pod pod = CORE__POD__INIT;
	struct plan_container memory[2] = { { { row->crash_delay_ms, WALL_MS - 1000 }, 0, knows(row, 'A') },
					    { { row->crash_delay_ms, WALL_MS - 1000 }, 0, knows(row, 'A') } };
	struct world world;
	struct plan_input input = { .pod = &pod,
				    .observed = build(&world, row->runtime),
				    .containers = memory,
				    .hash = hash,
				    .ending = knows(row, 'E'),
				    .gone = knows(row, 'G'),
				    .prepared = knows(row, 'P'),
				    .mounted = knows(row, 'M'),
				    .refresh = knows(row, 'R'),
				    .stale = knows(row, 'T'),
				    .unmounted = knows(row, 'U'),
				    .cgroup_destroyed = knows(row, 'C'),
				    .not_before_ms = knows(row, 'L') ? MONO_MS + 700 : 0,
				    .prepare_not_before_ms = knows(row, 'l') ? MONO_MS + 700 : 0,
				    .now_ms = MONO_MS,
				    .wall_ms = WALL_MS };
	struct plan_step step;
	char got[64];

	a.name = (char *)"a";
	b.name = (char *)"b";
	a.image = b.image = (char *)"i";
	spec.containers = containers;
	spec.n_containers = 2;
	spec.restartpolicy = (char *)(uintptr_t)row->policy;
	meta.deletiontimestamp = knows(row, 'D') ? &deleted : NULL;
	pod.spec = &spec;
	pod.metadata = &meta;
	step = pod_plan(&input);
	show(&step, &pod, got, sizeof got);
	CHECK_STR(row->rule, got, row->want);
}

TEST(rules)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_row(&rows[i]);
}

TEST(a_failed_start_waits_alone)
{
	Core__Container a = CORE__CONTAINER__INIT, b = CORE__CONTAINER__INIT, *containers[] = { &a, &b };
	Core__PodSpec spec = CORE__POD_SPEC__INIT;
	Meta__ObjectMeta meta = META__OBJECT_META__INIT;
	Core__Pod pod = CORE__POD__INIT;
	struct plan_container memory[2] = { { .not_before_ms = MONO_MS + 300 }, { .not_before_ms = 0 } };
	struct world world;
	struct plan_input input = { .pod = &pod,
				    .observed = build(&world, "S"),
				    .containers = memory,
				    .hash = hash,
				    .prepared = true,
				    .mounted = true,
				    .now_ms = MONO_MS,
				    .wall_ms = WALL_MS };

	a.name = (char *)"a";
	b.name = (char *)"b";
	a.image = b.image = (char *)"i";
	spec.containers = containers;
	spec.n_containers = 2;
	pod.spec = &spec;
	pod.metadata = &meta;
	CHECK_INT("the other starts", pod_plan(&input).container, ==, 1);
	memory[1].not_before_ms = MONO_MS + 500;
	CHECK_INT("the sooner one counts", pod_plan(&input).wait_ms, ==, 300);
	input.now_ms += 300;
	CHECK_INT("then it starts", pod_plan(&input).kind, ==, PLAN_START_CONTAINER);
}

TEST(deadline)
{
	Core__PodSpec spec = CORE__POD_SPEC__INIT;
	Core__PodStatus status = CORE__POD_STATUS__INIT;
	Meta__Time start = META__TIME__INIT;
	Core__Pod pod = CORE__POD__INIT;

	pod.spec = &spec;
	start.seconds = 100;
	CHECK_INT("none", plan_deadline_left(&pod, &status, 0), ==, -1);
	spec.has_activedeadlineseconds = true;
	spec.activedeadlineseconds = 5;
	CHECK_INT("not started", plan_deadline_left(&pod, &status, 0), ==, -1);
	status.starttime = &start;
	CHECK_INT("runs", plan_deadline_left(&pod, &status, 101000), ==, 4000);
	CHECK_INT("is over", plan_deadline_left(&pod, &status, 105000), ==, 0);
	CHECK_INT("stays over", plan_deadline_left(&pod, &status, 999000), ==, 0);
}
