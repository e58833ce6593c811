/* SPDX-License-Identifier: Apache-2.0 */
/* Whole pods on a real root folder. The API server's side is the two functions below. */
#include "kubelet/volume/volume.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "k8s/authentication.pb-c.h"
#include "kubelet/object/object.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/base/map.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/kube/kube.h"
#include "pkg/sys/mount.h"
#include "pkg/test/test.h"

/* The test is its own mount helper. */
__attribute__((constructor)) static void be_the_helper(int argc, char **argv)
{
	if (argc > 0 && str_eq(argv[0], MOUNT_HELPER))
		exit(volume_helper_main(argc, argv));
}

static struct {
	struct loop *loop;
	const char *configmap, *secret; /* JSON, NULL: not found */
	int refuse_tokens;              /* so many */
	int tokens;
	int64_t token_life_s;
	char token_request[1024];

	int done, code, events;
	int64_t retry_ms;
	char text[ERR_TEXT_MAX], event[ERR_TEXT_MAX];
} world;

/* ---- the API server's side ---- */

struct answer {
	struct task task;
	task_done_fn *done;
	void *owner;
	struct arena *arena;
	const void *result;
	struct err err;
};

static void answer_now(void *arg)
{
	struct answer *answer = arg;

	answer->done(answer->owner, answer->result, answer->err.code ? &answer->err : NULL);
	arena_free(answer->arena);
	free(answer);
}

static void no_cancel(struct task *task)
{
	(void)task;
}

static struct answer *answer_later(task_done_fn *done, void *owner)
{
	struct answer *answer = xcalloc(1, sizeof *answer);

	*answer = (struct answer){ .task.cancel = no_cancel, .done = done, .owner = owner, .arena = arena_new() };
	loop_post(world.loop, answer_now, answer);
	return answer;
}

static void *object_of(struct arena *arena, const ProtobufCMessageDescriptor *type, const char *text)
{
	char *json = arena_strdup(arena, text);
	ProtobufCMessage *object = NULL;
	struct err err;

	for (char *c = json; *c; c++)
		if (*c == '\'')
			*c = '"';
	CHECK_OK(pbjson_decode(type, json, strlen(json), arena, &object, &err), &err);
	return object;
}

struct task *objects_get(struct objects *objects, enum object_kind kind, const char *namespace_, const char *name,
			 task_done_fn *done, void *owner)
{
	struct answer *answer = answer_later(done, owner);
	const char *json = kind == OBJECT_CONFIGMAP ? world.configmap : world.secret;

	(void)objects;
	CHECK_STR("namespace", namespace_, "ns");
	if (json)
		answer->result = object_of(
			answer->arena,
			kind == OBJECT_CONFIGMAP ? &core__config_map__descriptor : &core__secret__descriptor, json);
	else
		err_set(&answer->err, -ENOENT, "%s \"%s\" not found", kind == OBJECT_CONFIGMAP ? "configmap" : "secret",
			name);
	return &answer->task;
}

struct task *kube_ask(struct kube *kube, const struct kube_ask *ask, task_done_fn *done, void *owner)
{
	struct answer *answer = answer_later(done, owner);
	_cleanup_buf_ struct buf body = BUF_INIT(4096);
	struct err err;

	(void)kube;
	CHECK_STR("path", ask->path, "/api/v1/namespaces/ns/serviceaccounts/robot/token");
	CHECK_OK(pbjson_encode(ask->object, &body, &err), &err);
	snprintf(world.token_request, sizeof world.token_request, "%s", buf_text(&body));
	world.tokens++;
	if (world.refuse_tokens > 0) {
		world.refuse_tokens--;
		err_set(&answer->err, -EACCES, "no");
		return &answer->task;
	}
	Authentication__TokenRequest *reply =
		PB_NEW(answer->arena, Authentication__TokenRequest, authentication__token_request__descriptor);

	reply->status = PB_NEW(answer->arena, Authentication__TokenRequestStatus,
			       authentication__token_request_status__descriptor);
	reply->status->token = arena_printf(answer->arena, "token-%d", world.tokens);
	reply->status->expirationtimestamp = PB_NEW(answer->arena, Meta__Time, meta__time__descriptor);
	reply->status->expirationtimestamp->has_seconds = 1;
	reply->status->expirationtimestamp->seconds = clock_wall_ns() / 1000000000 + world.token_life_s;
	answer->result = reply;
	return &answer->task;
}

/* ---- the tests' side ---- */

