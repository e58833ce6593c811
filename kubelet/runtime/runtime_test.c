/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/runtime.h"

#include <sys/stat.h>
#include <unistd.h>

#include "kubelet/runtime/cri_fake.h"
#include "kubelet/runtime/image.h"
#include "kubelet/runtime/objects_fake.h"
#include "pkg/base/file.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

struct bench {
	struct loop *loop;
	struct runtime *runtime;
	struct arena *arena;
	struct buf events;
	struct runtime_pod_context context;
	char *pod_logs, *links, *pod_dir;

	/* of the last action */
	bool ended;
	int code;
	char id[64], reason[64], message[1024];
	int64_t retry_after_ms;
};

static void on_event(void *owner, const Core__Pod *pod, const char *container, const char *type, const char *reason,
		     const char *message)
{
	struct bench *bench = owner;

	buf_printf(&bench->events, "%s %s: %s\n", type, reason, message);
}

static int volume_path(void *owner, const Core__Pod *pod, const char *volume, char path[PATH_MAX], struct err *err)
{
	if (!str_eq(volume, "data"))
		return err_set(err, -ENOENT, "cannot find volume \"%s\" to mount into container", volume);
	snprintf(path, PATH_MAX, "/volumes/%s", volume);
	return 0;
}

static const char pod_json[] =
	"{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u-1\"},\"spec\":{\"enableServiceLinks\":true,"
	"\"dnsPolicy\":\"None\",\"securityContext\":{},\"containers\":[{\"name\":\"c\",\"image\":\"nginx\","
	"\"imagePullPolicy\":\"IfNotPresent\",\"terminationMessagePath\":\"/dev/termination-log\","
	"\"env\":[{\"name\":\"IP\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.podIP\"}}}],"
	"\"command\":[\"run\",\"$(IP)\"],\"volumeMounts\":[{\"name\":\"data\",\"mountPath\":\"/"
	"data\",\"readOnly\":true}]}]}}";

static void bench_begin(struct bench *bench, const char *json)
{
	ProtobufCMessage *pod = NULL;
	static const Core__Service *none[1];
	struct err err = { 0 };

	*bench = (struct bench){ .loop = loop_new(), .arena = arena_new(), .events = BUF_INIT(65536) };
	fake_cri_begin(bench->loop);
	bench->pod_logs = xasprintf("%s/pods-logs", test_folder());
	bench->links = xasprintf("%s/links", test_folder());
	bench->pod_dir = xasprintf("%s/pods/u-1", test_folder());
	CHECK_OK(dir_make_all(bench->links, 0755, &err), &err);
	CHECK_OK(dir_make_all(bench->pod_dir, 0755, &err), &err);
	CHECK_OK(pbjson_decode(&core__pod__descriptor, json, strlen(json), bench->arena, &pod, &err), &err);

	struct runtime_options options = {
		.loop = bench->loop,
		.event = on_event,
		.event_owner = bench,
		.pod_logs_dir = bench->pod_logs,
		.container_logs_dir = bench->links,
		.serialize_image_pulls = true,
		.cpu_cfs_quota = true,
		.cpu_cfs_quota_period_us = 100000,
		.single_process_oom_kill = true,
	};
	bench->runtime = runtime_new(&options);
	bench->context = (struct runtime_pod_context){
		.pod = (const Core__Pod *)pod,
		.pod_dir = bench->pod_dir,
		.cgroup_parent = "/kubepods/besteffort/podu-1",
		.services = none,
		.volume_path = volume_path,
	};
}

static void bench_end(struct bench *bench)
{
	CHECK_INT("calls that are still out", fake.n_out, ==, 0);
	runtime_free(bench->runtime);
	loop_free(bench->loop);
	arena_free(bench->arena);
	buf_done(&bench->events);
	free(bench->pod_logs);
	free(bench->links);
	free(bench->pod_dir);
	fake_cri_end();
}

