/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers in a simulated world: a runtime, disk, cgroups and an API server made of a few structs, with a clock that
 * jumps from one thing to the next. Steps take time, fail, or take effect although they report a failure; the kubelet
 * is killed and comes back; users create, delete, delete by force; containers and sandboxes die.
 */
#include <stdio.h>
#include <string.h>

#include "kubelet/pod/pod.h"
#include "pkg/base/base.h"
#include "pkg/base/map.h"
#include "pkg/codec/json.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

enum { MAX_PODS = 8, MAX_CONTAINERS = 400, MAX_SANDBOXES = 100, MAX_OPS = 64, N_NAMES = 2, WALL_MS = 1764060000 };

struct sim_pod {
	char uid[16];
	const char *policy;
	bool exists, deleting; /* in the API */
	struct arena *arena;
	Core__Pod *object;
	int version;
	bool prepared, mounted;
	bool polite;   /* its containers end with 0 when they are told to */
	bool stubborn; /* the first kill ends one of them only */
	bool renewed;  /* its containers have got another image */
	int starts[N_NAMES];

	struct runtime_sandbox sandboxes[MAX_SANDBOXES]; /* newest first */
	size_t n_sandboxes;
	struct runtime_container containers[MAX_CONTAINERS];
	size_t n_containers;
	int64_t unread_until_ms; /* a new kubelet cannot read what it has here */
};

struct op {
	struct task task;
	int64_t due_ms;
	task_done_fn *done;
	void *owner;
	struct err err;
	struct pods_outcome outcome;
	const Core__Pod *reply;
	bool is_act, used;
};

static struct sim {
	uint64_t seed;
	int64_t now_ms, wake_at_ms;
	int fail_percent;
	struct sim_pod pods[MAX_PODS];
	struct op ops[MAX_OPS];
	struct pods *kubelet;
	int requests, events;
	struct arena *turn; /* what observed() answered since control was last with the loop */
} sim;

static uint32_t dice(uint32_t sides)
{
	sim.seed = sim.seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(sim.seed >> 33) % sides;
}

static char *text(const char *format, size_t n)
{
	static char texts[4096][16]; /* ids live as long as a run */
	static size_t next;
	char *place = texts[next++ % ARRAY_LEN(texts)];

	snprintf(place, sizeof texts[0], "%s%zu", format, n);
	return place;
}

static struct sim_pod *by_uid(const char *uid)
{
	for (size_t i = 0; i < MAX_PODS; i++)
		if (str_eq(sim.pods[i].uid, uid))
			return &sim.pods[i];
	return NULL;
}

/* ---- clock ---- */

static int64_t now_ms(void *owner)
{
	return sim.now_ms;
}

static int64_t wall_ms(void *owner)
{
	return WALL_MS * 1000LL + sim.now_ms;
}

static void wake_in(void *owner, int64_t delay_ms)
{
	sim.wake_at_ms = sim.now_ms + delay_ms;
}

/* ---- runtime ---- */

/* Nothing of it may be used any more: the sanitizer sees who does. */
static void turn_over(void)
{
	arena_free(sim.turn);
	sim.turn = NULL;
}

static void *copied(const void *from, size_t size)
{
	void *copy;

	if (!sim.turn)
		sim.turn = arena_new();
	copy = arena_alloc(sim.turn, size);
	memcpy(copy, from, size);
	return copy;
}

static const struct runtime_pod *observed(void *owner, const char *uid)
{
	struct sim_pod *pod = by_uid(uid);
	struct runtime_pod view;

	if (!pod || (pod->n_sandboxes == 0 && pod->n_containers == 0) || sim.now_ms < pod->unread_until_ms)
		return NULL;
	view = (struct runtime_pod){
		.uid = pod->uid,
		.sandboxes = copied(pod->sandboxes, sizeof pod->sandboxes),
		.n_sandboxes = pod->n_sandboxes,
		.containers = copied(pod->containers, sizeof pod->containers),
		.n_containers = pod->n_containers,
	};
	return copied(&view, sizeof view);
}

