/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/pull_record.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/pb.h"
#include "pkg/test/test.h"

#define HEAD "{\"kind\":\"ImagePulledRecord\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\","
#define TIMED HEAD "\"lastUpdatedTime\":\"2024-10-21T12:26:40Z\",\"imageRef\":\"ref\""
#define SECRET(uid, name, hash) \
	"{\"uid\":\"" uid "\",\"namespace\":\"ns\",\"name\":\"" name "\",\"credentialHash\":\"" hash "\"}"
#define RECORD(mapping) TIMED ",\"credentialMapping\":{" mapping "}}"
#define OF_SECRETS(secrets) "\"reg/img\":{\"kubernetesSecrets\":[" secrets "]}"

static Config__ImagePulledRecord *record_of(const char *json, struct arena *arena)
{
	Config__ImagePulledRecord *record = NULL;
	bool old = true;
	struct err err = { 0 };

	CHECK_OK(pull_record_read(json, strlen(json), arena, &record, &old, &err), &err);
	CHECK("of today", !old);
	return record;
}

static Config__ImagePullSecret *secret(const char *uid, const char *name, const char *hash, struct arena *arena)
{
	Config__ImagePullSecret *made = PB_NEW(arena, Config__ImagePullSecret, config__image_pull_secret__descriptor);

	made->uid = arena_strdup(arena, uid);
	made->namespace_ = arena_strdup(arena, "ns");
	made->name = arena_strdup(arena, name);
	made->credentialhash = arena_strdup(arena, hash);
	return made;
}

TEST(who_may_use_a_present_image)
{
	static const char one[] = RECORD(OF_SECRETS(SECRET("u", "s", "h")));
	static const struct row {
		const char *rule;
		enum pull_verify verify;
		const char *image, *record; /* NULL: none */
		bool intent, unreadable;
		const char *uid, *hash; /* of the pod's secret "s"; NULL: the pod has none */
		enum pull_access want;
		bool learns;
	} rows[] = {
		{ "preloaded", PULL_VERIFY_PULLED, "reg/img", NULL, false, false, NULL, NULL, PULL_ALLOWED, false },
		{ "being pulled", PULL_VERIFY_PULLED, "reg/img", NULL, true, false, NULL, NULL, PULL_REFUSED, false },
		{ "nobody knows", PULL_VERIFY_NOTHING, "reg/img", NULL, false, true, "u", "h", PULL_REFUSED, false },
		{ "never", PULL_VERIFY_NOTHING, "reg/img", one, true, false, NULL, NULL, PULL_ALLOWED, false },
		{ "always", PULL_VERIFY_ALL, "reg/img", NULL, false, false, "u", "h", PULL_REFUSED, false },
		{ "always, recorded", PULL_VERIFY_ALL, "reg/img:1", one, false, false, "u", "h", PULL_ALLOWED, false },
		{ "for all", PULL_VERIFY_PULLED, "reg/img:1", RECORD("\"reg/img\":{\"nodePodsAccessible\":true}"),
		  false, false, NULL, NULL, PULL_ALLOWED, false },
		{ "another name", PULL_VERIFY_PULLED, "reg/other", RECORD("\"reg/img\":{\"nodePodsAccessible\":true}"),
		  false, false, NULL, NULL, PULL_REFUSED, false },
		{ "names are taken as written", PULL_VERIFY_PULLED, "busybox",
		  RECORD("\"docker.io/library/busybox\":{\"nodePodsAccessible\":true}"), false, false, NULL, NULL,
		  PULL_REFUSED, false },
		{ "without credentials", PULL_VERIFY_PULLED, "reg/img", TIMED "}", false, false, "u", "h", PULL_REFUSED,
		  false },
		{ "empty credentials", PULL_VERIFY_PULLED, "reg/img", RECORD("\"reg/img\":{}"), false, false, "u", "h",
		  PULL_REFUSED, false },
		{ "the secret", PULL_VERIFY_PULLED,
		  "reg/img@sha256:"
		  "0123456789012345678901234567890123456789012345678901234567890123",
		  one, false, false, "u", "h", PULL_ALLOWED, false },
		{ "no secret", PULL_VERIFY_PULLED, "reg/img", one, false, false, NULL, NULL, PULL_REFUSED, false },
		{ "a copy of the secret", PULL_VERIFY_PULLED, "reg/img", one, false, false, "u2", "h", PULL_ALLOWED,
		  true },
		{ "a new content", PULL_VERIFY_PULLED, "reg/img", one, false, false, "u", "h2", PULL_ALLOWED, true },
		{ "a secret made anew", PULL_VERIFY_PULLED, "reg/img", one, false, false, "u2", "h2", PULL_REFUSED,
		  false },
		{ "no hash is equal to none", PULL_VERIFY_PULLED, "reg/img", RECORD(OF_SECRETS(SECRET("u", "s", ""))),
		  false, false, "u2", "", PULL_REFUSED, false },
		{ "an account", PULL_VERIFY_PULLED, "reg/img",
		  RECORD("\"reg/img\":{\"kubernetesServiceAccounts\":[{\"uid\":\"u\",\"namespace\":\"ns\",\"name\":"
			 "\"s\"}]}"),
		  false, false, "u", "h", PULL_REFUSED, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		_cleanup_arena_ struct arena *arena = arena_new();
		struct pull_policy policy = { .verify = row->verify };
		struct pull_known known = { row->record ? record_of(row->record, arena) : NULL, row->intent,
					    row->unreadable };
		Config__ImagePullSecret *own = row->uid ? secret(row->uid, "s", row->hash, arena) : NULL;
		const Config__ImagePullSecret *learned;

		CHECK_INT(row->rule, pull_decide(&policy, row->image, &known, &own, own != NULL, true, &learned), ==,
			  row->want);
		CHECK_INT(row->rule, learned != NULL, ==, row->learns);
	}
}

TEST(secrets_are_asked_for_when_they_count)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct pull_policy policy = { .verify = PULL_VERIFY_PULLED };
	struct pull_known known = { record_of(RECORD(OF_SECRETS(SECRET("u", "s", "h"))), arena), false, false };
	const Config__ImagePullSecret *learned;

	CHECK_INT("a secret", pull_decide(&policy, "reg/img", &known, NULL, 0, false, &learned), ==, PULL_ASK);
	known.record = record_of(RECORD("\"reg/img\":{\"nodePodsAccessible\":true}"), arena);
	CHECK_INT("for all", pull_decide(&policy, "reg/img", &known, NULL, 0, false, &learned), ==, PULL_ALLOWED);
}

