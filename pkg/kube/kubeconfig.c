/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/kube/kubeconfig.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "config/kubeconfig.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/codec/pbjson.h"
#include "pkg/codec/yaml.h"
#include "pkg/net/x509.h"

enum { FILE_MAX = 1024 * 1024 }; /* a kubeconfig with embedded certificates is 6 KiB; people collect clusters in it */

/* Paths in a kubeconfig are relative to its folder. */
static const char *beside(struct arena *arena, const char *config_path, const char *path)
{
	const char *slash = strrchr(config_path, '/');

	if (path[0] == '/' || !slash)
		return path;
	return arena_printf(arena, "%.*s/%s", (int)(slash - config_path), config_path, path);
}

static Config__Cluster *find_cluster(const Config__Kubeconfig *file, const char *name)
{
	for (size_t i = 0; i < file->n_clusters; i++)
		if (str_eq(file->clusters[i]->name, name))
			return file->clusters[i]->cluster;
	return NULL;
}

static Config__User *find_user(const Config__Kubeconfig *file, const char *name)
{
	for (size_t i = 0; i < file->n_users; i++)
		if (str_eq(file->users[i]->name, name))
			return file->users[i]->user;
	return NULL;
}

static const Config__Context *find_context(const Config__Kubeconfig *file, const char *name)
{
	for (size_t i = 0; i < file->n_contexts; i++)
		if (str_eq(file->contexts[i]->name, name))
			return file->contexts[i]->context;
	return NULL;
}

/* ---- what is wrong: all of it, in client-go's words ---- */

struct complaints {
	struct buf *text;
	int n;
};

__attribute__((format(printf, 2, 3))) static void complain(struct complaints *complaints, const char *format, ...)
{
	va_list args;

	if (complaints->n++)
		buf_puts(complaints->text, ", ");
	va_start(args, format);
	buf_vprintf(complaints->text, format, args);
	va_end(args);
}

static void check_file(struct complaints *complaints, const char *what, const char *path, const char *whose)
{
	if (path && access(path, R_OK) < 0) {
		struct err err;

		err_errno(&err, "open %s", path);
		complain(complaints, "unable to read %s %s for %s due to %s", what, path, whose, err.text);
	}
}

static void check_user(struct complaints *complaints, const char *name, const Config__User *user)
{
	bool certificate = !str_empty(user->client_certificate), data = user->client_certificate_data.len > 0;
	bool key = !str_empty(user->client_key), key_data = user->client_key_data.len > 0;

	if (certificate && data)
		complain(complaints,
			 "client-cert-data and client-cert are both specified for %s. client-cert-data will override.",
			 name);
	if (certificate || data) {
		if (key && key_data)
			complain(complaints,
				 "client-key-data and client-key are both specified for %s; client-key-data will "
				 "override",
				 name);
		if (!key && !key_data)
			complain(complaints,
				 "client-key-data or client-key must be specified for %s to use the clientCert "
				 "authentication method.",
				 name);
		check_file(complaints, "client-cert", certificate ? user->client_certificate : NULL, name);
		check_file(complaints, "client-key", key ? user->client_key : NULL, name);
	}
	if (!str_empty(user->token) && (!str_empty(user->username) || !str_empty(user->password)))
		complain(complaints,
			 "more than one authentication method found for %s; found [token basicAuth], only one is "
			 "allowed",
			 name);
}

static void check_cluster(struct complaints *complaints, const char *name, const Config__Cluster *cluster)
{
	bool ca = !str_empty(cluster->certificate_authority);

	if (str_empty(cluster->server) && str_empty(name))
		complain(complaints, "default cluster has no server defined");
	else if (str_empty(cluster->server))
		complain(complaints, "no server found for cluster \"%s\"", name);
	if (ca && cluster->certificate_authority_data.len > 0)
		complain(complaints,
			 "certificate-authority-data and certificate-authority are both specified for %s. "
			 "certificate-authority-data will override.",
			 name);
	check_file(complaints, "certificate-authority", ca ? cluster->certificate_authority : NULL, name);
}

