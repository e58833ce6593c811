#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A lost lease comes back; a deleted node registers again when the kubelet restarts, and its pods with it.
# group: alone
. "$(dirname "$0")/../lib.sh"

lease=/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node
api $lease -X DELETE >/dev/null
back() {
	[ "$(api $lease | jq -r .spec.holderIdentity)" = node ]
}
wait_until 60 "the lease is back" back
old=$(api /api/v1/nodes/node | jq -r .metadata.uid)
api /api/v1/nodes/node -X DELETE >/dev/null
rig_kill kubelet KILL
registered() {
	api /api/v1/nodes/node | jq -e --arg old "$old" '.metadata.uid != $old and any(.status.conditions[]; .type == "Ready" and .status == "True") and .spec.taints == null'
}
wait_until 120 "the node is back" registered
busybox_pod new 'exec sleep 1000'
wait_running new