static bool has_cgroup(void *owner, const Core__Pod *pod)
{
	const struct sim_pod *found = by_uid(pod->metadata->uid);

	return found && found->prepared;
}

static bool unread(void *owner, const char *uid)
{
	struct sim_pod *pod = by_uid(uid);

	return pod && (pod->n_sandboxes || pod->n_containers) && sim.now_ms < pod->unread_until_ms;
}

static uint64_t hash(const Core__Container *container)
{
	return 1;
}

static void end_container(struct runtime_container *container, int exit_code)
{
	if (container->state != RUNTIME_RUNNING)
		return;
	container->state = RUNTIME_EXITED;
	container->exit_code = exit_code;
	container->finished_ns = wall_ms(NULL) * 1000000;
	container->reason = exit_code ? "Error" : "Completed";
}

static void run_sandbox(struct sim_pod *pod, uint32_t attempt)
{
	static const char *ip = "10.0.0.1";

	for (size_t i = 0; i < pod->n_sandboxes; i++) {
		CHECK("no sandbox beside a live one", !pod->sandboxes[i].ready);
		CHECK_INT("attempts grow", attempt, >, pod->sandboxes[i].attempt);
	}
	CHECK("there is room", pod->n_sandboxes < MAX_SANDBOXES);
	memmove(pod->sandboxes + 1, pod->sandboxes, pod->n_sandboxes++ * sizeof *pod->sandboxes);
	pod->sandboxes[0] = (struct runtime_sandbox){
		.id = text("s", dice(1000000)), .ready = true, .attempt = attempt, .ips = &ip, .n_ips = 1
	};
}

static void start_container(struct sim_pod *pod, size_t index, int32_t count)
{
	const char *name = pod->object->spec->containers[index]->name;

	CHECK("a sandbox is there", pod->n_sandboxes > 0 && pod->sandboxes[0].ready);
	CHECK("cgroup and volumes are there", pod->prepared && pod->mounted);
	for (size_t i = 0; i < pod->n_containers; i++) {
		if (!str_eq(pod->containers[i].name, name))
			continue;
		CHECK("not started twice", pod->containers[i].state == RUNTIME_EXITED);
		CHECK("not again under Never", !str_eq(pod->policy, "Never") || pod->renewed);
		CHECK("not again after a success under OnFailure",
		      !str_eq(pod->policy, "OnFailure") || pod->containers[i].exit_code != 0 || pod->polite);
		CHECK_INT("counts grow", count, >, pod->containers[i].restart_count);
	}
	CHECK("there is room", pod->n_containers < MAX_CONTAINERS);
	memmove(pod->containers + 1, pod->containers, pod->n_containers++ * sizeof *pod->containers);
	pod->containers[0] = (struct runtime_container){ .id = text("c", dice(1000000)),
							 .name = index ? "b" : "a",
							 .sandbox_id = pod->sandboxes[0].id,
							 .image = "i",
							 .image_id = "i",
							 .spec_hash = 1,
							 .restart_count = count < 0 ? 0 : count,
							 .state = RUNTIME_RUNNING,
							 .started_ns = wall_ms(NULL) * 1000000,
							 .reason = "",
							 .message = "" };
	pod->starts[index]++;
}

static void kill_pod(struct sim_pod *pod)
{
	for (size_t i = 0; i < pod->n_containers; i++)
		if (i == 0 || !pod->stubborn)
			end_container(&pod->containers[i], pod->polite ? 0 : 143);
	pod->stubborn = false;
	for (size_t i = 0; i < pod->n_sandboxes; i++)
		pod->sandboxes[i].ready = false;
}

#define REMOVE_AT(array, n, index) \
	memmove((array) + (index), (array) + (index) + 1, (--(n) - (index)) * sizeof *(array))

static size_t container_at(const struct sim_pod *pod, const struct plan_step *step)
{
	for (size_t i = 0; i < pod->n_containers; i++)
		if (str_eq(pod->containers[i].id, step->instance->id))
			return i;
	test_fail(__FILE__, __LINE__, "there is no container %s", step->instance->id);
}

