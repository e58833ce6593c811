/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/config.h"

#include <string.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/codec/duration.h"
#include "pkg/test/test.h"

static const char kubeadm_file[] =
	"apiVersion: kubelet.config.k8s.io/v1beta1\n"
	"kind: KubeletConfiguration\n"
	"authentication:\n"
	"  anonymous: {enabled: false}\n"
	"  webhook: {cacheTTL: 0s, enabled: true}\n"
	"  x509: {clientCAFile: pki/ca.crt}\n"
	"authorization: {mode: Webhook, webhook: {cacheAuthorizedTTL: 0s, cacheUnauthorizedTTL: 0s}}\n"
	"cgroupDriver: systemd\n"
	"clusterDNS: [10.96.0.10]\n"
	"clusterDomain: cluster.local\n"
	"evictionHard: {nodefs.available: 0%}\n"
	"healthzPort: 10248\n"
	"nodeStatusReportFrequency: 0s\n"
	"nodeStatusUpdateFrequency: 0s\n"
	"runtimeRequestTimeout: 0s\n"
	"rotateCertificates: true\n"
	"logging: {flushFrequency: 0, options: {json: {infoBufferSize: '0'}}, verbosity: 0}\n"
	"failCgroupV1: false\n" /* this machine may be one */
	"protectKernelDefaults: false\n"
	"podLogsDir: pki/..//./logs/\n"
	"maxPods: 50\n";

static struct config *load(const char *file, const char *flag, struct err *err)
{
	_cleanup_free_ char *path = file ? xasprintf("%s/kubelet.yaml", test_folder()) : xstrdup("/nonexistent");
	char config_flag[] = "--config";
	char *argv[] = { config_flag, config_flag, path, (char *)(uintptr_t)flag, NULL };
	struct config *config = NULL;

	if (file)
		CHECK_OK(file_replace(path, file, strlen(file), 0600, err), err);
	log_set_fd(-1);
	err->text[0] = 0;
	config_load(flag ? 4 : 3, argv, &config, err);
	return config;
}

TEST(a_kubeadm_file_is_completed)
{
	struct err err;
	struct config *config = load(kubeadm_file, NULL, &err);

	CHECK_STR("loads", err.text, "");
	_cleanup_free_ char *ca = xasprintf("%s/pki/ca.crt", test_folder());
	_cleanup_free_ char *logs = xasprintf("%s/logs", test_folder());
	CHECK_STR("paths are relative to the file", config->kubelet->authentication->x509->clientcafile, ca);
	CHECK_STR("and cleaned", config->kubelet->podlogsdir, logs);
	CHECK_INT("a zero duration takes the default", duration_ms(config->kubelet->runtimerequesttimeout), ==, 120000);
	CHECK_INT("report", duration_ms(config->kubelet->nodestatusreportfrequency), ==, 300000);
	CHECK_INT("update", duration_ms(config->kubelet->nodestatusupdatefrequency), ==, 10000);
	CHECK_INT("given", config->kubelet->maxpods, ==, 50);
	CHECK_STR("given", config->kubelet->cgroupdriver, "systemd");
	CHECK_INT("given thresholds are not joined by defaults", config->kubelet->n_evictionhard, ==, 1);
	CHECK_STR("default", config->kubelet->hairpinmode, "promiscuous-bridge");
	CHECK("default", config->kubelet->serializeimagepulls);
	config_free(config);
}

TEST(zeros_are_shown_as_go_shows_them)
{
	static const char zeros[] = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
				    "podsPerCore: 0\nrunOnce: false\nclusterDomain: ''\nresolvConf: ''\n"
				    "eventRecordQPS: 0\nstaticPodURLHeader: {}\nfailCgroupV1: false\n";
	struct err err;
	struct config *config = load(zeros, NULL, &err);

	CHECK_STR("loads", err.text, "");
	const Config__KubeletConfiguration *k = config->kubelet;
	CHECK("plain", !k->has_podspercore && !k->has_runonce && !k->clusterdomain && !k->staticpodurlheader);
	CHECK("pointers", k->has_eventrecordqps && k->resolvconf);
	CHECK("always there, and empty", k->authentication->x509 && !k->authentication->x509->clientcafile);
	config_free(config);
}

TEST(flags_win_over_the_file)
{
	struct err err;
	struct config *config = load(kubeadm_file, "--max_pods=7", &err);

	CHECK_STR("loads", err.text, "");
	CHECK_INT("flag", config->kubelet->maxpods, ==, 7);
	config_free(config);
}

