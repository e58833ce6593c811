#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A missing config map or key keeps the container waiting with stock's words; it starts once the thing is there.
. "$(dirname "$0")/../lib.sh"

kubectl create secret generic key --from-literal=a=b >/dev/null
waiting() {
	pod "$1" <<-EOT
		containers:
		- name: c
		  image: busybox
		  imagePullPolicy: IfNotPresent
		  command: [sleep, "1000"]
		  env: [{name: X, valueFrom: $2}]
	EOT
}
waiting map '{configMapKeyRef: {name: late, key: k}}'
waiting nokey '{secretKeyRef: {name: key, key: none}}'
wait_for map '.status.containerStatuses[0].state.waiting.reason == "CreateContainerConfigError"'
wait_for nokey '.status.containerStatuses[0].state.waiting.reason == "CreateContainerConfigError"'
expect "message for a missing map" "$(get map '.status.containerStatuses[0].state.waiting.message')" 'configmap "late" not found'
expect "message for a missing key" "$(get nokey '.status.containerStatuses[0].state.waiting.message')" \
	"couldn't find key none in Secret $NS/key"
expect phase "$(get map .status.phase)" Pending
wait_event map '^Warning Failed Error: configmap "late" not found$'
kubectl create configmap late --from-literal=k=v >/dev/null
wait_running map
expect restarts "$(get map '.status.containerStatuses[0].restartCount')" 0
