/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/config.h"

#include <arpa/inet.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "kubelet/config/features.h"
#include "kubelet/config/fields.h"
#include "kubelet/config/names.h"
#include "kubelet/config/tables.h"
#include "kubelet/config/taints.h"
#include "kubelet/config/validate.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"
#include "pkg/codec/yaml.h"

enum {
	FILE_MAX = 1024 * 1024, /* kubeadm's is 1 KiB; nothing in it grows with the node */
	FLAGS_MAX = 256,        /* twice as many as there are */
};

/* ---- flags without a field ---- */

struct own_flag {
	const char *name;
	size_t place; /* of a text in struct config */
	const char *initial, *help;
};

#define OWN(name, member, initial, help)                             \
	{                                                            \
		name, offsetof(struct config, member), initial, help \
	}

static const struct own_flag own_flags[] = {
	OWN("config", config_file, "", "configuration file (KubeletConfiguration, YAML or JSON); flags win over it"),
	OWN("kubeconfig", kubeconfig, "", "how to reach the API server and who we are there"),
	OWN("bootstrap-kubeconfig", bootstrap_kubeconfig, "", "kubeconfig for the first certificate"),
	OWN("cert-dir", cert_dir, "/var/lib/kubelet/pki", "folder of the serving and client certificates"),
	OWN("root-dir", root_dir, "/var/lib/kubelet", "folder of the pods' volumes and our records"),
	OWN("hostname-override", hostname_override, "", "name of the node instead of the machine's"),
	OWN("node-ip", node_ip, "", "address of the node, or two of both families, comma-separated"),
	OWN("node-labels", node_labels, "", "labels for a new Node object, k=v,k=v"),
	OWN("cloud-provider", cloud_provider, "", "\"\" or \"external\""),
	OWN("image-credential-provider-config", image_credential_provider_config, "", "accepted; has no effect yet"),
};

/* Accepted because stock does; they changed nothing there either or concern what is not built. */
static const char *const ignored_flags[] = {
	"runtime-cgroups",
	"image-credential-provider-bin-dir",
	"config-dir",
	"lock-file",
	"exit-on-lock-contention",
	"minimum-container-ttl-duration",
	"maximum-dead-containers",
	"maximum-dead-containers-per-container",
	"experimental-mounter-path",
	"experimental-allocatable-ignore-eviction",
	"housekeeping-interval",
	"log-flush-frequency",
	"log-json-info-buffer-size",
	"log-json-split-stream",
	"log-text-info-buffer-size",
	"log-text-split-stream",
	"vmodule",
	"manifest-url-header",
	"reserved-memory",
	"pod-infra-container-image",
};

static char **place_of(struct config *config, const struct own_flag *flag)
{
	return (char **)(void *)((char *)config + flag->place);
}

/* ---- reading argv ---- */

struct given {
	const struct config_flag *flag; /* sets a field */
	const char *value;
};

struct parsing {
	struct config *config;
	struct given given[FLAGS_MAX];
	size_t n_given;
	struct err *err;
};

static const struct config_flag *find_flag(const char *name)
{
	for (size_t i = 0; i < config_n_flags; i++)
		if (str_eq(config_flags[i].name, name))
			return &config_flags[i];
	return NULL;
}

static const struct own_flag *find_own(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(own_flags); i++)
		if (str_eq(own_flags[i].name, name))
			return &own_flags[i];
	return NULL;
}

static bool is_ignored(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(ignored_flags); i++)
		if (str_eq(ignored_flags[i], name))
			return true;
	return false;
}

static bool is_bool(const struct config_flag *flag)
{
	return flag && str_eq(fields_kind(&config__kubelet_configuration__descriptor, flag->path), "bool");
}

static void tell_deprecated(const char *name)
{
	fprintf(stderr,
		"Flag --%s has been deprecated, This parameter should be set via the config file specified by the "
		"Kubelet's --config flag. See https://kubernetes.io/docs/tasks/administer-cluster/kubelet-config-file/ "
		"for more information.\n",
		name);
}

