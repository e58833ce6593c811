/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/pull_store.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/base/map.h"
#include "pkg/codec/pb.h"
#include "pkg/net/digest.h"

/* Other kubelets look into these folders: names, ending and modes are theirs. */
#define FILE_PREFIX "sha256-"
#define TEMPORARY_SUFFIX ".tmp"
enum { FOLDER_MODE = 0700, FILE_MODE = 0600 };

struct pull_store {
	struct loop *loop;
	char *pulling, *pulled; /* the folders */
	struct list waiting;
	bool busy;
	struct map *begun; /* image to the number of its pulls that are out, as a pointer */
};

int pull_store_make_folders(const char *folder, struct err *err)
{
	_cleanup_free_ char *pulling = xasprintf("%s/pulling", folder), *pulled = xasprintf("%s/pulled", folder);
	int r = dir_make_all(pulling, FOLDER_MODE, err);

	return r < 0 ? r : dir_make_all(pulled, FOLDER_MODE, err);
}

struct pull_store *pull_store_new(struct loop *loop, const char *folder)
{
	struct pull_store *store = xcalloc(1, sizeof *store);

	store->loop = loop;
	store->pulling = xasprintf("%s/pulling", folder);
	store->pulled = xasprintf("%s/pulled", folder);
	store->begun = map_new();
	list_init(&store->waiting);
	return store;
}

void pull_store_free(struct pull_store *store)
{
	if (!store)
		return;
	base_assert(!store->busy);
	map_free(store->begun);
	free(store->pulling);
	free(store->pulled);
	free(store);
}

/* ---- files ---- */

/* On the loop: the digest's library keeps memory for each thread that uses it. */
static const char *path_of(const char *folder, const char *name, struct arena *arena)
{
	char hex[DIGEST_HEX];

	if (!name)
		return NULL;
	digest_sha256(name, strlen(name), hex);
	return arena_printf(arena, "%s/" FILE_PREFIX "%s", folder, hex);
}

/* -ENOENT when there is none. */
static int read_file(const char *path, struct buf *into, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_errno(err, "cannot look at %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s is no file", path);
	return file_read(path, into, err);
}

static int write_file(const char *path, const struct buf *content, struct err *err)
{
	_cleanup_free_ char *temporary = xasprintf("%s" TEMPORARY_SUFFIX, path);

	return file_replace_by(path, temporary, content->bytes, content->size, FILE_MODE, err);
}

