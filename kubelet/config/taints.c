/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/taints.h"

#include <string.h>

#include "kubelet/config/names.h"
#include "pkg/base/base.h"
#include "pkg/codec/pb.h"

bool taint_is_valid(const Core__Taint *taint)
{
	static const char *const effects[] = { "NoSchedule", "PreferNoSchedule", "NoExecute" };
	bool known = str_empty(taint->effect);

	for (size_t i = 0; i < ARRAY_LEN(effects); i++)
		known = known || str_eq(taint->effect, effects[i]);
	if (!known || !name_is_qualified(str_or(taint->key, "")))
		return false;
	return str_empty(taint->value) || name_is_label_value(taint->value);
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