/* A user that is missing is none to client-go, and neither is that a complaint. */
static int check(const char *current, const Config__Context *context, const Config__User *user,
		 const Config__Cluster *cluster, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(FILE_MAX);
	struct complaints complaints = { .text = &text };

	if (*current && !context)
		complain(&complaints, "context was not found for specified context: %s", current);
	if (user)
		check_user(&complaints, context->user, user);
	if (cluster)
		check_cluster(&complaints, context->cluster, cluster);
	else if (complaints.n > 0)
		complain(&complaints, "cluster has no server defined");
	else
		complain(&complaints, "no configuration has been provided, try setting KUBERNETES_MASTER environment "
				      "variable");
	if (complaints.n > 0)
		return err_set(err, -EINVAL, "invalid configuration: %s%s%s", complaints.n > 1 ? "[" : "",
			       buf_text(&text), complaints.n > 1 ? "]" : "");
	return 0;
}

/* ---- taking it ---- */

/* The embedded data wins over the file, as in client-go. */
static int take_pem(struct arena *arena, const ProtobufCBinaryData *data, const char *path, const char **ret_pem,
		    const char **ret_file, struct err *err)
{
	if (data->len > 0) {
		*ret_pem = arena_strndup(arena, (const char *)data->data, data->len);
		return 0;
	}
	if (str_empty(path))
		return 0;
	if (ret_file)
		*ret_file = path;
	return file_read_text(path, FILE_MAX, arena, ret_pem, err);
}

/* A server may come without scheme, and then it is spoken to in the clear. */
static int take_server(struct kubeconfig *config, const char *server, struct err *err)
{
	size_t scheme = str_scheme(server);
	bool whole = scheme && str_has_prefix(server + scheme, "://") && !strchr("/?#", server[scheme + 3]);
	const char *host = whole ? server + scheme + 3 : server;
	size_t length = strcspn(host, "/?#"), bad = strcspn(host, " \\^`{|}");

	if (bad < length && whole)
		return err_set(err, -EINVAL, "host must be a URL or a host:port pair: \"%s\"", server);
	if (bad < length)
		return err_set(err, -EINVAL, "parse \"http://%s\": invalid character \"%c\" in host name", server,
			       host[bad]);
	if (!whole && host[length] == '/' && host[length + 1])
		return err_set(err, -EINVAL, "host must be a URL or a host:port pair: \"%s\"", server);
	length = strlen(server);
	while (length > 0 && server[length - 1] == '/')
		length--;
	config->server = arena_printf(config->arena, "%s%.*s", whole ? "" : "http://", (int)length, server);
	return 0;
}

/* Who the server is. */
static int take_roots(struct kubeconfig *config, const Config__Cluster *cluster, struct err *err)
{
	bool given = cluster->certificate_authority_data.len > 0 || !str_empty(cluster->certificate_authority);

	config->insecure = cluster->insecure_skip_tls_verify;
	if (given && config->insecure)
		return err_set(err, -EINVAL,
			       "specifying a root certificates file with the insecure flag is not allowed");
	return take_pem(config->arena, &cluster->certificate_authority_data, cluster->certificate_authority,
			&config->ca, NULL, err);
}

/*
 * Who we are. A pair of which both come from files is not looked at yet: client-go reads it anew at each handshake, and
 * so it may be mended while the kubelet runs.
 */
static int take_user(struct kubeconfig *config, const Config__User *user, struct err *err)
{
	int code = 0;

	if (user->client_certificate_data.len > 0 || !str_empty(user->client_certificate)) {
		code = take_pem(config->arena, &user->client_certificate_data, user->client_certificate,
				&config->certificate, &config->certificate_file, err);
		if (code == 0)
			code = take_pem(config->arena, &user->client_key_data, user->client_key, &config->key,
					&config->key_file, err);
	}
	config->token = str_empty(user->token) ? NULL : arena_strdup(config->arena, user->token);
	if (!str_empty(user->tokenfile))
		config->token_file = user->tokenfile;
	if (!str_empty(user->username) || !str_empty(user->password))
		config->basic =
			arena_printf(config->arena, "%s:%s", str_or(user->username, ""), str_or(user->password, ""));
	return code;
}

static int take_tls(struct kubeconfig *config, const Config__Cluster *cluster, const Config__User *user,
		    struct err *err)
{
	int code = take_roots(config, cluster, err);

