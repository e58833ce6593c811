/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods in the real world: runtime, volumes and pleg as they are, over a runtime in memory, a real folder and an API
 * server that says yes. Cgroups are a list of uids.
 */
#include "kubelet/pod/world.h"

#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "kubelet/cm/cm.h"
#include "kubelet/pleg/pleg.h"
#include "kubelet/runtime/cri_fake.h"
#include "kubelet/runtime/labels.h"
#include "kubelet/runtime/objects_fake.h"
#include "kubelet/runtime/runtime.h"
#include "kubelet/volume/volume.h"
#include "pkg/base/file.h"
#include "pkg/codec/pbjson.h"
#include "pkg/kube/kube.h"
#include "pkg/test/fake_http.h"
#include "pkg/test/test.h"

enum { TURN_MS = 5, TURNS_MAX = 2000, N_CGROUPS = 2 };

/* Static, as nothing takes a world apart. */
static struct bench {
	struct loop *loop;
	struct arena *arena;
	struct pleg *pleg;
	struct world *world;
	struct pods *pods;
	struct volumes *volumes;
	const Core__Node *node;
	const char *network; /* what is wrong with it */
	struct buf told;     /* to the API server: events and deletions */
	bool synced, stopped;

	char cgroups[N_CGROUPS][16]; /* uids of pods that have one; the first is of the last one made */
	const char *no_cgroup;       /* why none can be made */
	atomic_bool slow, slowed;
} bench;

/* ---- cgroups, objects ---- */

int cm_update_qos(struct cm *cm, const Core__Pod *const *pods, size_t n_pods, struct err *err)
{
	return 0;
}

int cm_pod_path(const struct cm *cm, const Core__Pod *pod, char path[PATH_MAX], struct err *err)
{
	snprintf(path, PATH_MAX, "/kubepods/pod%s", pod->metadata->uid);
	return 0;
}

int cm_pod_create(const struct cm *cm, const Core__Pod *pod, struct err *err)
{
	while (bench.slow) {
		bench.slowed = true;
		poll(NULL, 0, 1);
	}
	if (bench.no_cgroup)
		return err_set(err, -EACCES, "%s", bench.no_cgroup);
	snprintf(bench.cgroups[0], sizeof bench.cgroups[0], "%s", pod->metadata->uid);
	return 0;
}

bool cm_pod_exists(const struct cm *cm, const Core__Pod *pod)
{
	for (size_t i = 0; i < N_CGROUPS; i++)
		if (str_eq(bench.cgroups[i], pod->metadata->uid))
			return true;
	return false;
}

struct destroy {
	struct task task;
	task_done_fn *done;
	void *owner;
};

static void destroyed(void *arg)
{
	struct destroy *destroy = arg;

	destroy->done(destroy->owner, NULL, NULL);
	free(destroy);
}

static void no_cancel(struct task *task)
{
}

struct task *cm_pod_destroy(struct cm *cm, const char *pod_uid, task_done_fn *done, void *owner)
{
	struct destroy *destroy = xcalloc(1, sizeof *destroy);

	*destroy = (struct destroy){ { no_cancel }, done, owner };
	for (size_t i = 0; i < N_CGROUPS; i++)
		if (str_eq(bench.cgroups[i], pod_uid))
			bench.cgroups[i][0] = 0;
	loop_post(bench.loop, destroyed, destroy);
	return &destroy->task;
}

int cm_each_pod(const struct cm *cm, void (*found)(void *owner, const char *pod_uid), void *owner, struct err *err)
{
	for (size_t i = 0; i < N_CGROUPS; i++)
		if (*bench.cgroups[i])
			found(owner, bench.cgroups[i]);
	return 0;
}

void objects_register_pod(struct objects *objects, const Core__Pod *pod)
{
}

void objects_unregister_pod(struct objects *objects, const char *pod_uid)
{
}

/* ---- API server ---- */

static void *decode(const ProtobufCMessageDescriptor *type, const char *json, struct arena *arena)
{
	ProtobufCMessage *message = NULL;
	struct err err;

	CHECK_OK(pbjson_decode(type, json, strlen(json), arena, &message, &err), &err);
	return message;
}