static const struct {
	const char *rule, *file, *flag, *want;
} refusals[] = {
	{ "unknown flag", kubeadm_file, "--bogus", "failed to parse kubelet flag: unknown flag: --bogus" },
	{ "a word", kubeadm_file, "run", "unknown command run" },
	{ "not a number", kubeadm_file, "--max-pods=x",
	  "failed to parse kubelet flag: invalid argument \"x\" for \"--max-pods\" flag: strconv.ParseInt: "
	  "parsing \"x\": invalid syntax" },
	{ "no value", kubeadm_file, "--max-pods", "failed to parse kubelet flag: flag needs an argument: --max-pods" },
	{ "out of range", kubeadm_file, "--port=70000",
	  "failed to validate kubelet configuration, error: invalid configuration: port (--port) 70000 must be "
	  "between 1 and 65535, inclusive, path: &TypeMeta{Kind:,APIVersion:,}" },
	{ "two rules", kubeadm_file, "--image-gc-low-threshold=101",
	  "failed to validate kubelet configuration, error: [invalid configuration: imageGCLowThresholdPercent "
	  "(--image-gc-low-threshold) 101 must be between 0 and 100, inclusive, invalid configuration: "
	  "imageGCLowThresholdPercent (--image-gc-low-threshold) 101 must be less than "
	  "imageGCHighThresholdPercent (--image-gc-high-threshold) 85], path: &TypeMeta{Kind:,APIVersion:,}" },
	{ "too large", kubeadm_file, "--max-pods=99999999999",
	  "failed to parse kubelet flag: invalid argument \"99999999999\" for \"--max-pods\" flag: "
	  "strconv.ParseInt: parsing \"99999999999\": value out of range" },
	{ "no unit", kubeadm_file, "--sync-frequency=5",
	  "failed to parse kubelet flag: invalid argument \"5\" for \"--sync-frequency\" flag: time: missing "
	  "unit in duration \"5\"" },
	{ "verbosity", kubeadm_file, "-vx",
	  "failed to parse kubelet flag: invalid argument \"x\" for \"-v, --v\" flag: strconv.ParseUint: "
	  "parsing \"x\": invalid syntax" },
	{ "a threshold", kubeadm_file, "--eviction-hard=memory.available=5",
	  "failed to parse kubelet flag: invalid argument \"memory.available=5\" for \"--eviction-hard\" "
	  "flag: malformed pair, expect string<string" },
	{ "another letter", kubeadm_file, "-x", "failed to parse kubelet flag: unknown shorthand flag: 'x' in -x" },
	{ "unknown gate", kubeadm_file, "--feature-gates=Foo=true",
	  "failed to set feature gates from initial flags-based config: unrecognized feature gate: Foo" },
	{ "locked gate", kubeadm_file, "--feature-gates=NodeSwap=false",
	  "failed to set feature gates from initial flags-based config: cannot set feature gate NodeSwap to "
	  "false, feature is locked to true" },
	{ "log format", kubeadm_file, "--logging-format=x",
	  "initialize logging: logging.format: Invalid value: \"x\": Unsupported log format" },
	{ "an address", kubeadm_file, "--address=x",
	  "failed to parse kubelet flag: invalid argument \"x\" for \"--address\" flag: \"x\" is not a valid "
	  "IP "
	  "address" },
	{ "a role", kubeadm_file, "--node-labels=a=b,node-role.kubernetes.io/x=",
	  "failed to validate kubelet flags: unknown 'kubernetes.io' or 'k8s.io' labels specified with "
	  "--node-labels: [node-role.kubernetes.io/x]\n--node-labels in the 'kubernetes.io' namespace must "
	  "begin "
	  "with an allowed prefix (kubelet.kubernetes.io, node.kubernetes.io) or be in the specifically "
	  "allowed set (beta.kubernetes.io/arch, beta.kubernetes.io/instance-type, beta.kubernetes.io/os, "
	  "failure-domain.beta.kubernetes.io/region, failure-domain.beta.kubernetes.io/zone, "
	  "kubernetes.io/arch, kubernetes.io/hostname, kubernetes.io/os, node.kubernetes.io/instance-type, "
	  "topology.kubernetes.io/region, topology.kubernetes.io/zone)" },
	{ "a label", kubeadm_file, "--node-labels=a=b c",
	  "failed to validate kubelet flags: invalid node labels: 'b c' - a valid label must be an empty "
	  "string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
	  "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
	  "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')" },
	{ "a label without a name", kubeadm_file, "--node-labels=/=b",
	  "failed to validate kubelet flags: invalid node labels: '/' - prefix part must be non-empty, name "
	  "part must be non-empty, name part must consist of alphanumeric characters, '-', '_' or '.', and "
	  "must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', "
	  "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')" },
	{ "a taint", kubeadm_file, "--register-with-taints=foo",
	  "failed to parse kubelet flag: invalid argument \"foo\" for \"--register-with-taints\" flag: invalid "
	  "taint spec: foo" },
	{ "a taint's effect", kubeadm_file, "--register-with-taints=foo:bar",
	  "failed to parse kubelet flag: invalid argument \"foo:bar\" for \"--register-with-taints\" flag: "
	  "invalid taint effect: bar, unsupported taint effect" },
	{ "a taint twice", kubeadm_file, "--register-with-taints=a=b:NoExecute,a=c:NoExecute",
	  "failed to parse kubelet flag: invalid argument \"a=b:NoExecute,a=c:NoExecute\" for "
	  "\"--register-with-taints\" flag: duplicated taints with the same key and effect: {a c NoExecute "
	  "<nil>}" },
	{ "bad syntax", kubeadm_file, "--=5", "failed to parse kubelet flag: bad flag syntax: --=5" },
	{ "three dashes", kubeadm_file, "---v", "failed to parse kubelet flag: bad flag syntax: ---v" },
	{ "no letter's value", kubeadm_file, "-hv", "failed to parse kubelet flag: flag needs an argument: 'v' in -v" },
	{ "a unit", kubeadm_file, "--sync-frequency=5x",
	  "failed to parse kubelet flag: invalid argument \"5x\" for \"--sync-frequency\" flag: time: unknown "
	  "unit \"x\" in duration \"5x\"" },
	{ "no duration", kubeadm_file, "--sync-frequency=",
	  "failed to parse kubelet flag: invalid argument \"\" for \"--sync-frequency\" flag: time: invalid "
	  "duration \"\"" },
	{ "a gate's value", kubeadm_file, "--feature-gates=NodeSwap=maybe",
	  "failed to parse kubelet flag: invalid argument \"NodeSwap=maybe\" for \"--feature-gates\" flag: "
	  "invalid value of NodeSwap: maybe, err: strconv.ParseBool: parsing \"maybe\": invalid syntax" },
	{ "a flag that does nothing", kubeadm_file, "--maximum-dead-containers=x",
	  "failed to parse kubelet flag: invalid argument \"x\" for \"--maximum-dead-containers\" flag: "
	  "strconv.ParseInt: parsing \"x\": invalid syntax" },
	{ "a flag of long ago", kubeadm_file, "--pod-infra-container-image=pause",
	  "failed to parse kubelet flag: unknown flag: --pod-infra-container-image" },
	{ "no file", NULL, NULL,
	  "failed to load kubelet config file, path: /nonexistent, error: failed to load Kubelet config file "
	  "/nonexistent, error failed to read kubelet config file \"/nonexistent\", error: open "
	  "/nonexistent: no such file or directory" },
	{ "a resource that cannot be reserved", kubeadm_file, "--kube-reserved=gpu=1",
	  "failed to run Kubelet: --kube-reserved value failed to parse: cannot reserve \"gpu\" resource" },
	{ "no amount", kubeadm_file, "--system-reserved=cpu=x",
	  "failed to run Kubelet: --system-reserved value failed to parse: failed to parse quantity \"x\" for \"cpu\" "
	  "resource: quantities must match the regular expression "
	  "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'" },
	{ "less than nothing", kubeadm_file, "--kube-reserved=memory=-1Gi",
	  "failed to run Kubelet: --kube-reserved value failed to parse: resource quantity for \"memory\" cannot be "
	  "negative: -1Gi" },
	{ "an unknown signal", kubeadm_file, "--eviction-hard=foo<5",
	  "failed to run Kubelet: unsupported eviction signal foo" },
	{ "more than all", kubeadm_file, "--eviction-hard=memory.available<101%",
	  "failed to run Kubelet: eviction percentage threshold memory.available must be <= 100%: 101%" },
	{ "less than none", kubeadm_file, "--eviction-hard=memory.available<-5%",
	  "failed to run Kubelet: eviction percentage threshold memory.available must be >= 0%: -5%" },
	{ "no threshold", kubeadm_file, "--eviction-hard=memory.available<0",
	  "failed to run Kubelet: eviction threshold memory.available must be positive: 0" },
	{ "unknown TLS", kubeadm_file, "--tls-min-version=1.2",
	  "failed to construct kubelet dependencies: unknown tls version \"1.2\"" },
	{ "unknown cipher", kubeadm_file, "--tls-cipher-suites=TLS_AES_128_GCM_SHA256,DES",
	  "failed to construct kubelet dependencies: Cipher suite DES not supported or doesn't exist" },
	{ "no time for the runtime", kubeadm_file, "--runtime-request-timeout=-1s",
	  "failed to run Kubelet: connectionTimeout must be positive" },
	{ "authorization", kubeadm_file, "--authorization-mode=Foo",
	  "failed to run Kubelet: unknown authorization mode Foo" },
	{ "CPU manager", kubeadm_file, "--cpu-manager-policy=Static",
	  "failed to run Kubelet: unknown policy: \"Static\"" },
	{ "memory manager", kubeadm_file, "--memory-manager-policy=none",
	  "failed to run Kubelet: unknown policy: \"none\"" },
	{ "size of logs", kubeadm_file, "--container-log-max-size=x",
	  "failed to run Kubelet: failed to create kubelet: failed to initialize container log manager: failed to "
	  "parse "
	  "container log max size \"x\": quantities must match the regular expression "
	  "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'" },
	{ "hidden metrics",
	  "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nfailCgroupV1: "
	  "false\nshowHiddenMetricsForVersion: '1.20'\n",
	  NULL,
	  "failed to validate kubelet configuration, error: invalid showHiddenMetricsForVersion: "
	  "showHiddenMetricsForVersion: Invalid value: \"1.20\": must be omitted or have the value '1.36'; only the "
	  "previous "
	  "minor version is allowed, path: &TypeMeta{Kind:,APIVersion:,}" },
	{ "a soft threshold without its time", kubeadm_file, "--eviction-soft=memory.available<5%",
	  "failed to run Kubelet: failed to create kubelet: grace period must be specified for the soft eviction "
	  "threshold memory.available" },
	{ "a time for no signal", kubeadm_file, "--eviction-soft-grace-period=foo=5s",
	  "failed to run Kubelet: failed to create kubelet: unsupported eviction signal foo" },
	{ "a time below zero", kubeadm_file, "--eviction-soft-grace-period=memory.available=-5s",
	  "failed to run Kubelet: failed to create kubelet: invalid eviction grace period specified: -5s, must be a "
	  "positive value" },
	{ "no amount to reclaim", kubeadm_file, "--eviction-minimum-reclaim=memory.available=0%",
	  "failed to run Kubelet: failed to create kubelet: eviction percentage minimum reclaim memory.available must "
	  "be "
	  "positive: 0%" },
	{ "cloud provider", kubeadm_file, "--cloud-provider=aws",
	  "failed to run Kubelet: failed to create kubelet: cloud provider \"aws\" was specified, but built-in cloud "
	  "providers are disabled. Please set "
	  "--cloud-provider=external and migrate to an external cloud provider" },
};