static size_t sandbox_at(const struct sim_pod *pod, const struct plan_step *step)
{
	for (size_t i = 0; i < pod->n_sandboxes; i++)
		if (str_eq(pod->sandboxes[i].id, step->sandbox->id))
			return i;
	test_fail(__FILE__, __LINE__, "there is no sandbox %s", step->sandbox->id);
}

static void take_effect(struct sim_pod *pod, const struct pods_act *act)
{
	size_t index;

	if (!pod) { /* nothing of it was left, and its place has a new pod */
		CHECK("only cleaning", act->step->kind == PLAN_UNMOUNT || act->step->kind == PLAN_DESTROY_CGROUP ||
					       act->step->kind == PLAN_READ);
		return;
	}
	switch (act->step->kind) {
	case PLAN_PREPARE:
		pod->prepared = true;
		break;
	case PLAN_MOUNT:
		pod->mounted = true;
		break;
	case PLAN_RUN_SANDBOX:
		run_sandbox(pod, act->step->attempt);
		break;
	case PLAN_START_CONTAINER:
		start_container(pod, act->step->container, act->step->restart_count);
		break;
	case PLAN_KILL_POD:
		kill_pod(pod);
		break;
	case PLAN_KILL_CONTAINER:
		end_container(&pod->containers[container_at(pod, act->step)], 143);
		break;
	case PLAN_REMOVE_CONTAINER:
		index = container_at(pod, act->step);
		REMOVE_AT(pod->containers, pod->n_containers, index);
		break;
	case PLAN_REMOVE_SANDBOX:
		index = sandbox_at(pod, act->step);
		REMOVE_AT(pod->sandboxes, pod->n_sandboxes, index);
		break;
	case PLAN_UNMOUNT:
		for (size_t i = 0; i < pod->n_containers; i++)
			CHECK("nothing runs when volumes go", pod->containers[i].state != RUNTIME_RUNNING);
		pod->mounted = false;
		break;
	case PLAN_DESTROY_CGROUP:
		pod->prepared = false;
		break;
	case PLAN_REMOVE_POD:
		pod->n_containers = pod->n_sandboxes = 0;
		break;
	default:
		break;
	}
}

/* ---- tasks ---- */

static void op_cancel(struct task *task)
{
	struct op *op = container_of(task, struct op, task);

	op->due_ms = sim.now_ms;
}

static struct op *op_new(task_done_fn *done, void *owner, int64_t delay_ms)
{
	for (size_t i = 0; i < MAX_OPS; i++) {
		if (sim.ops[i].used)
			continue;
		sim.ops[i] = (struct op){ .task = { op_cancel },
					  .due_ms = sim.now_ms + delay_ms,
					  .done = done,
					  .owner = owner,
					  .used = true };
		return &sim.ops[i];
	}
	test_fail(__FILE__, __LINE__, "too many tasks");
}

static void op_end(struct op *op)
{
	struct op copy = *op;

	op->used = false;
	copy.done(copy.owner, copy.is_act ? (const void *)&copy.outcome : copy.reply, copy.err.code ? &copy.err : NULL);
}

/* Half of the failures take effect all the same. */
static struct task *act(void *owner, const struct pods_act *what, task_done_fn *done, void *done_owner)
{
	struct sim_pod *pod = by_uid(what->uid);
	struct op *op = op_new(done, done_owner, 1 + dice(2000));
	bool fails = (int)dice(100) < sim.fail_percent;

	for (size_t i = 0; i < MAX_OPS; i++)
		CHECK("one step at a time",
		      &sim.ops[i] == op || !sim.ops[i].used || !sim.ops[i].is_act || sim.ops[i].owner != done_owner);
	op->is_act = true;
	op->outcome.read = what->step->kind == PLAN_READ || (int)dice(100) >= sim.fail_percent;
	if (!fails || dice(2))
		take_effect(pod, what);
	if (fails)
		err_set(&op->err, -EIO, "simulated");
	return &op->task;
}

