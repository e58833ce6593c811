/* SPDX-License-Identifier: Apache-2.0 */
/* Images with records of who may use them, over a runtime in memory and real files. */
#include "kubelet/runtime/image.h"

#include <sys/stat.h>
#include <unistd.h>

#include "kubelet/runtime/action.h"
#include "kubelet/runtime/cri_fake.h"
#include "kubelet/runtime/objects_fake.h"
#include "kubelet/runtime/pull_store.h"
#include "pkg/base/file.h"
#include "pkg/codec/pbjson.h"
#include "pkg/net/digest.h"
#include "pkg/test/test.h"

/* ---- the bench ---- */

struct bench {
	struct loop *loop;
	struct runtime *runtime;
	struct arena *arena;
	struct buf events;
	char *records;
	const char *policy;
	struct loop_timer timer;

	bool ended;
	int code;
	char reason[256], message[1024];
};

static void on_event(void *owner, const Core__Pod *pod, const char *container, const char *type, const char *reason,
		     const char *message)
{
	struct bench *bench = owner;

	buf_printf(&bench->events, "%s ", reason);
}

static void new_runtime(struct bench *bench)
{
	struct runtime_options options = {
		.loop = bench->loop,
		.event = on_event,
		.event_owner = bench,
		.serialize_image_pulls = true,
		.image_records_dir = bench->records,
		.image_verification = bench->policy,
	};

	bench->runtime = runtime_new(&options);
}

static void bench_begin(struct bench *bench, const char *policy)
{
	struct err err = { 0 };

	*bench =
		(struct bench){ .loop = loop_new(), .arena = arena_new(), .events = BUF_INIT(65536), .policy = policy };
	fake_cri_begin(bench->loop);
	memset(secrets, 0, sizeof secrets);
	bench->records = xasprintf("%s/image_manager", test_folder());
	CHECK_OK(runtime_make_folders(bench->records, &err), &err);
	new_runtime(bench);
}

/* The start's own look at the files may still be on its way. */
static void look_idle(void *owner)
{
	struct bench *bench = owner;

	if (bench->runtime->n_actions > 0)
		loop_timer_start(&bench->timer, 1);
	else
		loop_stop(bench->loop);
}

static void settle(struct bench *bench)
{
	loop_timer_init(&bench->timer, bench->loop, look_idle, bench);
	loop_timer_start(&bench->timer, 0);
	loop_run(bench->loop);
}

static void restart(struct bench *bench)
{
	settle(bench);
	runtime_free(bench->runtime);
	new_runtime(bench);
}

static void bench_end(struct bench *bench)
{
	settle(bench);
	CHECK_INT("calls that are still out", fake.n_out, ==, 0);
	runtime_free(bench->runtime);
	loop_free(bench->loop);
	arena_free(bench->arena);
	buf_done(&bench->events);
	free(bench->records);
	fake_cri_end();
}

static void on_done(void *owner, const void *result, const struct err *err)
{
	struct bench *bench = owner;
	const struct image_result *got = result;

	CHECK("ends once", !bench->ended);
	bench->ended = true;
	bench->code = err ? err->code : 0;
	loop_stop(bench->loop);
	if (bench->code == -ECANCELED)
		return;
	snprintf(bench->reason, sizeof bench->reason, "%s", got->reason);
	snprintf(bench->message, sizeof bench->message, "%s", got->message);
	CHECK("an id, or a reason", err || str_eq(got->image.ref, "sha256:abc"));
}

static struct task *begin(struct bench *bench, const char *image, const char *policy, const char *secret)
{
	static int n_pods;
	const char *json = arena_printf(bench->arena,
					"{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"pod-%d\"},"
					"\"spec\":{%s%s%s\"containers\":["
					"{\"name\":\"c\",\"image\":\"%s\",\"imagePullPolicy\":\"%s\"}]}}",
					n_pods++, secret ? "\"imagePullSecrets\":[{\"name\":\"" : "",
					secret ? secret : "", secret ? "\"}]," : "", image, policy);
	ProtobufCMessage *pod = NULL;
	struct err err = { 0 };