static void on_done(void *owner, const void *result, const struct err *err)
{
	struct bench *bench = owner;
	const struct runtime_outcome *outcome = result;

	CHECK("ends once", !bench->ended);
	bench->ended = true;
	bench->code = err ? err->code : 0;
	bench->retry_after_ms = outcome->retry_after_ms;
	snprintf(bench->id, sizeof bench->id, "%s", outcome->id);
	snprintf(bench->reason, sizeof bench->reason, "%s", outcome->reason);
	snprintf(bench->message, sizeof bench->message, "%s", outcome->message);
	loop_stop(bench->loop);
}

static void bench_wait(struct bench *bench)
{
	CHECK("never before the start has returned", !bench->ended);
	loop_run(bench->loop);
	bench->ended = false;
}

static void start(struct bench *bench, int32_t restart_count)
{
	const char *ips[] = { "10.1.0.7" };
	struct runtime_sandbox sandbox = { .id = "sandbox-1", .ready = true, .ips = ips, .n_ips = 1 };

	buf_clear(&bench->events);
	buf_clear(&fake.calls);
	runtime_start_container(bench->runtime, &bench->context, bench->context.pod->spec->containers[0], &sandbox,
				restart_count, on_done, bench);
	bench_wait(bench);
}

static void run_sandbox(struct bench *bench)
{
	runtime_run_sandbox(bench->runtime, &bench->context, 0, on_done, bench);
	bench_wait(bench);
}

static const Cri__Mount *mount_at(const Cri__ContainerConfig *config, const char *path)
{
	for (size_t i = 0; i < config->n_mounts; i++)
		if (str_eq(config->mounts[i]->container_path, path))
			return config->mounts[i];
	test_fail(__FILE__, __LINE__, "no mount at %s", path);
}

TEST(a_container_starts)
{
	struct bench bench;
	struct stat st;
	const Cri__ContainerConfig *config;
	_cleanup_buf_ struct buf hosts = BUF_INIT(65536);
	struct err err = { 0 };

	bench_begin(&bench, pod_json);
	run_sandbox(&bench);
	CHECK_INT("sandbox", bench.code, ==, 0);
	CHECK_STR("its id", bench.id, "sandbox-1");
	CHECK_STR("cgroup", fake.sandboxes[0].config->linux->cgroup_parent, "/kubepods/besteffort/podu-1");
	CHECK_STR("host name", fake.sandboxes[0].config->hostname, "web");
	CHECK_INT("log folder", stat(fake.sandboxes[0].config->log_directory, &st), ==, 0);

	start(&bench, 0);
	CHECK_STR("message", bench.message, "");
	CHECK_INT("started", bench.code, ==, 0);
	CHECK_STR("calls", buf_text(&fake.calls), "Pull Create Start ");
	CHECK("events",
	      strstr(buf_text(&bench.events), "Normal Pulling: Pulling image \"nginx\"\n"
					      "Normal Pulled: Successfully pulled image \"nginx\" in ") != NULL);
	CHECK("their end", str_has_suffix(buf_text(&bench.events), " including waiting). Image size: 123 bytes.\n"
								   "Normal Created: Container created\n"
								   "Normal Started: Container started\n"));
	config = fake.containers[0].config;
	CHECK_STR("image by its id", config->image->image, "sha256:abc");
	CHECK_STR("as asked for", config->image->user_specified_image, "nginx");
	CHECK_STR("expanded", config->command[1], "10.1.0.7");
	CHECK_STR("log", config->log_path, "c/0.log");
	CHECK_STR("volume", mount_at(config, "/data")->host_path, "/volumes/data");
	CHECK("read only", mount_at(config, "/data")->readonly);
	CHECK_OK(file_read(mount_at(config, "/etc/hosts")->host_path, &hosts, &err), &err);
	CHECK("hosts", str_has_suffix(buf_text(&hosts), "10.1.0.7\tweb\n"));
	CHECK_INT("termination file", stat(mount_at(config, "/dev/termination-log")->host_path, &st), ==, 0);
	CHECK_INT("anyone may write it", st.st_mode & 0777, ==, 0666);
	CHECK_INT("root", config->linux->security_context->run_as_user->value, ==, 0);

	start(&bench, 1);
	CHECK_STR("the image is there now", buf_text(&bench.events),
		  "Normal Pulled: Container image \"nginx\" already present on machine\n"
		  "Normal Created: Container created\nNormal Started: Container started\n");
	CHECK_STR("second log", fake.containers[1].config->log_path, "c/1.log");
	bench_end(&bench);
}

