/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/pull_record.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/imageref.h"
#include "pkg/codec/meta.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"

#define API_VERSION "kubelet.config.k8s.io/v1beta1"
#define OLD_API_VERSION "kubelet.config.k8s.io/v1alpha1"
#define INTENT_KIND "ImagePullIntent"
#define RECORD_KIND "ImagePulledRecord"

/* ---- policy ---- */

enum pull_verify pull_verify_of(const char *name)
{
	return str_eq(name, "NeverVerify")                    ? PULL_VERIFY_NOTHING
	       : str_eq(name, "NeverVerifyPreloadedImages")   ? PULL_VERIFY_PULLED
	       : str_eq(name, "NeverVerifyAllowlistedImages") ? PULL_VERIFY_UNLISTED
							      : PULL_VERIFY_ALL;
}

/* Without tag and digest; NULL for what is no name. */
static const char *trimmed(const char *image, struct arena *arena)
{
	struct imageref ref;
	struct err err;

	return imageref_parse(image, arena, &ref, &err) < 0 ? NULL : imageref_trim(image, &ref, arena);
}

static bool is_listed(const struct pull_policy *policy, const char *image)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const char *name = str_or(trimmed(image, arena), image);

	for (size_t i = 0; i < policy->n_allowlist; i++) {
		const char *entry = policy->allowlist[i];

		if (str_has_suffix(entry, "/*") ? strncmp(name, entry, strlen(entry) - 1) == 0 : str_eq(name, entry))
			return true;
	}
	return false;
}

static bool must_verify(const struct pull_policy *policy, const char *image, bool pulled)
{
	switch (policy->verify) {
	case PULL_VERIFY_NOTHING:
		return false;
	case PULL_VERIFY_PULLED:
		return pulled;
	case PULL_VERIFY_UNLISTED:
		return !is_listed(policy, image);
	case PULL_VERIFY_ALL:
		break;
	}
	return true;
}

/* ---- the decision ---- */

static const Config__ImagePullCredentials *find(const Config__ImagePulledRecord *record, const char *image)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const char *name = trimmed(image, arena);

	for (size_t i = 0; name && i < record->n_credentialmapping; i++)
		if (str_eq(record->credentialmapping[i]->key, name))
			return record->credentialmapping[i]->value;
	return NULL;
}

static bool is_same_secret(const Config__ImagePullSecret *a, const Config__ImagePullSecret *b)
{
	return str_eq(a->uid, b->uid) && str_eq(a->namespace_, b->namespace_) && str_eq(a->name, b->name);
}

/*
 * A copy of a recorded secret is as good as it, and so is the recorded one with other contents: who may write it is
 * who could before.
 */
static bool match(const Config__ImagePullCredentials *recorded, const Config__ImagePullSecret *secret,
		  const Config__ImagePullSecret **ret_learned)
{
	bool may_learn = recorded->n_kubernetessecrets < PULL_LEARN_MAX;

	for (size_t i = 0; i < recorded->n_kubernetessecrets; i++) {
		const Config__ImagePullSecret *entry = recorded->kubernetessecrets[i];
		bool same_secret = is_same_secret(entry, secret);
		bool same_hash =
			!str_empty(entry->credentialhash) && str_eq(entry->credentialhash, secret->credentialhash);

		if (same_hash || (same_secret && may_learn)) {
			if (may_learn && !(same_hash && same_secret))
				*ret_learned = secret;
			return true;
		}
	}
	return false;
}

enum pull_access pull_decide(const struct pull_policy *policy, const char *image, const struct pull_known *known,
			     Config__ImagePullSecret *const *secrets, size_t n_secrets, bool secrets_known,
			     const Config__ImagePullSecret **ret_learned)
{
	const Config__ImagePullCredentials *recorded;

	*ret_learned = NULL;
	if (known->unreadable)
		return PULL_REFUSED;
	if (!must_verify(policy, image, known->record || known->intent))
		return PULL_ALLOWED;
	recorded = known->record ? find(known->record, image) : NULL;
	if (!recorded)
		return PULL_REFUSED;
	if (recorded->nodepodsaccessible)
		return PULL_ALLOWED;
	if (recorded->n_kubernetessecrets == 0 && recorded->n_kubernetesserviceaccounts == 0)
		return PULL_REFUSED;
	if (!secrets_known)
		return PULL_ASK;
	for (size_t i = 0; i < n_secrets; i++)
		if (match(recorded, secrets[i], ret_learned))
			return PULL_ALLOWED;
	return PULL_REFUSED;
}

/* ---- adding ---- */

Config__ImagePullCredentials *pull_credentials(const Config__ImagePullSecret *secret, struct arena *arena)
{
	Config__ImagePullCredentials *made =
		PB_NEW(arena, Config__ImagePullCredentials, config__image_pull_credentials__descriptor);

	if (secret)
		PB_APPEND(arena, made, kubernetessecrets, (Config__ImagePullSecret *)pb_copy(&secret->base, arena));
	else
		made->has_nodepodsaccessible = made->nodepodsaccessible = true;
	return made;
}