/* Gates of the flag join those of the file. */
static void merge_gates(Config__KubeletConfiguration *k, Config__KubeletConfiguration__FeatureGatesEntry **old,
			size_t n, struct arena *arena)
{
	for (size_t i = 0; i < n; i++) {
		bool given = false;

		for (size_t j = 0; j < k->n_featuregates; j++)
			given = given || str_eq(k->featuregates[j]->key, old[i]->key);
		if (given)
			continue;
		k->featuregates = pb_grow(arena, k->featuregates, k->n_featuregates, sizeof *k->featuregates);
		k->featuregates[k->n_featuregates++] = old[i];
	}
}

static int set_field(struct config *config, const struct config_flag *flag, const char *value, struct err *err)
{
	Config__KubeletConfiguration *k = config->kubelet;
	Config__KubeletConfiguration__FeatureGatesEntry **gates = k->featuregates;
	size_t n_gates = k->n_featuregates;
	bool is_address = str_eq(flag->path, "address") || str_eq(flag->path, "healthzBindAddress");
	unsigned char address[16];
	int code = is_address && inet_pton(AF_INET, value, address) != 1 && inet_pton(AF_INET6, value, address) != 1
			   ? err_set(err, -EINVAL, "\"%s\" is not a valid IP address", value)
		   : str_eq(flag->path, "registerWithTaints")
			   ? taints_set(k, value, config->arena, err)
			   : fields_set(&k->base, flag->path, value, config->arena, err);

	if (code < 0)
		return err_wrap(err, "failed to parse kubelet flag: invalid argument \"%s\" for \"%s--%s\" flag", value,
				str_eq(flag->name, "v") ? "-v, " : "", flag->name);
	if (str_eq(flag->path, "featureGates"))
		merge_gates(k, gates, n_gates, config->arena);
	return 0;
}

static int take_flag(struct parsing *parsing, const char *name, const char *value)
{
	const struct config_flag *flag = find_flag(name);
	const struct own_flag *own = find_own(name);
	struct config *config = parsing->config;

	if (flag) {
		if (parsing->n_given == FLAGS_MAX)
			return err_set(parsing->err, -E2BIG, "more than %d flags", FLAGS_MAX);
		int code = set_field(config, flag, value, parsing->err);
		if (code < 0)
			return code;
		if (!flag->current)
			tell_deprecated(name);
		parsing->given[parsing->n_given++] = (struct given){ flag, value };
		return 0;
	}
	if (own) {
		*place_of(config, own) = arena_strdup(config->arena, value);
		return 0;
	}
	if (str_eq(name, "gate-sandbox")) {
		if (!str_eq(value, "on") && !str_eq(value, "off"))
			return err_set(parsing->err, -EINVAL, "--gate-sandbox must be \"on\" or \"off\", not \"%s\"",
				       value);
		config->gate_sandbox_off = str_eq(value, "off");
		return 0;
	}
	if (is_ignored(name)) {
		log_warn("Flag has no effect in this version", "flag", name, "value", value, NULL);
		return 0;
	}
	return err_set(parsing->err, -EINVAL, "failed to parse kubelet flag: unknown flag: --%s", name);
}

/* One argument, and the next one as its value where it has none of its own. Returns how many were used. */
static int take_argument(struct parsing *parsing, const char *argument, const char *next)
{
	struct arena *arena = parsing->config->arena;
	bool dashes = str_has_prefix(argument, "--");

	if (str_eq(argument, "-h") || str_eq(argument, "--help") || str_eq(argument, "--help=true")) {
		parsing->config->what = CONFIG_HELP;
		return 1;
	}
	if (str_eq(argument, "--version") || str_eq(argument, "--version=true")) {
		parsing->config->what = CONFIG_VERSION;
		return 1;
	}
	if (!dashes && !str_has_prefix(argument, "-v"))
		return argument[0] == '-' && argument[1]
			       ? err_set(parsing->err, -EINVAL,
					 "failed to parse kubelet flag: unknown shorthand flag: '%c' in %s",
					 argument[1], argument)
			       : err_set(parsing->err, -EINVAL, "unknown command %s", argument);
	/* -v4 and -v 4 and -v=4 */
	if (!dashes && argument[2] && argument[2] != '=')
		argument = arena_printf(arena, "-v=%s", argument + 2);
	char *name = arena_strdup(arena, argument + (dashes ? 2 : 1));
	char *equals = strchr(name, '=');
	if (equals)
		*equals = 0;
	for (char *at = name; *at; at++)
		if (*at == '_')
			*at = '-';
	if (equals) {
		int code = take_flag(parsing, name, equals + 1);
		return code < 0 ? code : 1;
	}
	if (is_bool(find_flag(name)) || str_eq(name, "exit-on-lock-contention")) {
		int code = take_flag(parsing, name, "true");
		return code < 0 ? code : 1;
	}
	if (!find_flag(name) && !find_own(name) && !is_ignored(name) && !str_eq(name, "gate-sandbox"))
		next = ""; /* take_flag() says that it is unknown */
	if (!next)
		return err_set(parsing->err, -EINVAL, "failed to parse kubelet flag: flag needs an argument: --%s",
			       name);
	int code = take_flag(parsing, name, next);
	return code < 0 ? code : 2;
}