TEST(logs_tell_the_count_that_the_runtime_lost)
{
	struct bench bench;
	struct err err = { 0 };

	bench_begin(&bench, pod_json);
	_cleanup_free_ char *folder = xasprintf("%s/shop_web_u-1/c", bench.pod_logs);
	_cleanup_free_ char *log = xasprintf("%s/6.log.20260101", folder);

	CHECK_OK(dir_make_all(folder, 0755, &err), &err);
	CHECK_OK(file_replace(log, "", 0, 0644, &err), &err);
	run_sandbox(&bench);
	start(&bench, -1);
	CHECK_STR("one more than the highest", fake.containers[0].config->log_path, "c/7.log");
	bench_end(&bench);
}

TEST(a_failed_pull_backs_off)
{
	struct bench bench;

	bench_begin(&bench, pod_json);
	run_sandbox(&bench);
	fake_fail(CRI_PULL_IMAGE, -EREMOTEIO, "rpc error: code = Unknown desc = no such host", 1);
	start(&bench, 0);
	CHECK_STR("reason", bench.reason, "ErrImagePull");
	CHECK_STR("message", bench.message, "no such host");
	CHECK_STR("events", buf_text(&bench.events),
		  "Normal Pulling: Pulling image \"nginx\"\nWarning Failed: Failed to pull image \"nginx\": no such "
		  "host\n"
		  "Warning Failed: Error: ErrImagePull\n");

	start(&bench, 0);
	CHECK_STR("reason", bench.reason, "ImagePullBackOff");
	CHECK_STR("message", bench.message, "Back-off pulling image \"nginx\": ErrImagePull: no such host");
	CHECK("about ten seconds", bench.retry_after_ms > 9000 && bench.retry_after_ms <= 10000);
	CHECK_STR("events", buf_text(&bench.events),
		  "Normal BackOff: Back-off pulling image \"nginx\"\nWarning Failed: Error: ImagePullBackOff\n");
	CHECK_STR("nothing was asked", buf_text(&fake.calls), "");
	bench_end(&bench);
}

