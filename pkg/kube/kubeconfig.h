/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where the API server is and who we are: the current context of a kubeconfig file, with the files it names read.
 */
#include "pkg/base/arena.h"
#include "pkg/base/err.h"

struct kubeconfig {
	struct arena *arena;                     /* owns all of it, this struct included */
	const char *server;                      /* https://host:port, no slash at its end */
	const char *ca;                          /* PEM, NULL: the system's; "": nobody is trusted */
	const char *certificate, *key;           /* PEM, NULL without */
	const char *token;                       /* NULL without */
	const char *basic;                       /* "user:password", NULL without */
	const char *token_file;                  /* re-read by the client, NULL without */
	const char *certificate_file, *key_file; /* where certificate and key came from, NULL when embedded */
	int insecure;
};

/* -ENOENT when there is no file; -EINVAL says what is wrong with it, all that can be said at once. */
int kubeconfig_load(const char *path, struct kubeconfig **ret_config, struct err *err);
void kubeconfig_free(struct kubeconfig *config);