/* Past the limit a copy is still allowed, only not written; another content of a recorded secret is not. */
TEST(checks_add_to_short_lists_only)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct pull_policy policy = { .verify = PULL_VERIFY_PULLED };
	Config__ImagePulledRecord *record = NULL;
	const Config__ImagePullSecret *learned;
	Config__ImagePullSecret *copy = secret("other", "other", "h0", arena),
				*changed = secret("u0", "s", "new", arena);

	for (int i = 0; i < PULL_LEARN_MAX; i++) {
		const char *uid = arena_printf(arena, "u%d", i), *hash = arena_printf(arena, "h%d", i);

		if (i == PULL_LEARN_MAX - 1) {
			struct pull_known known = { .record = record };

			CHECK_INT("a copy", pull_decide(&policy, "reg/img", &known, &copy, 1, true, &learned), ==,
				  PULL_ALLOWED);
			CHECK("learned", learned == copy);
			CHECK_INT("changed", pull_decide(&policy, "reg/img", &known, &changed, 1, true, &learned), ==,
				  PULL_ALLOWED);
			CHECK("learned", learned == changed);
		}
		CHECK("added", pull_record_merge(&record, "reg/img:1", "ref",
						 pull_credentials(secret(uid, "s", hash, arena), arena), 1, arena));
	}
	struct pull_known known = { .record = record };

	CHECK_INT("a copy", pull_decide(&policy, "reg/img", &known, &copy, 1, true, &learned), ==, PULL_ALLOWED);
	CHECK("not learned", !learned);
	CHECK_INT("changed", pull_decide(&policy, "reg/img", &known, &changed, 1, true, &learned), ==, PULL_REFUSED);
}

TEST(allowlist)
{
	static const char *const list[] = { "reg.io/exact", "reg.io/team/*", "busybox" };
	static const struct row {
		const char *image;
		enum pull_access want;
	} rows[] = {
		{ "reg.io/exact:1", PULL_ALLOWED },  { "reg.io/exact/more", PULL_REFUSED },
		{ "reg.io/team/a:2", PULL_ALLOWED }, { "reg.io/team/a/b", PULL_ALLOWED },
		{ "reg.io/teams/a", PULL_REFUSED },  { "busybox", PULL_ALLOWED },
		{ "library/busybox", PULL_REFUSED },
	};
	struct pull_policy policy = { PULL_VERIFY_UNLISTED, list, ARRAY_LEN(list) };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pull_known known = { 0 };
		const Config__ImagePullSecret *learned;

		CHECK_INT(rows[i].image, pull_decide(&policy, rows[i].image, &known, NULL, 0, false, &learned), ==,
			  rows[i].want);
	}
}