static bool admit(void *owner, const Core__Pod *pod, struct arena *arena, const char **ret_reason,
		  const char **ret_message)
{
	return true;
}

static void keep(void *owner, const Core__Pod *pod)
{
}

static void release(void *owner, const char *uid)
{
}

static void forget(void *owner, const char *uid)
{
}

static void event(void *owner, const Core__Pod *pod, const char *container, const char *type, const char *reason,
		  const char *message)
{
	sim.events++;
}

/* ---- API server ---- */

static Core__Pod *decode(const char *json, struct arena *arena)
{
	ProtobufCMessage *message;
	struct err err;

	CHECK_OK(pbjson_decode(&core__pod__descriptor, json, strlen(json), arena, &message, &err), &err);
	return (Core__Pod *)message;
}

static void tell(struct sim_pod *pod)
{
	struct arena *arena = arena_new();

	pods_set(sim.kubelet, PB_COPY(pod->object, arena), arena);
}

static void changed(struct sim_pod *pod)
{
	pod->object->metadata->resourceversion = arena_printf(pod->arena, "%d", ++pod->version);
	if (sim.kubelet)
		tell(pod);
}

static void vanish(struct sim_pod *pod)
{
	pod->exists = false;
	if (sim.kubelet)
		pods_gone(sim.kubelet, pod->uid);
}

/* The elements that say "replace" are for the server. */
static void drop_directives(Core__PodStatus *status)
{
	status->n_podips--;
	status->podips++;
	status->n_hostips--;
	status->hostips++;
}

static struct task *patch(void *owner, const Core__Pod *about, const char *json, task_done_fn *done, void *done_owner)
{
	struct sim_pod *pod = by_uid(about->metadata->uid);
	struct op *op = op_new(done, done_owner, 1 + dice(50));
	Core__Pod *sent;

	sim.requests++;
	if (!pod->exists) {
		err_set(&op->err, -ENOENT, "not found");
	} else if ((int)dice(100) < sim.fail_percent) {
		err_set(&op->err, -EAGAIN, "busy");
	} else {
		sent = decode(json, pod->arena);
		pod->object->status = sent->status;
		drop_directives(sent->status);
		for (size_t i = 0; i < MAX_CONTAINERS && str_eq(sent->status->phase, "Succeeded"); i++)
			CHECK("nothing runs in a final phase",
			      i >= pod->n_containers || pod->containers[i].state != RUNTIME_RUNNING);
		op->reply = pod->object;
		changed(pod);
	}
	return &op->task;
}

static struct task *remove_object(void *owner, const Core__Pod *about, task_done_fn *done, void *done_owner)
{
	struct sim_pod *pod = by_uid(about->metadata->uid);
	struct op *op = op_new(done, done_owner, 1 + dice(50));

	sim.requests++;
	CHECK("only what is being deleted", pod->deleting);
	CHECK("nothing is left of it", !pod->mounted && !pod->prepared);
	for (size_t i = 0; i < pod->n_containers; i++)
		CHECK("nothing runs", pod->containers[i].state != RUNTIME_RUNNING);
	if ((int)dice(100) < sim.fail_percent)
		err_set(&op->err, dice(2) ? -ESTALE : -EAGAIN, "busy");
	else if (pod->exists)
		vanish(pod);
	return &op->task;
}

static void create(struct sim_pod *pod, const char *policy)
{
	static int n;

	snprintf(pod->uid, sizeof pod->uid, "u%d", ++n);
	pod->policy = policy;
	pod->exists = true;
	pod->unread_until_ms = 0;
	pod->deleting = pod->polite = pod->stubborn = pod->renewed = false;
	memset(pod->starts, 0, sizeof pod->starts);
	arena_free(pod->arena);
	pod->arena = arena_new();
	pod->object = decode(
		arena_printf(pod->arena,
			     "{\"metadata\":{\"name\":\"p%s\",\"namespace\":\"d\",\"uid\":\"%s\",\"generation\":1},"
			     "\"spec\":{\"restartPolicy\":\"%s\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"},"
			     "{\"name\":\"b\",\"image\":\"i\"}]},\"status\":{\"phase\":\"Pending\"}}",
			     pod->uid, pod->uid, policy),
		pod->arena);
	changed(pod);
}

