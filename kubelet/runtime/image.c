/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images of containers: pull policy, queue, rate, credentials, back-off. Rules and texts as in the stock kubelet
 * (v1.37, pkg/kubelet/images).
 */
#include <inttypes.h>
#include <string.h>

#include "kubelet/object/object.h"
#include "kubelet/runtime/action.h"
#include "kubelet/runtime/image.h"
#include "kubelet/runtime/pull_store.h"
#include "kubelet/runtime/pullsecret.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/map.h"
#include "pkg/base/rate.h"
#include "pkg/codec/duration.h"
#include "pkg/codec/imageref.h"
#include "pkg/codec/pb.h"

enum { TELL_BACKOFF_MS = 1000 }; /* about when stock looks again: the status it wrote comes back to it */

struct images {
	struct runtime *runtime;
	struct map *backoffs; /* "<pod uid>_<image>" to struct image_backoff */
	struct list waiting;  /* pulls that wait for their turn */
	size_t n_pulling;
	struct rate rate;

	struct pull_store *store; /* who may use which image; NULL: everyone all */
	struct pull_policy policy;
	bool adopting;        /* what an earlier kubelet left is looked at first */
	struct list starting; /* waits for that */
};

struct ensure {
	struct action action;
	const Core__Pod *pod;
	const Core__Container *container;
	struct image_result result;
	struct imageref ref;
	const char *image; /* with its tag */
	Cri__ImageSpec *spec;

	size_t secret_at;
	const char *missing_secrets; /* names, for the event */
	struct pullsecret *secrets;
	const struct pullsecret **credentials;
	size_t n_credentials, credential_at;
	const char *errors; /* of the credentials that did not work */
	size_t n_errors;

	struct pull_job job;
	bool present;       /* it is there: may the pod have it? */
	bool secrets_known; /* credentials are complete */
	bool has_intent;    /* to be ended */

	struct list waiting; /* on images->waiting or images->starting */
	struct task turn;    /* stands for the wait for a turn */
	bool pulling;
	int64_t asked_ms, pull_ms;
};

static void adopted(void *owner, const void *result, const struct err *err);

struct images *images_new(struct runtime *runtime)
{
	const struct runtime_options *options = &runtime->options;
	struct images *images = xcalloc(1, sizeof *images);

	images->runtime = runtime;
	images->backoffs = map_new();
	list_init(&images->waiting);
	list_init(&images->starting);
	if (options->image_records_dir) {
		images->policy = (struct pull_policy){ pull_verify_of(options->image_verification),
						       options->image_allowlist, options->n_image_allowlist };
		images->store = pull_store_new(options->loop, options->image_records_dir);
		images->adopting = true;
		pull_adopt(runtime, images->store, adopted, images);
	}
	images->rate = (struct rate){ .per_second = runtime->options.registry_pull_qps,
				      .burst = runtime->options.registry_burst,
				      .left = runtime->options.registry_burst };
	return images;
}

void images_free(struct images *images)
{
	size_t at = 0;
	const char *key;
	void *value;

	while (map_next(images->backoffs, &at, &key, &value))
		free(value);
	map_free(images->backoffs);
	pull_store_free(images->store);
	free(images);
}

static struct ensure *ensure_of(struct action *action)
{
	return container_of(action, struct ensure, action);
}

static int64_t now_ms(struct ensure *ensure)
{
	return loop_now_ms(ensure->action.runtime->options.loop);
}

static void start_waiting(struct images *images);

static void ended(void *owner, const void *result, const struct err *err)
{
	struct ensure *ensure = ensure_of(owner);

	action_end_with(&ensure->action, &ensure->result);
}

static void end(struct ensure *ensure)
{
	struct images *images = ensure->action.runtime->images;

	if (ensure->pulling) {
		ensure->pulling = false;
		images->n_pulling--;
		start_waiting(images);
	}
	if (ensure->has_intent)
		ensure->action.step = pull_store_end(images->store, &ensure->job, ended, &ensure->action);
	else
		ended(&ensure->action, NULL, NULL);
}

/* Like action_goes_on(), but a pull gives its turn back and its intent up. */
static bool goes_on(struct ensure *ensure)
{
	ensure->action.step = NULL;
	if (!ensure->action.cancelled)
		return true;
	err_canceled(&ensure->action.err);
	end(ensure);
	return false;
}

static void fail(struct ensure *ensure, int code, const char *reason, const char *message)
{
	ensure->result.reason = reason;
	ensure->result.message = arena_strdup(ensure->action.arena, message);
	err_set(&ensure->action.err, code, "%s: %s", reason, message);
	end(ensure);
}