static int parse_argv(struct parsing *parsing, int argc, char **argv)
{
	for (int i = 1; i < argc;) {
		int used = take_argument(parsing, argv[i], i + 1 < argc ? argv[i + 1] : NULL);

		if (used < 0)
			return used;
		if (parsing->config->what != CONFIG_RUN)
			return 0;
		i += used;
	}
	return 0;
}

/* ---- the file ---- */

static int note_oddity(void *owner, enum pbjson_oddity what, const char *path, struct err *err)
{
	struct buf *seen = owner;

	(void)err;
	buf_printf(seen, "%s%s field \"%s\"", seen->size ? ", " : "",
		   what == PBJSON_UNKNOWN_FIELD ? "unknown" : "duplicate", path);
	return 0;
}

/* The header of the file: every configuration has it, and it says which kind it is. */
static int check_header(const char *json, size_t size, struct err *err)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	ProtobufCMessage *message;
	int code = pbjson_decode(&core__object_reference__descriptor, json, size, arena, &message, err);

	if (code < 0)
		return code;
	const Core__ObjectReference *header = (const Core__ObjectReference *)message;
	if (str_empty(header->kind))
		return err_set(err, -EINVAL, "Object 'Kind' is missing in the file");
	if (str_empty(header->apiversion))
		return err_set(err, -EINVAL, "Object 'apiVersion' is missing in the file");
	if (!str_eq(header->kind, "KubeletConfiguration") ||
	    !str_eq(header->apiversion, "kubelet.config.k8s.io/v1beta1"))
		return err_set(err, -EINVAL, "no kind \"%s\" is registered for version \"%s\"", header->kind,
			       header->apiversion);
	return 0;
}

static int decode_file(struct config *config, const char *yaml, size_t size, struct err *err)
{
	_cleanup_buf_ struct buf json = BUF_INIT(4 * FILE_MAX), odd = BUF_INIT(ERR_TEXT_MAX);
	ProtobufCMessage *message;
	int code = yaml_to_json(yaml, size, &json, err);

	if (code == 0)
		code = check_header(buf_text(&json), json.size, err);
	if (code == 0)
		code = pbjson_decode_strict(&config__kubelet_configuration__descriptor, buf_text(&json), json.size,
					    config->arena, &message, note_oddity, &odd, err);
	if (code < 0)
		return code;
	if (odd.size > 0) {
		struct err strict;

		err_set(&strict, -EINVAL, "strict decoding error: %s", buf_text(&odd));
		log_error(&strict, "Using lenient decoding as strict decoding failed", NULL);
	}
	config->kubelet = (Config__KubeletConfiguration *)message;
	return 0;
}

/* Relative paths in the file are relative to it. */
static void resolve_paths(struct config *config)
{
	Config__KubeletConfiguration *k = config->kubelet;
	char **paths[] = {
		&k->staticpodpath,
		&k->tlscertfile,
		&k->tlsprivatekeyfile,
		&k->resolvconf,
		&k->volumeplugindir,
		&k->podlogsdir,
		k->authentication && k->authentication->x509 ? &k->authentication->x509->clientcafile : NULL,
	};
	const char *slash = strrchr(config->config_file, '/');

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (slash && paths[i] && !str_empty(*paths[i]) && **paths[i] != '/')
			*paths[i] = arena_printf(config->arena, "%.*s/%s", (int)(slash - config->config_file),
						 config->config_file, *paths[i]);
}

