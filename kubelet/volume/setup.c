/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setting up the volumes of a pod, one after the other. For each: fetch what it shows (objects, tokens) on the loop,
 * then do the file work on the pool.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kubelet/cm/resources.h"
#include "kubelet/object/object.h"
#include "kubelet/volume/atomic_writer.h"
#include "kubelet/volume/internal.h"
#include "kubelet/volume/ownership.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/base/rate.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/quantity.h"
#include "pkg/loop/child.h"
#include "pkg/sys/mount.h"

enum { HOST_PATH_TIMEOUT_MS = 30000 }; /* a file system that answers at all answers far sooner */

/* One thing that a volume shows; what it needs of the API has been fetched before `add` is called. */
struct part {
	enum { PART_CONFIGMAP, PART_SECRET, PART_DOWNWARD, PART_TOKEN } kind;
	const char *name; /* of the object */
	bool optional;
	Core__KeyToPath **items;
	size_t n_items;
	Core__DownwardAPIVolumeFile **downward;
	size_t n_downward;
	const Core__ServiceAccountTokenProjection *token;
	ProtobufCMessage *object; /* fetched; NULL: not there, and that is fine */
	const char *token_text;
	const struct err *why; /* it could not be had; in a projected volume, which tells all that is wrong */
};

struct setup {
	struct task task;
	struct volumes *volumes;
	struct arena *arena; /* the pod, and everything of the volume that is being set up */
	Core__Pod *pod;
	task_done_fn *done;
	void *owner;
	struct task *step;
	bool canceled;

	size_t at; /* the volume */
	struct part *parts;
	size_t n_parts, at_part;
	uint32_t mode;
	char path[PATH_MAX];
	struct err work_err; /* of the file work */

	struct err first; /* the pod's failure; code 0: none */
	int64_t retry_after_ms;
};

static const Core__Volume *current(const struct setup *setup)
{
	return setup->pod->spec->volumes[setup->at];
}

/* ---- back-off ---- */

static char *failing_key(const struct setup *setup)
{
	return xasprintf("%s/%s", setup->pod->metadata->uid, current(setup)->name);
}

static void volume_worked(struct setup *setup)
{
	_cleanup_free_ char *key = failing_key(setup);

	free(map_remove(setup->volumes->failing, key));
}

static void volume_failed(struct setup *setup, const struct err *why)
{
	_cleanup_free_ char *key = failing_key(setup);
	struct failing *failing = map_get(setup->volumes->failing, key);
	const struct volumes_options *options = &setup->volumes->options;
	struct err err;

	if (!failing) {
		failing = xcalloc(1, sizeof *failing);
		map_set(setup->volumes->failing, key, failing);
	}
	failing->delay_ms = rate_back_off(failing->delay_ms, VOLUMES_RETRY_FIRST_MS, VOLUMES_RETRY_MAX_MS);
	failing->until_ms = loop_now_ms(options->loop) + failing->delay_ms;
	err_set(&err, why->code, "MountVolume.SetUp failed for volume \"%s\" : %s", current(setup)->name, why->text);
	failing->err = err;
	if (options->event)
		options->event(options->event_owner, setup->pod, NULL, "Warning", "FailedMount", err.text);
	if (setup->first.code == 0)
		setup->first = err;
	setup->retry_after_ms =
		setup->retry_after_ms ? MIN(setup->retry_after_ms, failing->delay_ms) : failing->delay_ms;
}

/* In back-off the failure of the last try stands. */
static bool must_wait(struct setup *setup)
{
	_cleanup_free_ char *key = failing_key(setup);
	const struct failing *failing = map_get(setup->volumes->failing, key);
	int64_t left = failing ? failing->until_ms - loop_now_ms(setup->volumes->options.loop) : 0;

	if (left <= 0)
		return false;
	if (setup->first.code == 0)
		setup->first = failing->err;
	setup->retry_after_ms = setup->retry_after_ms ? MIN(setup->retry_after_ms, left) : left;
	return true;
}

/* ---- what a volume shows ---- */

static struct part *add_part(struct setup *setup, int kind)
{
	struct part *part = &setup->parts[setup->n_parts++];

	part->kind = kind;
	return part;
}

