/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pleg/pleg.h"

#include "kubelet/runtime/cri_fake.h"
#include "kubelet/runtime/labels.h"
#include "pkg/base/file.h"
#include "pkg/test/test.h"

enum { TURN_MS = 10 }; /* long enough for what is posted */

struct bench {
	struct loop *loop;
	struct pleg *pleg;
	struct buf changed; /* uids */
	size_t n_changed, n_synced, n_refreshed;
	int code; /* of the last refresh */
	bool got;
	size_t stop_after; /* changes */
	struct loop_timer limit;
};

static void on_changed(void *owner, const char *uid)
{
	struct bench *bench = owner;

	buf_printf(&bench->changed, "%s ", uid);
	if (++bench->n_changed == bench->stop_after)
		loop_stop(bench->loop);
}

static void on_synced(void *owner)
{
	struct bench *bench = owner;

	bench->n_synced++;
	loop_stop(bench->loop);
}

static void too_long(void *owner)
{
	test_fail(__FILE__, __LINE__, "nothing happened for 10 s");
}

static void bench_begin(struct bench *bench)
{
	*bench = (struct bench){ .loop = loop_new(), .changed = BUF_INIT(65536) };
	fake_cri_begin(bench->loop);

	struct pleg_options options = {
		.loop = bench->loop, .changed = on_changed, .synced = on_synced, .owner = bench
	};

	bench->pleg = pleg_new(&options);
	loop_timer_init(&bench->limit, bench->loop, too_long, NULL);
	loop_timer_start(&bench->limit, 10000);
}

static void on_stopped(void *owner)
{
	loop_stop(((struct bench *)owner)->loop);
}

static void bench_end(struct bench *bench)
{
	pleg_stop(bench->pleg, on_stopped, bench);
	loop_run(bench->loop);
	CHECK_INT("calls that are still out", fake.n_out, ==, 0);
	pleg_free(bench->pleg);
	loop_timer_stop(&bench->limit);
	loop_free(bench->loop);
	buf_done(&bench->changed);
	fake_cri_end();
}

static void wait_changes(struct bench *bench, size_t n)
{
	bench->stop_after = bench->n_changed + n;
	loop_run(bench->loop);
	bench->stop_after = 0;
}

static void on_refreshed(void *owner, const void *result, const struct err *err)
{
	struct bench *bench = owner;

	bench->n_refreshed++;
	bench->code = err ? err->code : 0;
	bench->got = result != NULL;
	loop_stop(bench->loop);
}

/* A pod as a kubelet would have made it. */
static void add_sandbox(const char *uid)
{
	Core__Pod pod = CORE__POD__INIT;
	Meta__ObjectMeta meta = META__OBJECT_META__INIT;
	Core__PodSpec spec = CORE__POD_SPEC__INIT;
	struct fake_sandbox *sandbox = &fake.sandboxes[fake.n_sandboxes++];

	meta.name = meta.namespace_ = (char *)(uintptr_t) "x";
	meta.uid = (char *)(uintptr_t)uid;
	pod.metadata = &meta;
	pod.spec = &spec;
	snprintf(sandbox->id, sizeof sandbox->id, "sandbox-%zu", fake.n_sandboxes);
	sandbox->ready = true;
	sandbox->created = ++fake.clock;
	sandbox->config = FAKE_NEW(Cri__PodSandboxConfig, cri__pod_sandbox_config__descriptor);
	sandbox->config->metadata = FAKE_NEW(Cri__PodSandboxMetadata, cri__pod_sandbox_metadata__descriptor);
	sandbox->config->metadata->name = arena_strdup(fake.arena, "web");
	sandbox->config->metadata->namespace_ = arena_strdup(fake.arena, "shop");
	sandbox->config->metadata->attempt = 4;
	sandbox->config->log_directory = arena_strdup(fake.arena, "/nowhere");
	labels_set_sandbox(&pod, sandbox->config, fake.arena);
}

