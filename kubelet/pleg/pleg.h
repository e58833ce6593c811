/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the runtime has, pod by pod, kept fresh ("pod lifecycle event generator").
 *
 * The lists of all sandboxes and containers are read once a second; only a pod whose entries changed in them is read in
 * full (status of each, termination messages). After an action on a pod its owner asks for a fresh read instead of
 * waiting for the next second. Rules and numbers as in the stock kubelet: period 1 s, unhealthy after 3 min.
 */
#include <stdbool.h>

#include "kubelet/runtime/observed.h"
#include "pkg/base/err.h"
#include "pkg/loop/loop.h"

struct cri;
struct pleg;

struct pleg_options {
	struct loop *loop;
	struct cri *cri;
	void (*changed)(void *owner, const char *uid); /* pleg_get() has something new, or nothing any more */
	void (*synced)(void *owner);                   /* once: each pod has been read, or tried; may be NULL */
	void *owner;
};

struct pleg *pleg_new(const struct pleg_options *options);
void pleg_start(struct pleg *pleg);
void pleg_stop(struct pleg *pleg, void (*stopped)(void *owner), void *owner); /* refreshes end with -ECANCELED first */
void pleg_free(struct pleg *pleg);                                            /* once stopped, or never started */

/*
 * NULL when the runtime has nothing of the pod. Valid until control returns to the loop: a later read replaces it. Who
 * needs it longer copies what it needs.
 */
const struct runtime_pod *pleg_get(struct pleg *pleg, const char *uid);

/*
 * The runtime has something of the pod that could not be read so far, not once: that pleg_get() says nothing then means
 * nothing, and a second sandbox must not be made. It is tried again each second; `changed` tells when it has worked.
 */
bool pleg_is_unread(const struct pleg *pleg, const char *uid);

/* Every pod of the runtime, also those whose object is unknown: `size_t at = 0; while ((pod = pleg_next(pleg, &at)))`.
 */
const struct runtime_pod *pleg_next(struct pleg *pleg, size_t *at);

bool pleg_is_synced(const struct pleg *pleg); /* before that, absence means nothing */

/* A read of this pod that begins now. Result: what pleg_get() says after it. `changed` is not called for it. */
struct task *pleg_refresh(struct pleg *pleg, const char *uid, task_done_fn *done, void *owner);

/* 0, or -ETIMEDOUT with stock's words: "pleg was last seen active 3m10s ago; threshold is 3m0s". */
int pleg_health(const struct pleg *pleg, struct err *err);
