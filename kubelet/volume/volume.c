/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, what is supported, and the end of a pod's volumes. */
#include "kubelet/volume/volume.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kubelet/volume/internal.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/codec/pb.h"
#include "pkg/loop/child.h"
#include "pkg/sys/mount.h"
#include "pkg/sys/mountinfo.h"

enum {
	UMOUNT_TIMEOUT_MS = 30000, /* a file system that answers at all answers far sooner */
	MOUNTS_MAX = 100000,       /* of one pod: what the kernel lets a namespace have (fs.mount-max) */
};

struct volumes *volumes_new(const struct volumes_options *options)
{
	struct volumes *volumes = xcalloc(1, sizeof *volumes);

	volumes->arena = arena_new();
	volumes->options = *options;
	volumes->options.root_dir = arena_strdup(volumes->arena, options->root_dir);
	volumes->options.helper_program = arena_strdup(volumes->arena, options->helper_program);
	volumes->failing = map_new();
	volumes->tokens = map_new();
	return volumes;
}

void volumes_free(struct volumes *volumes)
{
	void *failing;
	size_t at = 0;

	if (!volumes)
		return;
	token_free_all(volumes);
	map_free(volumes->tokens);
	while (map_next(volumes->failing, &at, NULL, &failing))
		free(failing);
	map_free(volumes->failing);
	arena_free(volumes->arena);
	free(volumes);
}

/* ---- what is mounted here ---- */

const char *volume_plugin(const Core__Volume *volume)
{
	const Core__VolumeSource *source = volume->volumesource;

	if (!source || source->emptydir) /* a volume without a source is an emptyDir */
		return "empty-dir";
	if (source->configmap)
		return "configmap";
	if (source->secret)
		return "secret";
	if (source->downwardapi)
		return "downward-api";
	if (source->projected)
		return "projected";
	return NULL;
}

/* The name of the first source that is set and is none of ours. */
static const char *foreign_source(const Core__VolumeSource *source)
{
	static const char *const ours[] = { "hostPath", "emptyDir", "configMap", "secret", "downwardAPI", "projected" };
	const ProtobufCMessageDescriptor *type = source->base.descriptor;

	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		bool known = false;

		for (size_t n = 0; n < ARRAY_LEN(ours); n++)
			known |= str_eq(ours[n], field->name);
		if (!known && *(void *const *)pb_place(&source->base, field))
			return field->name;
	}
	return NULL;
}

static const char *unsupported_projection(const Core__ProjectedVolumeSource *projected, size_t volume,
					  struct arena *arena)
{
	for (size_t i = 0; i < projected->n_sources; i++) {
		const Core__VolumeProjection *source = projected->sources[i];
		const char *name = source->clustertrustbundle ? "clusterTrustBundle"
				   : source->podcertificate   ? "podCertificate"
							      : NULL;

		if (name)
			return arena_printf(arena, "spec.volumes[%zu].projected.sources[%zu].%s", volume, i, name);
	}
	return NULL;
}

const char *volume_unsupported(const Core__Pod *pod, struct arena *arena)
{
	for (size_t i = 0; i < pod->spec->n_volumes; i++) {
		const Core__VolumeSource *source = pod->spec->volumes[i]->volumesource;
		const char *foreign = source ? foreign_source(source) : NULL;
		const char *path = NULL;

		if (foreign)
			return arena_printf(arena, "spec.volumes[%zu].%s", i, foreign);
		if (source && source->emptydir && str_has_prefix(source->emptydir->medium, "HugePages"))
			return arena_printf(arena, "spec.volumes[%zu].emptyDir.medium", i);
		if (source && source->projected)
			path = unsupported_projection(source->projected, i, arena);
		if (path)
			return path;
	}
	return NULL;
}

/* ---- paths ---- */

__attribute__((format(printf, 3, 4))) static int put_path(char path[PATH_MAX], struct err *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int size = vsnprintf(path, PATH_MAX, format, args);
	va_end(args);
	if (size < 0 || size >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "the path of a volume is longer than %d bytes", PATH_MAX);
	return 0;
}

