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
	CHECK_STR("paths are relative to the file", config->kubelet->authentication->x509->clientcafile, ca);
	CHECK_INT("a zero duration takes the default", duration_ms(config->kubelet->runtimerequesttimeout), ==, 120000);
	CHECK_INT("report", duration_ms(config->kubelet->nodestatusreportfrequency), ==, 300000);
	CHECK_INT("update", duration_ms(config->kubelet->nodestatusupdatefrequency), ==, 10000);
	CHECK_INT("given", config->kubelet->maxpods, ==, 50);
	CHECK_STR("given", config->kubelet->cgroupdriver, "systemd");
	CHECK_INT("given thresholds are not joined by defaults", config->kubelet->n_evictionhard, ==, 1);
	CHECK_STR("default", config->kubelet->podlogsdir, "/var/log/pods");
	CHECK("default", config->kubelet->serializeimagepulls);
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

TEST(refusals_in_stock_words)
{
	static const struct {
		const char *rule, *file, *flag, *want;
	} rows[] = {
		{ "unknown flag", kubeadm_file, "--bogus", "failed to parse kubelet flag: unknown flag: --bogus" },
		{ "a word", kubeadm_file, "run", "unknown command run" },
		{ "not a number", kubeadm_file, "--max-pods=x",
		  "failed to parse kubelet flag: invalid argument \"x\" for \"--max-pods\" flag: strconv.ParseInt: "
		  "parsing \"x\": invalid syntax" },
		{ "no value", kubeadm_file, "--max-pods",
		  "failed to parse kubelet flag: flag needs an argument: --max-pods" },
		{ "out of range", kubeadm_file, "--port=70000",
		  "failed to validate kubelet configuration, error: invalid configuration: port (--port) 70000 must be "
		  "between 1 and 65535, inclusive" },
		{ "two rules", kubeadm_file, "--image-gc-low-threshold=101",
		  "failed to validate kubelet configuration, error: [invalid configuration: imageGCLowThresholdPercent "
		  "(--image-gc-low-threshold) 101 must be between 0 and 100, inclusive, invalid configuration: "
		  "imageGCLowThresholdPercent (--image-gc-low-threshold) 101 must be less than "
		  "imageGCHighThresholdPercent (--image-gc-high-threshold) 85]" },
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
		{ "another letter", kubeadm_file, "-x",
		  "failed to parse kubelet flag: unknown shorthand flag: 'x' in -x" },
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
		  "--node-labels: [node-role.kubernetes.io/x]; these must begin with kubelet.kubernetes.io or "
		  "node.kubernetes.io or be one of the well-known labels of a node" },
		{ "a label", kubeadm_file, "--node-labels=a=b c",
		  "failed to validate kubelet flags: invalid node labels: 'b c' is not a label's value" },
		{ "a taint", kubeadm_file, "--register-with-taints=foo",
		  "failed to parse kubelet flag: invalid argument \"foo\" for \"--register-with-taints\" flag: invalid "
		  "taint spec: foo" },
		{ "no file", NULL, NULL,
		  "failed to load kubelet config file, path: /nonexistent, error: failed to load Kubelet config file "
		  "/nonexistent, error failed to read kubelet config file \"/nonexistent\", error: cannot open "
		  "/nonexistent: no such file or directory" },
		{ "cloud provider", kubeadm_file, "--cloud-provider=aws",
		  "cloud provider aws was specified, but built-in cloud providers are disabled. Please set "
		  "--cloud-provider=external and migrate to an external cloud provider" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err;

		CHECK(rows[i].rule, !load(rows[i].file, rows[i].flag, &err));
		CHECK_STR(rows[i].rule, err.text, rows[i].want);
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

TEST(rules_in_stock_words)
{
	static const struct {
		const char *rule, *yaml, *want;
	} rows[] = {
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
		{ "logs", "podLogsDir: /a/../b",
		  "invalid configuration: pod logs path \"/a/../b\" must be normalized" },
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
		{ "user namespaces", "userNamespaces: {idsPerPod: 70000}",
		  "invalid configuration: userNamespaces.idsPerPod must be a multiple of 65536" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_free_ char *file = xasprintf("kind: KubeletConfiguration\napiVersion: "
						      "kubelet.config.k8s.io/v1beta1\nfailCgroupV1: false\n%s\n",
						      rows[i].yaml);
		_cleanup_free_ char *want =
			xasprintf("failed to validate kubelet configuration, error: %s", rows[i].want);
		struct err err;

		CHECK(rows[i].rule, !load(file, NULL, &err));
		CHECK_STR(rows[i].rule, err.text, want);
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
