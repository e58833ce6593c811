#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A pod deleted and made again at once under the same name is a new pod; force deletion leaves nothing running.
. "$(dirname "$0")/../lib.sh"

busybox_pod twin 'echo first; exec sleep 1000'
wait_running twin
first=$(get twin .metadata.uid)
kubectl delete pod twin >/dev/null
busybox_pod twin 'echo second; exec sleep 1000'
wait_running twin
[ "$(get twin .metadata.uid)" != "$first" ] || fail "the same pod"
logged() {
	[ "$(kubectl logs twin)" = second ]
}
wait_until 20 "the second one's log" logged
expect restarts "$(get twin '.status.containerStatuses[0].restartCount')" 0
second=$(get twin .metadata.uid)
kubectl delete pod twin --grace-period=0 --force >/dev/null 2>&1
stopped() {
	[ -z "$(crictl ps -q --label io.kubernetes.pod.uid="$second")" ] && ! [ -e "$RIG/kubelet/pods/$second" ]
}
wait_until 90 "the forced one is stopped and removed" stopped
