/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who may use an image that is present: what is written down when one is pulled, and the decision. Pure.
 *
 * Rules, files and their bytes as in the stock kubelet (v1.37, pkg/kubelet/images/pullmanager), so that a node may
 * change between the two and keeps what it knows. An image is named as its container names it; in records without tag
 * and digest.
 */
#include <stdbool.h>
#include <stdint.h>

#include "config/pull.pb-c.h"
#include "pkg/base/arena.h"
#include "pkg/base/buf.h"
#include "pkg/base/err.h"

enum {
	PULL_RECORD_MAX = 1024 * 1024, /* of one file: four thousand credentials; past it the record begins anew */
	PULL_LEARN_MAX = 100,          /* credentials of a record up to which a check adds one, as upstream */
};

enum pull_verify {
	PULL_VERIFY_NOTHING,  /* NeverVerify */
	PULL_VERIFY_PULLED,   /* NeverVerifyPreloadedImages: those that a kubelet has pulled */
	PULL_VERIFY_UNLISTED, /* NeverVerifyAllowlistedImages */
	PULL_VERIFY_ALL,      /* AlwaysVerify */
};

struct pull_policy {
	enum pull_verify verify;
	const char *const *allowlist; /* names without tag, or beginnings that end with a slash and a star */
	size_t n_allowlist;
};

/* The policy of this name in a KubeletConfiguration; PULL_VERIFY_ALL for a name that is none. */
enum pull_verify pull_verify_of(const char *name);

/* What the files say about an image. */
struct pull_known {
	Config__ImagePulledRecord *record; /* NULL for none */
	bool intent;                       /* a kubelet has begun to pull it */
	bool unreadable;                   /* there is something, and nobody knows what */
};

enum pull_access {
	PULL_ALLOWED,
	PULL_REFUSED, /* only a pull with the pod's own credentials can tell */
	PULL_ASK,     /* it depends on the pod's credentials: ask again with them */
};

/*
 * `secrets` are the pod's credentials that fit the image. *ret_learned is one of them that is allowed by what it is
 * (the same content or the same secret) and is not yet recorded like this; NULL for none.
 */
enum pull_access pull_decide(const struct pull_policy *policy, const char *image, const struct pull_known *known,
			     Config__ImagePullSecret *const *secrets, size_t n_secrets, bool secrets_known,
			     const Config__ImagePullSecret **ret_learned);

/* Credentials of a pull: of one secret, or, with NULL, such as every pod of the node has (none are needed). */
Config__ImagePullCredentials *pull_credentials(const Config__ImagePullSecret *secret, struct arena *arena);

/*
 * Adds credentials for an image to a record (NULL: makes one). Without credentials only the record itself is there to
 * be: who wants the image must show his own. True when something has changed. Texts are shared, not copied.
 */
bool pull_record_merge(Config__ImagePulledRecord **record, const char *image, const char *ref,
		       const Config__ImagePullCredentials *credentials, int64_t now_s, struct arena *arena);

/* Strict, as upstream: unknown and repeated fields are errors. *ret_old: written by a version before v1beta1. */
int pull_record_read(const char *json, size_t size, struct arena *arena, Config__ImagePulledRecord **ret_record,
		     bool *ret_old, struct err *err);
int pull_intent_read(const char *json, size_t size, struct arena *arena, const char **ret_image, bool *ret_old,
		     struct err *err);

int pull_record_write(Config__ImagePulledRecord *record, struct buf *into, struct err *err);
int pull_intent_write(const char *image, struct buf *into, struct err *err);
