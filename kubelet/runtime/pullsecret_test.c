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

	CHECK("no JSON",
	      pullsecret_read(secret("dockerconfigjson", ".dockerconfigjson", "{", arena), arena, &list, &err) < 0);
	CHECK("no colon", pullsecret_read(secret("dockerconfigjson", ".dockerconfigjson",
						 "{\"auths\":{\"r.io\":{\"auth\":\"bWU=\"}}}", arena),
					  arena, &list, &err) < 0);
}