static int load_file(struct config *config, struct err *err)
{
	_cleanup_buf_ struct buf yaml = BUF_INIT(FILE_MAX);
	const char *path = config->config_file;
	int code = file_read(path, &yaml, err);

	if (code < 0) {
		err_wrap(err, "failed to read kubelet config file \"%s\", error", path);
	} else if (yaml.size == 0) {
		code = err_set(err, -EINVAL, "kubelet config file \"%s\" was empty", path);
	} else {
		code = decode_file(config, buf_text(&yaml), yaml.size, err);
		if (code < 0)
			err_wrap(err, "failed to decode");
	}
	if (code < 0) {
		/* No colon: stock has none here. */
		struct err cause = *err;

		err_set(err, code, "failed to load Kubelet config file %s, error %s", path, cause.text);
		return err_wrap(err, "failed to load kubelet config file, path: %s, error", path);
	}
	resolve_paths(config);
	return 0;
}

/* ---- putting it together ---- */

/* They were read once before the file, so that a wrong one is told first; now they win over it. */
static int apply_flags(struct parsing *parsing, struct err *err)
{
	for (size_t i = 0; i < parsing->n_given; i++) {
		int code = set_field(parsing->config, parsing->given[i].flag, parsing->given[i].value, err);

		if (code < 0)
			return code;
	}
	return 0;
}

static void must_set(struct config *config, const char *path, const char *value)
{
	struct err err;

	base_assert(fields_set(&config->kubelet->base, path, value, config->arena, &err) == 0);
}

static void set_if_absent(struct config *config, const char *path, const char *value, bool zero_is_absent)
{
	if (!fields_is_set(&config->kubelet->base, path, zero_is_absent))
		must_set(config, path, value);
}

/* Without any file stock keeps the defaults of the time before there was one. */
static void apply_legacy_defaults(struct config *config)
{
	set_if_absent(config, "authentication.anonymous.enabled", "true", false);
	set_if_absent(config, "authentication.webhook.enabled", "false", false);
	set_if_absent(config, "authorization.mode", "AlwaysAllow", true);
	set_if_absent(config, "readOnlyPort", "10255", false);
}

static void apply_defaults(struct config *config)
{
	Config__KubeletConfiguration *k = config->kubelet;
	bool has_file = !str_empty(config->config_file);

	if (!has_file)
		apply_legacy_defaults(config);
	/* Thresholds come with a file only; flags alone get none. */
	if (has_file && !k->evictionhard)
		must_set(config, "evictionHard",
			 "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,imagefs.available<15%,"
			 "imagefs.inodesFree<5%");
	if (!fields_is_set(&k->base, "nodeStatusReportFrequency", true)) {
		if (fields_is_set(&k->base, "nodeStatusUpdateFrequency", true))
			k->nodestatusreportfrequency = k->nodestatusupdatefrequency;
		else
			must_set(config, "nodeStatusReportFrequency", "5m");
	}
	set_if_absent(config, "nodeStatusUpdateFrequency", "10s", true);
	if (!k->has_serializeimagepulls)
		must_set(config, "serializeImagePulls",
			 k->has_maxparallelimagepulls && k->maxparallelimagepulls >= 2 ? "false" : "true");
	if (k->has_podpidslimit && k->podpidslimit < 0)
		k->podpidslimit = -1;
	for (size_t i = 0; i < config_n_defaults; i++)
		set_if_absent(config, config_defaults[i].path, config_defaults[i].value,
			      config_defaults[i].zero_is_absent);
	if (feature_is_on(k, "KubeletEnsureSecretPulledImages"))
		set_if_absent(config, "imagePullCredentialsVerificationPolicy", "NeverVerifyPreloadedImages", true);
	set_if_absent(config, "logging.verbosity", "0", false);
}

static bool is_cgroup_v1(void)
{
	struct statfs info;

	return statfs("/sys/fs/cgroup", &info) == 0 && info.f_type != CGROUP2_SUPER_MAGIC;
}

