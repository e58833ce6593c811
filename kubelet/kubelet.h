/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The kubelet put together: owns every manager, gives each what it needs, starts them in order. No logic of its own.
 *
 * Order of life: the runtime must answer; then the node registers and the pods of the runtime are read; once both are
 * known the API server's pods come in; once all of them are known, what nobody knows is removed.
 */
#include "kubelet/config/config.h"
#include "pkg/base/err.h"
#include "pkg/loop/loop.h"

struct kubelet;

struct kubelet_options {
	struct loop *loop;
	const struct config *config; /* must outlive it */

	void (*started)(void *owner);                       /* it serves, and the runtime answers */
	void (*failed)(void *owner, const struct err *err); /* it cannot start: the process should end */
	void *owner;
};

/* Fails for what no waiting would mend: a broken kubeconfig, no cgroups, a port in use. */
int kubelet_new(const struct kubelet_options *options, struct kubelet **ret_kubelet, struct err *err);
void kubelet_start(struct kubelet *kubelet);

/*
 * Ends the gate and its sessions. Containers go on running; everything else may be dropped at any point, as a crash
 * would do it, so the process simply ends after this. Nothing else is taken down here: what a manager has to stop and
 * free it with is for its tests.
 */
void kubelet_stop(struct kubelet *kubelet);
