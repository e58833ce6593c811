/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The node's heartbeat: a Lease in kube-node-lease, renewed every quarter of its duration. Inside kubelet/node only. */
#include <stdint.h>

#include "pkg/kube/kube.h"

struct lease;

struct lease *lease_new(struct kube *kube, const char *node_name, int32_t duration_s);
void lease_start(struct lease *lease);
void lease_free(struct lease *lease); /* the memory goes when the request that is out has ended */

/* The lease belongs to the Node; it is made only once this is known. Copied. */
void lease_set_node_uid(struct lease *lease, const char *uid);