TEST(failures_are_told_as_stock_tells_them)
{
	static const struct row {
		const char *rule, *from, *to; /* of pod_json */
		enum cri_method fail;
		const char *reason, *message, *event;
	} rows[] = {
		{ "never", "IfNotPresent", "Never", CRI_METHODS, "ErrImageNeverPull",
		  "Container image \"nginx\" is not present with pull policy of Never",
		  "Warning ErrImageNeverPull: Container image \"nginx\" is not present with pull policy of Never\n"
		  "Warning Failed: Error: ErrImageNeverPull\n" },
		{ "no volume", "\"name\":\"data\"", "\"name\":\"gone\"", CRI_METHODS, "CreateContainerConfigError",
		  "cannot find volume \"gone\" to mount into container",
		  "Warning Failed: Error: cannot find volume \"gone\" to mount into container\n" },
		{ "no key", "\"fieldRef\":{\"fieldPath\":\"status.podIP\"}",
		  "\"secretKeyRef\":{\"name\":\"s\",\"key\":\"k\"}", CRI_METHODS, "CreateContainerConfigError",
		  "secret \"s\" not found", "Warning Failed: Error: secret \"s\" not found\n" },
		{ "root", "\"securityContext\":{}", "\"securityContext\":{\"runAsNonRoot\":true}", CRI_METHODS,
		  "CreateContainerConfigError",
		  "container has runAsNonRoot and image will run as root (pod: \"web_shop(u-1)\", container: c)",
		  "Warning Failed: Error: container has runAsNonRoot and image will run as root (pod: "
		  "\"web_shop(u-1)\", "
		  "container: c)\n" },
		{ "create", "x", "x", CRI_CREATE_CONTAINER, "CreateContainerError", "broken",
		  "Warning Failed: Error: broken\n" },
		{ "start", "x", "x", CRI_START_CONTAINER, "RunContainerError", "broken",
		  "Normal Created: Container created\nWarning Failed: Error: broken\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		const char *at = strstr(pod_json, row->from);
		_cleanup_free_ char *json = at && row->from[1] ? xasprintf("%.*s%s%s", (int)(at - pod_json), pod_json,
									   row->to, at + strlen(row->from))
							       : xstrdup(pod_json);
		struct bench bench;

		bench_begin(&bench, json);
		run_sandbox(&bench);
		if (row->fail != CRI_METHODS)
			fake_fail(row->fail, -EREMOTEIO, "rpc error: code = Unknown desc = broken", 1);
		start(&bench, 0);
		CHECK("it failed", bench.code < 0);
		CHECK_STR(row->rule, bench.reason, row->reason);
		CHECK_STR(row->rule, bench.message, row->message);
		CHECK(row->rule, str_has_suffix(buf_text(&bench.events), row->event));
		bench_end(&bench);
	}
}

TEST(a_name_that_is_none)
{
	_cleanup_free_ char *json = xstrdup(pod_json);
	struct bench bench;

	memcpy(strstr(json, "\"nginx\""), "\"NGINX\"", 7);
	bench_begin(&bench, json);
	start(&bench, 0);
	CHECK_STR("reason", bench.reason, "InvalidImageName");
	CHECK("message",
	      str_has_prefix(bench.message, "Failed to apply default image tag \"NGINX\": couldn't parse image "
					    "name \"NGINX\": invalid reference format"));
	bench_end(&bench);
}

TEST(a_sandbox_that_fails)
{
	struct bench bench;

	bench_begin(&bench, pod_json);
	fake_fail(CRI_RUN_POD_SANDBOX, -EREMOTEIO, "rpc error: code = Unknown desc = no network", 1);
	run_sandbox(&bench);
	CHECK_STR("reason", bench.reason, "CreatePodSandboxError");
	CHECK_STR("event", buf_text(&bench.events),
		  "Warning FailedCreatePodSandBox: Failed to create pod sandbox: rpc error: code = Unknown desc = no "
		  "network\n");
	bench_end(&bench);
}

TEST(a_pod_is_killed_and_nothing_is_left)
{
	struct bench bench;
	struct runtime_container containers[2] = { 0 };
	struct runtime_sandbox sandbox = { .id = "sandbox-1" };
	struct runtime_pod pod = { .uid = "u-1",
				   .name = "web",
				   .namespace_ = "shop",
				   .sandboxes = &sandbox,
				   .n_sandboxes = 1,
				   .containers = containers,
				   .n_containers = 2 };
	struct stat st;

	bench_begin(&bench, pod_json);
	run_sandbox(&bench);
	start(&bench, 0);
	start(&bench, 1);
	for (int i = 0; i < 2; i++) {
		containers[i].id = fake.containers[i].id;
		containers[i].name = "c";
		containers[i].state = i ? RUNTIME_RUNNING : RUNTIME_EXITED;
	}
	buf_clear(&fake.calls);
	buf_clear(&bench.events);

	runtime_remove_pod(bench.runtime, &pod, on_done, &bench);
	bench_wait(&bench);
	CHECK_INT("not while something runs", bench.code, ==, -EBUSY);

	fake_fail(CRI_STOP_CONTAINER, -EIO, "rpc error: \"no\"", 1);
	fake_fail(CRI_STOP_POD_SANDBOX, -EIO, "busy", 1);
	runtime_kill_pod(bench.runtime, bench.context.pod, &pod, 30, on_done, &bench);
	bench_wait(&bench);
	CHECK_INT("not killed", bench.code, ==, -EIO);
	CHECK_STR("all failures", bench.message,
		  "[failed to \"KillContainer\" for \"c\" with KillContainerError: \"rpc error: \\\"no\\\"\", "
		  "failed to \"KillPodSandbox\" for \"u-1\" with KillPodSandboxError: \"busy\"]");
	buf_clear(&fake.calls);
	buf_clear(&bench.events);
	runtime_kill_pod(bench.runtime, bench.context.pod, &pod, 30, on_done, &bench);
	bench_wait(&bench);
	CHECK_INT("killed", bench.code, ==, 0);
	CHECK_STR("only what runs is stopped", buf_text(&fake.calls), "Stop StopSandbox ");
	CHECK_STR("event", buf_text(&bench.events), "Normal Killing: Stopping container c\n");

	containers[1].state = RUNTIME_EXITED;
	buf_clear(&fake.calls);
	runtime_remove_pod(bench.runtime, &pod, on_done, &bench);
	bench_wait(&bench);
	CHECK_INT("removed", bench.code, ==, 0);
	CHECK_STR("in order", buf_text(&fake.calls), "Remove Remove StopSandbox RemoveSandbox ");
	_cleanup_free_ char *logs = xasprintf("%s/shop_web_u-1", bench.pod_logs);
	CHECK("no logs", stat(logs, &st) < 0);
	bench_end(&bench);
}

TEST(a_cancelled_start_ends_once)
{
	struct bench bench;
	struct runtime_sandbox sandbox = { .id = "sandbox-1" };

	bench_begin(&bench, pod_json);
	struct task *task = runtime_start_container(
		bench.runtime, &bench.context, bench.context.pod->spec->containers[0], &sandbox, 0, on_done, &bench);

	task_cancel(task);
	task_cancel(task);
	bench_wait(&bench);
	CHECK_INT("cancelled", bench.code, ==, -ECANCELED);
	CHECK_STR("nothing was asked", buf_text(&fake.calls), "");
	bench_end(&bench);
}

TEST(back_off_doubles_to_five_minutes_and_forgets_after_ten)
{
	struct map *backoffs = map_new();
	const int64_t want[] = { 10000, 20000, 40000, 80000, 160000, 300000, 300000 };
	const char *text = NULL;
	int64_t now = 1000;

	CHECK_INT("nothing yet", image_backoff_left(backoffs, "k", now, &text), ==, 0);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		CHECK_INT("delay", image_backoff_failed(backoffs, "k", "why", now), ==, want[i]);
		CHECK_INT("all of it is left", image_backoff_left(backoffs, "k", now, &text), ==, want[i]);
		CHECK_STR("text", text, "why");
		now += want[i];
		CHECK_INT("none", image_backoff_left(backoffs, "k", now, &text), ==, 0);
	}
	now += 600001;
	CHECK_INT("from the beginning", image_backoff_failed(backoffs, "k", "why", now), ==, 10000);
	image_backoff_collect(backoffs, now + 600000);
	CHECK_INT("kept", map_size(backoffs), ==, 1);
	image_backoff_collect(backoffs, now + 600001);
	CHECK_INT("collected", map_size(backoffs), ==, 0);
	map_free(backoffs);
}