static void delete (struct sim_pod *pod)
{
	Meta__Time *now = PB_NEW(pod->arena, Meta__Time, meta__time__descriptor);

	pod->deleting = true;
	now->has_seconds = true;
	now->seconds = wall_ms(NULL) / 1000;
	pod->object->metadata->deletiontimestamp = now;
	changed(pod);
}

/* ---- the kubelet ---- */

static void start_kubelet(void)
{
	struct pods_options options = {
		.world = { now_ms, wall_ms, wake_in, observed, unread, hash, has_cgroup, admit, keep, release, forget,
			   act, patch, remove_object, event, NULL },
		.crash_loop = { 10000, 300000 },
		.runtime_name = "containerd",
	};

	/* Some of what runs cannot be read at first. */
	for (size_t i = 0; i < MAX_PODS; i++)
		sim.pods[i].unread_until_ms = dice(4) ? 0 : sim.now_ms + dice(20000);
	sim.kubelet = pods_new(&options);
	for (size_t i = 0; i < MAX_PODS; i++)
		if (sim.pods[i].exists)
			tell(&sim.pods[i]);
	for (size_t i = 0; i < MAX_PODS; i++)
		if (sim.pods[i].n_sandboxes || sim.pods[i].mounted || sim.pods[i].prepared)
			pods_found(sim.kubelet, sim.pods[i].uid);
	turn_over();
}

static void note_stopped(void *owner)
{
	*(bool *)owner = true;
}

static void stop_kubelet(void)
{
	struct pods *old = sim.kubelet;
	bool stopped = false;

	pods_stop(old, note_stopped, &stopped);
	sim.kubelet = NULL;
	for (size_t i = 0; i < MAX_OPS; i++)
		if (sim.ops[i].used)
			op_end(&sim.ops[i]);
	pods_run(old);
	CHECK("it stops", stopped);
	pods_free(old);
	turn_over();
}

/* Lets time pass; whatever is due happens in order. */
static void pass(int64_t ms)
{
	int64_t end = sim.now_ms + ms;

	turn_over();
	for (int rounds = 0;; rounds++) {
		struct op *first = NULL;
		bool wakes;

		CHECK("no busy loop", rounds < 20000);
		for (size_t i = 0; i < MAX_OPS; i++)
			if (sim.ops[i].used && (!first || sim.ops[i].due_ms < first->due_ms))
				first = &sim.ops[i];
		wakes = sim.wake_at_ms >= 0 && (!first || sim.wake_at_ms <= first->due_ms);
		if (!wakes && !first)
			break;
		if ((wakes ? sim.wake_at_ms : first->due_ms) > end)
			break;
		sim.now_ms = MAX(sim.now_ms, wakes ? sim.wake_at_ms : first->due_ms);
		if (wakes) {
			sim.wake_at_ms = -1;
			pods_run(sim.kubelet);
		} else {
			op_end(first);
		}
		turn_over();
	}
	sim.now_ms = end;
}

static void something_dies(struct sim_pod *pod)
{
	if (pod->n_containers && dice(4)) {
		end_container(&pod->containers[dice((uint32_t)pod->n_containers)], dice(2));
	} else if (pod->n_sandboxes) {
		for (size_t i = 0; i < pod->n_containers; i++)
			end_container(&pod->containers[i], 137);
		pod->sandboxes[0].ready = false;
	}
	pods_poke(sim.kubelet, pod->uid);
}