TEST(refusals_in_stock_words)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct err err;

		CHECK(refusals[i].rule, !load(refusals[i].file, refusals[i].flag, &err));
		CHECK_STR(refusals[i].rule, err.text, refusals[i].want);
	}
}

TEST(broken_files_say_what_is_wrong)
{
	static const struct {
		const char *rule, *file, *want;
	} rows[] = {
		{ "no kind", "port: 1\n", "Object 'Kind' is missing" },
		{ "another kind", "kind: Pod\napiVersion: v1\n", "no kind \"Pod\" is registered for version \"v1\"" },
		{ "no YAML", "a: [\n", "yaml: line" },
		{ "wrong type", "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nport: x\n",
		  "port: unexpected text" },
		{ "empty", "", "was empty" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err;

		CHECK(rows[i].rule, !load(rows[i].file, NULL, &err));
		CHECK(rows[i].rule, strstr(err.text, rows[i].want));
	}
}

TEST(empty_lists_and_maps_are_not_absent)
{
	static const char header[] = "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\n"
				     "failCgroupV1: false\n";
	_cleanup_free_ char *rootless =
		xasprintf("%scgroupsPerQOS: false\nenforceNodeAllocatable: []\nevictionHard: {}\n", header);
	struct err err;
	struct config *config = load(rootless, NULL, &err);

	CHECK_STR("loads", err.text, "");
	CHECK_INT("nothing is enforced", config->kubelet->n_enforcenodeallocatable, ==, 0);
	CHECK_INT("no thresholds", config->kubelet->n_evictionhard, ==, 0);
	config_free(config);
	config = load(header, NULL, &err);
	CHECK_STR("absent: the default", config->kubelet->enforcenodeallocatable[0], "pods");
	config_free(config);
}

TEST(taints_of_the_flag)
{
	struct err err;
	struct config *config = load(kubeadm_file, "--register-with-taints=a.b/c=d:NoSchedule,e:NoExecute", &err);

	CHECK_STR("loads", err.text, "");
	CHECK_INT("two", config->kubelet->n_registerwithtaints, ==, 2);
	CHECK_STR("key", config->kubelet->registerwithtaints[0]->key, "a.b/c");
	CHECK_STR("value", config->kubelet->registerwithtaints[0]->value, "d");
	CHECK_STR("effect", config->kubelet->registerwithtaints[1]->effect, "NoExecute");
	config_free(config);
}

/* What a command line of up to eight words comes to; the error's text when it is refused. */
static struct config *load_words(const char *const *words, struct err *err)
{
	_cleanup_free_ char *path = xasprintf("%s/kubelet.yaml", test_folder());
	char program[] = "kubelet", config_flag[] = "--config";
	char *argv[12] = { program };
	struct config *config = NULL;
	int argc = 1;

	CHECK_OK(file_replace(path, kubeadm_file, strlen(kubeadm_file), 0600, err), err);
	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
	argv[argc++] = config_flag;
	argv[argc++] = path;
	log_set_fd(-1);
	err->text[0] = 0;
	config_load(argc, argv, &config, err);
	return config;
}

TEST(command_lines)
{
	static const struct {
		const char *rule, *words[8], *want;
	} refused[] = {
		{ "a switch takes no next word", { "--fail-swap-on", "false" }, "unknown command false" },
		{ "nor does one that does nothing", { "--exit-on-lock-contention", "x" }, "unknown command x" },
		{ "flags come before words",
		  { "run", "--bogus" },
		  "failed to parse kubelet flag: unknown flag: --bogus" },
		{ "words come before help", { "--help", "run" }, "unknown command run" },
		{ "all flags come before help",
		  { "-h", "--max-pods=x" },
		  "failed to parse kubelet flag: invalid argument \"x\" for \"--max-pods\" flag: strconv.ParseInt: "
		  "parsing \"x\": invalid syntax" },
		{ "behind two dashes there are words", { "--", "--max-pods=3" }, "unknown command --max-pods=3" },
		{ "one dash is a word", { "-" }, "unknown command -" },
	};
	const char *more[] = { "--cluster-dns=10.0.0.1,10.0.0.2",
			       "--cluster_dns",
			       "10.0.0.3",
			       "--node-labels=a=b, c = d,",
			       "--node-labels=e,a=f",
			       "--kube-reserved=cpu=1, memory=1Gi",
			       "--kube-reserved=cpu=2",
			       NULL };
	const char *numbers[] = { "--max-pods=0x1f",  "--port=1_025", "-v=3", "--healthz-port", "+8",
				  "--read-only-port", "010",          NULL };
	struct err err;
	struct config *config;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		CHECK(refused[i].rule, !load_words(refused[i].words, &err));
		CHECK_STR(refused[i].rule, err.text, refused[i].want);
	}
	config = load_words(more, &err);
	CHECK_STR("loads", err.text, "");
	CHECK_INT("a list grows", config->kubelet->n_clusterdns, ==, 3);
	CHECK_STR("in order", config->kubelet->clusterdns[2], "10.0.0.3");
	CHECK_STR("labels join", config->node_labels, "c=d,e=,a=f");
	CHECK_INT("a map grows", config->kubelet->n_kubereserved, ==, 2);
	CHECK_STR("and keeps the last value", config->kubelet->kubereserved[0]->value, "2");
	CHECK_STR("without blanks", config->kubelet->kubereserved[1]->key, "memory");
	config_free(config);
	config = load_words(numbers, &err);
	CHECK_STR("loads", err.text, "");
	CHECK_INT("of base 16", config->kubelet->maxpods, ==, 31);
	CHECK_INT("with an underscore", config->kubelet->port, ==, 1025);
	CHECK_INT("a letter", config->kubelet->logging->verbosity, ==, 3);
	CHECK_INT("with a sign", config->kubelet->healthzport, ==, 8);
	CHECK_INT("of base 8", config->kubelet->readonlyport, ==, 8);
	config_free(config);
}