int volumes_pod_dir(const struct volumes *volumes, const char *pod_uid, char path[PATH_MAX], struct err *err)
{
	if (!path_is_plain_name(pod_uid))
		return err_set(err, -EINVAL, "\"%s\" is no pod uid", pod_uid ? pod_uid : "");
	return put_path(path, err, "%s/pods/%s", volumes->options.root_dir, pod_uid);
}

int volumes_make_pod_dir(const struct volumes *volumes, const char *pod_uid, char path[PATH_MAX], struct err *err)
{
	static const char *const below[] = { "volumes", "plugins" };
	char folder[PATH_MAX];
	int code = volumes_pod_dir(volumes, pod_uid, path, err);

	if (code == 0)
		code = dir_make_all(path, 0750, err);
	for (size_t i = 0; i < ARRAY_LEN(below) && code == 0; i++) {
		code = put_path(folder, err, "%s/%s", path, below[i]);
		if (code == 0)
			code = dir_make_all(folder, 0750, err);
	}
	return code;
}

int volume_host_path(const struct volumes *volumes, const Core__Pod *pod, const char *volume_name, char path[PATH_MAX],
		     struct err *err)
{
	char pod_dir[PATH_MAX];

	for (size_t i = 0; i < pod->spec->n_volumes; i++) {
		const Core__Volume *volume = pod->spec->volumes[i];

		if (!str_eq(volume->name, volume_name))
			continue;
		const char *plugin = volume_plugin(volume);
		if (!plugin && volume->volumesource->hostpath)
			return put_path(path, err, "%s", str_or(volume->volumesource->hostpath->path, "/"));
		int code = volumes_pod_dir(volumes, pod->metadata->uid, pod_dir, err);
		if (code < 0)
			return code;
		if (!plugin || !path_is_plain_name(volume_name))
			break;
		return put_path(path, err, "%s/volumes/kubernetes.io~%s/%s", pod_dir, plugin, volume_name);
	}
	return err_set(err, -ENOENT, "the pod has no volume \"%s\"", volume_name);
}

int volumes_each_pod_dir(const struct volumes *volumes, void (*found)(void *owner, const char *pod_uid), void *owner,
			 struct err *err)
{
	_cleanup_free_ char *path = xasprintf("%s/pods", volumes->options.root_dir);
	_cleanup_dir_ DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : err_errno(err, "cannot read %s", path);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			found(owner, entry->d_name);
	return 0;
}

/* ---- teardown ---- */

struct teardown {
	struct task task;
	struct volumes *volumes;
	struct task *step;
	char path[PATH_MAX];
	char **mounts; /* still to be unmounted, the last one first */
	size_t n_mounts;
	bool canceled;
	struct err err; /* code 0: none so far */
	task_done_fn *done;
	void *owner;
};

static void teardown_end(struct teardown *teardown)
{
	for (size_t i = 0; i < teardown->n_mounts; i++)
		free(teardown->mounts[i]);
	free(teardown->mounts);
	if (teardown->canceled && teardown->err.code == 0)
		err_canceled(&teardown->err);
	teardown->done(teardown->owner, NULL, teardown->err.code ? &teardown->err : NULL);
	free(teardown);
}

static void add_mount(struct teardown *teardown, const char *target)
{
	if ((teardown->n_mounts & (teardown->n_mounts - 1)) == 0) /* 0 or a power of two: full */
		teardown->mounts = xrealloc(teardown->mounts, MAX(teardown->n_mounts * 2, (size_t)1) * sizeof(char *));
	teardown->mounts[teardown->n_mounts++] = xstrdup(target);
}

static void find_mounts(struct teardown *teardown)
{
	_cleanup_buf_ struct buf table = BUF_INIT(MOUNTINFO_MAX);
	_cleanup_free_ struct mountinfo_line *line = xmalloc(sizeof *line);
	struct err ignored;
	char real[PATH_MAX];
	size_t at = 0;

	/* The table shows where links lead: the root folder may be one. */
	if (teardown->err.code)
		return;
	if (!realpath(teardown->path, real)) {
		if (errno != ENOENT)
			err_errno(&teardown->err, "cannot look at %s", teardown->path);
		return;
	}
	if (mountinfo_read(&table, &teardown->err) < 0)
		return;
	_cleanup_free_ char *below = xasprintf("%s/", real);

	while (mountinfo_next(table.bytes, table.size, &at, line)) {
		if (!str_has_prefix(line->target, below))
			continue;
		if (teardown->n_mounts == MOUNTS_MAX) {
			err_set(&teardown->err, -EBUSY, "more than %d file systems are mounted below %s", MOUNTS_MAX,
				real);
			return;
		}
		/* Those of memory cannot hang; with something mounted inside they are busy, and get their turn later.
		 */
		if (str_eq(line->type, "tmpfs") && mount_end(line->target, &ignored) == 0)
			continue;
		add_mount(teardown, line->target);
	}
}