static void something_happens(void)
{
	static const char *const policies[] = { "Always", "OnFailure", "Never" };
	struct sim_pod *pod = &sim.pods[dice(MAX_PODS)];

	switch (dice(8)) {
	case 0:
	case 1:
		if (!pod->exists && !pod->n_sandboxes && !pod->mounted && !pod->prepared)
			create(pod, policies[dice(3)]);
		break;
	case 2:
		if (pod->exists && !pod->deleting)
			delete (pod);
		break;
	case 3:
		if (pod->exists && dice(3) == 0)
			vanish(pod);
		break;
	case 4:
		stop_kubelet();
		start_kubelet();
		break;
	default:
		something_dies(pod);
	}
}

static bool is_anything_left(void)
{
	for (size_t i = 0; i < MAX_PODS; i++) {
		struct sim_pod *pod = &sim.pods[i];

		if (pod->exists || pod->n_sandboxes || pod->n_containers || pod->mounted || pod->prepared)
			return true;
	}
	return pods_count(sim.kubelet) > 0;
}

static void begin_run(uint64_t seed, int fail_percent)
{
	sim = (struct sim){ .seed = seed, .fail_percent = fail_percent, .wake_at_ms = -1 };
	start_kubelet();
}

static void end_run(void)
{
	stop_kubelet();
	for (size_t i = 0; i < MAX_PODS; i++)
		arena_free(sim.pods[i].arena);
}

TEST(random_lives)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		begin_run(seed, (int)(seed % 4) * 10);
		for (int i = 0; i < 60; i++) {
			something_happens();
			pass(dice(4000));
		}
		sim.fail_percent = 0;
		for (size_t i = 0; i < MAX_PODS; i++)
			if (sim.pods[i].exists && !sim.pods[i].deleting)
				delete (&sim.pods[i]);
		pass(600000);
		CHECK("nothing is left", !is_anything_left());
		end_run();
	}
}

TEST(a_plain_life_is_cheap)
{
	struct sim_pod *pod = &sim.pods[0];

	begin_run(1, 0);
	create(pod, "Always");
	pass(60000);
	CHECK_STR("running", pod->object->status->phase, "Running");
	CHECK_INT("each container once", pod->starts[0] + pod->starts[1], ==, 2);
	CHECK_INT("few requests to get there", sim.requests, <=, 5);
	sim.requests = 0;
	pass(600000);
	CHECK_INT("none while nothing happens", sim.requests, ==, 0);
	delete (pod);
	pass(60000);
	CHECK_INT("one status, one deletion", sim.requests, ==, 2);
	CHECK("nothing is left", !is_anything_left());
	end_run();
}

TEST(a_restart_of_the_kubelet_changes_nothing)
{
	struct sim_pod *pod = &sim.pods[0];

	begin_run(3, 0);
	create(pod, "Always");
	pass(60000);
	sim.requests = 0;
	for (int i = 0; i < 10; i++) {
		stop_kubelet();
		start_kubelet();
		pass(30000);
	}
	CHECK_INT("no start", pod->starts[0] + pod->starts[1], ==, 2);
	CHECK_INT("no request", sim.requests, ==, 0);
	end_run();
}

TEST(somebody_else_writes_the_status)
{
	struct sim_pod *pod = &sim.pods[0];

	begin_run(4, 0);
	create(pod, "Always");
	pass(60000);
	pod->object->status->phase = arena_strdup(pod->arena, "Pending");
	changed(pod);
	pass(60000);
	CHECK_STR("it is put right", pod->object->status->phase, "Running");
	end_run();
}

TEST(another_spec_prepares_the_cgroup_before_the_next_start)
{
	struct sim_pod *pod = &sim.pods[0];

	begin_run(6, 0);
	create(pod, "Always");
	pass(60000);
	pod->prepared = false;
	pod->object->metadata->generation++;
	changed(pod);
	pass(60000);
	CHECK("not while all runs", !pod->prepared);
	end_container(&pod->containers[0], 1);
	pods_poke(sim.kubelet, pod->uid);
	pass(60000);
	CHECK("before it is started again", pod->prepared && pod->starts[0] + pod->starts[1] == 3);
	pod->prepared = false;
	end_container(&pod->containers[0], 1);
	pods_poke(sim.kubelet, pod->uid);
	pass(60000);
	CHECK("so is one that somebody removed", pod->prepared && pod->starts[0] + pod->starts[1] == 4);
	end_run();
}

