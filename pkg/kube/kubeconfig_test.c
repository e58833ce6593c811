/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/kube/kubeconfig.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/test/test.h"

#define HEAD "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
#define CONTEXT "contexts:\n- name: c\n  context: {cluster: k, user: u}\n"
#define CLUSTER "clusters:\n- name: k\n  cluster: {server: 'https://1.2.3.4:6443/'}\n"

static char *write_file(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", test_folder(), name);
	struct err err;

	CHECK_OK(file_replace(path, text, strlen(text), 0600, &err), &err);
	return path;
}

TEST(data_wins_over_files_and_paths_are_beside_the_config)
{
	_cleanup_free_ char *key = write_file("key.pem", "KEY");
	_cleanup_free_ char *token = write_file("token", "t");
	_cleanup_free_ char *path = write_file(
		"config", HEAD CONTEXT CLUSTER
		"users:\n- name: u\n  user:\n    client-certificate-data: Q0VSVA==\n    client-certificate: nowhere\n"
		"    client-key: key.pem\n    tokenFile: token\n");
	struct kubeconfig *config;
	struct err err;

	CHECK_OK(kubeconfig_load(path, &config, &err), &err);
	CHECK_STR("server", config->server, "https://1.2.3.4:6443");
	CHECK_STR("certificate", config->certificate, "CERT");
	CHECK("embedded", !config->certificate_file);
	CHECK_STR("key", config->key, "KEY");
	CHECK_STR("key file", config->key_file, key);
	CHECK_STR("token file", config->token_file, token);
	CHECK("no ca", !config->ca);
	kubeconfig_free(config);
}

TEST(what_is_wrong_is_said)
{
	static const struct {
		const char *rule, *text, *says;
	} rows[] = {
		{ "no such context", HEAD, "context \"c\" does not exist" },
		{ "no such cluster", HEAD CONTEXT, "cluster \"k\" does not exist" },
		{ "no such user", HEAD CONTEXT CLUSTER, "user \"u\" does not exist" },
		{ "no URL",
		  HEAD CONTEXT "clusters:\n- name: k\n  cluster: {server: nowhere}\nusers:\n- name: u\n  user: {}\n",
		  "is not a URL" },
		{ "half a pair",
		  HEAD CONTEXT CLUSTER "users:\n- name: u\n  user: {client-certificate-data: Q0VSVA==}\n",
		  "must be given together" },
		{ "file is missing", HEAD CONTEXT CLUSTER "users:\n- name: u\n  user: {client-certificate: nowhere}\n",
		  "nowhere" },
		{ "a program to ask", HEAD CONTEXT CLUSTER "users:\n- name: u\n  user: {exec: {command: /bin/login}}\n",
		  "exec and auth-provider of user \"u\" are not supported" },
		{ "another way to ask",
		  HEAD CONTEXT CLUSTER "users:\n- name: u\n  user: {auth-provider: {name: gcp}}\n",
		  "exec and auth-provider of user \"u\" are not supported" },
		{ "no token", HEAD CONTEXT CLUSTER "users:\n- name: u\n  user: {tokenFile: /nonexistent/token}\n",
		  "open /nonexistent/token: no such file or directory" },
		{ "no certificate of the server",
		  HEAD CONTEXT
		  "clusters:\n- name: k\n  cluster: {server: 'https://a', certificate-authority-data: eA==}\n"
		  "users:\n- name: u\n  user: {}\n",
		  "unable to parse bytes as PEM block" },
		{ "trusted without a look",
		  HEAD CONTEXT "clusters:\n- name: k\n  cluster: {server: 'https://a', insecure-skip-tls-verify: true, "
			       "certificate-authority-data: eA==}\nusers:\n- name: u\n  user: {}\n",
		  "specifying a root certificates file with the insecure flag is not allowed" },
		{ "no YAML", "a: [", "error loading config file" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_free_ char *path = write_file("config", rows[i].text);
		struct kubeconfig *config;
		struct err err;

		CHECK_INT(rows[i].rule, kubeconfig_load(path, &config, &err), <, 0);
		if (!strstr(err.text, rows[i].says))
			CHECK_STR(rows[i].rule, err.text, rows[i].says);
		CHECK(rows[i].rule, strstr(err.text, path)); /* and in which file */
	}
}

TEST(a_token_beside_its_file_needs_no_file_yet)
{
	_cleanup_free_ char *path =
		write_file("config", HEAD CONTEXT CLUSTER
			   "users:\n- name: u\n  user: {token: t, tokenFile: /nonexistent/token}\n");
	struct kubeconfig *config;
	struct err err;

	CHECK_OK(kubeconfig_load(path, &config, &err), &err);
	CHECK_STR("token", config->token, "t");
	CHECK_STR("file", config->token_file, "/nonexistent/token");
	kubeconfig_free(config);
}

TEST(no_file)
{
	struct kubeconfig *config;
	struct err err;

	CHECK_INT("code", kubeconfig_load("/nonexistent/config", &config, &err), ==, -ENOENT);
}