TEST(files_of_a_folder)
{
#define HEADER "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\n"
	static const struct {
		const char *rule, *name, *text, *want;
	} refused[] = {
		{ "empty", "a.conf", "", "path: %s/a.conf, error: kubelet config file \"%s/a.conf\" was empty" },
		{ "no kind", "a.conf", "port: 1\n",
		  "path: %s/a.conf, error: Object 'Kind' is missing in '{\"port\":1}'" },
		{ "no version", "a.conf", "kind: KubeletConfiguration\n", "path: %s/a.conf, no apiVersion/kind" },
		{ "another kind", "a.conf", "kind: Pod\napiVersion: v1\n",
		  "path: %s/a.conf, unknown apiVersion/kind: /v1, Kind=Pod" },
		{ "twice", "a.conf", HEADER "port: 1\nport: 2\n",
		  "path: %s/a.conf, error: strict decoding error: duplicate field \"port\"" },
		{ "no YAML", "a.conf", "a: [",
		  "path: %s/a.conf, error: yaml: line 1: did not find expected node content" },
	};
	_cleanup_free_ char *dir = xasprintf("%s/dropins", test_folder());
	_cleanup_free_ char *below = xasprintf("%s/10-below", dir);
	_cleanup_free_ char *flag = xasprintf("--config-dir=%s", dir);
	const char *words[] = { flag, "--healthz-port=7", NULL };
	const char *nowhere[] = { "--config-dir=/nonexistent/dir", NULL };
	struct err err;
	struct config *config;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, refused[i].name);
		_cleanup_free_ char *why = strstr(refused[i].want, "\"%s")
						   ? xasprintf("path: %s/a.conf, error: kubelet config file "
							       "\"%s/a.conf\" was empty",
							       dir, dir)
						   : xasprintf("path: %s%s", dir, refused[i].want + 8);
		_cleanup_free_ char *want =
			xasprintf("failed to merge kubelet configs: failed to walk through kubelet dropin directory "
				  "\"%s\": failed to load kubelet dropin file, %s",
				  dir, why);

		CHECK_OK(dir_make_all(below, 0700, &err), &err);
		CHECK_OK(file_replace(path, refused[i].text, strlen(refused[i].text), 0600, &err), &err);
		CHECK(refused[i].rule, !load_words(words, &err));
		CHECK_STR(refused[i].rule, err.text, want);
	}
	CHECK("no folder", !load_words(nowhere, &err));
	CHECK_STR("no folder", err.text,
		  "failed to merge kubelet configs: failed to walk through kubelet dropin directory "
		  "\"/nonexistent/dir\": lstat /nonexistent/dir: no such file or directory");

	static const struct {
		const char *name, *text;
	} files[] = {
		{ "10-below/z.conf", HEADER "maxPods: 1\nclusterDNS: [10.0.0.1, 10.0.0.2]\n" },
		{ "a.conf", HEADER "maxPods: 2\nhealthzPort: 5\nevictionHard: {memory.available: 1Gi}\nunknown: 1\n" },
		{ "b.conf",
		  HEADER "clusterDomain: null\nclusterDNS: [10.0.0.3]\nauthentication: {webhook: {cacheTTL: null}}\n" },
		{ "c.yaml", HEADER "maxPods: 3\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, files[i].name);

		CHECK_OK(file_replace(path, files[i].text, strlen(files[i].text), 0600, &err), &err);
	}
	config = load_words(words, &err);
	CHECK_STR("loads", err.text, "");
	CHECK_INT("the later file wins", config->kubelet->maxpods, ==, 2);
	CHECK_INT("flags win over all", config->kubelet->healthzport, ==, 7);
	CHECK_INT("maps join", config->kubelet->n_evictionhard, ==, 2);
	CHECK_INT("lists do not", config->kubelet->n_clusterdns, ==, 1);
	CHECK_STR("null takes away", str_or(config->kubelet->clusterdomain, ""), "");
	CHECK_INT("and gives the default", duration_ms(config->kubelet->authentication->webhook->cachettl), ==, 120000);
	CHECK("what is beside it stays", config->kubelet->authentication->webhook->enabled);
	config_free(config);
#undef HEADER
}

