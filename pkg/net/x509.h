/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Certificates that we make ourselves, and checks of those that we are given. PEM in and out. */
#include "pkg/base/buf.h"
#include "pkg/base/err.h"

/*
 * A serving certificate as the stock kubelet makes one when nobody gives it any: signed by a CA of the moment whose key
 * is thrown away, RSA 2048, common name HOST@UNIX-TIME, the host as its one alternative name, valid from an hour ago
 * for a year. `certificate` gets the leaf and then the CA.
 */
int x509_make_serving(const char *host, struct buf *certificate, struct buf *key, struct err *err);

/* Whether a server or a client can use the pair: both readable, belonging together. -EINVAL says what is wrong. */
int x509_check_pair(const char *certificate, const char *key, struct err *err);

/* Whether there is a certificate in it to trust at all: one is enough, as in Go. -EINVAL says what there is instead. */
int x509_check_roots(const char *pem, struct err *err);