	CHECK_OK(pbjson_decode(&core__pod__descriptor, json, strlen(json), bench->arena, &pod, &err), &err);
	buf_clear(&bench->events);
	buf_clear(&fake.calls);
	bench->ended = false;
	return image_ensure(bench->runtime, (const Core__Pod *)pod, ((const Core__Pod *)pod)->spec->containers[0],
			    on_done, bench);
}

/* What a pod is told: the events' reasons, then the waiting reason; nothing for success. */
static void ensure(struct bench *bench, const char *rule, const char *image, const char *policy, const char *secret,
		   const char *want_events, const char *want_reason)
{
	begin(bench, image, policy, secret);
	loop_run(bench->loop);
	CHECK_STR(rule, buf_text(&bench->events), want_events);
	CHECK_STR(rule, bench->reason, want_reason);
}

static char *path_of(struct bench *bench, const char *folder, const char *name)
{
	char hex[DIGEST_HEX];

	digest_sha256(name, strlen(name), hex);
	return arena_printf(bench->arena, "%s/%s/sha256-%s", bench->records, folder, hex);
}

static const char *content(struct bench *bench, const char *folder, const char *name)
{
	_cleanup_buf_ struct buf file = BUF_INIT(65536);
	struct err err = { 0 };

	if (file_read(path_of(bench, folder, name), &file, &err) < 0)
		return "none";
	return arena_strdup(bench->arena, buf_text(&file));
}

static void write_file(struct bench *bench, const char *folder, const char *name, const char *text)
{
	struct err err = { 0 };

	CHECK_OK(file_replace(path_of(bench, folder, name), text, strlen(text), 0600, &err), &err);
}

static bool has(struct bench *bench, const char *text)
{
	return strstr(content(bench, "pulled", "sha256:abc"), text);
}

/* ---- tests ---- */

TEST(an_open_image_is_for_all)
{
	struct bench bench;
	struct stat st;

	bench_begin(&bench, "NeverVerifyPreloadedImages");
	ensure(&bench, "pulled", "reg.io/a:1", "IfNotPresent", NULL, "Pulling Pulled ", "");
	CHECK("its record", has(&bench, ",\"imageRef\":\"sha256:abc\",\"credentialMapping\":{\"reg.io/a\":{"
					"\"nodePodsAccessible\":true}}}\n"));
	CHECK_STR("no intent is left", content(&bench, "pulling", "reg.io/a:1"), "none");
	CHECK_INT("the file", stat(path_of(&bench, "pulled", "sha256:abc"), &st), ==, 0);
	CHECK_INT("closed to others", st.st_mode & 0777, ==, 0600);
	CHECK_INT("the folder too", stat(bench.records, &st), ==, 0);
	CHECK_INT("closed to others", st.st_mode & 0777, ==, 0700);
	ensure(&bench, "present", "reg.io/a:1", "IfNotPresent", NULL, "Pulled ", "");
	ensure(&bench, "never pulled", "reg.io/a:1", "Never", NULL, "Pulled ", "");
	restart(&bench);
	ensure(&bench, "another kubelet", "reg.io/a:1", "Never", NULL, "Pulled ", "");
	bench_end(&bench);
}