/* ---- after the image is there ---- */

static void set_user(struct ensure *ensure, const Cri__Image *image)
{
	struct runtime_request_image *made = &ensure->result.image;

	made->has_uid = image->uid != NULL || str_empty(image->username); /* neither: root */
	made->uid = image->uid ? image->uid->value : 0;
	made->username = image->uid ? "" : arena_text(ensure->action.arena, image->username);
}

static void ask_status(struct ensure *ensure, task_done_fn *done)
{
	Cri__ImageStatusRequest request = CRI__IMAGE_STATUS_REQUEST__INIT;

	request.image = ensure->spec;
	action_call(&ensure->action, CRI_IMAGE_STATUS, &request.base, 0, done);
}

static void pulled_status(void *owner, const void *result, const struct err *err)
{
	struct ensure *ensure = ensure_of(owner);
	const Cri__ImageStatusResponse *status = result;
	struct images *images = ensure->action.runtime->images;
	char pull[DURATION_TEXT_MAX], whole[DURATION_TEXT_MAX];
	int64_t now = now_ms(ensure);

	if (!goes_on(ensure))
		return;
	duration_format((now - ensure->pull_ms) * NS_PER_MS, pull);
	duration_format((now - ensure->asked_ms) * NS_PER_MS, whole);
	action_event(&ensure->action, ensure->pod, ensure->container, "Normal", "Pulled",
		     "Successfully pulled image \"%s\" in %s (%s including waiting). Image size: %" PRIu64 " bytes.",
		     ensure->container->image, pull, whole, status && status->image ? status->image->size : 0);
	image_backoff_collect(images->backoffs, now);
	if (!status || !status->image) {
		/* Pulled, and not there: without its user the container must not be made. */
		fail(ensure, -ENOENT, "ImageInspectError",
		     err ? err->text
			 : arena_printf(ensure->action.arena, "image \"%s\" is gone after its pull", ensure->image));
		return;
	}
	set_user(ensure, status->image);
	end(ensure);
}

/* ---- pulling ---- */

static void pull_failed(struct ensure *ensure, const char *text)
{
	struct images *images = ensure->action.runtime->images;
	struct arena *arena = ensure->action.arena;
	struct image_failure failure;

	action_event(&ensure->action, ensure->pod, ensure->container, "Warning", "Failed",
		     "Failed to pull image \"%s\": %s", ensure->container->image, text);
	if (ensure->missing_secrets)
		action_event(&ensure->action, ensure->pod, NULL, "Warning", "FailedToRetrieveImagePullSecret",
			     "Unable to retrieve some image pull secrets (%s); attempting to pull the image may not "
			     "succeed.",
			     ensure->missing_secrets);
	image_failure(ensure->container->image, text, arena, &failure);
	image_backoff_failed(images->backoffs,
			     arena_printf(arena, "%s_%s", ensure->pod->metadata->uid, ensure->container->image),
			     arena_printf(arena, "%s: %s", failure.reason, failure.message), now_ms(ensure));
	/* Asked again at once, the pod says that it waits, and for how long: ImagePullBackOff. */
	ensure->result.retry_after_ms = TELL_BACKOFF_MS;
	fail(ensure, -EREMOTEIO, failure.reason, failure.message);
}

static void pull_next(struct ensure *ensure);

/* Several failures are shown as a list, as Go joins them. */
static void keep_error(struct ensure *ensure, const struct err *err)
{
	struct arena *arena = ensure->action.arena;
	const char *text =
		str_has_prefix(err->text, "rpc error: code = Unknown ") ? action_plain(err->text) : err->text;

	ensure->errors =
		ensure->n_errors++ ? arena_printf(arena, "%s, %s", ensure->errors, text) : arena_strdup(arena, text);
}

/* With what it was pulled, for the record that is written at the end. */
static void note_pull(struct ensure *ensure)
{
	struct pull_job *job = &ensure->job;

	job->pulled = true;
	job->ref = ensure->result.image.ref;
	job->credentials = pull_credentials(
		ensure->n_credentials ? ensure->credentials[ensure->credential_at]->source : NULL, job->arena);
}

