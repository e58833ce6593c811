/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/config.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
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
	"maxPods: 50\n";

static struct config *load(const char *file, const char *flag, struct err *err)
{
	_cleanup_free_ char *path = xasprintf("%s/kubelet.yaml", test_folder());
	char config_flag[] = "--config";
	char *argv[] = { config_flag, config_flag, path, (char *)(uintptr_t)flag, NULL };
	struct config *config = NULL;

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
	CHECK_INT("a zero duration takes the default", config_ms(config->kubelet->runtimerequesttimeout), ==, 120000);
	CHECK_INT("report", config_ms(config->kubelet->nodestatusreportfrequency), ==, 300000);
	CHECK_INT("update", config_ms(config->kubelet->nodestatusupdatefrequency), ==, 10000);
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

TEST(unknown_fields_are_tolerated)
{
	struct err err;
	struct config *config = load(
		"kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nx: 1\nport: 1\n", NULL, &err);

	CHECK_STR("loads", err.text, "");
	CHECK_INT("the rest is read", config->kubelet->port, ==, 1);
	CHECK_INT("thresholds of a file", config->kubelet->n_evictionhard, ==, 5);
	config_free(config);
}
