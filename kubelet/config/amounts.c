/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/amounts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/duration.h"
#include "pkg/codec/quantity.h"

static int check_reserved(const char *resource, const char *amount, struct err *err)
{
	static const char *const known[] = { "cpu", "memory", "ephemeral-storage", "pid" };
	struct quantity quantity;

	if (!str_is_one_of(resource, known, ARRAY_LEN(known)))
		return err_set(err, -EINVAL, "cannot reserve \"%s\" resource", resource);
	if (str_empty(amount))
		return err_set(err, -EINVAL,
			       "failed to parse quantity \"\" for \"%s\" resource: quantities must match the regular "
			       "expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
			       resource);
	if (quantity_parse(amount, &quantity, err) < 0)
		return err_wrap(err, "failed to parse quantity \"%s\" for \"%s\" resource", amount, resource);
	if (quantity.nano < 0)
		return err_set(err, -EINVAL, "resource quantity for \"%s\" cannot be negative: %s", resource, amount);
	return 0;
}

static int check_percentage(const char *signal, const char *value, struct err *err)
{
	char *end;
	double percent = strtod(value, &end);

	if (end == value || *end != '%')
		return err_set(err, -EINVAL, "strconv.ParseFloat: parsing \"%.*s\": invalid syntax",
			       (int)strcspn(value, "%"), value);
	if (percent < 0)
		return err_set(err, -EINVAL, "eviction percentage threshold %s must be >= 0%%: %s", signal, value);
	if (percent > 100)
		return err_set(err, -EINVAL, "eviction percentage threshold %s must be <= 100%%: %s", signal, value);
	return 0;
}

static int check_signal(const char *signal, struct err *err)
{
	static const char *const known[] = {
		"memory.available",   "nodefs.available",      "nodefs.inodesFree",      "imagefs.available",
		"imagefs.inodesFree", "containerfs.available", "containerfs.inodesFree", "allocatableMemory.available",
		"pid.available",
	};

	if (!str_is_one_of(signal, known, ARRAY_LEN(known)))
		return err_set(err, -EINVAL, "unsupported eviction signal %s", signal);
	return 0;
}

static int check_threshold(const char *signal, const char *value, struct err *err)
{
	struct quantity quantity;

	if (check_signal(signal, err) < 0)
		return err->code;
	if (str_has_suffix(value, "%"))
		return check_percentage(signal, value, err);
	if (str_empty(value))
		return err_set(err, -EINVAL,
			       "quantities must match the regular expression "
			       "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
	if (quantity_parse(value, &quantity, err) < 0)
		return err->code;
	if (quantity.nano <= 0)
		return err_set(err, -EINVAL, "eviction threshold %s must be positive: %s", signal, value);
	return 0;
}

static int check_grace(const char *signal, const char *value, struct err *err)
{
	int64_t ns;

	if (check_signal(signal, err) < 0)
		return err->code;
	if (duration_read(value, &ns, err) < 0)
		return err->code;
	if (ns < 0)
		return err_set(err, -EINVAL, "invalid eviction grace period specified: %s, must be a positive value",
			       value);
	return 0;
}

static int check_reclaim(const char *signal, const char *value, struct err *err)
{
	struct quantity quantity;

	if (check_signal(signal, err) < 0)
		return err->code;
	if (str_has_suffix(value, "%") && strtod(value, NULL) <= 0)
		return err_set(err, -EINVAL, "eviction percentage minimum reclaim %s must be positive: %s", signal,
			       value);
	if (str_has_suffix(value, "%"))
		return 0;
	if (quantity_parse(value, &quantity, err) < 0)
		return err->code;
	if (quantity.nano < 0)
		return err_set(err, -EINVAL, "negative eviction minimum reclaim specified for %s", signal);
	return 0;
}

static bool has_grace(const Config__KubeletConfiguration *config, const char *signal)
{
	for (size_t i = 0; i < config->n_evictionsoftgraceperiod; i++)
		if (str_eq(config->evictionsoftgraceperiod[i]->key, signal))
			return true;
	return false;
}

/* What belongs to eviction but does nothing yet has to be right all the same. */
static int check_soft(const Config__KubeletConfiguration *config, struct err *err)
{
	int code = 0;

	for (size_t i = 0; i < config->n_evictionsoft && code == 0; i++)
		code = check_threshold(config->evictionsoft[i]->key, str_or(config->evictionsoft[i]->value, ""), err);
	for (size_t i = 0; i < config->n_evictionsoftgraceperiod && code == 0; i++)
		code = check_grace(config->evictionsoftgraceperiod[i]->key,
				   str_or(config->evictionsoftgraceperiod[i]->value, ""), err);
	for (size_t i = 0; i < config->n_evictionminimumreclaim && code == 0; i++)
		code = check_reclaim(config->evictionminimumreclaim[i]->key,
				     str_or(config->evictionminimumreclaim[i]->value, ""), err);
	for (size_t i = 0; i < config->n_evictionsoft && code == 0; i++)
		if (!has_grace(config, config->evictionsoft[i]->key) && !str_eq(config->evictionsoft[i]->value, "0%") &&
		    !str_eq(config->evictionsoft[i]->value, "100%"))
			code = err_set(err, -EINVAL,
				       "grace period must be specified for the soft eviction threshold %s",
				       config->evictionsoft[i]->key);
	return code;
}

int amounts_check(const Config__KubeletConfiguration *config, struct err *err)
{
	for (size_t i = 0; i < config->n_kubereserved; i++)
		if (check_reserved(config->kubereserved[i]->key, config->kubereserved[i]->value, err) < 0)
			return err_wrap(err, "failed to run Kubelet: --kube-reserved value failed to parse");
	for (size_t i = 0; i < config->n_systemreserved; i++)
		if (check_reserved(config->systemreserved[i]->key, config->systemreserved[i]->value, err) < 0)
			return err_wrap(err, "failed to run Kubelet: --system-reserved value failed to parse");
	for (size_t i = 0; i < config->n_evictionhard; i++)
		if (check_threshold(config->evictionhard[i]->key, str_or(config->evictionhard[i]->value, ""), err) < 0)
			return err_wrap(err, "failed to run Kubelet");
	if (check_soft(config, err) < 0)
		return err_wrap(err, "failed to run Kubelet: failed to create kubelet");
	return 0;
}