static void called(void *owner, struct fake_call *call)
{
	if (str_eq(call->method, "POST")) {
		const Core__Event *event = decode(&core__event__descriptor, call->body, bench.arena);

		buf_printf(&bench.told, "%s %s: %s\n", event->type, event->reason, event->message);
	} else if (str_eq(call->method, "DELETE")) {
		buf_printf(&bench.told, "DELETE %s %s\n", call->target, call->body);
	}
	fake_answer(call, 200, "", "{}");
}

/* ---- the kubelet ---- */

static const Core__Node *node(void *owner)
{
	return bench.node;
}

static const Core__Service *const *services(void *owner, size_t *ret_n)
{
	*ret_n = 0;
	return NULL;
}

static int network(void *owner, struct err *err)
{
	return bench.network ? err_set(err, -ENETDOWN, "%s", bench.network) : 0;
}

static void changed(void *owner, const char *uid)
{
	pods_poke(bench.pods, uid);
}

static void synced(void *owner)
{
	bench.synced = true;
}

static void stopped(void *owner)
{
	bench.stopped = true;
}

#define WAIT(what, condition)                             \
	do {                                              \
		for (int i = 0; !(condition); i++) {      \
			CHECK_INT(what, i, <, TURNS_MAX); \
			test_run(bench.loop, TURN_MS);    \
		}                                         \
	} while (0)

static void make_managers(struct kube *kube)
{
	struct pleg_options pleg = { .loop = bench.loop, .changed = changed, .synced = synced };
	struct world_options world = { .loop = bench.loop,
				       .kube = kube,
				       .events = kube_events_new(kube, "kubelet", "n", 0, 0),
				       .runtime_name = "fake",
				       .crash_loop = crash_loop_policy(0),
				       .node = node,
				       .services = services,
				       .network = network };
	struct volumes_options volumes = { .loop = bench.loop, .kube = kube, .event = world_event };
	struct runtime_options runtime = { .loop = bench.loop, .event = world_event };

	world.pleg = bench.pleg = pleg_new(&pleg);
	bench.world = world_new(&world);
	bench.pods = world_pods(bench.world);
	volumes.event_owner = runtime.event_owner = bench.world;
	volumes.root_dir = test_folder();
	volumes.helper_program = "/nowhere"; /* nothing is mounted */
	runtime.pod_logs_dir = runtime.container_logs_dir = arena_printf(bench.arena, "%s/logs", test_folder());
	bench.volumes = volumes_new(&volumes);
	world_set_managers(bench.world, bench.volumes, runtime_new(&runtime));
}

static void begin(void)
{
	struct kubeconfig config = { 0 };

	bench.loop = loop_new();
	bench.arena = arena_new();
	bench.told = (struct buf)BUF_INIT(65536);
	bench.node = decode(&core__node__descriptor,
			    "{\"metadata\":{\"name\":\"n\"},"
			    "\"status\":{\"allocatable\":{\"pods\":\"9\",\"cpu\":\"2\",\"memory\":\"1Gi\"}}}",
			    bench.arena);
	fake_cri_begin(bench.loop);
	fake.images[fake.n_images++] = "nginx";
	config.server = fake_http_url(fake_http_new(bench.loop, called, NULL));
	make_managers(kube_new(bench.loop, &config, "test"));
}

static void start(void)
{
	pleg_start(bench.pleg);
	WAIT("pleg", bench.synced);
}

static void set_pod(const char *uid, const char *meta, const char *spec)
{
	struct arena *arena = arena_new();
	const char *json =
		arena_printf(arena,
			     "{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"%s\"%s},"
			     "\"spec\":{\"enableServiceLinks\":true,\"dnsPolicy\":\"None\",\"securityContext\":{},"
			     "\"restartPolicy\":\"Always\",\"terminationGracePeriodSeconds\":1%s,"
			     "\"containers\":[{\"name\":\"c\",\"image\":\"nginx\","
			     "\"imagePullPolicy\":\"IfNotPresent\","
			     "\"terminationMessagePath\":\"/dev/termination-log\"}]}}",
			     uid, meta, spec);

	pods_set(bench.pods, decode(&core__pod__descriptor, json, arena), arena);
}

