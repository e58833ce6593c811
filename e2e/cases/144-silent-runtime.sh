#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A runtime that does not answer at all, or speaks no gRPC: the node is not ready and says why, kubectl fails with a
# word, containers run on. Once it answers the node is ready and nothing was restarted.
# group: alone
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../badcri.sh"

busybox_pod stays 'i=0; while :; do i=$((i + 1)); echo $i; sleep 1; done'
wait_running stays
before=$(life stays)
use_bad_runtime
soon() {
	[ "$(timeout 20 kubectl -n "$NS" exec stays -- echo hi)" = hi ]
}
wait_until 30 "exec through the proxy" soon
message() {
	api /api/v1/nodes/node | jq -r '.status.conditions[] | select(.type == "Ready") | "\(.reason) \(.message)"'
}
lines() {
	crictl logs "$(jq -r .id <<<"$container")" | wc -l
}
container=$(crictl ps --name c --label io.kubernetes.pod.namespace="$NS" -o json | jq '.containers[0]')
down() { # MESSAGE RULE...
	local code=0 words=$1 count
	shift
	count=$(lines)
	misbehave "$@"
	wait_until 120 "$*: the node is not ready" node_ready False
	expect_like "$*: message" "$(message)" "$words"
	timeout 60 kubectl -n "$NS" exec stays -- echo hi >"$WORK/out" 2>"$WORK/err" || code=$?
	[ $code -ne 0 ] && [ $code -ne 124 ] || fail "$*: exec ended with $code: $(cat "$WORK/err")"
	expect "$*: output" "$(cat "$WORK/out")" ""
	expect_like "$*: words" "$(cat "$WORK/err")" 'rpc error: code = (Unavailable|DeadlineExceeded|Unimplemented)'
	expect "$*: the container" "$(crictl inspect "$(jq -r .id <<<"$container")" | jq -r .status.state)" CONTAINER_RUNNING
	[ "$(lines)" -gt "$count" ] || fail "$*: the container stands still"
	behave
	wait_until 60 "$*: the node is ready again" node_ready
	wait_until 30 "$*: exec works again" soon
	expect "$*: what ran" "$(life stays)" "$before"
}
down 'KubeletNotReady .*container runtime is down' "Status never" "Exec never" "ListPodSandbox never"
down 'KubeletNotReady .*container runtime is down' "* garbage"
down 'KubeletNotReady .*container runtime is down' "Status empty" "Exec unimplemented"
# It is there and says itself that something is wrong: nothing of its words is lost.
misbehave "Status utf8"
sleep 8
behave
busybox_pod new 'exec sleep 1000'
wait_running new
# A silent connection, and a kubelet that starts meanwhile: it ends with a word until the runtime answers.
misbehave "* mute"
rig_kill kubelet KILL
says() {
	tail -n 20 "$RIG/log/kubelet.log" | grep -E 'validate CRI v1 runtime API for endpoint.*(DeadlineExceeded|Unavailable)'
}
wait_until 30 "the new kubelet says what is wrong" says
behave
wait_until 60 "the node is ready after that" node_ready
wait_until 30 "exec works in the end" soon
expect "what ran" "$(life stays)" "$before"
kubectl delete pod stays new >/dev/null
wait_gone stays new