TEST(policies_by_name)
{
	CHECK_INT("never", pull_verify_of("NeverVerify"), ==, PULL_VERIFY_NOTHING);
	CHECK_INT("preloaded", pull_verify_of("NeverVerifyPreloadedImages"), ==, PULL_VERIFY_PULLED);
	CHECK_INT("listed", pull_verify_of("NeverVerifyAllowlistedImages"), ==, PULL_VERIFY_UNLISTED);
	CHECK_INT("always", pull_verify_of("AlwaysVerify"), ==, PULL_VERIFY_ALL);
}

/* Merges into `before` ("" for no record) and compares the file. */
static void check_merge(const char *rule, const char *before, const Config__ImagePullCredentials *credentials,
			const char *want, struct arena *arena)
{
	Config__ImagePulledRecord *record = *before ? record_of(before, arena) : NULL;
	_cleanup_buf_ struct buf json = BUF_INIT(65536);
	struct err err = { 0 };
	bool changed = pull_record_merge(&record, "reg/img:1", "ref", credentials, 1729513600, arena);

	CHECK_INT(rule, changed, ==, strcmp(before, want) != 0);
	CHECK_OK(pull_record_write(record, &json, &err), &err);
	CHECK("ends with a line", str_has_suffix(buf_text(&json), "}\n"));
	CHECK_STR(rule, arena_strndup(arena, json.bytes, json.size - 1), want);
}

TEST(what_a_pull_adds)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const Config__ImagePullCredentials *all = pull_credentials(NULL, arena);
	const Config__ImagePullCredentials *a = pull_credentials(secret("u", "a", "h", arena), arena);

	check_merge("first, for all", "", all, RECORD("\"reg/img\":{\"nodePodsAccessible\":true}"), arena);
	check_merge("first, with a secret", "", a, RECORD(OF_SECRETS(SECRET("u", "a", "h"))), arena);
	check_merge("nobody knows with what", "", NULL, TIMED "}", arena);
	check_merge("nor now", RECORD(OF_SECRETS(SECRET("u", "a", "h"))), NULL,
		    RECORD(OF_SECRETS(SECRET("u", "a", "h"))), arena);
	check_merge("the same", RECORD(OF_SECRETS(SECRET("u", "a", "h"))), a, RECORD(OF_SECRETS(SECRET("u", "a", "h"))),
		    arena);
	check_merge("a new content", RECORD(OF_SECRETS(SECRET("u", "a", "old"))), a,
		    RECORD(OF_SECRETS(SECRET("u", "a", "h"))), arena);
	check_merge("one more, in order", RECORD(OF_SECRETS(SECRET("u", "b", "h"))), a,
		    RECORD(OF_SECRETS(SECRET("u", "a", "h") "," SECRET("u", "b", "h"))), arena);
	check_merge("all of them", RECORD(OF_SECRETS(SECRET("u", "b", "h"))), all,
		    RECORD("\"reg/img\":{\"nodePodsAccessible\":true}"), arena);
	check_merge("nothing after that", RECORD("\"reg/img\":{\"nodePodsAccessible\":true}"), a,
		    RECORD("\"reg/img\":{\"nodePodsAccessible\":true}"), arena);
	check_merge("names in order", RECORD("\"reg/zzz\":{\"nodePodsAccessible\":true}"), a,
		    RECORD(OF_SECRETS(SECRET("u", "a", "h")) ",\"reg/zzz\":{\"nodePodsAccessible\":true}"), arena);
	check_merge("accounts stay",
		    RECORD("\"reg/img\":{\"kubernetesServiceAccounts\":[{\"uid\":\"u\",\"namespace\":\"n\",\"name\":"
			   "\"s\"}]}"),
		    a,
		    RECORD("\"reg/img\":{\"kubernetesSecrets\":[" SECRET(
			    "u", "a", "h") "],\"kubernetesServiceAccounts\":[{\"uid\":\"u\",\"namespace\":\"n\","
					   "\"name\":\"s\"}]}"),
		    arena);
}

