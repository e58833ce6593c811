/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the kubelet was told: flags over the configuration file over defaults, checked as the stock kubelet checks.
 *
 * Flags and defaults are tables of {name, path in KubeletConfiguration}; the descriptors say how a text becomes a
 * value, so that a new field costs one line. What stock refuses is refused with its sentence.
 */
#include <stdbool.h>

#include "config/kubelet.pb-c.h"
#include "pkg/base/arena.h"
#include "pkg/base/err.h"

#define CONFIG_KUBERNETES_VERSION "v1.37.2"

enum config_what { CONFIG_RUN, CONFIG_HELP, CONFIG_VERSION, CONFIG_VERSION_RAW };

struct config {
	struct arena *arena; /* owns all of it, this struct included */
	enum config_what what;
	Config__KubeletConfiguration *kubelet; /* complete: every field with a default is set */

	/* Flags that have no field. Absent texts are "". */
	const char *config_file, *config_dir, *kubeconfig, *bootstrap_kubeconfig, *hostname_override, *node_ip,
		*root_dir, *cert_dir;
	const char *node_labels, *cloud_provider, *image_credential_provider_config;
	bool gate_sandbox_off;
};

/* Reads argv and the files that it names. On all but CONFIG_RUN nothing else has been looked at. */
int config_load(int argc, char **argv, struct config **ret_config, struct err *err);
void config_free(struct config *config);

void config_print_help(void);

/* One log line for each thing that was set but does nothing in this version. */
void config_log_idle(const struct config *config);