static void add_object(struct setup *setup, int kind, const char *name, bool optional, Core__KeyToPath **items,
		       size_t n_items)
{
	struct part *part = add_part(setup, kind);

	part->name = str_or(name, "");
	part->optional = optional;
	part->items = items;
	part->n_items = n_items;
}

static void add_downward(struct setup *setup, Core__DownwardAPIVolumeFile **items, size_t n)
{
	struct part *part = add_part(setup, PART_DOWNWARD);

	part->downward = items;
	part->n_downward = n;
}

static const char *name_of(const Core__LocalObjectReference *reference)
{
	return reference ? reference->name : NULL;
}

static void add_projection(struct setup *setup, const Core__VolumeProjection *source)
{
	if (source->configmap)
		add_object(setup, PART_CONFIGMAP, name_of(source->configmap->localobjectreference),
			   source->configmap->optional, source->configmap->items, source->configmap->n_items);
	if (source->secret)
		add_object(setup, PART_SECRET, name_of(source->secret->localobjectreference), source->secret->optional,
			   source->secret->items, source->secret->n_items);
	if (source->downwardapi)
		add_downward(setup, source->downwardapi->items, source->downwardapi->n_items);
	if (source->serviceaccounttoken)
		add_part(setup, PART_TOKEN)->token = source->serviceaccounttoken;
}

static uint32_t mode_or(bool given, int32_t mode)
{
	return given ? (uint32_t)mode & 07777 : PAYLOAD_MODE;
}

/* Fills setup->parts and the default mode. */
static void list_parts(struct setup *setup)
{
	const Core__VolumeSource *source = current(setup)->volumesource;
	size_t most = source->projected ? source->projected->n_sources * 4 : 1;

	setup->parts = arena_alloc(setup->arena, MAX(most, (size_t)1) * sizeof *setup->parts);
	setup->n_parts = setup->at_part = 0;
	if (source->configmap) {
		setup->mode = mode_or(source->configmap->has_defaultmode, source->configmap->defaultmode);
		add_object(setup, PART_CONFIGMAP, name_of(source->configmap->localobjectreference),
			   source->configmap->optional, source->configmap->items, source->configmap->n_items);
	} else if (source->secret) {
		setup->mode = mode_or(source->secret->has_defaultmode, source->secret->defaultmode);
		add_object(setup, PART_SECRET, source->secret->secretname, source->secret->optional,
			   source->secret->items, source->secret->n_items);
	} else if (source->downwardapi) {
		setup->mode = mode_or(source->downwardapi->has_defaultmode, source->downwardapi->defaultmode);
		add_downward(setup, source->downwardapi->items, source->downwardapi->n_items);
	} else {
		setup->mode = mode_or(source->projected->has_defaultmode, source->projected->defaultmode);
		for (size_t i = 0; i < source->projected->n_sources; i++)
			add_projection(setup, source->projected->sources[i]);
	}
}

static int put_token(struct setup *setup, const struct part *part, struct payload *payload, struct err *err)
{
	int64_t user = payload_pod_user(setup->pod);
	bool private = user >= 0 || payload_pod_group(setup->pod) >= 0;

	return payload_put(payload, str_or(part->token->path, "token"), part->token_text, strlen(part->token_text),
			   private ? PAYLOAD_SECRET_MODE : setup->mode, user, err);
}

static int fill_part(struct setup *setup, const struct part *part, struct payload *payload, struct err *err)
{
	if (part->why) {
		*err = *part->why;
		return err->code;
	}
	switch (part->kind) {
	case PART_CONFIGMAP:
		return payload_add_configmap(payload, (const Core__ConfigMap *)part->object, part->items, part->n_items,
					     setup->mode, part->optional, err);
	case PART_SECRET:
		return payload_add_secret(payload, (const Core__Secret *)part->object, part->items, part->n_items,
					  setup->mode, part->optional, err);
	case PART_DOWNWARD:
		return payload_add_downward(payload, part->downward, part->n_downward, setup->pod,
					    &setup->volumes->options.allocatable, setup->mode, err);
	case PART_TOKEN:
		return put_token(setup, part, payload, err);
	}
	base_bug("no such part");
}