TEST(a_private_image_is_for_those_who_may)
{
	struct bench bench;

	bench_begin(&bench, "NeverVerifyPreloadedImages");
	secrets[0] = (struct fake_secret){ "login", "u1", "right" };
	ensure(&bench, "pulled", "reg.io/a:1", "IfNotPresent", "login", "Pulling Pulled ", "");
	CHECK("its record", has(&bench, "{\"reg.io/a\":{\"kubernetesSecrets\":[{\"uid\":\"u1\",\"namespace\":\"ns\","
					"\"name\":\"login\",\"credentialHash\":\""));

	for (int i = 0; i < 2; i++) {
		ensure(&bench, "the same secret", "reg.io/a:1", "Never", "login", "Pulled ", "");
		ensure(&bench, "no secret", "reg.io/a:1", "Never", NULL, "ErrImageNeverPull ", "ErrImageNeverPull");
		CHECK_STR("as if it were not there", bench.message,
			  "Container image \"reg.io/a:1\" is not present with pull policy of Never");
		secrets[1] = (struct fake_secret){ "wrong", "u2", "wrong" };
		ensure(&bench, "another secret", "reg.io/a:1", "Never", "wrong", "ErrImageNeverPull ",
		       "ErrImageNeverPull");
		fake_fail(CRI_PULL_IMAGE, -EACCES, "rpc error: code = Unknown desc = no", 1);
		ensure(&bench, "which the registry refuses", "reg.io/a:1", "IfNotPresent", "wrong", "Pulling Failed ",
		       "ErrImagePull");
		CHECK_STR("no intent is left", content(&bench, "pulling", "reg.io/a:1"), "none");
		CHECK("nothing is recorded", !has(&bench, "\"u2\""));
		restart(&bench);
	}

	secrets[1] = (struct fake_secret){ "copy", "u3", "right" };
	ensure(&bench, "a copy of the secret", "reg.io/a:1", "Never", "copy", "Pulled ", "");
	CHECK("is recorded", has(&bench, "\"u3\"") && has(&bench, "\"u1\""));
	secrets[0].password = "rotated";
	ensure(&bench, "new contents", "reg.io/a:1", "Never", "login", "Pulled ", "");
	secrets[1] = (struct fake_secret){ "copy2", "u4", "rotated" };
	ensure(&bench, "and their copy", "reg.io/a:1", "Never", "copy2", "Pulled ", "");
	secrets[0].uid = "u5";
	secrets[0].password = "made anew";
	ensure(&bench, "a secret of that name made anew", "reg.io/a:1", "Never", "login", "ErrImageNeverPull ",
	       "ErrImageNeverPull");
	ensure(&bench, "which the registry takes", "reg.io/a:1", "IfNotPresent", "login", "Pulling Pulled ", "");
	ensure(&bench, "is recorded by that", "reg.io/a:1", "Never", "login", "Pulled ", "");
	bench_end(&bench);
}