static struct fake_container *add_container(const char *uid, int32_t restart_count)
{
	Core__Pod pod = CORE__POD__INIT;
	Meta__ObjectMeta meta = META__OBJECT_META__INIT;
	Core__PodSpec spec = CORE__POD_SPEC__INIT;
	Core__Container container = CORE__CONTAINER__INIT;
	struct fake_container *made = &fake.containers[fake.n_containers++];

	meta.name = meta.namespace_ = (char *)(uintptr_t) "x";
	meta.uid = (char *)(uintptr_t)uid;
	pod.metadata = &meta;
	pod.spec = &spec;
	container.name = (char *)(uintptr_t) "c";
	container.terminationmessagepath = (char *)(uintptr_t) "/t";
	*made = (struct fake_container){ .state = CRI__CONTAINER_STATE__CONTAINER_RUNNING,
					 .created = ++fake.clock,
					 .started = fake.clock };
	snprintf(made->id, sizeof made->id, "container-%zu", fake.n_containers);
	made->sandbox_id = "sandbox-1";
	made->config = FAKE_NEW(Cri__ContainerConfig, cri__container_config__descriptor);
	made->config->log_path = arena_strdup(fake.arena, "c/0.log");
	made->config->image = FAKE_NEW(Cri__ImageSpec, cri__image_spec__descriptor);
	made->config->image->image = arena_strdup(fake.arena, "nginx");
	labels_set_container(&pod, &container, restart_count, made->config, fake.arena);
	return made;
}

static void mount_message(struct fake_container *container, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/message", test_folder());
	Cri__Mount *mount = FAKE_NEW(Cri__Mount, cri__mount__descriptor);
	struct err err = { 0 };

	CHECK_OK(file_replace(path, text, strlen(text), 0644, &err), &err);
	mount->container_path = arena_strdup(fake.arena, "/t");
	mount->host_path = arena_strdup(fake.arena, path);
	PB_APPEND(fake.arena, container->config, mounts, mount);
}

TEST(what_is_there_at_the_start_is_known_before_it_says_synced)
{
	struct bench bench;
	const struct runtime_pod *pod;
	size_t at = 0;

	bench_begin(&bench);
	add_sandbox("u-1");
	add_container("u-1", 3);
	pleg_start(bench.pleg);
	CHECK("not yet", !pleg_is_synced(bench.pleg));
	loop_run(bench.loop);
	CHECK("synced", pleg_is_synced(bench.pleg));
	CHECK_STR("told", buf_text(&bench.changed), "u-1 ");
	pod = pleg_get(bench.pleg, "u-1");
	CHECK("there", pod != NULL);
	CHECK("the only one", pleg_next(bench.pleg, &at) == pod && !pleg_next(bench.pleg, &at));
	CHECK_STR("name", pod->name, "web");
	CHECK_INT("attempt", pod->sandboxes[0].attempt, ==, 4);
	CHECK_STR("address", pod->sandboxes[0].ips[0], "10.1.0.7");
	CHECK_INT("running", pod->containers[0].state, ==, RUNTIME_RUNNING);
	CHECK_INT("restarts", pod->containers[0].restart_count, ==, 3);
	CHECK_STR("image id", pod->containers[0].image_id, "sha256:abc");
	CHECK_STR("image ref", pod->containers[0].image_ref, "nginx");
	CHECK("no other", !pleg_get(bench.pleg, "u-2"));
	bench_end(&bench);
}

TEST(an_empty_runtime_is_synced_too)
{
	struct bench bench;
	struct err err = { 0 };

	bench_begin(&bench);
	CHECK_INT("no health before", pleg_health(bench.pleg, &err), ==, -ETIMEDOUT);
	CHECK_STR("text", err.text, "pleg has yet to be successful");
	pleg_start(bench.pleg);
	loop_run(bench.loop);
	CHECK_INT("once", bench.n_synced, ==, 1);
	bench_end(&bench);
}

