#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# containerd killed and restarted: containers run on under their shims, nothing is restarted, work goes on.
# group: alone
. "$(dirname "$0")/../lib.sh"

busybox_pod stays 'i=0; while :; do i=$((i + 1)); echo $i; sleep 0.5; done'
wait_running stays
before=$(get stays '.status.containerStatuses[0].containerID')
started=$(get stays '.status.containerStatuses[0].state.running.startedAt')
for _ in 1 2 3; do
	rig_kill containerd KILL
	sleep 3
done
answers() {
	crictl info
}
wait_until 30 "containerd answers" answers
execs() {
	[ "$(in_pod stays echo yes)" = yes ]
}
wait_until 60 "exec works again" execs
busybox_pod new 'exec sleep 1000'
wait_running new
expect "the container" "$(get stays '.status.containerStatuses[0] | "\(.containerID) \(.restartCount) \(.state.running.startedAt)"')" "$before 0 $started"
lines=$(kubectl logs stays | wc -l)
grows() {
	[ "$(kubectl logs stays | wc -l)" -gt "$lines" ]
}
wait_until 10 "the log grows" grows
kubectl delete pod stays new >/dev/null
wait_gone stays new