static int fill_payload(struct setup *setup, struct payload *payload, struct err *err)
{
	struct complaints complaints = { 0 };
	int first = 0;

	for (size_t i = 0; i < setup->n_parts; i++) {
		int code = fill_part(setup, &setup->parts[i], payload, err);

		if (code < 0)
			complain(&complaints, err->text);
		first = first ? first : code;
	}
	return first ? complaints_tell(&complaints, first, err) : 0;
}

/* ---- file work, on the pool ---- */

/* How large a tmpfs may grow: what the pod may have, at most what all pods may. */
static int64_t memory_size(const struct setup *setup, const Core__Volume *volume)
{
	int64_t size = setup->volumes->options.allocatable.memory_bytes;
	int64_t of_pod = cm_pod_values(setup->pod, false, CM_PERIOD_US, -1).memory_bytes;
	const Core__EmptyDirVolumeSource *empty = volume->volumesource ? volume->volumesource->emptydir : NULL;
	int64_t limit = empty && empty->sizelimit ? quantity_text_value(empty->sizelimit->string) : 0;

	if (of_pod > 0)
		size = MIN(size, of_pod);
	return limit > 0 ? MIN(size, limit) : size;
}

/* The folder of a volume, open to all as its users are unknown, on a tmpfs if asked. */
static int make_folder(const struct setup *setup, bool in_memory, struct err *err)
{
	struct stat st;
	int code = dir_make_all(setup->path, 0755, err);

	if (code == 0 && in_memory) {
		code = mount_is_point(setup->path, err);
		if (code == 0)
			code = mount_tmpfs(setup->path, memory_size(setup, current(setup)), err);
		else if (code > 0)
			code = 0;
	}
	/* A tmpfs comes with the sticky bit, which stays as in stock: only other permissions are mended. */
	if (code == 0 && stat(setup->path, &st) == 0 && (st.st_mode & 0777) == 0777)
		return 0;
	if (code == 0 && chmod(setup->path, 0777) < 0)
		code = err_errno(err, "cannot change the mode of %s", setup->path);
	return code;
}

static int set_group(const struct setup *setup, struct err *err)
{
	int64_t group = payload_pod_group(setup->pod);
	const Core__PodSecurityContext *security = setup->pod->spec->securitycontext;
	bool only_on_mismatch = security && str_eq(security->fsgroupchangepolicy, "OnRootMismatch");

	if (group < 0 || (only_on_mismatch && ownership_root_matches(setup->path, group, false)))
		return 0;
	return ownership_set(setup->path, group, false, err);
}

static int make_nested(struct setup *setup, struct err *err)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	char **nested = payload_nested_mounts(setup->pod, current(setup)->name, arena);
	int code = 0;

	for (; nested && *nested && code == 0; nested++)
		code = dir_make_all(arena_printf(arena, "%s/%s", setup->path, *nested), 0755, err);
	return code;
}

/* Stock's marker that an emptyDir was made: what a container wrote there is not ours to touch again. */
static int setup_empty_dir(struct setup *setup, struct err *err)
{
	const Core__Volume *volume = current(setup);
	const Core__EmptyDirVolumeSource *empty = volume->volumesource ? volume->volumesource->emptydir : NULL;
	bool in_memory = empty && str_eq(empty->medium, "Memory");
	char pod_dir[PATH_MAX];
	int code = volumes_pod_dir(setup->volumes, setup->pod->metadata->uid, pod_dir, err);

	if (code < 0)
		return code;
	const char *marker_dir =
		arena_printf(setup->arena, "%s/plugins/kubernetes.io~empty-dir/%s", pod_dir, volume->name);
	const char *marker = arena_printf(setup->arena, "%s/ready", marker_dir);
	bool ready = access(marker, F_OK) == 0 && access(setup->path, F_OK) == 0;
	if (ready && (!in_memory || mount_is_point(setup->path, err) > 0))
		return 0;
	code = make_folder(setup, in_memory, err);
	if (code == 0)
		code = set_group(setup, err);
	if (code == 0)
		code = make_nested(setup, err);
	if (code == 0)
		code = dir_make_all(marker_dir, 0750, err);
	return code < 0 ? code : file_replace(marker, "", 0, 0644, err);
}