static void remove_tree(void *owner)
{
	struct teardown *teardown = owner;

	/*
	 * What is still mounted is never emptied. Staying on one file system is not enough for that: a bind mount may
	 * show another folder of the same one.
	 */
	find_mounts(teardown);
	if (teardown->err.code == 0 && teardown->n_mounts > 0)
		err_set(&teardown->err, -EBUSY, "%s is still mounted", teardown->mounts[0]);
	if (teardown->err.code == 0)
		dir_remove_all(teardown->path, &teardown->err);
}

static void tree_removed(void *owner, const void *result, const struct err *err)
{
	struct teardown *teardown = owner;

	(void)result;
	if (err)
		teardown->err = *err;
	teardown_end(teardown);
}

static void unmount_next(struct teardown *teardown);

static void unmounted(void *owner, const void *result, const struct err *err)
{
	struct teardown *teardown = owner;
	const struct child_result *child = result;

	teardown->step = NULL;
	if (err)
		teardown->err = *err;
	else if (child->exit_code != 0)
		err_set(&teardown->err, -EBUSY, "%s", child->err_size ? child->err : "the mount helper failed");
	if (teardown->err.code)
		teardown_end(teardown);
	else
		unmount_next(teardown);
}

static void unmount_next(struct teardown *teardown)
{
	struct volumes *volumes = teardown->volumes;

	if (teardown->canceled) {
		teardown_end(teardown);
		return;
	}
	if (teardown->n_mounts == 0) {
		teardown->step = loop_work(volumes->options.loop, remove_tree, tree_removed, teardown);
		return;
	}
	_cleanup_free_ char *target = teardown->mounts[--teardown->n_mounts];
	const char *argv[] = { MOUNT_HELPER, "umount", target, NULL };
	struct child_spec spec = {
		.program = volumes->options.helper_program,
		.argv = argv,
		.timeout_ms = UMOUNT_TIMEOUT_MS,
	};
	teardown->step = child_run(volumes->options.loop, &spec, unmounted, teardown);
}

static void look_work(void *owner)
{
	find_mounts(owner);
}

static void looked(void *owner, const void *result, const struct err *err)
{
	struct teardown *teardown = owner;

	(void)result;
	teardown->step = NULL;
	if (err)
		teardown->err = *err;
	if (teardown->err.code)
		teardown_end(teardown);
	else
		unmount_next(teardown);
}

static void teardown_cancel(struct task *task)
{
	struct teardown *teardown = container_of(task, struct teardown, task);

	teardown->canceled = true;
	task_cancel(teardown->step);
}

static void forget_failures(struct volumes *volumes, const char *pod_uid)
{
	_cleanup_free_ char *prefix = xasprintf("%s/", pod_uid);
	const char *key;
	void *failing;
	size_t at = 0;

	while (map_next(volumes->failing, &at, &key, &failing)) {
		if (!str_has_prefix(key, prefix))
			continue;
		_cleanup_free_ char *copy = xstrdup(key);
		map_remove(volumes->failing, copy);
		free(failing);
	}
}

struct task *volumes_teardown_pod(struct volumes *volumes, const char *pod_uid, task_done_fn *done, void *owner)
{
	struct teardown *teardown = xcalloc(1, sizeof *teardown);

	teardown->task.cancel = teardown_cancel;
	teardown->volumes = volumes;
	teardown->done = done;
	teardown->owner = owner;
	token_forget_pod(volumes, pod_uid);
	forget_failures(volumes, pod_uid);
	volumes_pod_dir(volumes, pod_uid, teardown->path, &teardown->err);
	teardown->step = loop_work(volumes->options.loop, look_work, looked, teardown);
	return &teardown->task;
}
