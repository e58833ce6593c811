/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/dropin.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kubelet/config/header.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/codec/pbjson.h"
#include "pkg/codec/yaml.h"

enum {
	FILE_MAX = 1024 * 1024, /* as for the file of --config */
	DEPTH_MAX = 32,         /* of folders: nobody sorts a few settings into more */
};

static int refuse_twice(void *owner, enum pbjson_oddity what, const char *path, struct err *err)
{
	if (what != PBJSON_DUPLICATE_FIELD)
		return 0; /* what we do not know is ignored in these files, silently */
	return err_set(err, -EINVAL, "strict decoding error: duplicate field \"%s\"", path);
}

static int merge_file(Config__KubeletConfiguration *config, const char *path, struct arena *arena, struct err *err)
{
	_cleanup_buf_ struct buf yaml = BUF_INIT(FILE_MAX), json = BUF_INIT(4 * FILE_MAX);
	struct config_header header;
	int code = file_read(path, &yaml, err);

	if (code < 0)
		err_wrap(err, "failed to read drop-in kubelet config file \"%s\", error", path);
	else if (yaml.size == 0)
		code = err_set(err, -EINVAL, "kubelet config file \"%s\" was empty", path);
	else if ((code = yaml_to_json(buf_text(&yaml), yaml.size, &json, err)) == 0)
		code = config_header_read(buf_text(&json), json.size, arena, &header, err);
	if (code < 0)
		return err_wrap(err, "failed to load kubelet dropin file, path: %s, error", path);
	if (!*header.api_version)
		return err_set(err, -EINVAL, "failed to load kubelet dropin file, path: %s, no apiVersion/kind", path);
	if (!str_eq(header.kind, CONFIG_KIND) || !str_eq(header.api_version, CONFIG_API_VERSION))
		return err_set(err, -EINVAL,
			       "failed to load kubelet dropin file, path: %s, unknown apiVersion/kind: %s%s, Kind=%s",
			       path, strchr(header.api_version, '/') ? "" : "/", header.api_version, header.kind);
	code = pbjson_merge(&config->base, buf_text(&json), json.size, arena, refuse_twice, NULL, err);
	return code < 0 ? err_wrap(err, "failed to load kubelet dropin file, path: %s, error", path) : 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int merge_entry(Config__KubeletConfiguration *config, const char *path, int depth, struct arena *arena,
		       struct err *err);

static int merge_dir(Config__KubeletConfiguration *config, const char *dir, int depth, struct arena *arena,
		     struct err *err)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, NULL, by_name), code = 0;

	if (n < 0)
		return err_errno(err, "open %s", dir);
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		if (code == 0 && !str_eq(name, ".") && !str_eq(name, ".."))
			code = merge_entry(config, arena_printf(arena, "%s/%s", dir, name), depth, arena, err);
		free(entries[i]);
	}
	free(entries);
	return code;
}

/* Links are not followed into folders, as stock's walk does not. */
static int merge_entry(Config__KubeletConfiguration *config, const char *path, int depth, struct arena *arena,
		       struct err *err) // NOLINT(misc-no-recursion): bounded by DEPTH_MAX
{
	struct stat info;

	if (lstat(path, &info) < 0)
		return err_errno(err, "lstat %s", path);
	if (!S_ISDIR(info.st_mode))
		return str_has_suffix(path, ".conf") ? merge_file(config, path, arena, err) : 0;
	if (depth == DEPTH_MAX)
		return err_set(err, -ELOOP, "%s is too deep below", path);
	return merge_dir(config, path, depth + 1, arena, err);
}

int dropins_merge(Config__KubeletConfiguration *config, const char *dir, struct arena *arena, struct err *err)
{
	if (merge_entry(config, dir, 0, arena, err) < 0)
		return err_wrap(err, "failed to walk through kubelet dropin directory \"%s\"", dir);
	return 0;
}
