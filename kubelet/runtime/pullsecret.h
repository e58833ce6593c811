/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which credentials fit an image, from pull secrets. Pure. Kinds dockerconfigjson and dockercfg; matching as in the
 * stock kubelet: host labels may be globs, ports must be equal, paths are prefixes, the most specific entry comes
 * first.
 */
#include <stddef.h>

#include "config/pull.pb-c.h"
#include "k8s/core.pb-c.h"
#include "pkg/base/arena.h"
#include "pkg/base/err.h"

enum { PULLSECRET_ENTRIES_MAX = 1000 }; /* in one secret, which is at most 1 MiB */

struct pullsecret {
	const char *key; /* host and path that it is for */
	const char *username, *password, *email;
	Config__ImagePullSecret *source; /* the secret, and the hash of this entry as the stock kubelet computes it */
	struct pullsecret *next;
};

/* Adds a secret's entries to the list. Broken JSON is an error; an entry that makes no sense is left out. */
int pullsecret_read(const Core__Secret *secret, struct arena *arena, struct pullsecret **list, struct err *err);

/* The entries for a repository ("docker.io/library/nginx"), in the order to try them. */
size_t pullsecret_find(const struct pullsecret *list, const char *repository, struct arena *arena,
		       const struct pullsecret ***ret_found);
