/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/imageref.h"

#include <stdbool.h>
#include <string.h>

#include "pkg/base/base.h"

/* Of the distribution project's reference grammar. */
enum { PATH_LIMIT = 255, TAG_LIMIT = 128, DIGEST_LEAST = 32 };

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alphanumeric(char c)
{
	return is_lower(c) || is_upper(c) || is_digit(c);
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Components of lower-case letters and digits, joined by one '.', one or two '_' or any '-'. */
static bool path_is_valid(const char *path)
{
	for (const char *at = path;; at++) {
		if (!is_lower(*at) && !is_digit(*at))
			return false;
		while (is_lower(*at) || is_digit(*at))
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

/* Labels joined by dots, or an address in brackets; then, if any, a port. */
static bool domain_is_valid(const char *domain)
{
	const char *at = domain;

	if (*at == '[') {
		for (at++; is_hex(*at) || *at == ':'; at++)
			;
		if (*at != ']' || at == domain + 1)
			return false;
		at++;
	} else {
		for (;; at++) {
			if (!is_alphanumeric(*at))
				return false;
			while (is_alphanumeric(*at) || *at == '-')
				at++;
			if (at[-1] == '-')
				return false;
			if (*at != '.')
				break;
		}
	}
	if (*at == 0)
		return true;
	if (*at != ':' || !is_digit(at[1]))
		return false;
	for (at++; is_digit(*at); at++)
		;
	return *at == 0;
}

static bool tag_is_valid(const char *tag)
{
	if (!is_alphanumeric(*tag) && *tag != '_')
		return false;
	for (const char *at = tag; *at; at++)
		if (!is_alphanumeric(*at) && *at != '_' && *at != '.' && *at != '-')
			return false;
	return strlen(tag) <= TAG_LIMIT;
}

/* algorithm:hex, where the algorithm is words that begin with a letter, joined by one of -_+. */
static bool digest_is_valid(const char *digest)
{
	const char *at = digest;

	for (;; at++) {
		if (!is_lower(*at) && !is_upper(*at))
			return false;
		while (is_alphanumeric(*at))
			at++;
		if (*at == 0 || !strchr("-_+.", *at))
			break;
	}
	if (*at != ':')
		return false;
	const char *hex = ++at;
	while (is_hex(*at))
		at++;
	return *at == 0 && at - hex >= DIGEST_LEAST;
}

/* What is wrong with a digest of the right form, in the sentences of the digest module; NULL for nothing. */
static const char *digest_fault(const char *digest)
{
	static const struct {
		const char *prefix;
		size_t digits;
	} algorithms[] = { { "sha256:", 64 }, { "sha384:", 96 }, { "sha512:", 128 } };

	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		const char *hex = digest + strlen(algorithms[i].prefix);

		if (!str_has_prefix(digest, algorithms[i].prefix))
			continue;
		if (strlen(hex) != algorithms[i].digits)
			return "invalid checksum digest length";
		for (; *hex; hex++)
			if (is_upper(*hex))
				return "invalid checksum digest format";
		return NULL;
	}
	for (const char *at = digest; *at != ':'; at++)
		if (is_upper(*at))
			return "invalid checksum digest format";
	return "unsupported digest algorithm";
}

/* The first component is a registry when it looks like a host: it has a dot or a port, an upper-case letter, or is
 * localhost. *rest is what follows it. */
static const char *take_domain(char *text, struct arena *arena, char **rest)
{
	char *slash = strchr(text, '/');
	const char *domain = "docker.io";

	*rest = text;
	if (slash) {
		size_t size = (size_t)(slash - text);
		bool is_host = (size == 9 && memcmp(text, "localhost", 9) == 0) || memchr(text, '.', size) ||
			       memchr(text, ':', size);

		for (size_t i = 0; i < size && !is_host; i++)
			is_host = is_upper(text[i]);
		if (is_host) {
			domain = arena_strndup(arena, text, size);
			*rest = slash + 1;
		}
		if (str_eq(domain, "index.docker.io"))
			domain = "docker.io";
	}
	if (str_eq(domain, "docker.io") && !strchr(*rest, '/'))
		*rest = arena_printf(arena, "library/%s", *rest);
	return domain;
}

/* Cuts `text` at the first `stop` and returns what follows, NULL when there is none. */
static char *cut(char *text, char stop)
{
	char *at = strchr(text, stop);

	if (!at)
		return NULL;
	*at = 0;
	return at + 1;
}

static const char *find_fault(const char *text, struct arena *arena, struct imageref *ref)
{
	char *rest;

	if (strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64)
		return arena_printf(arena, "invalid repository name (%s), cannot specify 64-byte hexadecimal strings",
				    text);
	ref->domain = take_domain(arena_strdup(arena, text), arena, &rest);

	size_t size = strcspn(rest, ":");
	for (size_t i = 0; i < size; i++)
		if (is_upper(rest[i]))
			return arena_printf(arena, "invalid reference format: repository name (%.*s) must be lowercase",
					    (int)size, rest);

	ref->digest = cut(rest, '@');
	ref->tag = cut(rest, ':');
	ref->path = rest;
	if ((ref->tag && !tag_is_valid(ref->tag)) || (ref->digest && !digest_is_valid(ref->digest)))
		return "invalid reference format";
	if (!domain_is_valid(ref->domain)) {
		/* It may still be a path: "a_b.c/d". */
		ref->path = arena_printf(arena, "%s/%s", ref->domain, rest);
		ref->domain = "";
	}
	if (!path_is_valid(ref->path))
		return "invalid reference format";
	if (strlen(ref->path) > PATH_LIMIT)
		return "repository name must not be more than 255 characters";
	return ref->digest ? digest_fault(ref->digest) : NULL;
}

int imageref_parse(const char *text, struct arena *arena, struct imageref *ret_ref, struct err *err)
{
	struct imageref ref = { 0 };
	const char *fault = find_fault(text, arena, &ref);

	if (fault)
		return err_set(err, -EINVAL, "couldn't parse image name \"%s\": %s", text, fault);
	if (!ref.tag && !ref.digest)
		ref.tag = "latest";
	*ret_ref = ref;
	return 0;
}

static void cut_suffix(char *text, char before, const char *suffix)
{
	size_t size = strlen(text), suffix_size = suffix ? strlen(suffix) : 0;

	if (suffix && size > suffix_size && str_has_suffix(text, suffix) && text[size - suffix_size - 1] == before)
		text[size - suffix_size - 1] = 0;
}

char *imageref_trim(const char *text, const struct imageref *ref, struct arena *arena)
{
	char *trimmed = arena_strdup(arena, text);

	cut_suffix(trimmed, '@', ref->digest);
	cut_suffix(trimmed, ':', ref->tag); /* an implied one is not there */
	return trimmed;
}

char *imageref_text(const struct imageref *ref, struct arena *arena)
{
	return arena_printf(arena, "%s%s%s%s%s%s%s", ref->domain, *ref->domain ? "/" : "", ref->path,
			    ref->tag ? ":" : "", ref->tag ? ref->tag : "", ref->digest ? "@" : "",
			    ref->digest ? ref->digest : "");
}
