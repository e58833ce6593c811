#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The records of who may use an image are the same files for both kubelets: a node goes to the other one and back.
# group: alone
. "$(dirname "$0")/../lib.sh"

# shellcheck source=e2e/registry.sh
. "$(dirname "$0")/../registry.sh"

declare -A program=([ours]=$repo/build/kubelet [stock]=$(command -v kubelet))
other=$([ "$KUBELET" = ours ] && echo stock || echo ours)
[ -x "${program[$other]}" ] || skip "there is no other kubelet at ${program[$other]}"

cp "$RIG/cmd/kubelet" "$WORK/command"
# No pod may stay: where "/" is no shared mount stock binds its folder over itself, and what is mounted in it is hidden.
change_to() {
	kubectl delete pod --all --wait=false >/dev/null
	wait_until 60 "no pods" none
	rig_stop kubelet
	sed "s|${program[$KUBELET]}|${program[$1]}|" "$WORK/command" >"$RIG/cmd/kubelet"
	rig_start kubelet
}
none() {
	[ "$(kubectl get pod -o name)" = "" ]
}
back() {
	cmp -s "$WORK/command" "$RIG/cmd/kubelet" || change_to "$KUBELET"
	wait_until 60 "the node is ready" ready
}
ready() {
	api /api/v1/nodes/node | jq -e 'any(.status.conditions[]; .type == "Ready" and .status == "True") and .spec.taints == null'
}
at_exit "crictl rmi $registry/private/own:1"
at_exit back

login() {
	kubectl create secret docker-registry "$1" --docker-server="$registry" --docker-username=me --docker-password=secret >/dev/null
}
rights() {
	local name
	for name in $1; do
		run "$2-$name" private/own:1 Never "$name"
		wait_ended "$2-$name" Succeeded
	done
	run "$2-none" private/own:1 Never
	wait_for "$2-none" '.status.containerStatuses[0].state.waiting.reason == "ErrImageNeverPull"'
}
contents() {
	(cd "$RIG/kubelet/image_manager" && find . -name 'sha256-*' -exec cat {} + | sort)
}
login first
run pull private/own:1 IfNotPresent first
wait_ended pull Succeeded
rights first a

# The other one knows it, and learns of one more.
before=$(contents)
change_to "$other"
rights first b
expect "what is known" "$(contents)" "$before"
login second
run b-second private/own:1 Never second
wait_ended b-second Succeeded

# And back.
before=$(contents)
change_to "$KUBELET"
rights "first second" c
expect "what is known" "$(contents)" "$before"