static void event_came(void *owner, const Core__Pod *pod, const char *container, const char *type, const char *reason,
		       const char *message)
{
	(void)owner;
	CHECK_STR("of the pod", pod->metadata->uid, "u-1");
	CHECK_STR("type", type, "Warning");
	CHECK_STR("reason", reason, "FailedMount");
	snprintf(world.event, sizeof world.event, "%s", message);
	world.events++;
}

static struct volumes *start(void)
{
	struct volumes_options options = {
		.event = event_came,
		.root_dir = test_folder(),
		.helper_program = "/proc/self/exe",
		.allocatable.memory_bytes = 64 << 20,
	};

	if (geteuid() != 0)
		test_skip("mounts need root");
	world.loop = options.loop = loop_new();
	world.token_life_s = 3600;
	return volumes_new(&options);
}

static void stop(struct volumes *volumes)
{
	volumes_free(volumes);
	loop_free(world.loop);
}

static void task_ended(void *owner, const void *result, const struct err *err)
{
	const struct volumes_outcome *outcome = result;

	(void)owner;
	world.done++;
	world.code = err ? err->code : 0;
	snprintf(world.text, sizeof world.text, "%s", err ? err->text : "");
	world.retry_ms = outcome ? outcome->retry_after_ms : 0;
	loop_stop(world.loop);
}

/* Its container mounts every volume. */
static Core__Pod *pod_with(struct arena *arena, const char *spec)
{
	Core__Pod *pod = object_of(arena, &core__pod__descriptor,
				   arena_printf(arena,
						"{'metadata':{'name':'p','namespace':'ns','uid':'u-1'},"
						"'spec':{'serviceAccountName':'robot','containers':[{'name':'c'}],%s}}",
						spec));

	for (size_t i = 0; i < pod->spec->n_volumes; i++) {
		Core__VolumeMount *mount = PB_NEW(arena, Core__VolumeMount, core__volume_mount__descriptor);

		mount->name = pod->spec->volumes[i]->name;
		PB_APPEND(arena, pod->spec->containers[0], volumemounts, mount);
	}
	return pod;
}

static int setup(struct volumes *volumes, const Core__Pod *pod)
{
	world.done = 0;
	volumes_setup_pod(volumes, pod, task_ended, NULL);
	loop_run(world.loop);
	CHECK_INT("ends once", world.done, ==, 1);
	return world.code;
}

static int teardown(struct volumes *volumes, const char *uid)
{
	world.done = 0;
	volumes_teardown_pod(volumes, uid, task_ended, NULL);
	loop_run(world.loop);
	CHECK_INT("ends once", world.done, ==, 1);
	return world.code;
}

static void wait_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static const char *in_root(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/pods/u-1/%s", test_folder(), name);
	return path;
}