static int setup_payload(struct setup *setup, struct err *err)
{
	const Core__VolumeSource *source = current(setup)->volumesource;
	_cleanup_payload_ struct payload payload = { .arena = setup->arena };
	int64_t group = payload_pod_group(setup->pod);
	int code = fill_payload(setup, &payload, err);

	/* ConfigMaps are on disk, what may hold secrets is in memory. */
	if (code == 0)
		code = make_folder(setup, !source->configmap, err);
	if (code == 0)
		code = make_nested(setup, err);
	if (code == 0)
		code = atomic_write(setup->path, &payload, group, NULL, err);
	return code;
}

static void work(void *owner)
{
	struct setup *setup = owner;
	const Core__VolumeSource *source = current(setup)->volumesource;
	struct err *err = &setup->work_err;
	char pod_dir[PATH_MAX];

	err->code = 0;
	if (volumes_make_pod_dir(setup->volumes, setup->pod->metadata->uid, pod_dir, err) < 0 ||
	    volume_host_path(setup->volumes, setup->pod, current(setup)->name, setup->path, err) < 0)
		return;
	if (!source || source->emptydir)
		setup_empty_dir(setup, err);
	else
		setup_payload(setup, err);
}

/* ---- one volume after the other, on the loop ---- */

static void next_volume(struct setup *setup);

static void one_failed(struct setup *setup, const struct err *err)
{
	if (!setup->canceled) /* what was given up has not failed */
		volume_failed(setup, err);
	setup->at++;
	next_volume(setup);
}

static void work_done(void *owner, const void *result, const struct err *err)
{
	struct setup *setup = owner;

	(void)result;
	setup->step = NULL;
	if (err)
		setup->work_err = *err;
	if (setup->work_err.code) {
		one_failed(setup, &setup->work_err);
		return;
	}
	volume_worked(setup);
	setup->at++;
	next_volume(setup);
}

static void host_path_looked(void *owner, const void *result, const struct err *err)
{
	struct setup *setup = owner;
	const struct child_result *child = result;
	struct err said;

	setup->step = NULL;
	if (!err && child->exit_code == 0) {
		volume_worked(setup);
		setup->at++;
		next_volume(setup);
		return;
	}
	if (err)
		err_set(&said, err->code, "hostPath type check failed: %s", err->text);
	else
		err_set(&said, -EINVAL, "%s", child->err_size ? child->err : "the mount helper failed");
	one_failed(setup, &said);
}

/* In a child: the path may be on a file system that never answers. */
static void look_at_host_path(struct setup *setup)
{
	const Core__HostPathVolumeSource *source = current(setup)->volumesource->hostpath;
	const char *argv[] = { MOUNT_HELPER, HOST_PATH_VERB, source->type, str_or(source->path, "/"), NULL };
	struct child_spec spec = {
		.program = setup->volumes->options.helper_program,
		.argv = argv,
		.timeout_ms = HOST_PATH_TIMEOUT_MS,
	};

	setup->step = child_run(setup->volumes->options.loop, &spec, host_path_looked, setup);
}

static bool is_mounted_by(const Core__Container *container, const char *volume)
{
	for (size_t i = 0; i < container->n_volumemounts; i++)
		if (str_eq(container->volumemounts[i]->name, volume))
			return true;
	return false;
}

static bool is_used(const Core__PodSpec *spec, const char *volume)
{
	for (size_t i = 0; i < spec->n_initcontainers; i++)
		if (is_mounted_by(spec->initcontainers[i], volume))
			return true;
	for (size_t i = 0; i < spec->n_containers; i++)
		if (is_mounted_by(spec->containers[i], volume))
			return true;
	return false;
}

/* A volume that no container mounts may lack whatever it likes. */
static bool needs_nothing(const struct setup *setup)
{
	const Core__VolumeSource *source = current(setup)->volumesource;

	return !is_used(setup->pod->spec, current(setup)->name) ||
	       (source && source->hostpath && str_empty(source->hostpath->type));
}

static void start_work(struct setup *setup)
{
	setup->step = loop_work(setup->volumes->options.loop, work, work_done, setup);
}

static void next_part(struct setup *setup);