TEST(zeros_of_flags_are_no_defaults)
{
	const char *words[] = { "--max-pods=0", "--sync-frequency=0", "--event-burst=0", NULL };
	struct err err;
	struct config *config = load_words(words, &err);

	CHECK_STR("loads", err.text, "");
	CHECK_INT("pods", config->kubelet->maxpods, ==, 0);
	CHECK_INT("duration", duration_ms(config->kubelet->syncfrequency), ==, 0);
	CHECK_INT("burst", config->kubelet->eventburst, ==, 0);
	config_free(config);
}

static const struct {
	const char *rule, *yaml, *want;
} rules[] = {
	{ "a gated field", "defaultPodSysctls: {a: b}",
	  "invalid configuration: DefaultPodSysctls feature gate is required for Kubelet configuration option "
	  "defaultPodSysctls" },
	{ "ages", "imageMinimumGCAge: 1h\nimageMaximumGCAge: 1m",
	  "invalid configuration: imageMaximumGCAge 1m0s must be greater than imageMinimumGCAge 1h0m0s" },
	{ "shutdown", "shutdownGracePeriod: 500ms",
	  "invalid configuration: shutdownGracePeriod {500ms} must be either zero or otherwise >= 1 sec" },
	{ "critical", "shutdownGracePeriod: 10s\nshutdownGracePeriodCriticalPods: 20s",
	  "invalid configuration: shutdownGracePeriodCriticalPods {20s} must be <= shutdownGracePeriod {10s}" },
	{ "taint", "registerWithTaints: [{key: a, effect: Foo}]", "invalid taint: {a  Foo <nil>}" },
	{ "run once", "runOnce: true",
	  "invalid configuration: runOnce (--runOnce) true, Runonce mode has been deprecated and should not be "
	  "set" },
	{ "logs", "podLogsDir: /a/../b", "invalid configuration: pod logs path \"/a/../b\" must be normalized" },
	{ "cgroups", "systemCgroups: /x",
	  "invalid configuration: systemCgroups (--system-cgroups) was specified and cgroupRoot "
	  "(--cgroup-root) was not specified" },
	{ "a policy", "imagePullCredentialsVerificationPolicy: Sometimes",
	  "invalid configuration: option \"Sometimes\" specified for imagePullCredentialsVerificationPolicy. "
	  "Valid options are \"NeverVerify\", \"NeverVerifyPreloadedImages\", \"NeverVerifyAllowlistedImages\" "
	  "or \"AlwaysVerify\"" },
	{ "a list that is not asked for", "preloadedImagesVerificationAllowlist: [a]",
	  "invalid configuration: can't set `preloadedImagesVerificationAllowlist` if "
	  "`imagePullCredentialsVertificationPolicy` is not \"NeverVerifyAllowlistedImages\"" },
	{ "blanks",
	  "imagePullCredentialsVerificationPolicy: "
	  "NeverVerifyAllowlistedImages\npreloadedImagesVerificationAllowlist: [a, ' b']",
	  "invalid configuration: invalid image pattern in `preloadedImagesVerificationAllowlist`: "
	  "leading/trailing spaces are not allowed:  b" },
	{ "no image",
	  "imagePullCredentialsVerificationPolicy: "
	  "NeverVerifyAllowlistedImages\npreloadedImagesVerificationAllowlist: ['']",
	  "invalid configuration: invalid image pattern in `preloadedImagesVerificationAllowlist`: the "
	  "supplied pattern is too short: " },
	{ "a star in the middle",
	  "imagePullCredentialsVerificationPolicy: "
	  "NeverVerifyAllowlistedImages\npreloadedImagesVerificationAllowlist: ['a/*/b']",
	  "invalid configuration: invalid image pattern in `preloadedImagesVerificationAllowlist`: not a valid "
	  "wildcard pattern, only patterns ending with '/*' are allowed: a/*/b" },
	{ "two stars",
	  "imagePullCredentialsVerificationPolicy: "
	  "NeverVerifyAllowlistedImages\npreloadedImagesVerificationAllowlist: ['*/*']",
	  "invalid configuration: invalid image pattern in `preloadedImagesVerificationAllowlist`: not a valid "
	  "wildcard pattern, only patterns ending with '/*' are allowed: */*" },
	{ "no host",
	  "imagePullCredentialsVerificationPolicy: "
	  "NeverVerifyAllowlistedImages\npreloadedImagesVerificationAllowlist: ['/*']",
	  "invalid configuration: invalid image pattern in `preloadedImagesVerificationAllowlist`: at least "
	  "registry hostname is required" },
	{ "a tag",
	  "imagePullCredentialsVerificationPolicy: "
	  "NeverVerifyAllowlistedImages\npreloadedImagesVerificationAllowlist: ['reg.io/a:1']",
	  "invalid configuration: invalid image pattern in `preloadedImagesVerificationAllowlist`: neither tag "
	  "nor digest is accepted in an image reference: reg.io/a:1" },
	{ "no name",
	  "imagePullCredentialsVerificationPolicy: "
	  "NeverVerifyAllowlistedImages\npreloadedImagesVerificationAllowlist: ['a//b']",
	  "invalid configuration: invalid image pattern in `preloadedImagesVerificationAllowlist`: failed to "
	  "parse as an image name: invalid reference format" },
	{ "upper case",
	  "imagePullCredentialsVerificationPolicy: "
	  "NeverVerifyAllowlistedImages\npreloadedImagesVerificationAllowlist: ['reg.io/A']",
	  "invalid configuration: invalid image pattern in `preloadedImagesVerificationAllowlist`: failed to "
	  "parse as an image name: repository name must be lowercase" },
	{ "a policy without its gate",
	  "featureGates: {KubeletEnsureSecretPulledImages: false}\nimagePullCredentialsVerificationPolicy: "
	  "NeverVerify\npreloadedImagesVerificationAllowlist: [a]",
	  "[invalid configuration: `imagePullCredentialsVerificationPolicy` must not be set if "
	  "KubeletEnsureSecretPulledImages feature gate is not enabled, invalid configuration: "
	  "`preloadedImagesVerificationAllowlist` must not be set if KubeletEnsureSecretPulledImages feature "
	  "gate is not enabled]" },
	{ "enforcements", "enforceNodeAllocatable: [pods, system-reserved, pods, '', system-reserved-compressible]",
	  "[invalid configuration: both \"system-reserved\" and \"system-reserved-compressible\" cannot be "
	  "specified together in enforceNodeAllocatable (--enforce-node-allocatable), invalid configuration: "
	  "systemReservedCgroup (--system-reserved-cgroup) must be specified when \"system-reserved\" or "
	  "\"system-reserved-compressible\" included in enforceNodeAllocatable (--enforce-node-allocatable), "
	  "invalid configuration: duplicated enforcements \"pods\" in enforceNodeAllocatable "
	  "(--enforce-node-allocatable), invalid configuration: option \"\" specified for "
	  "enforceNodeAllocatable (--enforce-node-allocatable). Valid options are \"pods\", "
	  "\"system-reserved\", \"system-reserved-compressible\", \"kube-reserved\", "
	  "\"kube-reserved-compressible\" or \"none\"]" },
	{ "in stock's order", "port: 70000\nhairpinMode: x\nnodeLeaseDurationSeconds: -1\npodLogsDir: /a//b",
	  "[invalid configuration: nodeLeaseDurationSeconds must be greater than 0, invalid configuration: "
	  "port "
	  "(--port) 70000 must be between 1 and 65535, inclusive, invalid configuration: option \"x\" "
	  "specified for hairpinMode (--hairpin-mode). Valid options are \"none\", \"hairpin-veth\" or "
	  "\"promiscuous-bridge\", invalid configuration: pod logs path \"/a//b\" must be normalized]" },
	{ "processors", "reservedSystemCPUs: 3-1",
	  "invalid configuration: unable to parse reservedSystemCPUs (--reserved-cpus) 3-1, error: invalid "
	  "range \"3-1\" (3 > 1)" },
	{ "memory", "reservedMemory: [{numaNode: 0, limits: {memory: 0, cpu: 1}}, {limits: {memory: 1}}]",
	  "[invalid configuration: reserved memory may not be zero for NUMA node 0 and resource \"memory\", "
	  "invalid configuration: the limit type \"cpu\" for NUMA node 0 is not supported, only [memory "
	  "hugepages-<HugePageSize>] is accepted, invalid configuration: the reserved memory has a duplicate "
	  "value for NUMA node 0 and resource \"memory\"]" },
	{ "without its gate",
	  "featureGates: {KubeletCrashLoopBackOffMax: false}\n"
	  "crashLoopBackOff: {maxContainerRestartPeriod: 10s}",
	  "invalid configuration: FeatureGate KubeletCrashLoopBackOffMax not enabled, "
	  "CrashLoopBackOff.MaxContainerRestartPeriod must not be set" },
	{ "user namespaces", "userNamespaces: {idsPerPod: 70000}",
	  "invalid configuration: userNamespaces.idsPerPod must be a multiple of 65536" },
};