static const char *content(const char *name)
{
	static char text[256];
	int fd = open(in_root(name), O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[MAX(n, (ssize_t)0)] = 0;
	return n < 0 ? "(none)" : text;
}

static unsigned mode(const char *name)
{
	struct stat st;

	return stat(in_root(name), &st) == 0 ? st.st_mode & 07777 : 0;
}

static bool is_mounted(const char *name)
{
	struct err err;

	return mount_is_point(in_root(name), &err) > 0;
}

static const char every_kind[] =
	"'volumes':[{'name':'disk','emptyDir':{}},{'name':'mem','emptyDir':{'medium':'Memory','sizeLimit':'1Mi'}},"
	"{'name':'cm','configMap':{'name':'x'}},{'name':'sec','secret':{'secretName':'y','defaultMode':256}},"
	"{'name':'down','downwardAPI':{'items':[{'path':'n','fieldRef':{'fieldPath':'metadata.name'}}]}},"
	"{'name':'tok','projected':{'defaultMode':420,'sources':[{'serviceAccountToken':{'path':'token',"
	"'expirationSeconds':3607,'audience':'me'}},{'configMap':{'name':'x','items':[{'key':'k','path':'ca'}]}}]}},"
	"{'name':'host','hostPath':{'path':'/usr','type':'Directory'}}]";

TEST(every_kind_of_volume_from_nothing_to_nothing)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct volumes *volumes = start();
	const Core__Pod *pod = pod_with(arena, every_kind);
	char path[PATH_MAX];
	struct err err;

	world.configmap = "{'data':{'k':'one'}}";
	world.secret = "{'data':{'s':'c2VjcmV0'}}";
	CHECK_INT(world.text, setup(volumes, pod), ==, 0);
	CHECK_INT("pod folder", mode(""), ==, 0750);
	CHECK_INT("above emptyDir", mode("volumes/kubernetes.io~empty-dir"), ==, 0755);
	CHECK_INT("emptyDir", mode("volumes/kubernetes.io~empty-dir/disk"), ==, 0777);
	CHECK_INT("marker", mode("plugins/kubernetes.io~empty-dir/disk/ready"), ==, 0644);
	CHECK("in memory", is_mounted("volumes/kubernetes.io~empty-dir/mem"));
	CHECK("on disk", !is_mounted("volumes/kubernetes.io~configmap/cm"));
	CHECK("secrets in memory", is_mounted("volumes/kubernetes.io~secret/sec"));
	CHECK("tokens in memory", is_mounted("volumes/kubernetes.io~projected/tok"));
	CHECK_STR("configMap", content("volumes/kubernetes.io~configmap/cm/k"), "one");
	CHECK_STR("secret", content("volumes/kubernetes.io~secret/sec/s"), "secret");
	CHECK_INT("secret's mode", mode("volumes/kubernetes.io~secret/sec/s"), ==, 0400);
	CHECK_STR("downward", content("volumes/kubernetes.io~downward-api/down/n"), "p");
	CHECK_STR("token", content("volumes/kubernetes.io~projected/tok/token"), "token-1");
	CHECK_INT("token's mode", mode("volumes/kubernetes.io~projected/tok/token"), ==, 0644);
	CHECK_STR("beside the token", content("volumes/kubernetes.io~projected/tok/ca"), "one");
	CHECK_STR("request", world.token_request,
		  "{\"kind\":\"TokenRequest\",\"apiVersion\":\"authentication.k8s.io/"
		  "v1\",\"spec\":{\"audiences\":[\"me\"],"
		  "\"boundObjectRef\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"name\":\"p\",\"uid\":\"u-1\"},"
		  "\"expirationSeconds\":3607}}");
	CHECK_OK(volume_host_path(volumes, pod, "host", path, &err), &err);
	CHECK_STR("host path", path, "/usr");
	CHECK_INT("none", volume_host_path(volumes, pod, "nope", path, &err), ==, -ENOENT);

	/* what a container wrote stays, what an object says is followed, a token is asked for once */
	CHECK_INT("file", close(open(in_root("volumes/kubernetes.io~empty-dir/disk/f"), O_CREAT | O_WRONLY, 0600)), ==,
		  0);
	world.configmap = "{'data':{'k':'two'}}";
	CHECK_INT(world.text, setup(volumes, pod), ==, 0);
	CHECK_STR("updated", content("volumes/kubernetes.io~configmap/cm/k"), "two");
	CHECK_STR("updated", content("volumes/kubernetes.io~projected/tok/ca"), "two");
	CHECK_INT("kept", mode("volumes/kubernetes.io~empty-dir/disk/f"), ==, 0600);
	CHECK_INT("tokens", world.tokens, ==, 1);

	/* a new kubelet knows only the disk */
	stop(volumes);
	volumes = start();
	CHECK_INT(world.text, teardown(volumes, "u-1"), ==, 0);
	CHECK_INT("nothing left", access(in_root(""), F_OK), ==, -1);
	CHECK_INT("again", teardown(volumes, "u-1"), ==, 0);
	CHECK_INT("no way out", teardown(volumes, ".."), ==, -EINVAL);
	stop(volumes);
}

TEST(a_missing_object_is_told_and_waited_for)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct volumes *volumes = start();
	const Core__Pod *pod =
		pod_with(arena, "'volumes':[{'name':'v','configMap':{'name':'x'}},{'name':'e','emptyDir':{}}]");
	const char *want = "MountVolume.SetUp failed for volume \"v\" : configmap \"x\" not found";

	CHECK_INT("fails", setup(volumes, pod), ==, -ENOENT);
	CHECK_STR("text", world.text, want);
	CHECK_STR("event", world.event, want);
	CHECK_INT("again in", world.retry_ms, ==, VOLUMES_RETRY_FIRST_MS);
	CHECK_INT("others are set up", mode("volumes/kubernetes.io~empty-dir/e"), ==, 0777);

	world.configmap = "{'data':{'k':'one'}}";
	CHECK_INT("in back-off the answer stays", setup(volumes, pod), ==, -ENOENT);
	CHECK_STR("text", world.text, want);
	CHECK_INT("without an event", world.events, ==, 1);
	CHECK_INT("less time", world.retry_ms, <=, VOLUMES_RETRY_FIRST_MS);
	wait_ms(VOLUMES_RETRY_FIRST_MS + 20);
	world.configmap = NULL;
	CHECK_INT("fails again", setup(volumes, pod), ==, -ENOENT);
	CHECK_INT("doubled", world.retry_ms, ==, VOLUMES_RETRY_FIRST_MS * 2);
	CHECK_INT("events", world.events, ==, 2);
	world.configmap = "{'data':{'k':'one'}}";
	wait_ms(VOLUMES_RETRY_FIRST_MS * 2 + 20);
	CHECK_INT(world.text, setup(volumes, pod), ==, 0);
	CHECK_STR("there", content("volumes/kubernetes.io~configmap/v/k"), "one");
	CHECK_INT("gone", teardown(volumes, "u-1"), ==, 0);
	stop(volumes);
}