/* A projected volume goes on to its other parts, so that all that is wrong is told at once; others have only one. */
static bool keep_failure(struct setup *setup, struct part *part, const struct err *err)
{
	struct err *why;

	if (!current(setup)->volumesource->projected || setup->canceled)
		return false;
	why = arena_alloc(setup->arena, sizeof *why);
	*why = *err;
	part->why = why;
	return true;
}

static void object_came(void *owner, const void *result, const struct err *err)
{
	struct setup *setup = owner;
	struct part *part = &setup->parts[setup->at_part];

	setup->step = NULL;
	if (err && !(err->code == -ENOENT && part->optional) && !keep_failure(setup, part, err)) {
		one_failed(setup, err);
		return;
	}
	part->object = err ? NULL : pb_copy(result, setup->arena);
	setup->at_part++;
	next_part(setup);
}

static void token_came(void *owner, const void *result, const struct err *err)
{
	struct setup *setup = owner;
	struct part *part = &setup->parts[setup->at_part];

	setup->step = NULL;
	if (err && !keep_failure(setup, part, err)) {
		one_failed(setup, err);
		return;
	}
	if (!err)
		part->token_text = arena_strdup(setup->arena, result);
	setup->at_part++;
	next_part(setup);
}

static void next_part(struct setup *setup)
{
	struct volumes *volumes = setup->volumes;

	while (setup->at_part < setup->n_parts && setup->parts[setup->at_part].kind == PART_DOWNWARD)
		setup->at_part++;
	if (setup->canceled) {
		next_volume(setup);
		return;
	}
	if (setup->at_part == setup->n_parts) {
		start_work(setup);
		return;
	}
	struct part *part = &setup->parts[setup->at_part];
	if (part->kind == PART_TOKEN)
		setup->step = token_get(volumes, setup->pod, part->token, token_came, setup);
	else
		setup->step = objects_get(volumes->options.objects,
					  part->kind == PART_CONFIGMAP ? OBJECT_CONFIGMAP : OBJECT_SECRET,
					  setup->pod->metadata->namespace_, part->name, object_came, setup);
}

static void setup_end(struct setup *setup)
{
	struct volumes_outcome outcome = { .retry_after_ms = setup->retry_after_ms };

	if (setup->canceled)
		err_canceled(&setup->first);
	setup->done(setup->owner, &outcome, setup->first.code ? &setup->first : NULL);
	arena_free(setup->arena);
	free(setup);
}

static void next_volume(struct setup *setup)
{
	while (!setup->canceled && setup->at < setup->pod->spec->n_volumes &&
	       (needs_nothing(setup) || must_wait(setup)))
		setup->at++;
	if (setup->canceled || setup->at >= setup->pod->spec->n_volumes) {
		setup_end(setup);
		return;
	}
	const Core__VolumeSource *source = current(setup)->volumesource;
	if (source && source->hostpath) {
		look_at_host_path(setup);
		return;
	}
	if (!source || source->emptydir) {
		start_work(setup);
		return;
	}
	list_parts(setup);
	next_part(setup);
}

static void begin(void *owner, const void *result, const struct err *err)
{
	struct setup *setup = owner;

	(void)result;
	(void)err;
	setup->step = NULL;
	next_volume(setup);
}

/* The pod's folder, which containers need also without volumes. */
static void make_pod_dir(void *owner)
{
	struct setup *setup = owner;
	char path[PATH_MAX];

	volumes_make_pod_dir(setup->volumes, setup->pod->metadata->uid, path, &setup->first);
}

static void setup_cancel(struct task *task)
{
	struct setup *setup = container_of(task, struct setup, task);

	setup->canceled = true;
	task_cancel(setup->step);
}

struct task *volumes_setup_pod(struct volumes *volumes, const Core__Pod *pod, task_done_fn *done, void *owner)
{
	struct setup *setup = xcalloc(1, sizeof *setup);

	setup->task.cancel = setup_cancel;
	setup->volumes = volumes;
	setup->arena = arena_new();
	setup->pod = (Core__Pod *)pb_copy(&pod->base, setup->arena);
	setup->done = done;
	setup->owner = owner;
	setup->step = loop_work(volumes->options.loop, make_pod_dir, begin, setup);
	return &setup->task;
}