static void pull_done(void *owner, const void *result, const struct err *err)
{
	struct ensure *ensure = ensure_of(owner);
	const Cri__PullImageResponse *pulled = result;
	struct arena *arena = ensure->action.arena;
	struct err empty;

	if (!goes_on(ensure))
		return;
	if (!err && str_empty(pulled->image_ref)) {
		err_set(&empty, -EBADMSG, "imageRef of image \"%s\" is not set", ensure->image);
		err = &empty;
	}
	if (!err) {
		ensure->result.image.ref = arena_strdup(arena, pulled->image_ref);
		note_pull(ensure);
		ask_status(ensure, pulled_status);
		return;
	}
	keep_error(ensure, err);
	if (++ensure->credential_at < ensure->n_credentials)
		pull_next(ensure);
	else
		pull_failed(ensure,
			    ensure->n_errors > 1 ? arena_printf(arena, "[%s]", ensure->errors) : ensure->errors);
}

static void pull_next(struct ensure *ensure)
{
	struct arena *arena = ensure->action.arena;
	Cri__PullImageRequest request = CRI__PULL_IMAGE_REQUEST__INIT;
	const Meta__ObjectMeta *meta = ensure->pod->metadata;

	request.image = ensure->spec;
	request.sandbox_config = PB_NEW(arena, Cri__PodSandboxConfig, cri__pod_sandbox_config__descriptor);
	request.sandbox_config->metadata =
		PB_NEW(arena, Cri__PodSandboxMetadata, cri__pod_sandbox_metadata__descriptor);
	request.sandbox_config->metadata->name = arena_text(arena, meta->name);
	request.sandbox_config->metadata->namespace_ = arena_text(arena, meta->namespace_);
	request.sandbox_config->metadata->uid = arena_text(arena, meta->uid);
	if (ensure->n_credentials) {
		const struct pullsecret *credential = ensure->credentials[ensure->credential_at];

		request.auth = PB_NEW(arena, Cri__AuthConfig, cri__auth_config__descriptor);
		request.auth->username = arena_strdup(arena, credential->username);
		request.auth->password = arena_strdup(arena, credential->password);
	}
	action_call(&ensure->action, CRI_PULL_IMAGE, &request.base, 0, pull_done);
}

static bool has_room(const struct images *images)
{
	const struct runtime_options *options = &images->runtime->options;

	if (options->serialize_image_pulls)
		return images->n_pulling == 0;
	return options->max_parallel_image_pulls <= 0 || images->n_pulling < (size_t)options->max_parallel_image_pulls;
}

static void start_waiting(struct images *images)
{
	while (!list_empty(&images->waiting) && has_room(images)) {
		struct ensure *ensure = list_first(&images->waiting, struct ensure, waiting);

		list_remove(&ensure->waiting);
		ensure->action.step = NULL;
		ensure->pulling = true;
		images->n_pulling++;
		ensure->pull_ms = now_ms(ensure);
		if (rate_take(&images->rate, ensure->pull_ms))
			pull_next(ensure);
		else
			pull_failed(ensure, "pull QPS exceeded");
	}
}

static void turn_gone(void *arg)
{
	goes_on(arg);
}

static void cancel_turn(struct task *task)
{
	struct ensure *ensure = container_of(task, struct ensure, turn);

	if (list_empty(&ensure->waiting))
		return;
	list_remove(&ensure->waiting);
	loop_post(ensure->action.runtime->options.loop, turn_gone, ensure);
}

static void wait_for_turn(struct ensure *ensure)
{
	struct images *images = ensure->action.runtime->images;

	action_event(&ensure->action, ensure->pod, ensure->container, "Normal", "Pulling", "Pulling image \"%s\"",
		     ensure->container->image);
	ensure->asked_ms = now_ms(ensure);
	ensure->turn.cancel = cancel_turn;
	ensure->action.step = &ensure->turn;
	list_append(&images->waiting, &ensure->waiting);
	start_waiting(images);
}

static void intended(void *owner, const void *result, const struct err *err)
{
	struct ensure *ensure = ensure_of(owner);

	ensure->has_intent = !err;
	if (!goes_on(ensure))
		return;
	if (err)
		fail(ensure, err->code, arena_strdup(ensure->action.arena, err->text),
		     arena_printf(ensure->action.arena,
				  "Failed to record image pull intent for container image \"%s\": %s",
				  ensure->container->image, err->text));
	else
		wait_for_turn(ensure);
}