TEST(a_pod_that_was_deleted_before_it_ran_has_not_failed_to_be_ready)
{
	struct sim_pod *pod = &sim.pods[0];
	const Core__PodStatus *status;

	begin_run(7, 0);
	create(pod, "Always");
	delete (pod);
	pass(60000);
	CHECK("nothing is left", !is_anything_left());
	status = pod->object->status;
	CHECK_STR("phase", status->phase, "Failed");
	CHECK_INT("never started", pod->starts[0], ==, 0);
	for (size_t i = 0; i < status->n_conditions; i++)
		if (str_eq(status->conditions[i]->type, "Ready"))
			CHECK_STR("reason", status->conditions[i]->reason, "ContainersNotReady");
	end_run();
}

TEST(a_new_sandbox_is_no_success)
{
	struct sim_pod *pod = &sim.pods[0];

	begin_run(8, 0);
	create(pod, "OnFailure");
	pod->polite = true;
	pass(60000);
	sim.requests = 0;
	pod->stubborn = true;
	pod->sandboxes[0].ready = false;
	pods_poke(sim.kubelet, pod->uid);
	pass(60000);
	CHECK("a new one", pod->sandboxes[0].ready);
	CHECK_INT("both start again", pod->starts[0] + pod->starts[1], ==, 4);
	CHECK_STR("phase", pod->object->status->phase, "Running");
	CHECK_INT("restarts", pod->object->status->containerstatuses[0]->restartcount, ==, 1);
	CHECK("nobody was told in between", sim.requests <= 2);
	end_run();
}

TEST(a_new_sandbox_is_no_crash)
{
	struct sim_pod *pod = &sim.pods[0];

	begin_run(9, 0);
	create(pod, "Always");
	pass(60000);
	sim.requests = 0;
	pod->sandboxes[0].ready = false;
	pods_poke(sim.kubelet, pod->uid);
	pass(60000);
	CHECK("a new one", pod->sandboxes[0].ready);
	CHECK_INT("both start again", pod->starts[0] + pod->starts[1], ==, 4);
	CHECK("nobody was told in between", sim.requests <= 2);
	end_container(&pod->containers[0], 1);
	pods_poke(sim.kubelet, pod->uid);
	pass(5000);
	CHECK_INT("the first crash has no wait yet", pod->starts[0] + pod->starts[1], ==, 5);
	end_run();
}

TEST(another_image_is_no_end)
{
	struct sim_pod *pod = &sim.pods[0];

	begin_run(10, 0);
	create(pod, "Never");
	pass(60000);
	sim.requests = 0;
	pod->renewed = true;
	pod->containers[0].spec_hash = 2;
	pods_poke(sim.kubelet, pod->uid);
	pass(60000);
	CHECK_INT("it starts again", pod->starts[0] + pod->starts[1], ==, 3);
	CHECK_STR("phase", pod->object->status->phase, "Running");
	CHECK("nobody was told in between", sim.requests <= 1);
	end_run();
}

TEST(a_finished_job_stays_to_be_looked_at)
{
	struct sim_pod *pod = &sim.pods[0];

	begin_run(5, 0);
	create(pod, "Never");
	pass(60000);
	end_container(&pod->containers[0], 0);
	end_container(&pod->containers[1], 0);
	pods_poke(sim.kubelet, pod->uid);
	pass(60000);
	CHECK_STR("phase", pod->object->status->phase, "Succeeded");
	CHECK("stopped", !pod->sandboxes[0].ready);
	CHECK("cleaned", !pod->mounted && !pod->prepared);
	CHECK_INT("its containers are still there", pod->n_containers, ==, 2);
	stop_kubelet();
	start_kubelet();
	pass(60000);
	CHECK_INT("nothing starts", pod->starts[0] + pod->starts[1], ==, 2);
	delete (pod);
	pass(60000);
	CHECK("nothing is left", !is_anything_left());
	end_run();
}