TEST(rules_in_stock_words)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		_cleanup_free_ char *file = xasprintf("kind: KubeletConfiguration\napiVersion: "
						      "kubelet.config.k8s.io/v1beta1\nfailCgroupV1: false\n%s\n",
						      rules[i].yaml);
		_cleanup_free_ char *want = xasprintf("failed to validate kubelet configuration, error: %s, path: "
						      "&TypeMeta{Kind:,APIVersion:,}",
						      rules[i].want);
		struct err err;

		CHECK(rules[i].rule, !load(file, NULL, &err));
		CHECK_STR(rules[i].rule, err.text, want);
	}
}

TEST(verification_of_images)
{
	struct err err;
	struct config *config = load(kubeadm_file, NULL, &err);

	CHECK_STR("default", config->kubelet->imagepullcredentialsverificationpolicy, "NeverVerifyPreloadedImages");
	config_free(config);
	config = load(kubeadm_file, "--feature-gates=KubeletEnsureSecretPulledImages=false", &err);
	CHECK_STR("loads", err.text, "");
	CHECK_STR("none without its gate", str_or(config->kubelet->imagepullcredentialsverificationpolicy, ""), "");
	config_free(config);
	config = load("kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nfailCgroupV1: false\n"
		      "imagePullCredentialsVerificationPolicy: NeverVerifyAllowlistedImages\n"
		      "preloadedImagesVerificationAllowlist: [busybox, reg.io/a/b, reg.io/*]\n",
		      NULL, &err);
	CHECK_STR("loads", err.text, "");
	CHECK_INT("three", config->kubelet->n_preloadedimagesverificationallowlist, ==, 3);
	config_free(config);
}

