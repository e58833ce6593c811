#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The API server is away for 60 s: pods run on, a container that dies is restarted, the status follows afterwards.
# group: alone
. "$(dirname "$0")/../lib.sh"

busybox_pod stays 'exec sleep 1000'
pod dies <<-'EOT'
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "while ! [ -e /v/die ]; do sleep 0.2; done; rm /v/die; exit 9"]
	  volumeMounts: [{name: v, mountPath: /v}]
	volumes: [{name: v, emptyDir: {}}]
EOT
wait_running stays dies
stays=$(get stays '.status.containerStatuses[0].containerID')
uid=$(get dies .metadata.uid)
rig_stop kube-apiserver KILL
at_exit rig_start kube-apiserver
sleep 30
touch "$RIG/kubelet/pods/$uid/volumes/kubernetes.io~empty-dir/v/die"
sleep 30
expect "restarted without the API server" \
	"$(crictl ps --label io.kubernetes.pod.uid="$uid" -o json | jq -r '.containers[0].metadata.attempt')" 1
rig_start kube-apiserver
ready() {
	[ "$(api /readyz)" = ok ]
}
wait_until 60 "the API server" ready
wait_for dies '.status.containerStatuses[0] | .restartCount == 1 and .state.running and .lastState.terminated.exitCode == 9' 120
expect "the other one" "$(get stays '.status.containerStatuses[0] | "\(.containerID) \(.restartCount)"')" "$stays 0"
node_ready() {
	[ "$(api /api/v1/nodes/node | jq -r '.status.conditions[] | select(.type == "Ready") | .status')" = True ]
}
wait_until 120 "the node is ready again" node_ready
busybox_pod new 'exec sleep 1000'
wait_running new
kubectl delete pod stays dies new >/dev/null