TEST(an_end_is_seen_with_its_message_and_asked_about_once)
{
	struct bench bench;
	const struct runtime_pod *pod;

	bench_begin(&bench);
	add_sandbox("u-1");
	mount_message(add_container("u-1", 0), "goodbye");
	pleg_start(bench.pleg);
	loop_run(bench.loop);

	fake_exit("container-1", 2, "Error");
	fake.containers[0].message = "runtime's own";
	wait_changes(&bench, 1);
	pod = pleg_get(bench.pleg, "u-1");
	CHECK_INT("exited", pod->containers[0].state, ==, RUNTIME_EXITED);
	CHECK_INT("code", pod->containers[0].exit_code, ==, 2);
	CHECK_STR("reason", pod->containers[0].reason, "Error");
	CHECK_STR("message", pod->containers[0].message, "runtime's own: goodbye");

	buf_clear(&fake.calls);
	add_container("u-1", 1);
	wait_changes(&bench, 1);
	pod = pleg_get(bench.pleg, "u-1");
	CHECK_INT("both", pod->n_containers, ==, 2);
	CHECK_INT("newest first", pod->containers[0].restart_count, ==, 1);
	CHECK_STR("the old one's message is kept", pod->containers[1].message, "runtime's own: goodbye");
	CHECK_STR("and not asked for again", buf_text(&fake.calls), "Status ");
	bench_end(&bench);
}

TEST(nothing_changed_asks_for_no_status)
{
	struct bench bench;

	bench_begin(&bench);
	add_sandbox("u-1");
	add_container("u-1", 0);
	pleg_start(bench.pleg);
	loop_run(bench.loop);
	buf_clear(&fake.calls);
	add_sandbox("u-2");
	wait_changes(&bench, 1);
	CHECK_STR("only the new pod was told", buf_text(&bench.changed), "u-1 u-2 ");
	CHECK_STR("no container was asked", buf_text(&fake.calls), "");
	bench_end(&bench);
}

TEST(what_vanishes_is_told_and_gone)
{
	struct bench bench;

	bench_begin(&bench);
	add_sandbox("u-1");
	pleg_start(bench.pleg);
	loop_run(bench.loop);
	fake.n_sandboxes = 0;
	wait_changes(&bench, 1);
	CHECK("gone", !pleg_get(bench.pleg, "u-1"));
	bench_end(&bench);
}

TEST(a_refresh_reads_at_once_and_tells_only_its_caller)
{
	struct bench bench;

	bench_begin(&bench);
	pleg_start(bench.pleg);
	loop_run(bench.loop);
	add_sandbox("u-1");
	pleg_refresh(bench.pleg, "u-1", on_refreshed, &bench);
	CHECK_INT("never before it has returned", bench.n_refreshed, ==, 0);
	loop_run(bench.loop);
	CHECK("got", bench.got && bench.code == 0);
	CHECK("kept", pleg_get(bench.pleg, "u-1") != NULL);
	CHECK_INT("no one else heard", bench.n_changed, ==, 0);

	pleg_refresh(bench.pleg, "u-9", on_refreshed, &bench);
	loop_run(bench.loop);
	CHECK("nothing of it is an answer too", !bench.got && bench.code == 0);

	fake_fail(CRI_POD_SANDBOX_STATUS, -ECONNREFUSED, "rpc error: code = Unavailable desc = gone", 1);
	pleg_refresh(bench.pleg, "u-1", on_refreshed, &bench);
	loop_run(bench.loop);
	CHECK_INT("a failure is told", bench.code, ==, -ECONNREFUSED);
	CHECK("and changes nothing", pleg_get(bench.pleg, "u-1") != NULL);
	bench_end(&bench);
}

