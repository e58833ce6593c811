/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/names.h"

#include <string.h>

#include "pkg/base/base.h"

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

/* "name" or "dns.prefix/name". */
bool name_is_qualified(const char *key)
{
	const char *slash = strchr(key, '/');
	const char *name = slash ? slash + 1 : key;

	if (slash) {
		const char *label = key;

		if (slash - key > PREFIX_MAX_BYTES)
			return false;
		for (const char *at = key; at <= slash; at++) {
			if (*at >= 'A' && *at <= 'Z')
				return false;
			if (*at != '.' && at != slash)
				continue;
			if (!is_name(label, (size_t)(at - label), "-"))
				return false;
			label = at + 1;
		}
	}
	return strlen(name) <= NAME_MAX_BYTES && is_name(name, strlen(name), "-_.");
}

bool name_is_label_value(const char *value)
{
	return !*value || (strlen(value) <= NAME_MAX_BYTES && is_name(value, strlen(value), "-_."));
}

/* Of our own Node object a kubelet may set only these in the project's name spaces. */
static bool is_allowed(const char *key)
{
	static const char *const labels[] = {
		"beta.kubernetes.io/arch",
		"beta.kubernetes.io/instance-type",
		"beta.kubernetes.io/os",
		"failure-domain.beta.kubernetes.io/region",
		"failure-domain.beta.kubernetes.io/zone",
		"kubernetes.io/arch",
		"kubernetes.io/hostname",
		"kubernetes.io/os",
		"node.kubernetes.io/instance-type",
		"topology.kubernetes.io/region",
		"topology.kubernetes.io/zone",
	};
	const char *slash = strchr(key, '/');
	_cleanup_free_ char *space = slash ? xstrndup(key, (size_t)(slash - key)) : xstrdup("");

	if (!str_eq(space, "kubernetes.io") && !str_has_suffix(space, ".kubernetes.io") && !str_eq(space, "k8s.io") &&
	    !str_has_suffix(space, ".k8s.io"))
		return true;
	if (str_eq(space, "kubelet.kubernetes.io") || str_has_suffix(space, ".kubelet.kubernetes.io") ||
	    str_eq(space, "node.kubernetes.io") || str_has_suffix(space, ".node.kubernetes.io"))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(labels); i++)
		if (str_eq(key, labels[i]))
			return true;
	return false;
}

static int check_label(const char *key, const char *value, struct err *err)
{
	if (!is_allowed(key))
		return err_set(
			err, -EINVAL,
			"unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: [%s]; these must "
			"begin with kubelet.kubernetes.io or node.kubernetes.io or be one of the well-known labels of "
			"a node",
			key);
	if (!name_is_qualified(key))
		return err_set(err, -EINVAL, "invalid node labels: '%s' is not a label's name", key);
	if (!name_is_label_value(value))
		return err_set(err, -EINVAL, "invalid node labels: '%s' is not a label's value", value);
	return 0;
}

int node_labels_check(const char *list, struct err *err)
{
	_cleanup_free_ char *copy = xstrdup(list);

	for (char *item = copy; item && *item;) {
		char *comma = strchr(item, ','), *equals;

		if (comma)
			*comma = 0;
		equals = strchr(item, '=');
		if (equals)
			*equals = 0;
		int code = check_label(item, equals ? equals + 1 : "", err);
		if (code < 0)
			return err_wrap(err, "failed to validate kubelet flags");
		item = comma ? comma + 1 : NULL;
	}
	return 0;
}