static int finish(struct parsing *parsing, struct err *err)
{
	struct config *config = parsing->config;
	int code;

	if ((code = node_labels_check(config->node_labels, err)) < 0)
		return code;
	code = features_check(config->kubelet, err);
	if (code == 0 && !str_empty(config->config_file)) {
		if ((code = load_file(config, err)) < 0 || (code = apply_flags(parsing, err)) < 0)
			return code;
		code = features_check(config->kubelet, err);
	}
	if (code < 0)
		return err_wrap(err, "failed to set feature gates from initial flags-based config");
	apply_defaults(config);
	if (!str_empty(config->cloud_provider) && !str_eq(config->cloud_provider, "external"))
		return err_set(err, -EINVAL,
			       "cloud provider %s was specified, but built-in cloud providers are disabled. Please set "
			       "--cloud-provider=external and migrate to an external cloud provider",
			       config->cloud_provider);
	if (!str_eq(config->kubelet->logging->format, "text") && !str_eq(config->kubelet->logging->format, "json"))
		return err_set(err, -EINVAL,
			       "initialize logging: logging.format: Invalid value: \"%s\": Unsupported log format",
			       config->kubelet->logging->format);
	code = validate_kubelet(config->kubelet, is_cgroup_v1(), err);
	if (code < 0)
		return err_wrap(err, "failed to validate kubelet configuration, error");
	return 0;
}

int config_load(int argc, char **argv, struct config **ret_config, struct err *err)
{
	struct arena *arena = arena_new();
	struct config *config = arena_alloc(arena, sizeof *config);
	struct parsing parsing = { .config = config, .err = err };

	config->arena = arena;
	config->kubelet = PB_NEW(arena, Config__KubeletConfiguration, config__kubelet_configuration__descriptor);
	for (size_t i = 0; i < ARRAY_LEN(own_flags); i++)
		*place_of(config, &own_flags[i]) = arena_strdup(arena, own_flags[i].initial);
	int code = parse_argv(&parsing, argc, argv);
	if (code == 0 && config->what == CONFIG_RUN)
		code = finish(&parsing, err);
	if (code < 0) {
		arena_free(arena);
		return code;
	}
	*ret_config = config;
	return 0;
}

void config_free(struct config *config)
{
	if (config)
		arena_free(config->arena);
}

void config_print_help(void)
{
	printf("kubelet: the node agent of a Kubernetes cluster (cubelet, in the place of the stock kubelet %s)\n\n"
	       "It registers this machine as a node, runs the pods that are assigned to it, and serves their logs and\n"
	       "sessions. Most settings belong into the file that --config names.\n\n"
	       "Usage:\n  kubelet [flags]\n\nFlags:\n",
	       CONFIG_KUBERNETES_VERSION);
	for (size_t i = 0; i < ARRAY_LEN(own_flags); i++)
		printf("  --%-34s %s%s%s%s\n", own_flags[i].name, own_flags[i].help,
		       *own_flags[i].initial ? " (default " : "", own_flags[i].initial,
		       *own_flags[i].initial ? ")" : "");
	printf("  --%-34s %s\n", "gate-sandbox on|off",
	       "off: go on where a layer of the gate's sandbox cannot be had (default on)");
	printf("  --%-34s %s\n  --%-34s %s\n", "help", "this text", "version",
	       "the version of Kubernetes that we follow");
	printf("\nFlags that set a field of the configuration file, and win over it:\n");
	for (size_t i = 0; i < config_n_flags; i++) {
		char name[64];

		snprintf(name, sizeof name, "%s %s", config_flags[i].name,
			 fields_kind(&config__kubelet_configuration__descriptor, config_flags[i].path));
		printf("  --%-50s %s\n", name, config_flags[i].path);
	}
}

void config_log_idle(const struct config *config)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct config plain = { .arena = arena, .config_file = "a file with nothing in it" };

	plain.kubelet = PB_NEW(arena, Config__KubeletConfiguration, config__kubelet_configuration__descriptor);
	apply_defaults(&plain);
	for (size_t i = 0; i < config_n_idle_fields; i++)
		if (!fields_equal(&config->kubelet->base, &plain.kubelet->base, config_idle_fields[i]))
			log_warn("Configuration field has no effect in this version", "field", config_idle_fields[i],
				 NULL);
	if (!str_empty(config->bootstrap_kubeconfig))
		log_warn("Flag has no effect in this version", "flag", "bootstrap-kubeconfig", NULL);
}