static bool is_told(const char *text)
{
	return strstr(buf_text(&bench.told), text) != NULL;
}

static bool has_dir(const char *uid)
{
	char path[PATH_MAX];
	struct err err;

	CHECK_OK(volumes_pod_dir(bench.volumes, uid, path, &err), &err);
	return access(path, F_OK) == 0;
}

static bool runs(void)
{
	return fake.n_containers == 1 && fake.containers[0].state == CRI__CONTAINER_STATE__CONTAINER_RUNNING;
}

TEST(a_pod_goes_through_every_manager_and_back)
{
	begin();
	start();
	set_pod("u-1", "", "");
	WAIT("runs", runs());
	CHECK_STR("cgroup", bench.cgroups[0], "u-1");
	CHECK_STR("which the runtime is told", fake.sandboxes[0].config->linux->cgroup_parent, "/kubepods/podu-1");
	CHECK("folder", has_dir("u-1"));
	set_pod("u-1", ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\",\"deletionGracePeriodSeconds\":1", "");
	WAIT("deleted", is_told("DELETE /api/v1/namespaces/shop/pods/web "));
	CHECK("at once", is_told("\"gracePeriodSeconds\":0"));
	CHECK("no other pod of that name", is_told("\"preconditions\":{\"uid\":\"u-1\"}"));
	CHECK("the cgroup went before", !*bench.cgroups[0]);
	CHECK("so did the folder", !has_dir("u-1"));
	CHECK_INT("what it leaves can still be looked at", fake.n_containers, ==, 1);
	pods_gone(bench.pods, "u-1");
	WAIT("nothing is left", fake.n_containers == 0 && fake.n_sandboxes == 0 && pods_count(bench.pods) == 0);
}

static void add_sandbox(const char *uid)
{
	struct fake_sandbox *sandbox = &fake.sandboxes[fake.n_sandboxes++];
	const Core__Pod *pod = decode(&core__pod__descriptor,
				      arena_printf(bench.arena,
						   "{\"metadata\":{\"name\":\"x\",\"namespace\":\"y\",\"uid\":\"%s\"},"
						   "\"spec\":{}}",
						   uid),
				      bench.arena);

	snprintf(sandbox->id, sizeof sandbox->id, "sandbox-%zu", fake.n_sandboxes);
	sandbox->ready = true;
	sandbox->config = FAKE_NEW(Cri__PodSandboxConfig, cri__pod_sandbox_config__descriptor);
	sandbox->config->metadata = FAKE_NEW(Cri__PodSandboxMetadata, cri__pod_sandbox_metadata__descriptor);
	labels_set_sandbox(pod, sandbox->config, fake.arena);
}

static const char *log_folder(const char *name)
{
	return arena_printf(bench.arena, "%s/logs/%s", test_folder(), name);
}

TEST(what_no_pod_knows_goes_wherever_it_is)
{
	char path[PATH_MAX];
	struct err err;

	begin();
	CHECK_OK(dir_make_all(log_folder("shop_gone_u-5/c"), 0755, &err), &err);
	CHECK_OK(dir_make_all(log_folder("shop_other"), 0755, &err), &err);
	add_sandbox("u-1");
	CHECK_OK(volumes_make_pod_dir(bench.volumes, "u-2", path, &err), &err);
	snprintf(bench.cgroups[1], sizeof bench.cgroups[1], "u-3");
	start();
	set_pod("u-4", "", "");
	WAIT("runs", runs());
	test_run(bench.loop, TURN_MS);
	CHECK("nothing goes before the sources are read", fake.sandboxes[0].ready && has_dir("u-2") &&
								  *bench.cgroups[1] &&
								  access(log_folder("shop_gone_u-5"), F_OK) == 0);

	world_sources_ready(bench.world);
	WAIT("all that is left is the pod's", pods_count(bench.pods) == 1);
	CHECK_INT("sandboxes", fake.n_sandboxes, ==, 1);
	CHECK("its own", pleg_get(bench.pleg, "u-4") && !pleg_get(bench.pleg, "u-1"));
	CHECK("folder", !has_dir("u-2") && has_dir("u-4"));
	CHECK("cgroup", !*bench.cgroups[1] && *bench.cgroups[0]);
	CHECK("it runs on", runs());
	CHECK_INT("logs", access(log_folder("shop_gone_u-5"), F_OK), ==, -1);
	CHECK_INT("its own logs", access(log_folder("shop_web_u-4"), F_OK), ==, 0);
	CHECK_INT("no pod's", access(log_folder("shop_other"), F_OK), ==, 0);

	snprintf(bench.cgroups[1], sizeof bench.cgroups[1], "u-3");
	WAIT("looked at again and again", !*bench.cgroups[1]);
}

