/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/kube/kubeconfig.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/codec/base64.h"
#include "pkg/net/x509.h"
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

#define USER(fields) "users:\n- name: u\n  user: {" fields "}\n"
#define SERVER(fields) "clusters:\n- name: k\n  cluster: {" fields "}\n"
#define GARBAGE "eA=="

static char *in_base64(const struct buf *pem)
{
	struct buf encoded = BUF_INIT(64 * 1024);

	base64_encode(buf_text(pem), strlen(buf_text(pem)), &encoded);
	return buf_steal(&encoded);
}

TEST(data_and_files_go_together_and_paths_are_beside_the_config)
{
	_cleanup_buf_ struct buf cert = BUF_INIT(64 * 1024), pem = BUF_INIT(64 * 1024);
	struct kubeconfig *config;
	struct err err;

	CHECK_OK(x509_make_serving("me", &cert, &pem, &err), &err);
	_cleanup_free_ char *data = in_base64(&cert);
	_cleanup_free_ char *key = write_file("key.pem", buf_text(&pem));
	_cleanup_free_ char *token = write_file("token", "t");
	_cleanup_free_ char *text = xasprintf(
		HEAD CONTEXT CLUSTER USER("client-certificate-data: %s, client-key: key.pem, tokenFile: token"), data);
	_cleanup_free_ char *path = write_file("config", text);

	CHECK_OK(kubeconfig_load(path, &config, &err), &err);
	CHECK_STR("server", config->server, "https://1.2.3.4:6443");
	CHECK_STR("certificate", config->certificate, buf_text(&cert));
	CHECK("embedded", !config->certificate_file);
	CHECK_STR("key", config->key, buf_text(&pem));
	CHECK_STR("key file", config->key_file, key);
	CHECK_STR("token file", config->token_file, token);
	CHECK("no ca", !config->ca);
	kubeconfig_free(config);
}

