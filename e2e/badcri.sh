# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For cases about a runtime that misbehaves: e2e/tools/badcri between the kubelet and containerd, and what to say to it.
# `misbehave RULE...` takes the place of all rules before, `behave` ends them, `misbehaved REGEX` looks at what it did.

badcri=$CUBELET_CACHE/bin/badcri
bad_socket=$RIG/run/badcri.sock
bad_rules=$RIG/run/badcri.rules
bad_log=$WORK/badcri.log

misbehave() {
	: >"$bad_log"
	printf '%s\n' "$@" >"$bad_rules.new"
	mv "$bad_rules.new" "$bad_rules"
}
behave() {
	misbehave ""
}
misbehaved() {
	grep -E "$1" "$bad_log" >/dev/null
}

(
	flock 9
	cd "$repo/e2e/tools/badcri" || exit
	[ "$badcri" -nt main.go ] && [ "$badcri" -nt go.mod ] || CGO_ENABLED=0 go build -trimpath -o "$badcri" .
) 9>"$CUBELET_CACHE/badcri.lock"
behave
"$badcri" -listen "$bad_socket" -to "$CRI_SOCKET" -rules "$bad_rules" 2>>"$bad_log" &
at_exit "kill $!; rm -f $bad_socket $bad_rules"
proxied() {
	crictl --runtime-endpoint "unix://$bad_socket" --image-endpoint "unix://$bad_socket" version
}
wait_until 10 "the runtime behind the proxy answers" proxied

node_ready() { # STATUS
	[ "$(api /api/v1/nodes/node | jq -r '.status.conditions[] | select(.type == "Ready") | .status')" = "${1:-True}" ]
}
# The rig's kubelet talks to the proxy until the case ends, and waits no longer than 5 s for an answer.
use_bad_runtime() {
	cp "$RIG/conf/kubelet.yaml" "$RIG/conf/kubelet.yaml.good"
	at_exit use_good_runtime
	sed "s|^containerRuntimeEndpoint: .*|containerRuntimeEndpoint: unix://$bad_socket|; \$a runtimeRequestTimeout: 5s" \
		"$RIG/conf/kubelet.yaml.good" >"$RIG/conf/kubelet.yaml"
	misbehave "Status pass"
	rig_restart kubelet
	wait_until 60 "the kubelet asks the proxy" misbehaved Status
	behave
	wait_until 60 "the node is ready behind the proxy" node_ready
}
use_good_runtime() {
	behave
	rig_stop kubelet
	mv "$RIG/conf/kubelet.yaml.good" "$RIG/conf/kubelet.yaml"
	rig_start kubelet
	wait_until 60 "the node is ready again" node_ready
}
# What must not change of a pod that runs: its container, how often it was started, and when.
life() {
	get "$1" '.status.containerStatuses[0] | "\(.containerID) \(.restartCount) \(.state.running.startedAt)"'
}
