/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Events: what users read under `kubectl describe`. Sent in the background; losing one is never an error.
 *
 * An event that says the same again raises the count of the first one by a patch. Per object and source, 25 events may
 * come at once and one more each five minutes, as client-go's recorder has it; more are dropped here. From the tenth
 * different message for one reason about one object on (in ten minutes) they are one event, "(combined from similar
 * events): ...". At most KUBE_EVENTS_WAITING wait while the API server is slow or away; one is tried for two minutes.
 */
#include "pkg/kube/kube.h"

enum { KUBE_EVENTS_WAITING = 1000 }; /* client-go's queue */

struct kube_events;

/* qps 0: no limit. `component` and `host` are the source ("kubelet", the node's name). */
struct kube_events *kube_events_new(struct kube *kube, const char *component, const char *host, int qps, int burst);

/* Drops what waits; the one that is out ends in the background, after which the memory goes. */
void kube_events_free(struct kube_events *events);

/* `type` is Normal or Warning. The reference is copied. Messages are cut to 1,024 bytes and made valid UTF-8. */
__attribute__((format(printf, 5, 6))) void kube_event(struct kube_events *events, const Core__ObjectReference *about,
						      const char *type, const char *reason, const char *format, ...);

/* Nothing more will be said about that object: what was remembered to count repeats goes. */
void kube_events_forget(struct kube_events *events, const char *uid);

/* A pod, or with a container one of its containers ("spec.containers{nginx}"). Texts stay the pod's. */
void kube_reference_pod(struct arena *arena, const Core__Pod *pod, const char *container,
			Core__ObjectReference *ret_reference);
void kube_reference_node(const char *name, const char *uid, Core__ObjectReference *ret_reference);

/*
 * How a part that knows no API server says something about a pod, or (by its name) about one of its containers; the
 * texts are the stock kubelet's.
 */
typedef void kube_pod_event_fn(void *owner, const Core__Pod *pod, const char *container, const char *type,
			       const char *reason, const char *message);