	if (code == 0 && user)
		code = take_user(config, user, err);
	if (code < 0)
		return code;
	if (!str_empty(config->ca) && x509_check_roots(config->ca, err) < 0)
		return err_wrap(err, "unable to load root certificates");
	if (config->certificate && !(config->certificate_file && config->key_file) &&
	    x509_check_pair(config->certificate, config->key, err) < 0)
		return err->code;
	if (config->basic && (config->token || config->token_file))
		return err_set(err, -EINVAL, "username/password or bearer token may be set, but not both");
	return 0;
}

static int not_built(const char *user_name, const Config__User *user, const Config__Cluster *cluster, struct err *err)
{
	if (!str_empty(cluster->tls_server_name) || !str_empty(cluster->proxy_url))
		return err_set(err, -EINVAL, "tls-server-name and proxy-url are not supported");
	if (user && (user->exec || user->auth_provider))
		return err_set(err, -EINVAL, "exec and auth-provider of user \"%s\" are not supported", user_name);
	return 0;
}

static void make_absolute(struct arena *arena, const char *config_path, char **path)
{
	if (!str_empty(*path))
		*path = (char *)(uintptr_t)beside(arena, config_path, *path);
}

static int fill(struct kubeconfig *config, const char *path, const Config__Kubeconfig *file, struct err *err)
{
	const char *current = str_or(file->current_context, "");
	const Config__Context *context = find_context(file, current);
	Config__User *user = context ? find_user(file, context->user) : NULL;
	Config__Cluster *cluster = context ? find_cluster(file, context->cluster) : NULL;

	if (cluster)
		make_absolute(config->arena, path, &cluster->certificate_authority);
	if (user) {
		make_absolute(config->arena, path, &user->client_certificate);
		make_absolute(config->arena, path, &user->client_key);
		make_absolute(config->arena, path, &user->tokenfile);
	}
	int code = check(current, context, user, cluster, err);
	if (code == 0)
		code = not_built(context->user, user, cluster, err);
	if (code < 0)
		return err_wrap(err, "invalid kubeconfig");
	/* What says who somebody is goes over TLS only, so over plain HTTP client-go does not even look at it. */
	bool tls = strncasecmp(cluster->server, "https://", strlen("https://")) == 0 && cluster->server[8];
	/* It is read anew at each use; but who starts without one, and with no token beside it, has made a mistake. */
	if (tls && user && !str_empty(user->tokenfile) && str_empty(user->token) && access(user->tokenfile, R_OK) < 0) {
		err_errno(err, "open %s", user->tokenfile);
		return err_wrap(err, "invalid kubeconfig");
	}
	if ((tls && take_tls(config, cluster, user, err) < 0) || take_server(config, cluster->server, err) < 0)
		return err_wrap(err, "failed to initialize kubelet client");
	return 0;
}

static int decode(const char *path, const char *yaml, struct arena *arena, ProtobufCMessage **ret_file, struct err *err)
{
	_cleanup_buf_ struct buf json = BUF_INIT(4 * FILE_MAX);
	int code = yaml_to_json(yaml, strlen(yaml), &json, err);

	if (code == 0 && str_eq(buf_text(&json), "null")) /* an empty file */
		code = pbjson_decode(&config__kubeconfig__descriptor, "{}", 2, arena, ret_file, err);
	else if (code == 0)
		code = pbjson_decode(&config__kubeconfig__descriptor, buf_text(&json), json.size, arena, ret_file, err);
	return code < 0 ? err_wrap(err, "error loading config file \"%s\"", path) : 0;
}

int kubeconfig_load(const char *path, struct kubeconfig **ret_config, struct err *err)
{
	struct arena *arena = arena_new();
	struct kubeconfig *config = arena_alloc(arena, sizeof *config);
	const char *yaml;
	ProtobufCMessage *file;

	config->arena = arena;
	int code = file_read_text(path, FILE_MAX, arena, &yaml, err);
	if (code == -ENOENT)
		err_set(err, code, "stat %s: no such file or directory", path); /* stock looks for it first */
	if (code == 0)
		code = decode(path, yaml, arena, &file, err);
	if (code < 0)
		err_wrap(err, "invalid kubeconfig");
	else
		code = fill(config, path, (const Config__Kubeconfig *)file, err);
	if (code < 0) {
		arena_free(arena);
		return code;
	}
	*ret_config = config;
	return 0;
}

void kubeconfig_free(struct kubeconfig *config)
{
	if (config)
		arena_free(config->arena);
}
