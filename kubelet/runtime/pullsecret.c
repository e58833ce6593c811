/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/pullsecret.h"

#include <fnmatch.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/base64.h"
#include "pkg/codec/json.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/utf8.h"
#include "pkg/net/digest.h"

#define DOCKER_HUB_KEY "index.docker.io" /* how `docker login` names it */

enum { HASHED_MAX = 8 * 1024 * 1024 }; /* what a secret of 1 MiB can become when every byte is escaped */

/* ---- the hash of a credential ---- */

/* Bytes of the character at `text`, 0 for what is none. */
static size_t character_size(const char *text, size_t left)
{
	for (size_t size = 1; size <= MIN(left, (size_t)4); size++)
		if (utf8_valid(text, size))
			return size;
	return 0;
}

static void put_character(struct buf *into, const char *text, size_t size)
{
	static const char short_ones[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
	const char *found = size == 1 && *text ? strchr(short_ones, *text) : NULL;

	if (size == 0)
		buf_puts(into, "\\ufffd");
	else if (found)
		buf_printf(into, "\\%c", letters[found - short_ones]);
	else if (size == 1 && ((unsigned char)*text < 0x20 || strchr("<>&", *text)))
		buf_printf(into, "\\u%04x", (unsigned)(unsigned char)*text);
	else if (size == 3 && (memcmp(text, "\xe2\x80\xa8", 3) == 0 || memcmp(text, "\xe2\x80\xa9", 3) == 0))
		buf_printf(into, "\\u202%c", text[2] == '\xa8' ? '8' : '9');
	else
		buf_append(into, text, size);
}

/* A member of a JSON object as Go writes it: nothing for an empty text, and nothing that HTML could take for its own.
 */
static void put_member(struct buf *into, const char *name, const char *text)
{
	size_t left = strlen(text);

	if (left == 0)
		return;
	buf_printf(into, "%s\"%s\":\"", into->size > 1 ? "," : "", name);
	while (left > 0) {
		size_t size = character_size(text, left);

		put_character(into, text, size);
		text += MAX(size, (size_t)1);
		left -= MAX(size, (size_t)1);
	}
	buf_putc(into, '"');
}

static char *hash_of(const struct pullsecret *entry, struct arena *arena)
{
	_cleanup_buf_ struct buf json = BUF_INIT(HASHED_MAX);
	char hex[DIGEST_HEX];

	buf_putc(&json, '{');
	put_member(&json, "username", entry->username);
	put_member(&json, "password", entry->password);
	put_member(&json, "email", entry->email);
	buf_putc(&json, '}');
	if (json.overflow)
		return arena_strdup(arena, ""); /* equal to no other */
	digest_sha256(json.bytes, json.size, hex);
	return arena_strdup(arena, hex);
}

/* ---- reading ---- */

/* {"auths": {HOST: {"username", "password", "email", "auth"}}}, or without the outer object in the old form. */
struct reader {
	struct arena *arena;
	const Meta__ObjectMeta *secret;
	struct pullsecret **list;
	int depth, entry_depth; /* depth of the object that an entry is */
	bool in_auths;
	char *host, *field;
	char *username, *password, *email, *auth;
	size_t n_entries;
};

static int on_key(void *owner, const char *text, size_t size, struct err *err)
{
	struct reader *reader = owner;

	reader->field = arena_strndup(reader->arena, text, size);
	if (reader->depth == 1 && reader->entry_depth == 3)
		reader->in_auths = str_eq(reader->field, "auths");
	if (reader->depth == reader->entry_depth - 1 && (reader->entry_depth == 2 || reader->in_auths))
		reader->host = reader->field;
	return 0;
}

static int on_string(void *owner, const char *text, size_t size, struct err *err)
{
	struct reader *reader = owner;

	if (reader->depth != reader->entry_depth || !reader->host)
		return 0;

	char *value = arena_strndup(reader->arena, text, size);

	if (str_eq(reader->field, "username"))
		reader->username = value;
	else if (str_eq(reader->field, "password"))
		reader->password = value;
	else if (str_eq(reader->field, "email"))
		reader->email = value;
	else if (str_eq(reader->field, "auth"))
		reader->auth = value;
	return 0;
}

static bool is_text_field(const struct reader *reader)
{
	return reader->depth == reader->entry_depth && reader->host &&
	       (str_eq(reader->field, "username") || str_eq(reader->field, "password") ||
		str_eq(reader->field, "email") || str_eq(reader->field, "auth"));
}

static int refuse_type(const struct reader *reader, const char *got, struct err *err)
{
	if (!is_text_field(reader))
		return 0;
	return err_set(err, -EBADMSG, "json: cannot unmarshal %s into field %s of type string", got, reader->field);
}

static int on_number(void *owner, const char *text, size_t size, struct err *err)
{
	return refuse_type(owner, "number", err);
}

static int on_boolean(void *owner, bool value, struct err *err)
{
	return refuse_type(owner, "bool", err);
}

static int on_null(void *owner, struct err *err)
{
	return 0;
}

static int on_begin(void *owner, size_t at, struct err *err)
{
	struct reader *reader = owner;

	if (++reader->depth == reader->entry_depth)
		reader->username = reader->password = reader->email = reader->auth = NULL;
	return 0;
}

static int on_begin_array(void *owner, size_t at, struct err *err)
{
	((struct reader *)owner)->depth++;
	return 0;
}

static int on_end_array(void *owner, size_t at, struct err *err)
{
	((struct reader *)owner)->depth--;
	return 0;
}

/* base64 of name:password, padded or not; it wins over the two fields. */
static bool read_auth(struct reader *reader)
{
	size_t size = strlen(reader->auth), decoded = 0;
	char *padded = arena_printf(reader->arena, "%s%.*s", reader->auth, (int)((4 - size % 4) % 4), "===");
	uint8_t *bytes = arena_alloc(reader->arena, base64_decoded_max(strlen(padded)) + 1);
	char *colon;

	if (base64_decode(padded, strlen(padded), bytes, &decoded) < 0)
		return false;
	bytes[decoded] = 0;
	colon = strchr((char *)bytes, ':');
	if (!colon)
		return false;
	*colon = 0;
	reader->username = (char *)bytes;
	reader->password = colon + 1;
	return true;
}

/* "https://index.docker.io/v1/" is for the host alone, as `docker login` means it. */
static char *key_of(const char *host, struct arena *arena)
{
	const char *rest = strstr(host, "://") ? strstr(host, "://") + 3 : host;
	const char *path = strchr(rest, '/');
	size_t size = path ? (size_t)(path - rest) : strlen(rest);

	if (path && (str_has_prefix(path, "/v1/") || str_has_prefix(path, "/v2/")))
		path += 3;
	if (!path || str_eq(path, "/"))
		path = "";
	return arena_printf(arena, "%.*s%s", (int)size, rest, path);
}

static Config__ImagePullSecret *source_of(const struct pullsecret *entry, const Meta__ObjectMeta *secret,
					  struct arena *arena)
{
	Config__ImagePullSecret *source = PB_NEW(arena, Config__ImagePullSecret, config__image_pull_secret__descriptor);

	source->uid = arena_text(arena, secret ? secret->uid : NULL);
	source->namespace_ = arena_text(arena, secret ? secret->namespace_ : NULL);
	source->name = arena_text(arena, secret ? secret->name : NULL);
	source->credentialhash = hash_of(entry, arena);
	return source;
}

static int on_end(void *owner, size_t at, struct err *err)
{
	struct reader *reader = owner;
	struct pullsecret *made, **last = reader->list;

	if (reader->depth-- != reader->entry_depth || !reader->host)
		return 0;
	if (++reader->n_entries > PULLSECRET_ENTRIES_MAX)
		return err_set(err, -E2BIG, "more than %d registries in one secret", PULLSECRET_ENTRIES_MAX);
	if (!str_empty(reader->auth) && !read_auth(reader))
		return err_set(err, -EBADMSG,
			       "unable to parse auth field, must be formatted as base64(username:password)");
	made = arena_alloc(reader->arena, sizeof *made);
	*made = (struct pullsecret){
		.key = key_of(reader->host, reader->arena),
		.username = str_or(reader->username, ""),
		.password = str_or(reader->password, ""),
		.email = str_or(reader->email, ""),
	};
	made->source = source_of(made, reader->secret, reader->arena);
	while (*last)
		last = &(*last)->next;
	*last = made;
	return 0;
}

int pullsecret_read(const Core__Secret *secret, struct arena *arena, struct pullsecret **list, struct err *err)
{
	static const struct json_events events = {
		.null = on_null,
		.boolean = on_boolean,
		.number = on_number,
		.string = on_string,
		.begin_object = on_begin,
		.key = on_key,
		.end_object = on_end,
		.begin_array = on_begin_array,
		.end_array = on_end_array,
	};
	bool old = str_eq(secret->type, "kubernetes.io/dockercfg");
	const char *key = old ? ".dockercfg" : ".dockerconfigjson";

	if (!old && !str_eq(secret->type, "kubernetes.io/dockerconfigjson"))
		return 0;
	for (size_t i = 0; i < secret->n_data; i++) {
		struct reader reader = {
			.arena = arena, .secret = secret->metadata, .list = list, .entry_depth = old ? 2 : 3
		};
		const ProtobufCBinaryData *value = &secret->data[i]->value;

		if (!str_eq(secret->data[i]->key, key) || value->len == 0)
			continue;
		return json_parse((const char *)value->data, value->len, &events, &reader, err);
	}
	return 0;
}

/* ---- matching ---- */

static size_t host_size(const char *text)
{
	return strcspn(text, "/");
}

/* Label by label, so that a star never swallows a dot. */
static bool host_matches(const char *glob, size_t glob_size, const char *host, size_t size)
{
	_cleanup_free_ char *left = xstrndup(glob, glob_size), *right = xstrndup(host, size);
	char *left_rest = NULL, *right_rest = NULL;
	char *a = strtok_r(left, ".", &left_rest), *b = strtok_r(right, ".", &right_rest);

	for (; a && b; a = strtok_r(NULL, ".", &left_rest), b = strtok_r(NULL, ".", &right_rest))
		if (fnmatch(a, b, 0) != 0)
			return false;
	return !a && !b;
}

static bool matches(const char *key, const char *repository)
{
	size_t key_host = host_size(key), host = host_size(repository);
	const char *key_port = memchr(key, ':', key_host), *port = memchr(repository, ':', host);
	size_t key_port_size = key_port ? (size_t)(key + key_host - key_port) : 0;
	size_t port_size = port ? (size_t)(repository + host - port) : 0;

	if (key_port_size != port_size || (port && memcmp(key_port, port, port_size) != 0))
		return false;
	return host_matches(key, key_host - key_port_size, repository, host - port_size) &&
	       str_has_prefix(repository + host, key + key_host);
}

/* Longer paths sort behind shorter ones, so the reverse order has the most specific first. */
static int by_key_reversed(const void *a, const void *b)
{
	const struct pullsecret *left = *(const struct pullsecret *const *)a;
	const struct pullsecret *right = *(const struct pullsecret *const *)b;

	return strcmp(right->key, left->key);
}

size_t pullsecret_find(const struct pullsecret *list, const char *repository, struct arena *arena,
		       const struct pullsecret ***ret_found)
{
	const struct pullsecret **found;
	size_t n = 0, all = 0;

	for (const struct pullsecret *entry = list; entry; entry = entry->next)
		all++;
	found = arena_alloc(arena, (all + 1) * sizeof *found);
	for (const struct pullsecret *entry = list; entry; entry = entry->next)
		if (matches(entry->key, repository))
			found[n++] = entry;
	for (const struct pullsecret *entry = list; n == 0 && entry; entry = entry->next)
		if (str_has_prefix(repository, "docker.io/") && str_eq(entry->key, DOCKER_HUB_KEY)) {
			found[n++] = entry;
			break;
		}
	qsort(found, n, sizeof *found, by_key_reversed);
	*ret_found = found;
	return n;
}
