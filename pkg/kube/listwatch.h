/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A set of API objects, kept up to date: list once, then watch from there, for ever.
 *
 * Ends of watches, lost connections and refusals are handled here: resume from the last resource version (bookmarks
 * keep it fresh), list again after 410, wait 0.8 s doubling to 30 s with jitter between failures, as client-go does.
 * After a new list the owner sees only what changed: sets for new or changed objects, deletions for those that went. A
 * list with an object that cannot be read is asked for again, and is not `synced`; what can be read is told, and what
 * cannot does not count as gone.
 */
#include "pkg/kube/kube.h"

struct kube_listwatch_spec {
	const char *path;  /* "/api/v1/pods"; copied */
	const char *query; /* "fieldSelector=spec.nodeName%3Dnode", escaped; NULL is none; copied */
	const ProtobufCMessageDescriptor *type; /* of one object */
	void *owner;
	/* A new or changed object. The arena and all in it pass to the callee. */
	void (*set)(void *owner, ProtobufCMessage *object, struct arena *arena);
	void (*gone)(void *owner, const char *namespace_, const char *name, const char *uid);
	void (*synced)(void *owner); /* a list is complete: first, and after every later list; may be NULL */
};

struct kube_listwatch;

struct kube_listwatch *kube_listwatch_new(struct kube *kube, const struct kube_listwatch_spec *spec);

/* No callback after it; the memory goes when the request that is out has ended. */
void kube_listwatch_free(struct kube_listwatch *listwatch);

bool kube_listwatch_is_synced(const struct kube_listwatch *listwatch); /* the first list has come */