TEST(what_is_taken_as_it_is)
{
	static const struct {
		const char *rule, *text, *server, *token, *basic;
	} rows[] = {
		{ "no such user", HEAD CONTEXT CLUSTER, "https://1.2.3.4:6443", NULL, NULL },
		{ "no scheme", HEAD CONTEXT SERVER("server: '1.2.3.4:80'") USER("token: t"), "http://1.2.3.4:80", NULL,
		  NULL },
		{ "in the clear nobody says who he is",
		  HEAD CONTEXT SERVER("server: 'http://a/', certificate-authority-data: " GARBAGE)
			  USER("token: t, client-certificate-data: " GARBAGE ", client-key-data: " GARBAGE),
		  "http://a", NULL, NULL },
		{ "a pair of files is read later",
		  HEAD CONTEXT CLUSTER USER("token: t, client-certificate: config, client-key: config"),
		  "https://1.2.3.4:6443", "t", NULL },
		{ "a key alone", HEAD CONTEXT CLUSTER USER("client-key-data: " GARBAGE), "https://1.2.3.4:6443", NULL,
		  NULL },
		{ "a password", HEAD CONTEXT CLUSTER USER("username: a, password: b"), "https://1.2.3.4:6443", NULL,
		  "a:b" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_free_ char *path = write_file("config", rows[i].text);
		struct kubeconfig *config;
		struct err err;

		CHECK_OK(kubeconfig_load(path, &config, &err), &err);
		CHECK_STR(rows[i].rule, config->server, rows[i].server);
		CHECK_STR(rows[i].rule, str_or(config->token, ""), str_or(rows[i].token, ""));
		CHECK_STR(rows[i].rule, str_or(config->basic, ""), str_or(rows[i].basic, ""));
		kubeconfig_free(config);
	}
}

/* Each text is client-go's. */
TEST(what_is_wrong_is_said)
{
	static const struct {
		const char *rule, *text, *says;
	} rows[] = {
#define INVALID "invalid kubeconfig: invalid configuration: "
#define NONE INVALID "no configuration has been provided, try setting KUBERNETES_MASTER environment variable"
#define INIT "failed to initialize kubelet client: "
		{ "nothing at all", "", NONE },
		{ "no context", "{}", NONE },
		{ "no such context", HEAD,
		  INVALID "[context was not found for specified context: c, cluster has no server defined]" },
		{ "no such cluster", HEAD CONTEXT, NONE },
		{ "no server", HEAD CONTEXT SERVER("server: ''"), INVALID "no server found for cluster \"k\"" },
		{ "no server after a scheme", HEAD CONTEXT SERVER("server: 'https://'"),
		  INIT "host must be a URL or a host:port pair: \"https://\"" },
		{ "a path without scheme", HEAD CONTEXT SERVER("server: 'nowhere:1/x'"),
		  INIT "host must be a URL or a host:port pair: \"nowhere:1/x\"" },
		{ "no name of a host", HEAD CONTEXT SERVER("server: 'a b'"),
		  INIT "parse \"http://a b\": invalid character \" \" in host name" },
		{ "half a pair", HEAD CONTEXT CLUSTER USER("client-certificate-data: " GARBAGE),
		  INVALID "client-key-data or client-key must be specified for u to use the clientCert authentication "
			  "method." },
		{ "a pair that is none",
		  HEAD CONTEXT CLUSTER USER("client-certificate-data: " GARBAGE ", client-key-data: " GARBAGE),
		  INIT "tls: failed to find any PEM data in certificate input" },
		{ "files are missing",
		  HEAD CONTEXT CLUSTER USER("client-certificate: /none/crt, client-key: /none/key"),
		  INVALID
		  "[unable to read client-cert /none/crt for u due to open /none/crt: no such file or directory, "
		  "unable to read client-key /none/key for u due to open /none/key: no such file or directory]" },
		{ "two ways", HEAD CONTEXT CLUSTER USER("token: t, username: a"),
		  INVALID "more than one authentication method found for u; found [token basicAuth], only one is "
			  "allowed" },
		{ "two ways, one in a file", HEAD CONTEXT CLUSTER USER("tokenFile: config, username: a"),
		  INIT "username/password or bearer token may be set, but not both" },
		{ "a program to ask", HEAD CONTEXT CLUSTER USER("exec: {command: /bin/login}"),
		  "invalid kubeconfig: exec and auth-provider of user \"u\" are not supported" },
		{ "another way to ask", HEAD CONTEXT CLUSTER USER("auth-provider: {name: gcp}"),
		  "invalid kubeconfig: exec and auth-provider of user \"u\" are not supported" },
		{ "no token", HEAD CONTEXT CLUSTER USER("tokenFile: /none/token"),
		  "invalid kubeconfig: open /none/token: no such file or directory" },
		{ "no certificate of the server",
		  HEAD CONTEXT SERVER("server: 'https://a', certificate-authority-data: " GARBAGE),
		  INIT "unable to load root certificates: unable to parse bytes as PEM block" },
		{ "everything twice",
		  HEAD CONTEXT SERVER("server: 'https://a', certificate-authority: config, "
				      "certificate-authority-data: " GARBAGE)
			  USER("client-certificate: config, client-certificate-data: " GARBAGE
			       ", client-key: config, client-key-data: " GARBAGE),
		  INVALID
		  "[client-cert-data and client-cert are both specified for u. client-cert-data will override., "
		  "client-key-data and client-key are both specified for u; client-key-data will override, "
		  "certificate-authority-data and certificate-authority are both specified for k. "
		  "certificate-authority-data will override.]" },
		{ "trusted without a look",
		  HEAD CONTEXT SERVER("server: 'https://a', insecure-skip-tls-verify: true, "
				      "certificate-authority-data: " GARBAGE),
		  INIT "specifying a root certificates file with the insecure flag is not allowed" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_free_ char *path = write_file("config", rows[i].text);
		struct kubeconfig *config;
		struct err err;

		CHECK_INT(rows[i].rule, kubeconfig_load(path, &config, &err), <, 0);
		CHECK_STR(rows[i].rule, err.text, rows[i].says);
	}
}

TEST(no_yaml)
{
	_cleanup_free_ char *path = write_file("config", "a: [");
	_cleanup_free_ char *says = xasprintf("invalid kubeconfig: error loading config file \"%s\": ", path);
	struct kubeconfig *config;
	struct err err;

	CHECK_INT("code", kubeconfig_load(path, &config, &err), <, 0);
	CHECK("says", str_has_prefix(err.text, says));
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