/* *ret_record stays NULL when there is none. */
static int read_record(const struct pull_job *job, Config__ImagePulledRecord **ret_record, struct err *err)
{
	_cleanup_buf_ struct buf json = BUF_INIT(PULL_RECORD_MAX);
	Config__ImagePulledRecord *record;
	bool old;
	int r = read_file(job->record_path, &json, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	r = pull_record_read(buf_text(&json), json.size, job->arena, &record, &old, err);
	if (r < 0)
		return err_wrap(err, "%s", job->record_path);
	if (str_eq(record->imageref, job->ref))
		*ret_record = record;
	return 0;
}

static int write_record(const char *path, Config__ImagePulledRecord *record, struct err *err)
{
	_cleanup_buf_ struct buf json = BUF_INIT(PULL_RECORD_MAX);
	int r = pull_record_write(record, &json, err);

	return r < 0 ? r : write_file(path, &json, err);
}

static int read_intent(const struct pull_job *job, bool *ret_exists, struct err *err)
{
	_cleanup_buf_ struct buf json = BUF_INIT(PULL_RECORD_MAX);
	const char *image;
	bool old;
	int r = read_file(job->intent_path, &json, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	r = pull_intent_read(buf_text(&json), json.size, job->arena, &image, &old, err);
	if (r < 0)
		return err_wrap(err, "%s", job->intent_path);
	*ret_exists = str_eq(image, job->image);
	return 0;
}

static int write_intent(const char *path, const char *image, struct err *err)
{
	_cleanup_buf_ struct buf json = BUF_INIT(PULL_RECORD_MAX);
	int r = pull_intent_write(image, &json, err);

	return r < 0 ? r : write_file(path, &json, err);
}

/* ---- one job after the other ---- */

static void next_job(struct pull_store *store);

static void cancel_nothing(struct task *task)
{
}

static void work(void *owner)
{
	struct pull_job *job = owner;

	job->work(job);
}

static void worked(void *owner, const void *result, const struct err *err)
{
	struct pull_job *job = owner;
	struct pull_store *store = job->store;

	if (job->after)
		job->after(job);
	store->busy = false;
	next_job(store);
	job->done(job->owner, NULL, job->err.code ? &job->err : NULL);
}

static void next_job(struct pull_store *store)
{
	struct pull_job *job;

	if (store->busy || list_empty(&store->waiting))
		return;
	job = list_first(&store->waiting, struct pull_job, waiting);
	list_remove(&job->waiting);
	store->busy = true;
	if (job->begin)
		job->begin(job);
	loop_work(store->loop, work, worked, job);
}

static struct task *add_job(struct pull_store *store, struct pull_job *job, task_done_fn *done, void *owner)
{
	job->task.cancel = cancel_nothing;
	job->store = store;
	job->done = done;
	job->owner = owner;
	job->intent_path = path_of(store->pulling, job->image, job->arena);
	job->record_path = path_of(store->pulled, job->ref, job->arena);
	job->err = (struct err){ 0 };
	list_append(&store->waiting, &job->waiting);
	next_job(store);
	return &job->task;
}

static size_t n_begun(const struct pull_job *job)
{
	return (size_t)(uintptr_t)map_get(job->store->begun, job->image);
}

static void set_begun(const struct pull_job *job, size_t n)
{
	if (n > 0)
		map_set(job->store->begun, job->image, (void *)(uintptr_t)n);
	else
		map_remove(job->store->begun, job->image);
}

/* ---- looking ---- */

static void look_begin(struct pull_job *job)
{
	job->known = (struct pull_known){ .intent = n_begun(job) > 0 };
}

static void look(struct pull_job *job)
{
	struct err err;
	int r = read_record(job, &job->known.record, &err);

	if (r >= 0 && !job->known.record && !job->known.intent) {
		r = read_intent(job, &job->known.intent, &err);
		if (r < 0)
			err_wrap(&err, "failed to check existence of an image pull intent");
	}
	if (r >= 0)
		return;
	job->known = (struct pull_known){ .unreadable = true };
	log_error(&err, "Unable to access cache records about image pulls", NULL);
}

struct task *pull_store_look(struct pull_store *store, struct pull_job *job, task_done_fn *done, void *owner)
{
	job->begin = look_begin;
	job->work = look;
	job->after = NULL;
	return add_job(store, job, done, owner);
}

/* ---- a pull begins ---- */

static void begin(struct pull_job *job)
{
	if (write_intent(job->intent_path, job->image, &job->err) < 0)
		err_wrap(&job->err, "failed to record image pull intent");
}

static void begin_after(struct pull_job *job)
{
	if (!job->err.code)
		set_begun(job, n_begun(job) + 1);
}

struct task *pull_store_begin(struct pull_store *store, struct pull_job *job, task_done_fn *done, void *owner)
{
	job->begin = NULL;
	job->work = begin;
	job->after = begin_after;
	return add_job(store, job, done, owner);
}

/* ---- and ends ---- */

static void end_begin(struct pull_job *job)
{
	job->remove_intent = n_begun(job) <= 1;
}

static int merge(struct pull_job *job)
{
	Config__ImagePulledRecord *record = NULL;
	struct err err;

	if (read_record(job, &record, &err) < 0) {
		record = NULL;
		log_info("failed to retrieve an ImagePulledRecord", "image", job->image, "err", err.text, NULL);
	}
	if (!pull_record_merge(&record, job->image, job->ref, job->credentials, clock_wall_s(), job->arena) ||
	    write_record(job->record_path, record, &err) >= 0)
		return 0;
	log_error(&err, "failed to write image pulled record", "imageRef", job->ref, NULL);
	return err.code;
}

static void end(struct pull_job *job)
{
	struct err err;

	/* While it is not written, the intent is all that tells that the image was pulled. */
	job->ended = !job->pulled || merge(job) >= 0;
	if (!job->ended || !job->remove_intent || unlink(job->intent_path) == 0 || errno == ENOENT)
		return;
	job->ended = false;
	err_errno(&err, "cannot remove %s", job->intent_path);
	log_error(&err, "failed to remove image pull intent", "image", job->image, NULL);
}

static void end_after(struct pull_job *job)
{
	if (job->ended && n_begun(job) > 0)
		set_begun(job, n_begun(job) - 1);
}

struct task *pull_store_end(struct pull_store *store, struct pull_job *job, task_done_fn *done, void *owner)
{
	job->begin = end_begin;
	job->work = end;
	job->after = end_after;
	return add_job(store, job, done, owner);
}

static void add(struct pull_job *job)
{
	merge(job);
}

struct task *pull_store_add(struct pull_store *store, struct pull_job *job, task_done_fn *done, void *owner)
{
	job->begin = NULL;
	job->work = add;
	job->after = NULL;
	return add_job(store, job, done, owner);
}

/* ---- at the start ---- */

static int scan_intent(struct pull_job *job, const char *path, const struct buf *json, struct err *err)
{
	const char *image;
	bool old;
	int r = pull_intent_read(buf_text(json), json->size, job->arena, &image, &old, err);

	if (r < 0)
		return r;
	PB_APPEND(job->arena, job, intents, image);
	return old ? write_intent(path, image, err) : 0;
}

static int scan_record(struct pull_job *job, const char *path, const struct buf *json, struct err *err)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	Config__ImagePulledRecord *record;
	bool old;
	int r = pull_record_read(buf_text(json), json->size, arena, &record, &old, err);

	return r >= 0 && old ? write_record(path, record, err) : r;
}

/* What other programs put here is not looked at; what is ours by its name and cannot be read is told, in one line. */
static void scan_folder(struct pull_job *job, const char *folder,
			int (*scan)(struct pull_job *job, const char *path, const struct buf *json, struct err *err))
{
	_cleanup_dir_ DIR *dir = opendir(folder);
	struct err err, first = { 0 };
	int64_t n_bad = 0;

	if (!dir) {
		err_errno(&err, "cannot open %s", folder);
		log_error(&err, "Cannot read the records of image pulls", NULL);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir));) {
		_cleanup_free_ char *path = xasprintf("%s/%s", folder, entry->d_name);
		_cleanup_buf_ struct buf json = BUF_INIT(PULL_RECORD_MAX);

		if (!str_has_prefix(entry->d_name, FILE_PREFIX) || str_has_suffix(entry->d_name, TEMPORARY_SUFFIX) ||
		    entry->d_type == DT_DIR)
			continue;
		if (read_file(path, &json, &err) < 0 || scan(job, path, &json, &err) < 0) {
			if (n_bad++ == 0) {
				first = err;
				err_wrap(&first, "%s", entry->d_name);
			}
		}
	}
	if (n_bad > 0)
		log_error(&first, "Some records of image pulls cannot be read: their images must be pulled again",
			  "folder", folder, "files", log_i64(n_bad), NULL);
}

static void scan(struct pull_job *job)
{
	scan_folder(job, job->store->pulling, scan_intent);
	scan_folder(job, job->store->pulled, scan_record);
}

struct task *pull_store_scan(struct pull_store *store, struct pull_job *job, task_done_fn *done, void *owner)
{
	job->begin = NULL;
	job->work = scan;
	job->after = NULL;
	return add_job(store, job, done, owner);
}
