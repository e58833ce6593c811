/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/taints.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/pb.h"

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
static bool is_qualified_name(const char *key)
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

bool taint_is_valid(const Core__Taint *taint)
{
	static const char *const effects[] = { "NoSchedule", "PreferNoSchedule", "NoExecute" };
	bool known = str_empty(taint->effect);

	for (size_t i = 0; i < ARRAY_LEN(effects); i++)
		known = known || str_eq(taint->effect, effects[i]);
	if (!known || !is_qualified_name(str_or(taint->key, "")))
		return false;
	return str_empty(taint->value) ||
	       (strlen(taint->value) <= NAME_MAX_BYTES && is_name(taint->value, strlen(taint->value), "-_."));
}

static int take_taint(Config__KubeletConfiguration *config, char *text, struct arena *arena, struct err *err)
{
	Core__Taint *taint = PB_NEW(arena, Core__Taint, core__taint__descriptor);

	taint->key = arena_strdup(arena, text);
	char *colon = strchr(taint->key, ':');
	if (!colon || strchr(colon + 1, ':'))
		return err_set(err, -EINVAL, "invalid taint spec: %s", text);
	*colon = 0;
	taint->effect = colon + 1;
	char *equals = strchr(taint->key, '=');
	if (equals) {
		*equals = 0;
		taint->value = equals + 1;
	}
	if (str_empty(taint->effect) || !taint_is_valid(taint))
		return err_set(err, -EINVAL, "invalid taint spec: %s", text);
	PB_APPEND(arena, config, registerwithtaints, taint);
	return 0;
}

int taints_set(Config__KubeletConfiguration *config, const char *text, struct arena *arena, struct err *err)
{
	char *item = arena_strdup(arena, text);

	config->n_registerwithtaints = 0;
	while (*item) {
		char *comma = strchr(item, ',');

		if (comma)
			*comma = 0;
		int code = take_taint(config, item, arena, err);
		if (code < 0)
			return code;
		item = comma ? comma + 1 : item + strlen(item);
	}
	return 0;
}