/* Files of the stock kubelet are written back as they were; what Go leaves out or adds, so do we. */
TEST(both_ways)
{
	static const struct row {
		const char *file, *want; /* NULL: the same */
	} rows[] = {
		{ TIMED "}\n", NULL },
		{ TIMED "}", TIMED "}\n" },
		{ RECORD("\"docker.io/testing/test\":{\"kubernetesSecrets\":[" SECRET("u", "s", "") "]}") "\n", NULL },
		{ RECORD("\"b\":{\"nodePodsAccessible\":true},\"a\":{\"nodePodsAccessible\":false,"
			 "\"kubernetesSecrets\":[]}"),
		  RECORD("\"a\":{},\"b\":{\"nodePodsAccessible\":true}") "\n" },
		{ HEAD "\"lastUpdatedTime\":null,\"imageRef\":\"r\",\"credentialMapping\":{}}",
		  HEAD "\"lastUpdatedTime\":null,\"imageRef\":\"r\"}\n" },
		{ HEAD "\"credentialMapping\":{\"a\":null,\"b\":{\"kubernetesSecrets\":[null]}}}",
		  HEAD "\"lastUpdatedTime\":null,\"imageRef\":\"\",\"credentialMapping\":{\"a\":{},\"b\":{"
		       "\"kubernetesSecrets\":[{\"uid\":\"\",\"namespace\":\"\",\"name\":\"\",\"credentialHash\":\"\"}"
		       "]}}}\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		_cleanup_buf_ struct buf json = BUF_INIT(65536);
		struct err err = { 0 };

		CHECK_OK(pull_record_write(record_of(rows[i].file, arena), &json, &err), &err);
		CHECK_STR(rows[i].file, buf_text(&json), rows[i].want ? rows[i].want : rows[i].file);
	}
}

TEST(intents_both_ways)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf json = BUF_INIT(65536);
	const char *image = NULL;
	bool old = true;
	struct err err = { 0 };

	CHECK_OK(pull_intent_write("reg/img:1", &json, &err), &err);
	CHECK_STR("file", buf_text(&json),
		  "{\"kind\":\"ImagePullIntent\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\",\"image\":"
		  "\"reg/img:1\"}\n");
	CHECK_OK(pull_intent_read(json.bytes, json.size, arena, &image, &old, &err), &err);
	CHECK_STR("image", image, "reg/img:1");
	CHECK("of today", !old);
}

TEST(older_versions_are_known)
{
	static const char json[] = "{\"kind\":\"ImagePulledRecord\",\"apiVersion\":\"kubelet.config.k8s.io/v1alpha1\","
				   "\"lastUpdatedTime\":\"2024-10-21T12:26:40Z\",\"imageRef\":\"ref\"}";
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_buf_ struct buf again = BUF_INIT(65536);
	Config__ImagePulledRecord *record;
	bool old = false;
	struct err err = { 0 };

	CHECK_OK(pull_record_read(json, strlen(json), arena, &record, &old, &err), &err);
	CHECK("old", old);
	CHECK_OK(pull_record_write(record, &again, &err), &err);
	CHECK_STR("written as today", buf_text(&again), TIMED "}\n");
}

TEST(garbage_is_refused)
{
	static const char *const rows[] = {
		"",
		"{",
		"[]",
		"null",
		"{}",
		"\x01\x02",
		"{\"kind\":\"ImagePulledRecord\"}",
		"{\"kind\":\"ImagePullIntent\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\",\"image\":\"x\"}",
		"{\"kind\":\"ImagePulledRecord\",\"apiVersion\":\"kubelet.config.k8s.io/v2\"}",
		"{\"kind\":\"ImagePulledRecord\",\"apiVersion\":\"v1\"}",
		HEAD "\"imageRef\":\"a\",\"more\":1}",
		HEAD "\"imageRef\":\"a\",\"imageRef\":\"b\"}",
		HEAD "\"imageRef\":1}",
		HEAD "\"imageRef\":\"a\\u0000b\"}",
		HEAD "\"lastUpdatedTime\":\"yesterday\"}",
		HEAD "\"credentialMapping\":[]}",
		HEAD "\"credentialMapping\":{\"a\":{},\"a\":{}}}",
		HEAD "\"credentialMapping\":{\"a\":{\"nodeWide\":true}}}",
		HEAD "\"imageRef\":\"testbrokenrecord\":\"credentialMapping\":{}}",
		TIMED "}{}",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		Config__ImagePulledRecord *record = NULL;
		bool old;
		struct err err = { 0 };

		CHECK_INT(rows[i], pull_record_read(rows[i], strlen(rows[i]), arena, &record, &old, &err), <, 0);
		CHECK(rows[i], err.text[0] && !record);
	}
}