TEST(an_image_that_was_there_before)
{
	static const struct row {
		const char *policy, *want;
	} rows[] = {
		{ "NeverVerify", "" },
		{ "NeverVerifyPreloadedImages", "" },
		{ "NeverVerifyAllowlistedImages", "ErrImageNeverPull" },
		{ "AlwaysVerify", "ErrImageNeverPull" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bench bench;

		bench_begin(&bench, rows[i].policy);
		fake.images[fake.n_images++] = "reg.io/a:1";
		ensure(&bench, rows[i].policy, "reg.io/a:1", "Never", NULL,
		       *rows[i].want ? "ErrImageNeverPull " : "Pulled ", rows[i].want);
		bench_end(&bench);
	}
}

TEST(what_a_killed_kubelet_left)
{
	static const char intent[] = "{\"kind\":\"ImagePullIntent\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\","
				     "\"image\":\"%s\"}\n";
	struct bench bench;

	bench_begin(&bench, "NeverVerifyPreloadedImages");
	settle(&bench);
	fake.images[fake.n_images++] = "reg.io/a:1";
	fake.images[fake.n_images++] = "reg.io/b:1";
	fake.images[fake.n_images++] = "docker.io/library/c:latest";
	write_file(&bench, "pulling", "reg.io/a:1", arena_printf(bench.arena, intent, "reg.io/a:1"));
	write_file(&bench, "pulling", "c", arena_printf(bench.arena, intent, "c"));
	write_file(&bench, "pulling", "reg.io/gone:1", arena_printf(bench.arena, intent, "reg.io/gone:1"));
	fake.images[0] = "reg.io/a:1";
	restart(&bench);
	ensure(&bench, "it was pulled, nobody knows for whom", "reg.io/a:1", "Never", NULL, "ErrImageNeverPull ",
	       "ErrImageNeverPull");
	CHECK_STR("the intent became", content(&bench, "pulling", "reg.io/a:1"), "none");
	CHECK("a record", has(&bench, "\"imageRef\":\"sha256:abc\"}\n"));
	CHECK("what is not there may come", strcmp(content(&bench, "pulling", "reg.io/gone:1"), "none") != 0);
	CHECK("names are taken as written", strcmp(content(&bench, "pulling", "c"), "none") != 0);
	ensure(&bench, "pulled by this one", "reg.io/a:1", "IfNotPresent", NULL, "Pulling Pulled ", "");
	ensure(&bench, "so it is known", "reg.io/a:1", "Never", NULL, "Pulled ", "");
	bench_end(&bench);
}

TEST(files_that_cannot_be_read)
{
	static const char *const garbage[] = { "", "{", "{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}" };

	for (size_t i = 0; i <= ARRAY_LEN(garbage); i++) {
		struct bench bench;

		bench_begin(&bench, "NeverVerify");
		fake.images[fake.n_images++] = "reg.io/a:1";
		if (i < ARRAY_LEN(garbage)) {
			write_file(&bench, "pulled", "sha256:abc", garbage[i]);
		} else {
			_cleanup_free_ char *large = xcalloc(1, PULL_RECORD_MAX + 2);

			memset(large, ' ', PULL_RECORD_MAX + 1);
			write_file(&bench, "pulled", "sha256:abc", large);
		}
		restart(&bench);
		ensure(&bench, "nobody knows", "reg.io/a:1", "Never", NULL, "ErrImageNeverPull ", "ErrImageNeverPull");
		ensure(&bench, "a pull tells", "reg.io/a:1", "IfNotPresent", NULL, "Pulling Pulled ", "");
		ensure(&bench, "and is written", "reg.io/a:1", "Never", NULL, "Pulled ", "");
		write_file(&bench, "pulled", "sha256:abc", "{");
		unlink(path_of(&bench, "pulled", "sha256:abc"));
		write_file(&bench, "pulling", "reg.io/a:1", "{");
		ensure(&bench, "an intent, neither", "reg.io/a:1", "Never", NULL, "ErrImageNeverPull ",
		       "ErrImageNeverPull");
		bench_end(&bench);
	}
}

/* Records of older versions are taken over; what is not ours is left alone. */
TEST(files_of_others)
{
	struct bench bench;
	struct err err = { 0 };

	bench_begin(&bench, "NeverVerifyPreloadedImages");
	settle(&bench);
	const char *other = arena_printf(bench.arena, "%s/pulled/README", bench.records);
	const char *folder = arena_printf(bench.arena, "%s/pulled/sha256-folder/x", bench.records);
	const char *half = arena_printf(bench.arena, "%s.tmp", path_of(&bench, "pulled", "sha256:abc"));

	fake.images[fake.n_images++] = "reg.io/a:1";
	write_file(&bench, "pulled", "sha256:abc",
		   "{\"kind\":\"ImagePulledRecord\",\"apiVersion\":\"kubelet.config.k8s.io/v1alpha1\","
		   "\"lastUpdatedTime\":\"2024-10-21T12:26:40Z\",\"imageRef\":\"sha256:abc\",\"credentialMapping\":{"
		   "\"reg.io/a\":{\"nodePodsAccessible\":true}}}");
	CHECK_OK(dir_make_all(folder, 0700, &err), &err);
	CHECK_OK(file_replace(other, "x", 1, 0600, &err), &err);
	CHECK_OK(file_replace(half, "{", 1, 0600, &err), &err);
	restart(&bench);
	ensure(&bench, "for all", "reg.io/a:1", "Never", NULL, "Pulled ", "");
	CHECK_STR("written anew", content(&bench, "pulled", "sha256:abc"),
		  "{\"kind\":\"ImagePulledRecord\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\","
		  "\"lastUpdatedTime\":\"2024-10-21T12:26:40Z\",\"imageRef\":\"sha256:abc\",\"credentialMapping\":{"
		  "\"reg.io/a\":{\"nodePodsAccessible\":true}}}\n");
	CHECK_INT("still there", access(other, F_OK), ==, 0);
	CHECK_INT("still there", access(folder, F_OK), ==, 0);
	bench_end(&bench);
}

TEST(no_pull_without_its_intent)
{
	struct bench bench;
	struct err err = { 0 };

	bench_begin(&bench, "NeverVerifyPreloadedImages");
	settle(&bench);
	CHECK_OK(dir_remove_all(bench.records, &err), &err);
	CHECK_OK(file_replace(bench.records, "", 0, 0600, &err), &err);
	ensure(&bench, "no folder", "reg.io/a:1", "IfNotPresent", NULL, "",
	       arena_printf(bench.arena, "failed to record image pull intent: cannot create %s.tmp: not a directory",
			    path_of(&bench, "pulling", "reg.io/a:1")));
	CHECK("message", str_has_prefix(bench.message, "Failed to record image pull intent for container image "
						       "\"reg.io/a:1\": failed to record image pull intent: "));
	CHECK_STR("nothing was asked", buf_text(&fake.calls), "");
	bench_end(&bench);
}

TEST(cancelled_pulls_leave_no_intent)
{
	struct bench bench;

	/* Cancelled at each of the first steps; later ones find it ended. */
	for (int turns = 0; turns < 12; turns++) {
		bench_begin(&bench, "NeverVerifyPreloadedImages");
		settle(&bench);
		struct task *task = begin(&bench, "reg.io/a:1", "IfNotPresent", NULL);

		for (int i = 0; i < turns && !bench.ended; i++) {
			loop_post(bench.loop, (void (*)(void *))loop_stop, bench.loop);
			loop_run(bench.loop);
		}
		if (!bench.ended) {
			task_cancel(task);
			while (!bench.ended)
				loop_run(bench.loop);
		}
		CHECK_STR("no intent", content(&bench, "pulling", "reg.io/a:1"), "none");
		CHECK("cancelled, or through", bench.code == -ECANCELED || bench.code == 0);
		bench_end(&bench);
	}
}

/* Two pods pull the same image: the intent goes with the last. */
static void stored(void *owner, const void *result, const struct err *err)
{
	CHECK("no error", !err);
	loop_stop(owner);
}

TEST(the_last_pull_takes_the_intent_away)
{
	struct bench bench;

	bench_begin(&bench, "NeverVerifyPreloadedImages");
	settle(&bench);
	struct pull_store *store = pull_store_new(bench.loop, bench.records);
	struct pull_job a = { .arena = bench.arena, .image = "reg.io/a:1", .ref = "sha256:abc" }, b = a, look = a;

	pull_store_begin(store, &a, stored, bench.loop);
	loop_run(bench.loop);
	pull_store_begin(store, &b, stored, bench.loop);
	loop_run(bench.loop);
	pull_store_end(store, &a, stored, bench.loop);
	loop_run(bench.loop);
	CHECK("still there", strcmp(content(&bench, "pulling", "reg.io/a:1"), "none") != 0);
	pull_store_look(store, &look, stored, bench.loop);
	loop_run(bench.loop);
	CHECK("known", look.known.intent && !look.known.record && !look.known.unreadable);
	b.pulled = true;
	b.credentials = pull_credentials(NULL, bench.arena);
	pull_store_end(store, &b, stored, bench.loop);
	loop_run(bench.loop);
	CHECK_STR("gone", content(&bench, "pulling", "reg.io/a:1"), "none");
	pull_store_look(store, &look, stored, bench.loop);
	loop_run(bench.loop);
	CHECK("recorded", !look.known.intent && look.known.record && !look.known.unreadable);
	pull_store_free(store);
	bench_end(&bench);
}