TEST(all_beta_turns_off_what_is_not_named)
{
	static const struct {
		const char *flag, *policy;
		bool max;
	} rows[] = {
		{ "--feature-gates=AllBeta=true", "NeverVerifyPreloadedImages", true },
		{ "--feature-gates=AllBeta=false", "", false },
		{ "--feature-gates=AllBeta=false,KubeletCrashLoopBackOffMax=true", "", true },
	};
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config *config = load(kubeadm_file, rows[i].flag, &err);

		CHECK_STR(rows[i].flag, err.text, "");
		CHECK_STR(rows[i].flag, str_or(config->kubelet->imagepullcredentialsverificationpolicy, ""),
			  rows[i].policy);
		CHECK(rows[i].flag, !rows[i].max == !(config->kubelet->crashloopbackoff &&
						      config->kubelet->crashloopbackoff->maxcontainerrestartperiod));
		config_free(config);
	}
}

TEST(what_does_nothing_yet_is_told)
{
	struct err err;
	struct config *config = load(kubeadm_file, NULL, &err);
	char text[8192];
	int ends[2];

	CHECK_INT("pipe", pipe(ends), ==, 0);
	log_set_fd(ends[1]);
	config_log_idle(config);
	log_set_fd(-1);
	close(ends[1]);
	ssize_t size = read(ends[0], text, sizeof text - 1);
	close(ends[0]);
	CHECK("something", size > 0);
	text[size] = 0;
	CHECK("the driver is", strstr(text, "field=\"cgroupDriver\""));
	CHECK("certificates are", strstr(text, "field=\"rotateCertificates\""));
	CHECK("a default is not", !strstr(text, "oomScoreAdj"));
	CHECK("a zero that means the default is not", !strstr(text, "syncFrequency"));
	CHECK("false is not", !strstr(text, "protectKernelDefaults"));
	CHECK("what is acted on is not", !strstr(text, "maxPods"));
	config_free(config);
}

TEST(unknown_fields_are_tolerated)
{
	struct err err;
	struct config *config =
		load("kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nx: 1\nport: 1\n"
		     "failCgroupV1: false\n",
		     NULL, &err);

	CHECK_STR("loads", err.text, "");
	CHECK_INT("the rest is read", config->kubelet->port, ==, 1);
	CHECK_INT("thresholds of a file", config->kubelet->n_evictionhard, ==, 5);
	config_free(config);
}
