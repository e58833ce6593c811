/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/names.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/buf.h"

enum { NAME_MAX_BYTES = 63, PREFIX_MAX_BYTES = 253 }; /* of qualified names in the API */

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name(const char *text, size_t size, const char *between)
{
	if (size == 0 || !is_alphanumeric(text[0]) || !is_alphanumeric(text[size - 1]))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!is_alphanumeric(text[i]) && !strchr(between, text[i]))
			return false;
	return true;
}

static bool is_prefix(const char *from, const char *to)
{
	const char *label = from;

	if (to - from > PREFIX_MAX_BYTES)
		return false;
	for (const char *at = from; at <= to; at++) {
		if (at < to && *at >= 'A' && *at <= 'Z')
			return false;
		if (at < to && *at != '.')
			continue;
		if (!is_name(label, (size_t)(at - label), "-"))
			return false;
		label = at + 1;
	}
	return true;
}

/* "name" or "dns.prefix/name". */
bool name_is_qualified(const char *key)
{
	const char *slash = strchr(key, '/');
	const char *name = slash ? slash + 1 : key;

	if (slash && !is_prefix(key, slash))
		return false;
	return strlen(name) <= NAME_MAX_BYTES && is_name(name, strlen(name), "-_.");
}

bool name_is_label_value(const char *value)
{
	return !*value || (strlen(value) <= NAME_MAX_BYTES && is_name(value, strlen(value), "-_."));
}

/* Of our own Node object a kubelet may set only these in the project's name spaces. */
#define ALLOWED_LABELS                                                                                     \
	"beta.kubernetes.io/arch, beta.kubernetes.io/instance-type, beta.kubernetes.io/os, "               \
	"failure-domain.beta.kubernetes.io/region, failure-domain.beta.kubernetes.io/zone, "               \
	"kubernetes.io/arch, kubernetes.io/hostname, kubernetes.io/os, node.kubernetes.io/instance-type, " \
	"topology.kubernetes.io/region, topology.kubernetes.io/zone"

static bool is_allowed(const char *key)
{
	const char *slash = strchr(key, '/');
	_cleanup_free_ char *space = slash ? xstrndup(key, (size_t)(slash - key)) : xstrdup("");
	_cleanup_free_ char *item = xasprintf(", %s,", key);

	if (!str_eq(space, "kubernetes.io") && !str_has_suffix(space, ".kubernetes.io") && !str_eq(space, "k8s.io") &&
	    !str_has_suffix(space, ".k8s.io"))
		return true;
	if (str_eq(space, "kubelet.kubernetes.io") || str_has_suffix(space, ".kubelet.kubernetes.io") ||
	    str_eq(space, "node.kubernetes.io") || str_has_suffix(space, ".node.kubernetes.io"))
		return true;
	return strstr(", " ALLOWED_LABELS ",", item);
}

/* One label of the list, "k=v" or "k"; false at its end. */
static bool next_label(char **list, char **ret_key, char **ret_value)
{
	char *item;

	while ((item = strsep(list, ","))) {
		if (!*item)
			continue;
		char *equals = strchr(item, '=');
		if (equals)
			*equals = 0;
		*ret_value = equals ? str_trim(equals + 1) : item + strlen(item);
		*ret_key = str_trim(item);
		return true;
	}
	return false;
}

char *node_labels_join(const char *list, const char *more, struct arena *arena)
{
	char *joined = arena_strdup(arena, ""), *rest = arena_printf(arena, "%s,%s", list, more), *key, *value;

	while (next_label(&rest, &key, &value)) {
		_cleanup_free_ char *old = xstrdup(joined);
		char *old_rest = old, *old_key, *old_value;

		joined = arena_strdup(arena, "");
		while (next_label(&old_rest, &old_key, &old_value))
			if (!str_eq(old_key, key))
				joined = arena_printf(arena, "%s%s=%s,", joined, old_key, old_value);
		joined = arena_printf(arena, "%s%s=%s,", joined, key, value);
	}
	if (*joined)
		joined[strlen(joined) - 1] = 0;
	return joined;
}

#define NAME_REGEX "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
#define NAME_RULE                                                                                          \
	"alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character " \
	"(e.g. '%s',  or '%s',  or '%s', regex used for validation is '%s')"

void name_say_key_faults(const char *key, const char *separator, struct buf *into)
{
	const char *slash = strchr(key, '/');
	const char *name = slash ? slash + 1 : key;
	size_t before = into->size;

	if (slash && strchr(slash + 1, '/')) {
		buf_printf(into,
			   "a valid label key must consist of " NAME_RULE
			   " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
			   "MyName", "my.name", "123-abc", NAME_REGEX);
		return;
	}
	if (slash == key)
		buf_printf(into, "prefix part must be non-empty");
	else if (slash && !is_prefix(key, slash))
		buf_printf(into,
			   "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
			   "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
			   "'example.com', regex used for validation is '%s')",
			   "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*");
	if (!*name || strlen(name) > NAME_MAX_BYTES)
		buf_printf(into, *name ? "%sname part must be no more than %d bytes" : "%sname part must be non-empty",
			   into->size > before ? separator : "", NAME_MAX_BYTES);
	if (!is_name(name, strlen(name), "-_."))
		buf_printf(into, "%sname part must consist of " NAME_RULE, into->size > before ? separator : "",
			   "MyName", "my.name", "123-abc", NAME_REGEX);
}

void name_say_value_faults(const char *value, const char *separator, struct buf *into)
{
	size_t before = into->size;

	if (strlen(value) > NAME_MAX_BYTES)
		buf_printf(into, "must be no more than %d bytes", NAME_MAX_BYTES);
	if (*value && !is_name(value, strlen(value), "-_."))
		buf_printf(into, "%sa valid label must be an empty string or consist of " NAME_RULE,
			   into->size > before ? separator : "", "MyValue", "my_value", "12345", "(" NAME_REGEX ")?");
}

/* Appends "'text' - why" when there is a why. */
static void say_faults(const char *text, void (*say)(const char *text, const char *separator, struct buf *into),
		       struct buf *into)
{
	_cleanup_buf_ struct buf why = BUF_INIT(ERR_TEXT_MAX);

	say(text, ", ", &why);
	if (why.size > 0)
		buf_printf(into, "%s'%s' - %s", into->size > 0 ? "; " : "", text, buf_text(&why));
}

int node_labels_check(const char *list, struct err *err)
{
	_cleanup_free_ char *copy = xstrdup(list);
	_cleanup_buf_ struct buf unknown = BUF_INIT(ERR_TEXT_MAX), invalid = BUF_INIT(ERR_TEXT_MAX);
	char *rest = copy, *key, *value;
	int code = 0;

	while (next_label(&rest, &key, &value)) {
		if (!is_allowed(key))
			buf_printf(&unknown, "%s%s", unknown.size > 0 ? " " : "", key);
		say_faults(key, name_say_key_faults, &invalid);
		say_faults(value, name_say_value_faults, &invalid);
	}
	if (unknown.size > 0)
		code = err_set(err, -EINVAL,
			       "unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: [%s]\n"
			       "--node-labels in the 'kubernetes.io' namespace must begin with an allowed prefix "
			       "(kubelet.kubernetes.io, node.kubernetes.io) or be in the specifically allowed set (%s)",
			       buf_text(&unknown), ALLOWED_LABELS);
	else if (invalid.size > 0)
		code = err_set(err, -EINVAL, "invalid node labels: %s", buf_text(&invalid));
	return code < 0 ? err_wrap(err, "failed to validate kubelet flags") : 0;
}
