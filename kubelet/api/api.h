/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The kubelet's HTTP API, behind the gate: who may ask, what is asked, and the answers of the stock kubelet.
 *
 * A request goes through: path rules and unknown roots (before authentication, as stock does), authentication
 * (certificate, bearer token, anonymous), authorisation (SubjectAccessReview, cached), then its handler. What the API
 * needs to know about pods it asks through a few functions, so it depends on no manager.
 *
 * Paths that are not built yet answer stock's 404.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/kubelet.pb-c.h"
#include "k8s/core.pb-c.h"
#include "kubelet/gate/gate.h"
#include "kubelet/runtime/observed.h"
#include "pkg/base/err.h"
#include "pkg/loop/loop.h"

struct api;
struct cri;
struct kube;

/* All answers are valid until control returns to the loop. */
struct api_pods {
	/* A pod of this node with its status as last computed; NULL when unknown. */
	const Core__Pod *(*find)(void *owner, const char *namespace_, const char *name);

	/* Every pod: `size_t at = 0; while ((pod = next(owner, &at)))`. */
	const Core__Pod *(*next)(void *owner, size_t *at);

	/* What the runtime has of one pod (pleg_get) and of all (pleg_next). */
	const struct runtime_pod *(*observed)(void *owner, const char *uid);
	const struct runtime_pod *(*next_observed)(void *owner, size_t *at);

	void *owner;
};

/* A check of /healthz besides "ping" and "log"; 0 or a negative code with the reason, which is only logged. */
struct api_check {
	const char *name; /* stock has "syncloop" and "device-plugin" */
	int (*check)(void *owner, struct err *err);
	void *owner;
};

enum { API_CHECKS_MAX = 8 }; /* stock has two */

struct api_options {
	struct loop *loop;
	struct cri *cri;
	struct kube *kube;     /* NULL without an API server: only with AlwaysAllow and without token reviews */
	const char *node_name; /* copied */

	/*
	 * With all defaults filled in. Read: authentication, authorization, enableDebuggingHandlers; the whole is what
	 * /configz shows. Must outlive the API.
	 */
	const Config__KubeletConfiguration *config;

	struct api_pods pods;
	struct api_check checks[API_CHECKS_MAX];
	size_t n_checks;
};

/*
 * Fails when nobody could ever be let in or a mode is unknown, with stock's sentences. api_set_gate() follows, since
 * the gate's callbacks need the API first.
 */
int api_new(const struct api_options *options, struct api **ret_api, struct err *err);
void api_set_gate(struct api *api, struct gate *gate);

/* Ends every request and calls `stopped` when no task is out any more; then api_free(). */
void api_stop(struct api *api, void (*stopped)(void *owner), void *owner);
void api_free(struct api *api);

/* gate_options.callbacks; `owner` is the struct api. */
void api_request(void *api, const struct gate_request *request);
void api_gone(void *api, uint64_t id);

size_t api_sessions(const struct api *api); /* exec, attach and port-forward sessions that are alive */