TEST(a_projected_volume_tells_all_that_it_lacks)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct volumes *volumes = start();
	const Core__Pod *pod = pod_with(
		arena,
		"'volumes':[{'name':'p','projected':{'sources':[{'configMap':{'name':'x'}},{'secret':{'name':'y'}},"
		"{'configMap':{'name':'x'}},{'configMap':{'name':'z','optional':true}},"
		"{'serviceAccountToken':{'path':'token'}}]}}]");

	world.refuse_tokens = 2;
	CHECK_INT("fails", setup(volumes, pod), ==, -ENOENT);
	CHECK_STR("text", world.text,
		  "MountVolume.SetUp failed for volume \"p\" : [configmap \"x\" not found, secret \"y\" not found, "
		  "failed to fetch token: no]");
	CHECK_INT("one event", world.events, ==, 1);
	CHECK_INT("gone", teardown(volumes, "u-1"), ==, 0);
	stop(volumes);
}

TEST(what_no_container_mounts_is_left_alone)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct volumes *volumes = start();
	Core__Pod *pod = pod_with(arena, "'volumes':[{'name':'v','configMap':{'name':'x'}},{'name':'e','emptyDir':{}},"
					 "{'name':'h','hostPath':{'path':'/no/such','type':'File'}}]");

	pod->spec->containers[0]->n_volumemounts = 0;
	CHECK_INT(world.text, setup(volumes, pod), ==, 0);
	CHECK_INT("events", world.events, ==, 0);
	CHECK_INT("folder", access(in_root("volumes/kubernetes.io~empty-dir/e"), F_OK), ==, -1);
	CHECK_INT("gone", teardown(volumes, "u-1"), ==, 0);
	stop(volumes);
}

TEST(fs_group_and_the_users_token)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct volumes *volumes = start();
	const Core__Pod *pod =
		pod_with(arena, "'securityContext':{'runAsUser':1234,'fsGroup':77},"
				"'volumes':[{'name':'e','emptyDir':{}},{'name':'t','projected':{'sources':"
				"[{'serviceAccountToken':{'path':'token'}}]}}]");
	struct stat st;

	CHECK_INT(world.text, setup(volumes, pod), ==, 0);
	CHECK_INT("emptyDir", mode("volumes/kubernetes.io~empty-dir/e"), ==, 02777);
	CHECK_INT("token", mode("volumes/kubernetes.io~projected/t/token"), ==, 0640);
	CHECK_INT("stat", stat(in_root("volumes/kubernetes.io~projected/t/token"), &st), ==, 0);
	CHECK_INT("owner", st.st_uid, ==, 1234);
	CHECK_INT("group", st.st_gid, ==, 77);
	CHECK_INT("gone", teardown(volumes, "u-1"), ==, 0);
	stop(volumes);
}

TEST(an_old_token_is_used_until_it_expires)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct volumes *volumes = start();
	const Core__Pod *pod = pod_with(
		arena, "'volumes':[{'name':'t','projected':{'sources':[{'serviceAccountToken':{'path':'token'}}]}}]");

	world.refuse_tokens = 2; /* it asks once more */
	CHECK_INT("none", setup(volumes, pod), ==, -EACCES);
	CHECK_STR("text", world.text, "MountVolume.SetUp failed for volume \"t\" : failed to fetch token: no");
	world.refuse_tokens = 1;
	world.token_life_s = 2; /* to be renewed at once, since the jitter is longer */
	wait_ms(VOLUMES_RETRY_FIRST_MS + 20);
	CHECK_INT(world.text, setup(volumes, pod), ==, 0);
	world.refuse_tokens = 4;
	CHECK_INT(world.text, setup(volumes, pod), ==, 0);
	CHECK_STR("the old one", content("volumes/kubernetes.io~projected/t/token"), "token-4");
	wait_ms(3000);
	CHECK_INT("expired", setup(volumes, pod), ==, -EACCES);
	CHECK("says so", strstr(world.text, "expired and refresh failed: no"));
	CHECK_INT("gone", teardown(volumes, "u-1"), ==, 0);
	stop(volumes);
}

