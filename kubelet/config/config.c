/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/config.h"

#include <arpa/inet.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kubelet/config/amounts.h"
#include "kubelet/config/argv.h"
#include "kubelet/config/dropin.h"
#include "kubelet/config/features.h"
#include "kubelet/config/fields.h"
#include "kubelet/config/header.h"
#include "kubelet/config/names.h"
#include "kubelet/config/tables.h"
#include "kubelet/config/taints.h"
#include "kubelet/config/validate.h"
#include "kubelet/config/version.h"
#include "kubelet/config/words.h"
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
	OWN("config-dir", config_dir, "", "folder of further files, NAME.conf, that win over --config"),
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

/*
 * Accepted because stock does; they changed nothing there either or concern what is not built. The kind is one of
 * fields_kind(); `deprecated` is what stock says when it is used, NULL for nothing, "" for what it says of most.
 */
struct ignored_flag {
	const char *name, *kind, *deprecated;
};

static const char in_the_file[] = "This parameter should be set via the config file specified by the Kubelet's "
				  "--config flag. See "
				  "https://kubernetes.io/docs/tasks/administer-cluster/kubelet-config-file/ for more "
				  "information.";
static const char by_eviction[] =
	"Use --eviction-hard or --eviction-soft instead. Will be removed in a future version.";

static const struct ignored_flag ignored_flags[] = {
	{ "runtime-cgroups", "string", NULL },
	{ "image-credential-provider-bin-dir", "string", NULL },
	{ "lock-file", "string", NULL },
	{ "exit-on-lock-contention", "bool", NULL },
	{ "minimum-container-ttl-duration", "duration", by_eviction },
	{ "maximum-dead-containers", "int", by_eviction },
	{ "maximum-dead-containers-per-container", "int", by_eviction },
	{ "experimental-mounter-path", "string", "will be removed in 1.25 or later. in favor of using CSI." },
	{ "experimental-allocatable-ignore-eviction", "bool", "will be removed in 1.25 or later." },
	{ "housekeeping-interval", "duration", NULL },
	{ "log-flush-frequency", "duration", NULL },
	{ "log-json-info-buffer-size", "string", in_the_file },
	{ "log-json-split-stream", "bool", in_the_file },
	{ "log-text-info-buffer-size", "string", in_the_file },
	{ "log-text-split-stream", "bool", in_the_file },
	{ "vmodule", "string", NULL },
	{ "manifest-url-header", "string", in_the_file },
	{ "reserved-memory", "string", in_the_file },
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
	bool is_help, is_version, is_raw;
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

static const struct ignored_flag *find_ignored(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(ignored_flags); i++)
		if (str_eq(ignored_flags[i].name, name))
			return &ignored_flags[i];
	return NULL;
}

