/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The ConfigMaps and Secrets that pods of this node use.
 *
 * One watch per object, open as long as a registered pod refers to it (env, envFrom, volumes, pull secrets), so that
 * the node sees only objects it may see and a change reaches the pod without polling. An immutable object is not
 * watched once it has been read.
 */
#include "k8s/core.pb-c.h"
#include "pkg/base/err.h"
#include "pkg/loop/loop.h"

struct kube;
struct objects;

enum object_kind { OBJECT_CONFIGMAP, OBJECT_SECRET };

/* `changed` is called for each registered pod that uses an object that was set, changed or deleted; may be NULL. */
typedef void objects_changed_fn(void *owner, const char *pod_uid);

struct objects *objects_new(struct loop *loop, struct kube *kube);
void objects_free(struct objects *objects); /* gets that are out still end, as of what is not registered */
void objects_on_change(struct objects *objects, objects_changed_fn *changed, void *owner);

/* Opens what the pod refers to; a second call with a new version of the pod replaces the first. */
void objects_register_pod(struct objects *objects, const Core__Pod *pod);
void objects_unregister_pod(struct objects *objects, const char *pod_uid);

/*
 * The object, from the cache; waits up to 1 s for its first answer. Result: const Core__ConfigMap * or
 * const Core__Secret *. Failures have the stock kubelet's text: -ENOENT `configmap "x" not found`; -ETIMEDOUT
 * `failed to sync configmap cache: timed out waiting for the condition`; and -EINVAL `object "ns"/"x" not registered`
 * for what no registered pod uses.
 */
struct task *objects_get(struct objects *objects, enum object_kind kind, const char *namespace_, const char *name,
			 task_done_fn *done, void *owner);
