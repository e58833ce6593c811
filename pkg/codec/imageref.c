/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/imageref.h"

#include <stdbool.h>
#include <string.h>

#include "pkg/base/base.h"

enum { NAME_LIMIT = 255, TAG_LIMIT = 128 }; /* of the distribution's grammar */

static bool lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool word(char c)
{
	return lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Components of lower-case letters and digits, joined by one '.', one or two '_' or any '-'. */
static bool path_is_valid(const char *path)
{
	for (const char *at = path;; at++) {
		if (!lower_or_digit(*at))
			return false;
		while (lower_or_digit(*at))
			at++;
		if (*at == 0)
			return true;
		if (*at == '/')
			continue;
		if (*at == '-')
			while (at[1] == '-')
				at++;
		else if (*at == '_')
			at += at[1] == '_';
		else if (*at != '.')
			return false;
	}
}

static bool tag_is_valid(const char *tag)
{
	if (!word(*tag) || strlen(tag) > TAG_LIMIT)
		return false;
	for (; *tag; tag++)
		if (!word(*tag) && *tag != '.' && *tag != '-')
			return false;
	return true;
}

/* algorithm:hex of at least 32 characters; sha256 has 64. */
static bool digest_is_valid(const char *digest)
{
	const char *colon = strchr(digest, ':');
	size_t hex = 0;

	if (!colon || colon == digest)
		return false;
	for (const char *at = colon + 1; *at; at++, hex++)
		if (!((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f') || (*at >= 'A' && *at <= 'F')))
			return false;
	return str_has_prefix(digest, "sha256:") ? hex == 64 : hex >= 32;
}

static bool domain_is_valid(const char *domain)
{
	for (const char *at = domain; *at; at++)
		if (!word(*at) && *at != '.' && *at != '-' && *at != ':' && *at != '[' && *at != ']')
			return false;
	return *domain != 0;
}

/* The first component is a registry when it looks like a host: it has a dot or a port, or is localhost. */
static void split_domain(char *name, struct arena *arena, struct imageref *ref)
{
	char *slash = strchr(name, '/');
	size_t first = slash ? (size_t)(slash - name) : 0;
	bool host = slash && (memchr(name, '.', first) || memchr(name, ':', first) ||
			      (first == 9 && memcmp(name, "localhost", 9) == 0));

	for (size_t i = 0; slash && i < first && !host; i++)
		host = name[i] >= 'A' && name[i] <= 'Z';
	if (host) {
		*slash = 0;
		ref->domain = str_eq(name, "index.docker.io") ? "docker.io" : name;
		ref->path = slash + 1;
	} else {
		ref->domain = "docker.io";
		ref->path = name;
	}
	if (str_eq(ref->domain, "docker.io") && !strchr(ref->path, '/'))
		ref->path = arena_printf(arena, "library/%s", ref->path);
}

static int invalid(const char *text, struct err *err)
{
	const char *at = text;

	while (*at && !(*at >= 'A' && *at <= 'Z'))
		at++;
	if (*at && !strpbrk(text, " \t"))
		return err_set(err, -EINVAL,
			       "couldn't parse image name \"%s\": invalid reference format: repository name (%s) "
			       "must be lowercase",
			       text, text);
	return err_set(err, -EINVAL, "couldn't parse image name \"%s\": invalid reference format", text);
}

int imageref_parse(const char *text, struct arena *arena, struct imageref *ret_ref, struct err *err)
{
	struct imageref ref = { 0 };
	char *name = arena_strdup(arena, text);
	char *at = strchr(name, '@');

	if (at) {
		*at = 0;
		ref.digest = at + 1;
	}
	char *slash = strrchr(name, '/');
	char *colon = strchr(slash ? slash : name, ':');
	if (colon) {
		*colon = 0;
		ref.tag = colon + 1;
	}
	bool parts_are_valid = (!ref.digest || digest_is_valid(ref.digest)) && (!ref.tag || tag_is_valid(ref.tag));
	if (!parts_are_valid || strlen(name) > NAME_LIMIT)
		return invalid(text, err);
	split_domain(name, arena, &ref);
	if (!domain_is_valid(ref.domain) || !path_is_valid(ref.path))
		return invalid(text, err);
	if (!ref.tag && !ref.digest)
		ref.tag = "latest";
	*ret_ref = ref;
	return 0;
}

char *imageref_text(const struct imageref *ref, struct arena *arena)
{
	return arena_printf(arena, "%s/%s%s%s%s%s", ref->domain, ref->path, ref->tag ? ":" : "",
			    ref->tag ? ref->tag : "", ref->digest ? "@" : "", ref->digest ? ref->digest : "");
}