static int by_place(const void *a, const void *b)
{
	const Config__ImagePullSecret *left = *(Config__ImagePullSecret *const *)a;
	const Config__ImagePullSecret *right = *(Config__ImagePullSecret *const *)b;
	int order = strcmp(str_or(left->namespace_, ""), str_or(right->namespace_, ""));

	if (order == 0)
		order = strcmp(str_or(left->name, ""), str_or(right->name, ""));
	return order ? order : strcmp(str_or(left->uid, ""), str_or(right->uid, ""));
}

/* One entry for a secret, in order; true when that says something new. */
static bool merge_secrets(Config__ImagePullCredentials *into, const Config__ImagePullCredentials *from,
			  struct arena *arena)
{
	Config__ImagePullCredentials *merged =
		PB_NEW(arena, Config__ImagePullCredentials, config__image_pull_credentials__descriptor);
	bool changed = false;

	for (size_t i = 0; i < into->n_kubernetessecrets + from->n_kubernetessecrets; i++) {
		bool is_new = i >= into->n_kubernetessecrets;
		Config__ImagePullSecret *secret =
			is_new ? from->kubernetessecrets[i - into->n_kubernetessecrets] : into->kubernetessecrets[i];
		size_t at = 0;

		while (at < merged->n_kubernetessecrets && !is_same_secret(merged->kubernetessecrets[at], secret))
			at++;
		if (at == merged->n_kubernetessecrets) {
			PB_APPEND(arena, merged, kubernetessecrets, secret);
			changed = changed || is_new;
		} else {
			changed = changed || (is_new && !str_eq(merged->kubernetessecrets[at]->credentialhash,
								secret->credentialhash));
			merged->kubernetessecrets[at] = secret;
		}
	}
	if (!changed)
		return false;
	qsort(merged->kubernetessecrets, merged->n_kubernetessecrets, sizeof *merged->kubernetessecrets, by_place);
	into->kubernetessecrets = merged->kubernetessecrets;
	into->n_kubernetessecrets = merged->n_kubernetessecrets;
	return true;
}

static bool merge_credentials(Config__ImagePullCredentials *into, const Config__ImagePullCredentials *from,
			      struct arena *arena)
{
	if (into->nodepodsaccessible)
		return false;
	if (!from->nodepodsaccessible)
		return merge_secrets(into, from, arena);
	into->has_nodepodsaccessible = into->nodepodsaccessible = true;
	into->n_kubernetessecrets = into->n_kubernetesserviceaccounts = 0;
	return true;
}

static Config__ImagePulledRecord__CredentialMappingEntry *new_entry(Config__ImagePulledRecord *record, char *name,
								    struct arena *arena)
{
	Config__ImagePulledRecord__CredentialMappingEntry *entry =
		PB_NEW(arena, Config__ImagePulledRecord__CredentialMappingEntry,
		       config__image_pulled_record__credential_mapping_entry__descriptor);

	entry->key = name;
	PB_APPEND(arena, record, credentialmapping, entry);
	return entry;
}

bool pull_record_merge(Config__ImagePulledRecord **record, const char *image, const char *ref,
		       const Config__ImagePullCredentials *credentials, int64_t now_s, struct arena *arena)
{
	const char *name = trimmed(image, arena);
	Config__ImagePulledRecord__CredentialMappingEntry *entry = NULL;
	bool changed = !*record;

	if (!*record) {
		*record = PB_NEW(arena, Config__ImagePulledRecord, config__image_pulled_record__descriptor);
		(*record)->imageref = arena_strdup(arena, ref);
	}
	if (name && credentials &&
	    (credentials->nodepodsaccessible || credentials->n_kubernetessecrets > 0 ||
	     credentials->n_kubernetesserviceaccounts > 0)) {
		for (size_t i = 0; i < (*record)->n_credentialmapping && !entry; i++)
			if (str_eq((*record)->credentialmapping[i]->key, name))
				entry = (*record)->credentialmapping[i];
		if (!entry) {
			entry = new_entry(*record, arena_strdup(arena, name), arena);
			entry->value = (Config__ImagePullCredentials *)pb_copy(&credentials->base, arena);
			changed = true;
		} else {
			changed = merge_credentials(entry->value, credentials, arena) || changed;
		}
	}
	if (changed)
		(*record)->lastupdatedtime = meta_time(arena, now_s);
	return changed;
}

/* ---- the files ---- */

static int refuse_oddity(void *owner, enum pbjson_oddity what, const char *path, struct err *err)
{
	return err_set(err, -EBADMSG, "%s field \"%s\"", what == PBJSON_UNKNOWN_FIELD ? "unknown" : "duplicate", path);
}