static void tell_deprecated(const char *name, const char *why)
{
	fprintf(stderr, "Flag --%s has been deprecated, %s\n", name, why);
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

/* `add`: the flag was given before, and a list or map gets more items. */
static int set_field(struct config *config, const struct config_flag *flag, const char *value, bool add,
		     struct err *err)
{
	Config__KubeletConfiguration *k = config->kubelet;
	Config__KubeletConfiguration__FeatureGatesEntry **gates = k->featuregates;
	size_t n_gates = k->n_featuregates;
	bool is_address = str_eq(flag->path, "address") || str_eq(flag->path, "healthzBindAddress");
	unsigned char address[16];

	if (is_address && !*value)
		return 0; /* stock keeps what it has */
	if (is_address && inet_pton(AF_INET, value, address) != 1 && inet_pton(AF_INET6, value, address) != 1)
		return err_set(err, -EINVAL, "\"%s\" is not a valid IP address", value);
	if (str_eq(flag->path, "registerWithTaints"))
		return taints_set(k, value, config->arena, err);
	int code = fields_set(&k->base, flag->path, value, add, config->arena, err);
	if (code == 0 && str_eq(flag->path, "featureGates"))
		merge_gates(k, gates, n_gates, config->arena);
	return code;
}

/* Whether one of the first n flags that were given is this one. */
static bool was_given(const struct parsing *parsing, size_t n, const struct config_flag *flag)
{
	for (size_t i = 0; i < n; i++)
		if (parsing->given[i].flag == flag)
			return true;
	return false;
}

static int take_field(struct parsing *parsing, const struct config_flag *flag, const char *value, struct err *err)
{
	if (parsing->n_given == FLAGS_MAX)
		return err_set(err, -E2BIG, "more than %d flags", FLAGS_MAX);
	int code = set_field(parsing->config, flag, value, was_given(parsing, parsing->n_given, flag), err);
	if (code < 0)
		return code;
	if (!flag->current)
		tell_deprecated(flag->name, in_the_file);
	parsing->given[parsing->n_given++] = (struct given){ flag, value };
	return 0;
}

static int take_version(struct parsing *parsing, const char *value, struct err *err)
{
	parsing->is_version = parsing->is_raw = str_eq(value, "raw");
	if (parsing->is_raw)
		return 0;
	if (value[0] == 'v') { /* stock then says that it is this one; we do not */
		if (version_check(value, CONFIG_KUBERNETES_VERSION, err) < 0)
			return err->code;
		if (!str_eq(value, CONFIG_KUBERNETES_VERSION))
			log_warn("Flag has no effect in this version", "flag", "version", "value", value, NULL);
		return 0;
	}
	int code = fields_check("bool", value, err);
	parsing->is_version = code == 0 && strchr("1tT", value[0]);
	return code;
}

static int take_flag(void *owner, const char *name, const char *value, struct err *err)
{
	struct parsing *parsing = owner;
	struct config *config = parsing->config;
	const struct config_flag *flag = find_flag(name);
	const struct own_flag *own = find_own(name);
	const struct ignored_flag *ignored = find_ignored(name);

	if (flag)
		return take_field(parsing, flag, value, err);
	if (own) {
		char **place = place_of(config, own);

		*place = str_eq(name, "node-labels") ? node_labels_join(*place, value, config->arena)
						     : arena_strdup(config->arena, value);
		return 0;
	}
	if (str_eq(name, "help")) {
		int code = fields_check("bool", value, err);

		parsing->is_help = code == 0 && strchr("1tT", value[0]);
		return code;
	}
	if (str_eq(name, "version"))
		return take_version(parsing, value, err);
	if (str_eq(name, "gate-sandbox")) {
		config->gate_sandbox_off = str_eq(value, "off");
		return str_eq(value, "on") || str_eq(value, "off") ? 0
								   : err_set(err, -EINVAL, "must be \"on\" or \"off\"");
	}
	int code = fields_check(ignored->kind, value, err);
	if (code < 0)
		return code;
	if (ignored->deprecated)
		tell_deprecated(name, ignored->deprecated);
	log_warn("Flag has no effect in this version", "flag", name, "value", value, NULL);
	return 0;
}

static enum argv_kind flag_kind(void *owner, const char *name)
{
	const struct config_flag *flag = find_flag(name);
	const struct ignored_flag *ignored = find_ignored(name);
	const char *kind = "string";

	if (flag)
		kind = fields_kind(&config__kubelet_configuration__descriptor, flag->path);
	else if (ignored)
		kind = ignored->kind;
	else if (str_eq(name, "help") || str_eq(name, "version"))
		kind = "bool";
	else if (!find_own(name) && !str_eq(name, "gate-sandbox"))
		return ARGV_UNKNOWN;
	return str_eq(kind, "bool") ? ARGV_SWITCH : ARGV_VALUE;
}

static const char *long_name(void *owner, char letter)
{
	return letter == 'v' ? "v" : letter == 'h' ? "help" : NULL;
}

static int parse_argv(struct parsing *parsing, int argc, char **argv, struct err *err)
{
	const struct argv_flags flags = {
		.kind = flag_kind, .long_name = long_name, .set = take_flag, .owner = parsing
	};
	const char *word;

	if (argv_read(argc, argv, &flags, parsing->config->arena, &word, err) < 0)
		return err_wrap(err, "failed to parse kubelet flag");
	if (word)
		return err_set(err, -EINVAL, "unknown command %s", word);
	parsing->config->what = CONFIG_RUN;
	if (parsing->is_help)
		parsing->config->what = CONFIG_HELP;
	else if (parsing->is_version)
		parsing->config->what = parsing->is_raw ? CONFIG_VERSION_RAW : CONFIG_VERSION;
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

static int check_header(const char *json, size_t size, struct err *err)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct config_header header;
	int code = config_header_read(json, size, arena, &header, err);

	if (code < 0)
		return code;
	if (!*header.api_version)
		return err_set(err, -EINVAL, "Object 'apiVersion' is missing in '%.*s'", (int)MIN(size, (size_t)500),
			       json);
	if (!str_eq(header.kind, CONFIG_KIND) || !str_eq(header.api_version, CONFIG_API_VERSION))
		return err_set(err, -EINVAL, "no kind \"%s\" is registered for version \"%s\"", header.kind,
			       header.api_version);
	return 0;
}

static int decode_file(struct config *config, const char *yaml, size_t size, struct err *err)
{
	_cleanup_buf_ struct buf json = BUF_INIT(4 * FILE_MAX), odd = BUF_INIT(ERR_TEXT_MAX);
	ProtobufCMessage *message;
	bool is_json = yaml[strspn(yaml, " \t\r\n")] == '{'; /* then stock reads it as nothing else */
	int code = 0;

	if (is_json)
		buf_append(&json, yaml, size);
	else
		code = yaml_to_json(yaml, size, &json, err);
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

/* An absolute path without "//", "." and "..". */
static char *clean_path(const char *path, struct arena *arena)
{
	char *rest = arena_strdup(arena, path), *clean = arena_alloc(arena, strlen(path) + 2), *name;
	size_t size = 0;

	while ((name = strsep(&rest, "/"))) {
		if (!*name || str_eq(name, "."))
			continue;
		if (str_eq(name, "..")) {
			while (size > 0 && clean[--size] != '/')
				;
			continue;
		}
		clean[size++] = '/';
		memcpy(clean + size, name, strlen(name));
		size += strlen(name);
	}
	if (size == 0)
		clean[size++] = '/';
	clean[size] = 0;
	return clean;
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
	const char *folder = arena_printf(config->arena, "%s/..", config->config_file);

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (paths[i] && !str_empty(*paths[i]) && **paths[i] != '/')
			*paths[i] = clean_path(arena_printf(config->arena, "%s/%s", folder, *paths[i]), config->arena);
}

static int load_file(struct config *config, struct err *err)
{
	_cleanup_buf_ struct buf yaml = BUF_INIT(FILE_MAX);
	const char *given = config->config_file, *path;
	char folder[PATH_MAX];
	int code;

	if (given[0] != '/' && !getcwd(folder, sizeof folder))
		return err_errno(err, "cannot tell the current folder");
	path = clean_path(given[0] == '/' ? given : arena_printf(config->arena, "%s/%s", folder, given), config->arena);
	config->config_file = path;
	code = file_read(path, &yaml, err);

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

		err_set(err, code, "failed to load Kubelet config file %s, error %s", given, cause.text);
		return err_wrap(err, "failed to load kubelet config file, path: %s, error", given);
	}
	resolve_paths(config);
	return 0;
}

/* ---- putting it together ---- */

/* They were read once before the file, so that a wrong one is told first; now they win over it. */
static int apply_flags(struct parsing *parsing, const char *only, struct err *err)
{
	for (size_t i = 0; i < parsing->n_given; i++) {
		const struct given *given = &parsing->given[i];

		if (only && !str_eq(given->flag->path, only))
			continue;
		int code =
			set_field(parsing->config, given->flag, given->value, was_given(parsing, i, given->flag), err);
		if (code < 0)
			return code;
	}
	return 0;
}

static void must_set(struct config *config, const char *path, const char *value)
{
	struct err err;

	base_assert(fields_set(&config->kubelet->base, path, value, false, config->arena, &err) == 0);
}

static void set_if_absent(struct config *config, const char *path, const char *value, bool zero_is_absent)
{
	if (!fields_is_set(&config->kubelet->base, path, zero_is_absent))
		must_set(config, path, value);
}

static void add_threshold(struct config *config, const char *name, const char *value)
{
	struct err err;

	base_assert(fields_set(&config->kubelet->base, "evictionHard",
			       arena_printf(config->arena, "%s<%s", name, value), true, config->arena, &err) == 0);
}

/* Without any file stock keeps the defaults of the time before there was one. */
static void apply_legacy_defaults(struct config *config)
{
	set_if_absent(config, "authentication.anonymous.enabled", "true", false);
	set_if_absent(config, "authentication.webhook.enabled", "false", false);
	set_if_absent(config, "authorization.mode", "AlwaysAllow", true);
	set_if_absent(config, "readOnlyPort", "10255", false);
}

/* What a configuration has that says nothing. */
static void apply_common_defaults(struct config *config)
{
	Config__KubeletConfiguration *k = config->kubelet;

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
	if (feature_is_on(k, "KubeletCrashLoopBackOffMax"))
		set_if_absent(config, "crashLoopBackOff.maxContainerRestartPeriod", "5m", false);
	if (feature_is_on(k, "KubeletEnsureSecretPulledImages"))
		set_if_absent(config, "imagePullCredentialsVerificationPolicy", "NeverVerifyPreloadedImages", true);
	set_if_absent(config, "logging.verbosity", "0", false);
}

static void apply_defaults(struct config *config)
{
	static const struct {
		const char *name, *value;
	} thresholds[] = { { "memory.available", "100Mi" },
			   { "nodefs.available", "10%" },
			   { "nodefs.inodesFree", "5%" },
			   { "imagefs.available", "15%" },
			   { "imagefs.inodesFree", "5%" } };
	Config__KubeletConfiguration *k = config->kubelet;

	if (str_empty(config->config_file)) {
		apply_legacy_defaults(config); /* flags alone get no thresholds either */
	} else if (!k->evictionhard || k->mergedefaultevictionsettings) {
		for (size_t i = 0; i < ARRAY_LEN(thresholds); i++) {
			bool given = false;

			for (size_t j = 0; j < k->n_evictionhard; j++)
				given = given || str_eq(k->evictionhard[j]->key, thresholds[i].name);
			if (!given)
				add_threshold(config, thresholds[i].name, thresholds[i].value);
		}
	}
	apply_common_defaults(config);
}

static bool is_cgroup_v1(void)
{
	struct statfs info;

	return statfs("/sys/fs/cgroup", &info) == 0 && info.f_type != CGROUP2_SUPER_MAGIC;
}

/* What the file and the folder say, with defaults for the rest; without either, the defaults of the time before. */
static int read_files(struct parsing *parsing, struct err *err)
{
	struct config *config = parsing->config;
	int code;

	config->kubelet =
		PB_NEW(config->arena, Config__KubeletConfiguration, config__kubelet_configuration__descriptor);
	if (!str_empty(config->config_file) && (code = load_file(config, err)) < 0)
		return code;
	/* Some defaults ask for gates. */
	if ((code = apply_flags(parsing, "featureGates", err)) < 0)
		return code;
	if (features_check(config->kubelet, err) < 0)
		return err_wrap(err, "failed to set feature gates from initial flags-based config");
	apply_defaults(config);
	if (str_empty(config->config_dir))
		return 0;
	if (dropins_merge(config->kubelet, config->config_dir, config->arena, err) < 0)
		return err_wrap(err, "failed to merge kubelet configs");
	apply_common_defaults(config);
	return 0;
}

static int check_logging(const Config__Logging *logging, struct err *err)
{
	const char *fault = NULL;
	_cleanup_arena_ struct arena *arena = arena_new();

	if (!str_eq(logging->format, "text") && !str_eq(logging->format, "json"))
		fault = arena_printf(arena, "format: Invalid value: \"%s\": Unsupported log format", logging->format);
	else if (logging->verbosity > INT32_MAX)
		fault = arena_printf(arena, "verbosity: Invalid value: %u: Must be <= %d", logging->verbosity,
				     INT32_MAX);
	else if (logging->n_vmodule && !str_eq(logging->format, "text"))
		fault = "vmodule: Forbidden: Only supported for text log format";
	for (size_t i = 0; i < logging->n_vmodule && !fault; i++) {
		const char *pattern = str_or(logging->vmodule[i]->filepattern, "");

		if (!*pattern)
			fault = arena_printf(arena, "vmodule[%zu]: Required value: File pattern must not be empty", i);
		else if (strpbrk(pattern, "=,"))
			fault = arena_printf(arena,
					     "vmodule[%zu]: Invalid value: \"%s\": File pattern must not contain equal "
					     "sign or comma",
					     i, pattern);
	}
	return fault ? err_set(err, -EINVAL, "initialize logging: logging.%s", fault) : 0;
}

/* /configz shows the same as stock then. */
static void leave_out_zeros(struct config *config)
{
	Config__KubeletConfiguration *k = config->kubelet;
	const Runtime__RawExtension *header = k->staticpodurlheader;

	fields_drop_zeros(&k->base);
	if (header && header->raw.len == strlen("{}"))
		k->staticpodurlheader = NULL;
	if (!k->authentication->x509)
		k->authentication->x509 = PB_NEW(config->arena, Config__KubeletX509Authentication,
						 config__kubelet_x509_authentication__descriptor);
}

static int finish(struct parsing *parsing, struct err *err)
{
	struct config *config = parsing->config;
	int code;

	if (features_check(config->kubelet, err) < 0)
		return err_wrap(err, "failed to set feature gates from initial flags-based config");
	if ((code = node_labels_check(config->node_labels, err)) < 0)
		return code;
	if ((code = read_files(parsing, err)) < 0 || (code = apply_flags(parsing, NULL, err)) < 0)
		return code;
	if (features_check(config->kubelet, err) < 0)
		return err_wrap(err, "failed to set feature gates from initial flags-based config");
	if ((code = check_logging(config->kubelet->logging, err)) < 0)
		return code;
	if (!str_empty(config->cloud_provider) && !str_eq(config->cloud_provider, "external"))
		return err_set(
			err, -EINVAL,
			"failed to run Kubelet: failed to create kubelet: cloud provider \"%s\" was specified, but "
			"built-in cloud providers are disabled. Please set --cloud-provider=external and migrate "
			"to an external cloud provider",
			config->cloud_provider);
	code = validate_kubelet(config->kubelet, is_cgroup_v1(), err);
	if (code < 0) /* the path is stock's, which prints an object there */
		return err_set(err, code,
			       "failed to validate kubelet configuration, error: %s, path: "
			       "&TypeMeta{Kind:,APIVersion:,}",
			       arena_strdup(config->arena, err->text));
	if ((code = words_check(config->kubelet, err)) < 0 || (code = amounts_check(config->kubelet, err)) < 0)
		return code;
	leave_out_zeros(config);
	return 0;
}

int config_load(int argc, char **argv, struct config **ret_config, struct err *err)
{
	struct arena *arena = arena_new();
	struct config *config = arena_alloc(arena, sizeof *config);
	struct parsing parsing = { .config = config };

	config->arena = arena;
	config->kubelet = PB_NEW(arena, Config__KubeletConfiguration, config__kubelet_configuration__descriptor);
	for (size_t i = 0; i < ARRAY_LEN(own_flags); i++)
		*place_of(config, &own_flags[i]) = arena_strdup(arena, own_flags[i].initial);
	int code = parse_argv(&parsing, argc, argv, err);
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
