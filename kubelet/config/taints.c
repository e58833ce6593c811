/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/taints.h"

#include <string.h>

#include "kubelet/config/names.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/codec/pb.h"

static bool is_effect(const char *effect)
{
	static const char *const effects[] = { "NoSchedule", "PreferNoSchedule", "NoExecute" };

	for (size_t i = 0; i < ARRAY_LEN(effects); i++)
		if (str_eq(effect, effects[i]))
			return true;
	return false;
}

bool taint_is_valid(const Core__Taint *taint)
{
	if ((!str_empty(taint->effect) && !is_effect(taint->effect)) || !name_is_qualified(str_or(taint->key, "")))
		return false;
	return str_empty(taint->value) || name_is_label_value(taint->value);
}

/* "key=value:Effect", "key:Effect" or "key" */
static int read_taint(const char *spec, Core__Taint *taint, struct arena *arena, struct err *err)
{
	_cleanup_buf_ struct buf why = BUF_INIT(ERR_TEXT_MAX);
	char *rest = arena_strdup(arena, spec), *before = strsep(&rest, ":");

	taint->effect = rest;
	if (rest && strchr(rest, ':'))
		return err_set(err, -EINVAL, "invalid taint spec: %s", spec);
	if (rest && !is_effect(rest))
		return err_set(err, -EINVAL, "invalid taint effect: %s, unsupported taint effect", rest);
	taint->key = rest ? strsep(&before, "=") : before;
	taint->value = rest ? before : NULL;
	if (taint->value && strchr(taint->value, '='))
		return err_set(err, -EINVAL, "invalid taint spec: %s", spec);
	if (taint->value)
		name_say_value_faults(taint->value, "; ", &why);
	if (why.size == 0)
		name_say_key_faults(taint->key, "; ", &why);
	if (why.size > 0)
		return err_set(err, -EINVAL, "invalid taint spec: %s, %s", spec, buf_text(&why));
	return 0;
}

static bool is_known(const Config__KubeletConfiguration *config, const Core__Taint *taint)
{
	for (size_t i = 0; i < config->n_registerwithtaints; i++)
		if (str_eq(config->registerwithtaints[i]->key, taint->key) &&
		    str_eq(config->registerwithtaints[i]->effect, taint->effect))
			return true;
	return false;
}

static int take_taint(Config__KubeletConfiguration *config, const char *spec, struct arena *arena, struct err *err)
{
	Core__Taint *taint = PB_NEW(arena, Core__Taint, core__taint__descriptor);
	int code;

	/* "key:Effect-" is how kubectl takes a taint away; a new Node has none. */
	if (str_has_suffix(spec, "-"))
		return read_taint(arena_printf(arena, "%.*s", (int)strlen(spec) - 1, spec), taint, arena, err);
	code = read_taint(spec, taint, arena, err);
	if (code < 0)
		return code;
	if (str_empty(taint->effect))
		return err_set(err, -EINVAL, "invalid taint spec: %s", spec);
	if (is_known(config, taint))
		return err_set(err, -EINVAL, "duplicated taints with the same key and effect: {%s %s %s <nil>}",
			       taint->key, str_or(taint->value, ""), taint->effect);
	PB_APPEND(arena, config, registerwithtaints, taint);
	return 0;
}

int taints_set(Config__KubeletConfiguration *config, const char *text, struct arena *arena, struct err *err)
{
	char *rest = arena_strdup(arena, text), *item;

	config->n_registerwithtaints = 0;
	while (*text && (item = strsep(&rest, ","))) {
		int code = take_taint(config, item, arena, err);
		if (code < 0)
			return code;
	}
	return 0;
}
