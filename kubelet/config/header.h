/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The header of a configuration file: every one has it, and it says which kind it is. Inside kubelet/config only. */
#include <stddef.h>

#include "pkg/base/arena.h"
#include "pkg/base/err.h"

#define CONFIG_KIND "KubeletConfiguration"
#define CONFIG_API_VERSION "kubelet.config.k8s.io/v1beta1"

struct config_header {
	const char *kind, *api_version; /* "" for none */
};

/* -EINVAL, in stock's words, when there is no kind. */
int config_header_read(const char *json, size_t size, struct arena *arena, struct config_header *ret_header,
		       struct err *err);
