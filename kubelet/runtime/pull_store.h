/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The files of pull_record.h: FOLDER/pulling/sha256-HEX, one for each image that is being pulled, and
 * FOLDER/pulled/sha256-HEX, one for each that was, named by the digest of the image's name or of the runtime's id.
 *
 * Jobs run on the pool, one after the other in the order they were given, so that nothing else needs a lock: a pull
 * writes its record before it takes its intent away, and who looks later sees one of them. A job cannot be cancelled,
 * it is short. What it points to, and the job, must stay valid until `done`. Files that cannot be read are logged here
 * and count as unreadable (see pull_decide); only pull_store_begin() fails.
 */
#include "kubelet/runtime/pull_record.h"
#include "pkg/base/list.h"
#include "pkg/loop/loop.h"

struct pull_store;

struct pull_job {
	struct arena *arena; /* for results */
	const char *image;   /* as its container writes it */
	const char *ref;     /* the runtime's id of it */

	/* of a pull that has ended */
	bool pulled;
	const Config__ImagePullCredentials *credentials; /* NULL: nobody knows which */

	/* results */
	struct pull_known known;
	const char **intents; /* images whose pull was begun, and no more is known */
	size_t n_intents;

	/* private */
	struct task task;
	struct list waiting;
	struct pull_store *store;
	void (*begin)(struct pull_job *job); /* on the loop, before `work`; may be NULL */
	void (*work)(struct pull_job *job);
	void (*after)(struct pull_job *job); /* on the loop, after it; may be NULL */
	task_done_fn *done;
	void *owner;
	struct err err;
	const char *intent_path, *record_path;
	bool remove_intent, ended;
};

/* Makes the folders; they stay closed to others. */
int pull_store_make_folders(const char *folder, struct err *err);

struct pull_store *pull_store_new(struct loop *loop, const char *folder);
void pull_store_free(struct pull_store *store); /* no job may be out */

/* Reads what is known about an image (its name and its id): job->known. */
struct task *pull_store_look(struct pull_store *store, struct pull_job *job, task_done_fn *done, void *owner);

/* Writes that an image is about to be pulled. Every success is followed by pull_store_end(). */
struct task *pull_store_begin(struct pull_store *store, struct pull_job *job, task_done_fn *done, void *owner);

/*
 * The pull has ended: if it succeeded the record is written; if that worked, or nothing was to be written, the intent
 * of the last such pull is removed.
 */
struct task *pull_store_end(struct pull_store *store, struct pull_job *job, task_done_fn *done, void *owner);

/* Adds credentials to the record of an image. */
struct task *pull_store_add(struct pull_store *store, struct pull_job *job, task_done_fn *done, void *owner);

/* At the start: says what cannot be read, writes files of older versions anew, lists job->intents. */
struct task *pull_store_scan(struct pull_store *store, struct pull_job *job, task_done_fn *done, void *owner);
