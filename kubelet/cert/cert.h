/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The serving certificate and the CAs of clients, as files that may change under us.
 *
 * Given files (tlsCertFile, tlsPrivateKeyFile) are taken as they are; without them <cert-dir>/kubelet.crt and .key are
 * reused or made. The files and the client CA bundle are looked at every minute, and soon after a change of their
 * folder; what cannot be used leaves the former in force and is logged.
 */
#include "config/kubelet.pb-c.h"
#include "pkg/base/err.h"
#include "pkg/loop/loop.h"

/* PEM texts, valid until the next change. client_ca is NULL when none is configured. */
struct cert_material {
	const char *certificate, *key, *client_ca;
};

struct cert_options {
	struct loop *loop;
	const Config__KubeletConfiguration *config; /* must outlive it */
	const char *cert_dir, *host;
	void (*changed)(void *owner, const struct cert_material *material);
	void *owner;
};

struct certs;

/* Reads or makes everything once; a file that cannot be read or used fails the start, as in stock. */
int certs_new(const struct cert_options *options, struct certs **ret_certs, struct err *err);
const struct cert_material *certs_material(const struct certs *certs);
void certs_start(struct certs *certs); /* from now on `changed` is called */
void certs_free(struct certs *certs);
