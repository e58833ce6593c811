#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A lost lease comes back; a restart is no change of the node's conditions; a cordon and a lost label are seen to; a
# deleted node stays away until the kubelet restarts, then it registers again, and its pods with it.
# group: alone
. "$(dirname "$0")/../lib.sh"

lease=/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node
api $lease -X DELETE >/dev/null
back() {
	[ "$(api $lease | jq -r .spec.holderIdentity)" = node ]
}
wait_until 60 "the lease is back" back

node_field() {
	api /api/v1/nodes/node | jq -r "$1"
}
told() { # REASON: how often the kubelet has said so
	api "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=node" |
		jq --arg reason "$1" '[.items[] | select(.source.component == "kubelet" and .reason == $reason) | .count] | add // 0'
}
more() { # REASON BEFORE
	[ "$(told "$1")" -gt "$2" ]
}
since='.status.conditions[] | select(.type == "Ready") | "\(.status) \(.lastTransitionTime)"'
ready=$(node_field "$since") said=$(told NodeReady) pressure=$(told NodeHasSufficientMemory)
rig_kill kubelet KILL
wait_until 60 "the kubelet tells of its start" more NodeHasSufficientMemory "$pressure"
sleep 2
expect "ready since" "$(node_field "$since")" "$ready"
expect "events of that" "$(told NodeReady)" "$said"

at_exit command kubectl uncordon node
said=$(told NodeNotSchedulable)
command kubectl cordon node >/dev/null
wait_until 60 "the cordon is told" more NodeNotSchedulable "$said"
said=$(told NodeSchedulable)
command kubectl uncordon node >/dev/null
wait_until 60 "its end is told" more NodeSchedulable "$said"
command kubectl label node node kubernetes.io/arch- >/dev/null
has_label() {
	[ "$(node_field '.metadata.labels["kubernetes.io/arch"]')" = amd64 ]
}
wait_until 60 "the label is back" has_label

old=$(node_field .metadata.uid)
api /api/v1/nodes/node -X DELETE >/dev/null
sleep 12
expect "a deleted node" "$(api /api/v1/nodes/node -o /dev/null -w '%{http_code}')" 404
rig_kill kubelet KILL
registered() {
	api /api/v1/nodes/node | jq -e --arg old "$old" '.metadata.uid != $old and any(.status.conditions[]; .type == "Ready" and .status == "True") and .spec.taints == null'
}
wait_until 120 "the node is back" registered
busybox_pod new 'exec sleep 1000'
wait_running new