static int check_header(const char *kind, const char *version, const char *want, bool *ret_old, struct err *err)
{
	if (!str_eq(kind, want))
		return err_set(err, -EBADMSG, "kind \"%s\" instead of %s", str_or(kind, ""), want);
	*ret_old = str_eq(version, OLD_API_VERSION);
	if (!*ret_old && !str_eq(version, API_VERSION))
		return err_set(err, -EBADMSG, "unknown apiVersion \"%s\"", str_or(version, ""));
	return 0;
}

static char *given(char *text)
{
	return (char *)(uintptr_t)str_or(text, "");
}

/* What Go writes always is there, and what it leaves out is not. */
static void complete(Config__ImagePullCredentials *credentials)
{
	for (size_t i = 0; i < credentials->n_kubernetessecrets; i++) {
		Config__ImagePullSecret *secret = credentials->kubernetessecrets[i];

		secret->uid = given(secret->uid);
		secret->namespace_ = given(secret->namespace_);
		secret->name = given(secret->name);
		secret->credentialhash = given(secret->credentialhash);
	}
	for (size_t i = 0; i < credentials->n_kubernetesserviceaccounts; i++) {
		Config__ImagePullServiceAccount *account = credentials->kubernetesserviceaccounts[i];

		account->uid = given(account->uid);
		account->namespace_ = given(account->namespace_);
		account->name = given(account->name);
	}
	credentials->has_nodepodsaccessible = credentials->nodepodsaccessible;
}

static int by_key(const void *a, const void *b)
{
	return strcmp((*(Config__ImagePulledRecord__CredentialMappingEntry *const *)a)->key,
		      (*(Config__ImagePulledRecord__CredentialMappingEntry *const *)b)->key);
}

static void sort_mapping(Config__ImagePulledRecord *record)
{
	if (record->n_credentialmapping > 0)
		qsort(record->credentialmapping, record->n_credentialmapping, sizeof *record->credentialmapping,
		      by_key);
}

int pull_record_read(const char *json, size_t size, struct arena *arena, Config__ImagePulledRecord **ret_record,
		     bool *ret_old, struct err *err)
{
	ProtobufCMessage *message;
	Config__ImagePulledRecord *record;
	bool old;
	int r = pbjson_decode_strict(&config__image_pulled_record__descriptor, json, size, arena, &message,
				     refuse_oddity, NULL, err);

	if (r < 0)
		return r;
	record = (Config__ImagePulledRecord *)message;
	r = check_header(record->kind, record->apiversion, RECORD_KIND, &old, err);
	if (r < 0)
		return r;
	record->imageref = given(record->imageref);
	sort_mapping(record);
	for (size_t i = 0; i < record->n_credentialmapping; i++) {
		Config__ImagePulledRecord__CredentialMappingEntry *entry = record->credentialmapping[i];

		if (i > 0 && str_eq(record->credentialmapping[i - 1]->key, entry->key))
			return err_set(err, -EBADMSG, "duplicate field \"credentialMapping.%s\"", entry->key);
		complete(entry->value);
	}
	*ret_record = record;
	*ret_old = old;
	return 0;
}

int pull_intent_read(const char *json, size_t size, struct arena *arena, const char **ret_image, bool *ret_old,
		     struct err *err)
{
	ProtobufCMessage *message;
	const Config__ImagePullIntent *intent;
	int r = pbjson_decode_strict(&config__image_pull_intent__descriptor, json, size, arena, &message, refuse_oddity,
				     NULL, err);

	if (r < 0)
		return r;
	intent = (const Config__ImagePullIntent *)message;
	r = check_header(intent->kind, intent->apiversion, INTENT_KIND, ret_old, err);
	if (r < 0)
		return r;
	*ret_image = str_or(intent->image, "");
	return 0;
}

int pull_record_write(Config__ImagePulledRecord *record, struct buf *into, struct err *err)
{
	static Meta__Time no_time = { .base.descriptor = &meta__time__descriptor };
	Config__ImagePulledRecord whole = *record;
	int r;

	whole.kind = (char *)(uintptr_t)RECORD_KIND;
	whole.apiversion = (char *)(uintptr_t)API_VERSION;
	if (!whole.lastupdatedtime)
		whole.lastupdatedtime = &no_time; /* null, which is not nothing */
	sort_mapping(&whole);
	r = pbjson_encode(&whole.base, into, err);
	if (r >= 0)
		buf_putc(into, '\n');
	return r;
}

int pull_intent_write(const char *image, struct buf *into, struct err *err)
{
	Config__ImagePullIntent intent = {
		.base.descriptor = &config__image_pull_intent__descriptor,
		.kind = (char *)(uintptr_t)INTENT_KIND,
		.apiversion = (char *)(uintptr_t)API_VERSION,
		.image = (char *)(uintptr_t)image,
	};
	int r = pbjson_encode(&intent.base, into, err);

	if (r >= 0)
		buf_putc(into, '\n');
	return r;
}
