/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/cert/cert.h"

#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/net/x509.h"

enum {
	FILE_MAX = 1024 * 1024, /* a bundle of every CA there is has 220 KiB */
	LOOK_MS = 60000,        /* stock's period */
	SETTLE_MS = 200,        /* a writer replaces certificate and key one after the other */
};

struct certs {
	struct cert_options options;
	char *certificate_path, *key_path, *client_ca_path; /* the last may be NULL */
	char *certificate, *key, *client_ca;
	struct cert_material material;
	struct loop_timer look;
	struct loop_fd *watch;
	int inotify;
};

/* Reads a pair that can be used; both or nothing. */
static int read_pair(const struct certs *certs, char **ret_certificate, char **ret_key, struct err *err)
{
	_cleanup_free_ char *certificate = NULL, *key = NULL;
	int code = file_read_copy(certs->certificate_path, FILE_MAX, &certificate, err);

	if (code == 0)
		code = file_read_copy(certs->key_path, FILE_MAX, &key, err);
	if (code == 0)
		code = x509_check_pair(certificate, key, err);
	if (code < 0)
		return code;
	*ret_certificate = steal_pointer(&certificate);
	*ret_key = steal_pointer(&key);
	return 0;
}

static int make_pair(const struct certs *certs, struct err *err)
{
	_cleanup_buf_ struct buf certificate = BUF_INIT(FILE_MAX), key = BUF_INIT(FILE_MAX);
	int code = dir_make_all(certs->options.cert_dir, 0755, err);

	if (code == 0)
		code = x509_make_serving(certs->options.host, &certificate, &key, err);
	if (code == 0)
		code = file_replace(certs->key_path, key.bytes, key.size, 0600, err);
	if (code == 0)
		code = file_replace(certs->certificate_path, certificate.bytes, certificate.size, 0644, err);
	if (code == 0)
		log_info("Using self-signed cert", "certFile", certs->certificate_path, "keyFile", certs->key_path,
			 NULL);
	return code;
}

static void set_material(struct certs *certs)
{
	certs->material = (struct cert_material){
		.certificate = certs->certificate,
		.key = certs->key,
		.client_ca = certs->client_ca,
	};
}

/* True when the text was another one. Takes it; an equal one is dropped, so that what was handed out stays valid. */
static bool take_text(char **place, char *fresh)
{
	if (str_eq(*place, fresh)) {
		free(fresh);
		return false;
	}
	free(*place);
	*place = fresh;
	return true;
}

static int read_client_ca(const struct certs *certs, char **ret_text, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int code = file_read_copy(certs->client_ca_path, FILE_MAX, &text, err);

	if (code < 0)
		return err_wrap(err, "unable to load client CA file %s", certs->client_ca_path);
	if (!strstr(text, "-----BEGIN CERTIFICATE-----"))
		return err_set(
			err, -EINVAL,
			"unable to load client CA file %s: data does not contain any valid RSA or ECDSA certificates",
			certs->client_ca_path);
	*ret_text = steal_pointer(&text);
	return 0;
}

static void look_again(void *owner)
{
	struct certs *certs = owner;
	char *certificate, *key, *client_ca;
	bool changed = false;
	struct err err;

	if (read_pair(certs, &certificate, &key, &err) < 0) {
		log_error(&err, "Failed to reload the serving certificate; the former one stays in use", NULL);
	} else {
		changed |= take_text(&certs->certificate, certificate);
		changed |= take_text(&certs->key, key);
	}
	if (certs->client_ca_path) {
		if (read_client_ca(certs, &client_ca, &err) < 0)
			log_error(&err, "Failed to reload the client CA file; the former one stays in use", NULL);
		else
			changed |= take_text(&certs->client_ca, client_ca);
	}
	if (changed) {
		log_info("Serving certificate or client CAs changed", NULL);
		set_material(certs);
		certs->options.changed(certs->options.owner, &certs->material);
	}
	loop_timer_start(&certs->look, LOOK_MS);
}

/* Something happened in one of the folders; which file it was does not matter. */
static void folder_changed(void *owner, int events)
{
	struct certs *certs = owner;
	char buffer[4096];

	(void)events;
	while (read(certs->inotify, buffer, sizeof buffer) > 0)
		;
	loop_timer_start(&certs->look, SETTLE_MS);
}

static void watch_folder_of(struct certs *certs, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder = slash ? xstrndup(path, MAX((size_t)(slash - path), (size_t)1)) : xstrdup(".");

	/* Symbolic links in it, as a mounted Secret has, change by renames in the folder. */
	inotify_add_watch(certs->inotify, folder, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE);
}

int certs_new(const struct cert_options *options, struct certs **ret_certs, struct err *err)
{
	struct certs *certs = xcalloc(1, sizeof *certs);
	const Config__KubeletConfiguration *config = options->config;
	bool given = !str_empty(config->tlscertfile) || !str_empty(config->tlsprivatekeyfile);
	const Config__KubeletX509Authentication *x509 = config->authentication->x509;
	int code = 0;

	certs->options = *options;
	certs->inotify = -1;
	if (given) {
		certs->certificate_path = xstrdup(str_or(config->tlscertfile, ""));
		certs->key_path = xstrdup(str_or(config->tlsprivatekeyfile, ""));
	} else {
		certs->certificate_path = xasprintf("%s/kubelet.crt", options->cert_dir);
		certs->key_path = xasprintf("%s/kubelet.key", options->cert_dir);
	}
	if (x509 && !str_empty(x509->clientcafile))
		certs->client_ca_path = xstrdup(x509->clientcafile);
	loop_timer_init(&certs->look, options->loop, look_again, certs);

	if (read_pair(certs, &certs->certificate, &certs->key, err) < 0) {
		code = given ? err_wrap(err, "failed to create kubelet: failed to initialize file based certificate "
					     "manager: unable to set up dynamic certificate manager for kubelet "
					     "server cert files")
			     : make_pair(certs, err);
		if (code == 0)
			code = read_pair(certs, &certs->certificate, &certs->key, err);
	}
	if (code == 0 && certs->client_ca_path)
		code = read_client_ca(certs, &certs->client_ca, err);
	if (code < 0) {
		certs_free(certs);
		return code;
	}
	set_material(certs);
	*ret_certs = certs;
	return 0;
}

const struct cert_material *certs_material(const struct certs *certs)
{
	return &certs->material;
}

void certs_start(struct certs *certs)
{
	certs->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (certs->inotify >= 0) {
		watch_folder_of(certs, certs->certificate_path);
		watch_folder_of(certs, certs->key_path);
		if (certs->client_ca_path)
			watch_folder_of(certs, certs->client_ca_path);
		certs->watch = loop_fd_watch(certs->options.loop, certs->inotify, LOOP_READ, folder_changed, certs);
	}
	loop_timer_start(&certs->look, LOOK_MS);
}

void certs_free(struct certs *certs)
{
	if (!certs)
		return;
	loop_timer_stop(&certs->look);
	loop_fd_unwatch(certs->watch);
	fd_done(&certs->inotify);
	free(certs->certificate_path);
	free(certs->key_path);
	free(certs->client_ca_path);
	free(certs->certificate);
	free(certs->key);
	free(certs->client_ca);
	free(certs);
}