static void want_pull(struct ensure *ensure)
{
	struct images *images = ensure->action.runtime->images;
	struct arena *arena = ensure->action.arena;
	const char *key = arena_printf(arena, "%s_%s", ensure->pod->metadata->uid, ensure->container->image);
	const char *before = NULL;
	int64_t left = image_backoff_left(images->backoffs, key, now_ms(ensure), &before);

	if (left > 0) {
		const char *message = arena_printf(arena, "Back-off pulling image \"%s\"", ensure->container->image);

		action_event(&ensure->action, ensure->pod, ensure->container, "Normal", "BackOff", "%s", message);
		ensure->result.retry_after_ms = left;
		fail(ensure, -EAGAIN, "ImagePullBackOff",
		     before ? arena_printf(arena, "%s: %s", message, before) : message);
		return;
	}
	if (images->store)
		ensure->action.step = pull_store_begin(images->store, &ensure->job, intended, &ensure->action);
	else
		wait_for_turn(ensure);
}

/* ---- pull secrets ---- */

static void next_secret(struct ensure *ensure);
static void decide(struct ensure *ensure);

static void miss_secret(struct ensure *ensure)
{
	const char *name = str_or(ensure->pod->spec->imagepullsecrets[ensure->secret_at]->name, "");

	ensure->missing_secrets = ensure->missing_secrets
					  ? arena_printf(ensure->action.arena, "%s, %s", ensure->missing_secrets, name)
					  : name;
}

static void secret_done(void *owner, const void *result, const struct err *err)
{
	struct ensure *ensure = ensure_of(owner);
	struct err broken;

	if (!goes_on(ensure))
		return;
	if (err) {
		miss_secret(ensure);
	} else if (pullsecret_read(result, ensure->action.arena, &ensure->secrets, &broken) < 0) {
		fail(ensure, broken.code, "ErrImagePull", broken.text);
		return;
	}
	ensure->secret_at++;
	next_secret(ensure);
}

static void next_secret(struct ensure *ensure)
{
	const struct runtime_options *options = &ensure->action.runtime->options;
	const Core__PodSpec *spec = ensure->pod->spec;

	for (; ensure->secret_at < spec->n_imagepullsecrets; ensure->secret_at++) {
		const char *name = spec->imagepullsecrets[ensure->secret_at]->name;

		if (str_empty(name))
			continue; /* an old default service account may list one */
		ensure->action.step = objects_get(options->objects, OBJECT_SECRET, ensure->pod->metadata->namespace_,
						  name, secret_done, &ensure->action);
		return;
	}
	ensure->secrets_known = true;
	ensure->n_credentials = pullsecret_find(
		ensure->secrets, arena_printf(ensure->action.arena, "%s/%s", ensure->ref.domain, ensure->ref.path),
		ensure->action.arena, &ensure->credentials);
	if (ensure->present)
		decide(ensure);
	else
		want_pull(ensure);
}

/* ---- what is there ---- */

static void not_present(struct ensure *ensure)
{
	const char *message =
		arena_printf(ensure->action.arena, "Container image \"%s\" is not present with pull policy of Never",
			     ensure->container->image);

	action_event(&ensure->action, ensure->pod, ensure->container, "Warning", "ErrImageNeverPull", "%s", message);
	fail(ensure, -ENOENT, "ErrImageNeverPull", message);
}

static void take_present(struct ensure *ensure)
{
	action_event(&ensure->action, ensure->pod, ensure->container, "Normal", "Pulled",
		     "Container image \"%s\" already present on machine%s", ensure->container->image,
		     ensure->action.runtime->images->store ? " and can be accessed by the pod" : "");
	end(ensure);
}

static void learned(void *owner, const void *result, const struct err *err)
{
	struct ensure *ensure = ensure_of(owner);

	if (goes_on(ensure))
		take_present(ensure);
}

/* A pod that may not have a present image is told what it would be told without it. */
static void decide(struct ensure *ensure)
{
	struct images *images = ensure->action.runtime->images;
	struct arena *arena = ensure->action.arena;
	Config__ImagePullSecret **secrets = arena_alloc(arena, (ensure->n_credentials + 1) * sizeof *secrets);
	const Config__ImagePullSecret *new_one;

	for (size_t i = 0; i < ensure->n_credentials; i++)
		secrets[i] = ensure->credentials[i]->source;
	switch (pull_decide(&images->policy, ensure->container->image, &ensure->job.known, secrets,
			    ensure->n_credentials, ensure->secrets_known, &new_one)) {
	case PULL_ALLOWED:
		if (!new_one) {
			take_present(ensure);
			break;
		}
		ensure->job.credentials = pull_credentials(new_one, arena);
		ensure->action.step = pull_store_add(images->store, &ensure->job, learned, &ensure->action);
		break;
	case PULL_ASK:
		next_secret(ensure);
		break;
	case PULL_REFUSED:
		ensure->present = false;
		if (image_policy(ensure->container) == IMAGE_NEVER)
			not_present(ensure);
		else if (ensure->secrets_known)
			want_pull(ensure);
		else
			next_secret(ensure);
		break;
	}
}