TEST(fields_not_acted_on)
{
	static const struct row {
		const char *spec, *want;
	} rows[] = {
		{ "\"containers\":[{\"name\":\"a\"}]", NULL },
		{ "\"initContainers\":[{\"name\":\"i\"}]", "spec.initContainers" },
		{ "\"hostUsers\":false", "spec.hostUsers" },
		{ "\"hostUsers\":true", NULL },
		{ "\"containers\":[{\"name\":\"a\"},{\"name\":\"b\",\"livenessProbe\":{}}]",
		  "spec.containers[1].livenessProbe" },
		{ "\"containers\":[{\"name\":\"a\",\"lifecycle\":{}}]", "spec.containers[0].lifecycle" },
		{ "\"containers\":[{\"ports\":[{\"containerPort\":1},{\"containerPort\":2,\"hostPort\":2}]}]",
		  "spec.containers[0].ports[1].hostPort" },
		{ "\"hostNetwork\":true,\"containers\":[{\"ports\":[{\"containerPort\":2,\"hostPort\":2}]}]", NULL },
		{ "\"containers\":[{\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/m\",\"subPath\":\"x\"}]}]",
		  "spec.containers[0].volumeMounts[0].subPath" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		const char *json = arena_printf(arena, "{\"spec\":{%s}}", rows[i].spec), *got;
		ProtobufCMessage *pod = NULL;
		struct err err = { 0 };

		CHECK_OK(pbjson_decode(&core__pod__descriptor, json, strlen(json), arena, &pod, &err), &err);
		got = runtime_unsupported((const Core__Pod *)pod, arena);
		CHECK_STR(rows[i].spec, str_or(got, ""), str_or(rows[i].want, ""));
	}
}
