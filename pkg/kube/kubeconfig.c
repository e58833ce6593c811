/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/kube/kubeconfig.h"

#include <string.h>
#include <unistd.h>

#include "config/kubeconfig.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/codec/pbjson.h"
#include "pkg/codec/yaml.h"

enum { FILE_MAX = 1024 * 1024 }; /* a kubeconfig with embedded certificates is 6 KiB; people collect clusters in it */

/* Paths in a kubeconfig are relative to its folder. */
static const char *beside(struct arena *arena, const char *config_path, const char *path)
{
	const char *slash = strrchr(config_path, '/');

	if (path[0] == '/' || !slash)
		return path;
	return arena_printf(arena, "%.*s/%s", (int)(slash - config_path), config_path, path);
}

/* The embedded data wins over the file, as in client-go. */
static int take_pem(struct arena *arena, const char *config_path, const ProtobufCBinaryData *data, const char *file,
		    const char **ret_pem, const char **ret_file, struct err *err)
{
	if (data->len > 0) {
		*ret_pem = arena_strndup(arena, (const char *)data->data, data->len);
		return 0;
	}
	if (str_empty(file))
		return 0;
	const char *path = beside(arena, config_path, file);
	if (ret_file)
		*ret_file = path;
	return file_read_text(path, FILE_MAX, arena, ret_pem, err);
}

static const Config__Cluster *find_cluster(const Config__Kubeconfig *file, const char *name)
{
	for (size_t i = 0; i < file->n_clusters; i++)
		if (str_eq(file->clusters[i]->name, name))
			return file->clusters[i]->cluster;
	return NULL;
}

static const Config__User *find_user(const Config__Kubeconfig *file, const char *name)
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

static int fill(struct kubeconfig *config, const char *path, const Config__Kubeconfig *file, struct err *err)
{
	const char *current = str_or(file->current_context, "");
	const Config__Context *context = find_context(file, current);

	if (!context)
		return err_set(err, -EINVAL, "context \"%s\" does not exist", current);
	const Config__Cluster *cluster = find_cluster(file, context->cluster);
	const Config__User *user = find_user(file, context->user);
	if (!cluster)
		return err_set(err, -EINVAL, "cluster \"%s\" does not exist", str_or(context->cluster, ""));
	if (!str_empty(context->user) && !user)
		return err_set(err, -EINVAL, "user \"%s\" does not exist", context->user);
	if (!str_has_prefix(cluster->server, "https://") && !str_has_prefix(cluster->server, "http://"))
		return err_set(err, -EINVAL, "the server \"%s\" is not a URL", str_or(cluster->server, ""));
	if (!str_empty(cluster->tls_server_name) || !str_empty(cluster->proxy_url))
		return err_set(err, -EINVAL, "tls-server-name and proxy-url are not supported");

	size_t length = strlen(cluster->server);
	while (length > 0 && cluster->server[length - 1] == '/')
		length--;
	config->server = arena_strndup(config->arena, cluster->server, length);
	config->insecure = cluster->insecure_skip_tls_verify;
	int code = take_pem(config->arena, path, &cluster->certificate_authority_data, cluster->certificate_authority,
			    &config->ca, NULL, err);
	if (code == 0 && config->ca && config->insecure)
		return err_set(err, -EINVAL,
			       "specifying a root certificates file with the insecure flag is not allowed");
	if (code == 0 && config->ca && !strstr(config->ca, "-----BEGIN "))
		return err_set(err, -EINVAL, "unable to load root certificates: unable to parse bytes as PEM block");
	if (code < 0 || !user)
		return code;
	code = take_pem(config->arena, path, &user->client_certificate_data, user->client_certificate,
			&config->certificate, &config->certificate_file, err);
	if (code == 0)
		code = take_pem(config->arena, path, &user->client_key_data, user->client_key, &config->key,
				&config->key_file, err);
	if (code < 0)
		return code;
	if (!config->certificate != !config->key)
		return err_set(err, -EINVAL, "a client certificate and its key must be given together");
	if (user->exec || user->auth_provider)
		return err_set(err, -EINVAL, "exec and auth-provider of user \"%s\" are not supported", context->user);
	config->token = str_empty(user->token) ? NULL : arena_strdup(config->arena, user->token);
	if (!str_empty(user->tokenfile))
		config->token_file = arena_strdup(config->arena, beside(config->arena, path, user->tokenfile));
	/* It is read anew at each use; but who starts without one, and with no token beside it, has made a mistake. */
	if (config->token_file && !config->token && access(config->token_file, R_OK) < 0)
		return err_errno(err, "open %s", config->token_file);
	return 0;
}

int kubeconfig_load(const char *path, struct kubeconfig **ret_config, struct err *err)
{
	struct arena *arena = arena_new();
	struct kubeconfig *config = arena_alloc(arena, sizeof *config);
	_cleanup_buf_ struct buf json = BUF_INIT(4 * FILE_MAX);
	const char *yaml;
	ProtobufCMessage *file;

	config->arena = arena;
	int code = file_read_text(path, FILE_MAX, arena, &yaml, err);
	if (code == -ENOENT)
		err_set(err, code, "stat %s: no such file or directory", path); /* stock looks for it first */
	if (code == 0) {
		code = yaml_to_json(yaml, strlen(yaml), &json, err);
		if (code == 0)
			code = pbjson_decode(&config__kubeconfig__descriptor, buf_text(&json), json.size, arena, &file,
					     err);
		if (code == 0)
			code = fill(config, path, (const Config__Kubeconfig *)file, err);
		if (code < 0)
			err_wrap(err, "error loading config file \"%s\"", path);
	}
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