TEST(pods_wait_for_the_network_but_for_those_of_the_host)
{
	begin();
	start();
	bench.network = "container runtime network not ready: NetworkReady=false";
	set_pod("u-1", "", "");
	WAIT("told", is_told("Warning NetworkNotReady: network is not ready: container runtime network not ready: "
			     "NetworkReady=false\n"));
	CHECK_INT("no sandbox", fake.n_sandboxes, ==, 0);
	set_pod("u-2", "", ",\"hostNetwork\":true");
	WAIT("runs", runs());
	CHECK_INT("its sandbox", fake.n_sandboxes, ==, 1);
	bench.network = NULL;
	WAIT("tried again soon", fake.n_containers == 2);
}

TEST(a_cgroup_that_cannot_be_made_is_told)
{
	begin();
	start();
	bench.no_cgroup = "cannot make the cgroup /x: permission denied";
	set_pod("u-1", "", "");
	WAIT("told", is_told("Warning FailedCreatePodContainer: failed to ensure that the pod: u-1 cgroups exist and "
			     "are correctly applied: cannot make the cgroup /x: permission denied\n"));
	CHECK("nothing else is done", !has_dir("u-1") && fake.n_sandboxes == 0);
}

TEST(a_cgroup_that_somebody_removed_is_made_again)
{
	begin();
	start();
	bench.network = "not ready";
	set_pod("u-1", "", "");
	WAIT("waits", is_told("Warning NetworkNotReady"));
	CHECK_STR("prepared", bench.cgroups[0], "u-1");
	bench.cgroups[0][0] = 0;
	bench.network = NULL;
	WAIT("runs", runs());
	CHECK_STR("within its limits", bench.cgroups[0], "u-1");
}

TEST(folders_that_cannot_be_made_are_told)
{
	_cleanup_free_ char *path = xasprintf("%s/pods", test_folder());
	struct err err;

	CHECK_OK(file_replace(path, "", 0, 0644, &err), &err);
	begin();
	start();
	set_pod("u-1", "", "");
	WAIT("told", is_told("Warning Failed: error making pod data directories: "));
	CHECK_INT("nothing else is done", fake.n_sandboxes, ==, 0);
}

TEST(a_slow_cgroup_keeps_nothing_else_waiting)
{
	begin();
	start();
	bench.slow = true;
	set_pod("u-1", "", "");
	WAIT("begun", bench.slowed);
	pods_stop(bench.pods, stopped, NULL);
	test_run(bench.loop, TURN_MS);
	CHECK("it runs to its end", !bench.stopped);
	bench.slow = false;
	WAIT("stopped", bench.stopped);
	CHECK_INT("no further step", fake.n_sandboxes, ==, 0);
}

TEST(a_step_that_is_out_ends_by_cancel)
{
	begin();
	start();
	fake.hangs[CRI_RUN_POD_SANDBOX] = true;
	set_pod("u-1", "", "");
	WAIT("out", fake.n_hanging == 1);
	pods_stop(bench.pods, stopped, NULL);
	WAIT("stopped", bench.stopped);
	CHECK_INT("call", fake.n_hanging, ==, 0);
}

TEST(so_does_the_read_after_it)
{
	begin();
	start();
	fake.hangs[CRI_POD_SANDBOX_STATUS] = true;
	set_pod("u-1", "", "");
	WAIT("out", fake.n_hanging == 1);
	CHECK_INT("the step is done", fake.n_sandboxes, ==, 1);
	pods_stop(bench.pods, stopped, NULL);
	WAIT("stopped", bench.stopped);
	WAIT("call", fake.n_hanging == 0);
}
