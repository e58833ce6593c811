/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/pullsecret.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/base64.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

static const Core__Secret *secret(const char *type, const char *key, const char *content, struct arena *arena)
{
	_cleanup_buf_ struct buf json = BUF_INIT(65536);
	ProtobufCMessage *message = NULL;
	struct err err = { 0 };

	buf_printf(&json, "{\"type\":\"kubernetes.io/%s\",\"data\":{\"%s\":\"", type, key);
	base64_encode(content, strlen(content), &json);
	buf_puts(&json, "\"}}");
	CHECK_OK(pbjson_decode(&core__secret__descriptor, json.bytes, json.size, arena, &message, &err), &err);
	return (const Core__Secret *)message;
}

#define ENTRY(host, user) "\"" host "\":{\"username\":\"" user "\",\"password\":\"p\"}"

TEST(matching)
{
	static const struct row {
		const char *rule, *auths, *repository, *want;
	} rows[] = {
		{ "a host", ENTRY("reg.io", "a"), "reg.io/x", "a" },
		{ "another host", ENTRY("reg.io", "a"), "other.io/x", "" },
		{ "a scheme and a version do not count", ENTRY("https://reg.io/v2/", "a"), "reg.io/x", "a" },
		{ "ports must be equal", ENTRY("reg.io:5000", "a") "," ENTRY("reg.io", "b"), "reg.io:5000/x", "a" },
		{ "a path is a prefix", ENTRY("reg.io/team", "a"), "reg.io/team/x", "a" },
		{ "another path", ENTRY("reg.io/team", "a"), "reg.io/other/x", "" },
		{ "the most specific first", ENTRY("reg.io", "b") "," ENTRY("reg.io/team", "a"), "reg.io/team/x",
		  "a b" },
		{ "a star is one label", ENTRY("*.reg.io", "a"), "eu.reg.io/x", "a" },
		{ "not two", ENTRY("*.reg.io", "a"), "a.eu.reg.io/x", "" },
		{ "docker's hub by its login name", ENTRY("https://index.docker.io/v1/", "a"),
		  "docker.io/library/nginx", "a" },
		{ "which is for no one else", ENTRY("https://index.docker.io/v1/", "a"), "reg.io/x", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		const char *json =
			arena_printf(arena, "{\"other\":{\"x\":{\"username\":\"no\"}},\"auths\":{%s}}", rows[i].auths);
		const Core__Secret *object = secret("dockerconfigjson", ".dockerconfigjson", json, arena);
		const struct pullsecret **found;
		struct pullsecret *list = NULL;
		struct err err = { 0 };
		const char *got = "";

		CHECK_OK(pullsecret_read(object, arena, &list, &err), &err);
		for (size_t n = pullsecret_find(list, rows[i].repository, arena, &found), f = 0; f < n; f++)
			got = arena_printf(arena, f ? "%s %s" : "%s%s", got, found[f]->username);
		CHECK_STR(rows[i].rule, got, rows[i].want);
	}
}

TEST(reading)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct pullsecret *list = NULL;
	struct err err = { 0 };

	CHECK_OK(pullsecret_read(secret("dockercfg", ".dockercfg", "{\"r.io\":{\"auth\":\"bWU6c2U6Y3JldA==\"}}", arena),
				 arena, &list, &err),
		 &err);
	CHECK_STR("old form, auth", list->username, "me");
	CHECK_STR("only the first colon divides", list->password, "se:cret");

	list = NULL;
	CHECK_OK(pullsecret_read(secret("dockerconfigjson", ".dockerconfigjson",
					"{\"auths\":{\"r.io\":{\"auth\":\"bWU6c2U6Y3JldA\",\"username\":\"x\"}}}",
					arena),
				 arena, &list, &err),
		 &err);
	CHECK_STR("unpadded, over the fields", list->username, "me");

	list = NULL;
	CHECK_OK(pullsecret_read(
			 secret("tls", ".dockerconfigjson", "{\"auths\":{\"r.io\":{\"username\":\"x\"}}}", arena),
			 arena, &list, &err),
		 &err);
	CHECK("another kind of secret is no credential", !list);

	static const char *const odd[] = { "1", "true", "null", "[1,null,{\"a\":true}]", "{\"username\":2}" };

	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		const char *json = arena_printf(
			arena, "{\"x\":%s,\"auths\":{\"r.io\":{\"username\":\"x\",\"email\":null,\"x\":%s}}}", odd[i],
			odd[i]);

		list = NULL;
		CHECK_OK(pullsecret_read(secret("dockerconfigjson", ".dockerconfigjson", json, arena), arena, &list,
					 &err),
			 &err);
		CHECK_STR("what is not known does not count", list->username, "x");
		CHECK("one entry", !list->next);
	}
	CHECK("a number is no name", pullsecret_read(secret("dockerconfigjson", ".dockerconfigjson",
							    "{\"auths\":{\"r.io\":{\"username\":1}}}", arena),
						     arena, &list, &err) < 0);
	CHECK("no JSON",
	      pullsecret_read(secret("dockerconfigjson", ".dockerconfigjson", "{", arena), arena, &list, &err) < 0);
	CHECK("no colon", pullsecret_read(secret("dockerconfigjson", ".dockerconfigjson",
						 "{\"auths\":{\"r.io\":{\"auth\":\"bWU=\"}}}", arena),
					  arena, &list, &err) < 0);
}

/* Computed by Go's encoding/json and crypto/sha256, as upstream has it. */
TEST(hashes_are_stocks)
{
	static const struct row {
		const char *entry, *hash;
	} rows[] = {
		{ "\"username\":\"me\",\"password\":\"secret\"",
		  "da191bebdcc70de29fcc11ee46cf24813e647caeed92e825666af6003c70bb1b" },
		{ "\"auth\":\"bWU6c2VjcmV0\"", "da191bebdcc70de29fcc11ee46cf24813e647caeed92e825666af6003c70bb1b" },
		{ "\"username\":\"me\",\"password\":\"p\",\"email\":\"a@b.c\"",
		  "c23087e11268b057da636d8c3f20239206f3bb5ccd0c74f08941bbf1567fe7cd" },
		{ "\"username\":\"me\",\"password\":\"<&>\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\x7f\\u2028\\u2029\u00e9\u20ac"
		  "\U0001f600\"",
		  "e4e7cac09e4cf16773f7ab9d46e12a86069545668ba2e2f232c3226f9cc7c60e" },
		{ "\"auth\":\"bWU6Yf/+YuKA\"", "22185cbe400fe6d9fae2c07e0f853bd828e29cdfd0477a27966790feb5f32fc0" },
		{ "\"other\":1", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct pullsecret *list = NULL;
		struct err err = { 0 };
		const char *json = arena_printf(arena, "{\"auths\":{\"r.io\":{%s}}}", rows[i].entry);

		CHECK_OK(pullsecret_read(secret("dockerconfigjson", ".dockerconfigjson", json, arena), arena, &list,
					 &err),
			 &err);
		CHECK_STR(rows[i].entry, list->source->credentialhash, rows[i].hash);
		CHECK_STR("a secret without a name", list->source->name, "");
	}
}