static void looked(void *owner, const void *result, const struct err *err)
{
	struct ensure *ensure = ensure_of(owner);

	if (goes_on(ensure))
		decide(ensure);
}

static void take_or_ask(struct ensure *ensure)
{
	struct images *images = ensure->action.runtime->images;

	if (!images->store) {
		take_present(ensure);
		return;
	}
	ensure->present = true;
	ensure->job.ref = ensure->result.image.ref;
	ensure->action.step = pull_store_look(images->store, &ensure->job, looked, &ensure->action);
}

static void present_status(void *owner, const void *result, const struct err *err)
{
	struct ensure *ensure = ensure_of(owner);
	const Cri__ImageStatusResponse *status = result;
	struct arena *arena = ensure->action.arena;
	const char *message;

	if (!goes_on(ensure))
		return;
	if (err) {
		message = arena_printf(arena, "Failed to inspect image \"\": %s", err->text);
		action_event(&ensure->action, ensure->pod, ensure->container, "Warning", "InspectFailed", "%s",
			     message);
		fail(ensure, err->code, "ImageInspectError", message);
	} else if (status->image && !str_empty(status->image->id)) {
		ensure->result.image.ref = arena_strdup(arena, status->image->id);
		set_user(ensure, status->image);
		take_or_ask(ensure);
	} else if (image_policy(ensure->container) == IMAGE_NEVER) {
		not_present(ensure);
	} else {
		next_secret(ensure);
	}
}

static void begin_known(struct ensure *ensure)
{
	struct action *action = &ensure->action;
	const char *image = str_or(ensure->container->image, "");
	struct arena *arena = action->arena;
	struct err err = { 0 };

	if (imageref_parse(image, arena, &ensure->ref, &err) < 0) {
		const char *message =
			arena_printf(arena, "Failed to apply default image tag \"%s\": %s", image, err.text);

		action_event(action, ensure->pod, ensure->container, "Warning", "InspectFailed", "%s", message);
		fail(ensure, -EINVAL, "InvalidImageName", message);
		return;
	}
	ensure->image = image_with_tag(image, &ensure->ref, arena);
	ensure->spec = PB_NEW(arena, Cri__ImageSpec, cri__image_spec__descriptor);
	ensure->spec->image = arena_strdup(arena, ensure->image);
	for (size_t i = 0; i < ensure->pod->metadata->n_annotations; i++) {
		Cri__ImageSpec__AnnotationsEntry *entry =
			PB_NEW(arena, Cri__ImageSpec__AnnotationsEntry, cri__image_spec__annotations_entry__descriptor);

		entry->key = ensure->pod->metadata->annotations[i]->key;
		entry->value = (char *)(uintptr_t)str_or(ensure->pod->metadata->annotations[i]->value, "");
		PB_APPEND(arena, ensure->spec, annotations, entry);
	}
	if (image_policy(ensure->container) == IMAGE_ALWAYS)
		next_secret(ensure);
	else
		ask_status(ensure, present_status);
}

static void begin(struct action *action)
{
	struct ensure *ensure = ensure_of(action);
	struct images *images = action->runtime->images;

	if (!images->adopting) {
		begin_known(ensure);
		return;
	}
	ensure->turn.cancel = cancel_turn;
	action->step = &ensure->turn;
	list_append(&images->starting, &ensure->waiting);
}

static void adopted(void *owner, const void *result, const struct err *err)
{
	struct images *images = owner;

	images->adopting = false;
	while (!list_empty(&images->starting)) {
		struct ensure *ensure = list_first(&images->starting, struct ensure, waiting);

		list_remove(&ensure->waiting);
		ensure->action.step = NULL;
		begin_known(ensure);
	}
}

struct task *image_ensure(struct runtime *runtime, const Core__Pod *pod, const Core__Container *container,
			  task_done_fn *done, void *owner)
{
	struct ensure *ensure = action_new(runtime, sizeof *ensure, begin, done, owner);

	ensure->pod = pod;
	ensure->container = container;
	ensure->result = (struct image_result){ .image = { .ref = "", .username = "" }, .reason = "", .message = "" };
	ensure->job.arena = ensure->action.arena;
	ensure->job.image = str_or(container->image, "");
	list_init(&ensure->waiting);
	return &ensure->action.task;
}