TEST(what_is_mounted_inside_is_never_emptied)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct volumes *volumes = start();
	const Core__Pod *pod = pod_with(arena, "'volumes':[{'name':'e','emptyDir':{}}]");
	char precious[PATH_MAX], file[PATH_MAX + 8], inside[PATH_MAX];

	snprintf(precious, sizeof precious, "%s/precious", test_folder());
	snprintf(file, sizeof file, "%s/file", precious);
	CHECK_INT(world.text, setup(volumes, pod), ==, 0);
	CHECK_INT("precious", mkdir(precious, 0755), ==, 0);
	CHECK_INT("file", close(open(file, O_CREAT | O_WRONLY, 0600)), ==, 0);
	snprintf(inside, sizeof inside, "%s", in_root("volumes/kubernetes.io~empty-dir/e/in"));
	CHECK_INT("inside", mkdir(inside, 0755), ==, 0);
	CHECK_INT("same file system", mount(precious, inside, NULL, MS_BIND, NULL), ==, 0);

	int busy = open(inside, O_RDONLY | O_DIRECTORY);

	CHECK_INT("busy", teardown(volumes, "u-1"), ==, -EBUSY);
	CHECK_INT("not emptied", access(file, F_OK), ==, 0);
	close(busy);
	CHECK_INT(world.text, teardown(volumes, "u-1"), ==, 0);
	CHECK_INT("not emptied", access(file, F_OK), ==, 0);
	CHECK_INT("gone", access(in_root(""), F_OK), ==, -1);
	stop(volumes);
}

static void cancel_now(void *arg)
{
	task_cancel(arg);
}

TEST(a_cancelled_setup_is_no_failure_of_a_volume)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct volumes *volumes = start();
	const Core__Pod *pod = pod_with(arena, every_kind);

	world.done = 0;
	loop_post(world.loop, cancel_now, volumes_setup_pod(volumes, pod, task_ended, NULL));
	loop_run(world.loop);
	CHECK_INT("ends once", world.done, ==, 1);
	CHECK_INT("code", world.code, ==, -ECANCELED);
	CHECK_INT("no event", world.events, ==, 0);
	CHECK_INT("gone", teardown(volumes, "u-1"), ==, 0);
	stop(volumes);
}

static const struct {
	const char *type, *path, *want; /* in the test's folder */
} host_paths[] = {
	{ "", "missing", "" },
	{ "Directory", "dir", "" },
	{ "File", "file", "" },
	{ "Socket", "/dev/null", "hostPath type check failed: /dev/null is not a socket file, it's a CharDevice" },
	{ "CharDevice", "/dev/null", "" },
	{ "DirectoryOrCreate", "made/deep", "" },
	{ "FileOrCreate", "made/file", "" },
	{ "FileOrCreate", "link", "" },
	{ "DirectoryOrCreate", "/proc/version/a/b", "mkdir /proc/version: not a directory" },
	{ "Nonsense", "/", "Nonsense is an invalid volume type" },
	{ "Directory", "/dev/null", "hostPath type check failed: /dev/null is not a directory, it's a CharDevice" },
	{ "BlockDevice", "/no/such",
	  "hostPath type check failed, /no/such is not a block device, unable to determine its type: path \"/no/such\" "
	  "does "
	  "not exist" },
};

TEST(host_paths_are_what_they_must_be)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/dir", test_folder());
	mkdir(path, 0755);
	snprintf(path, sizeof path, "%s/file", test_folder());
	close(open(path, O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof path, "%s/link", test_folder());
	CHECK_INT("link", symlink("not-there-yet", path), ==, 0);
	for (size_t i = 0; i < ARRAY_LEN(host_paths); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct volumes *volumes = start();
		const char *want = host_paths[i].want;

		snprintf(path, sizeof path, "%s%s%s", *host_paths[i].path == '/' ? "" : test_folder(),
			 *host_paths[i].path == '/' ? "" : "/", host_paths[i].path);
		setup(volumes,
		      pod_with(arena,
			       arena_printf(arena, "'volumes':[{'name':'h','hostPath':{'path':'%s','type':'%s'}}]",
					    path, host_paths[i].type)));
		if (*want)
			want = arena_printf(arena, "MountVolume.SetUp failed for volume \"h\" : %s", want);
		CHECK_STR(host_paths[i].type, world.text, want);
		stop(volumes);
	}
	snprintf(path, sizeof path, "%s/made/file", test_folder());
	CHECK_INT("made", access(path, F_OK), ==, 0);
}