TEST(a_cancelled_refresh_does_not_wait_for_a_runtime_that_hangs)
{
	struct bench bench;
	struct task *first, *second;

	bench_begin(&bench);
	add_sandbox("u-1");
	pleg_start(bench.pleg);
	loop_run(bench.loop);
	fake.hangs[CRI_POD_SANDBOX_STATUS] = true;
	first = pleg_refresh(bench.pleg, "u-1", on_refreshed, &bench);
	second = pleg_refresh(bench.pleg, "u-1", on_refreshed, &bench);
	while (!fake.n_hanging)
		test_run(bench.loop, TURN_MS);
	task_cancel(first);
	task_cancel(first);
	loop_run(bench.loop);
	CHECK_INT("ended, and once", bench.n_refreshed, ==, 1);
	CHECK_INT("by the cancel", bench.code, ==, -ECANCELED);
	CHECK_INT("the other one wants the read", fake.n_hanging, ==, 1);
	task_cancel(second);
	loop_run(bench.loop);
	CHECK_INT("ended", bench.n_refreshed, ==, 2);
	test_run(bench.loop, TURN_MS);
	CHECK_INT("nobody does", fake.n_hanging, ==, 0);
	CHECK("what was known still is", pleg_get(bench.pleg, "u-1") != NULL);

	fake.hangs[CRI_POD_SANDBOX_STATUS] = false;
	pleg_refresh(bench.pleg, "u-1", on_refreshed, &bench);
	loop_run(bench.loop);
	CHECK("a later one reads", bench.got && bench.code == 0);
	task_cancel(pleg_refresh(bench.pleg, "u-9", on_refreshed, &bench));
	loop_run(bench.loop);
	CHECK_INT("one that has not begun", bench.code, ==, -ECANCELED);
	bench_end(&bench);
}

TEST(a_cancelled_refresh_leaves_the_read_of_a_relist_alone)
{
	struct bench bench;
	struct task *task;

	bench_begin(&bench);
	pleg_start(bench.pleg);
	loop_run(bench.loop);
	fake.hangs[CRI_POD_SANDBOX_STATUS] = true;
	add_sandbox("u-1");
	while (!fake.n_hanging)
		test_run(bench.loop, TURN_MS);
	task = pleg_refresh(bench.pleg, "u-1", on_refreshed, &bench);
	test_run(bench.loop, TURN_MS);
	task_cancel(task);
	loop_run(bench.loop);
	CHECK_INT("ended", bench.code, ==, -ECANCELED);
	test_run(bench.loop, TURN_MS);
	CHECK_INT("still read", fake.n_hanging, ==, 1);
	bench_end(&bench);
}

TEST(a_failed_first_read_holds_back_only_its_own_pod)
{
	struct bench bench;

	bench_begin(&bench);
	add_sandbox("u-1");
	fake_fail(CRI_POD_SANDBOX_STATUS, -ECONNREFUSED, "rpc error: code = Unavailable desc = gone", 1);
	pleg_start(bench.pleg);
	loop_run(bench.loop);
	CHECK_INT("synced once", bench.n_synced, ==, 1);
	CHECK("nothing is known of it", pleg_get(bench.pleg, "u-1") == NULL);
	CHECK("which is said", pleg_is_unread(bench.pleg, "u-1"));
	CHECK("a pod that the runtime does not have", !pleg_is_unread(bench.pleg, "u-2"));
	wait_changes(&bench, 1);
	CHECK("the next relist reads it", pleg_get(bench.pleg, "u-1") != NULL);
	CHECK("and it is as any other", !pleg_is_unread(bench.pleg, "u-1"));
	CHECK_INT("synced stays once", bench.n_synced, ==, 1);
	bench_end(&bench);
}

TEST(stop_ends_what_is_out)
{
	struct bench bench;

	bench_begin(&bench);
	add_sandbox("u-1");
	pleg_start(bench.pleg);
	loop_run(bench.loop);
	pleg_refresh(bench.pleg, "u-1", on_refreshed, &bench);
	pleg_stop(bench.pleg, on_stopped, &bench);
	loop_run(bench.loop);
	CHECK_INT("refresh cancelled", bench.code, ==, -ECANCELED);
	loop_run(bench.loop); /* until it says that it has stopped */
	bench.pleg = (pleg_free(bench.pleg), NULL);
	loop_timer_stop(&bench.limit);
	CHECK_INT("calls that are still out", fake.n_out, ==, 0);
	loop_free(bench.loop);
	buf_done(&bench.changed);
	fake_cri_end();
}
