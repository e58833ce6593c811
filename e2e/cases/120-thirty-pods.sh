#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 30 pods created at once reach Running; 30 deleted at once are gone, and nothing of them is left.
# group: alone
. "$(dirname "$0")/../lib.sh"

for i in $(seq 30); do
	printf -- '---\napiVersion: v1\nkind: Pod\nmetadata: {name: p%s}\nspec:\n  terminationGracePeriodSeconds: 1\n  containers:\n' "$i"
	printf -- '  - {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}\n'
done | kubectl create -f - >/dev/null
running() {
	[ "$(api "/api/v1/namespaces/$NS/pods" | jq '[.items[] | select(any(.status.conditions[]?; .type == "Ready" and .status == "True"))] | length')" = 30 ]
}
wait_until 120 "30 pods are ready" running || fail "$(kubectl get pods)"
pods=$(api "/api/v1/namespaces/$NS/pods")
expect "restarts" "$(jq '[.items[].status.containerStatuses[].restartCount] | add' <<<"$pods")" 0
expect "addresses" "$(jq -r '[.items[].status.podIP] | unique | length' <<<"$pods")" 30
kubectl delete pods --all --wait=false >/dev/null
none() {
	[ "$(api "/api/v1/namespaces/$NS/pods" | jq '.items | length')" = 0 ]
}
wait_until 120 "30 pods are gone" none || fail "$(kubectl get pods)"
left() {
	local uid
	jq -r '.items[].metadata.uid' <<<"$pods" | while read -r uid; do
		ls -d "$RIG/kubelet/pods/$uid" "$RIG/pod-logs"/*"$uid" 2>/dev/null
		find /sys/fs/cgroup -type d -name "*$uid*" 2>/dev/null
		grep -F "$uid" /proc/self/mountinfo
	done
	crictl pods --namespace "$NS" -q 2>/dev/null
}
nothing_left() {
	[ -z "$(left)" ]
}
wait_until 150 "nothing is left" nothing_left || fail "$(left)"
