#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A new image in the spec restarts just that container, with stock's event; one that is not there is no crash.
. "$(dirname "$0")/../lib.sh"

pod change <<-'EOT'
	containers:
	- {name: a, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}
	- {name: b, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}
EOT
wait_running change
other=$(get change '.status.containerStatuses[] | select(.name == "b") | .containerID')
kubectl set image pod/change a=nginx:latest >/dev/null
wait_for change '.status.containerStatuses[] | select(.name == "a") | .restartCount == 1 and .state.running and (.image | test("nginx"))'
wait_event change '^Normal Killing Container a definition changed, will be restarted$'
expect "the other container" "$(get change '.status.containerStatuses[] | select(.name == "b") | "\(.containerID) \(.restartCount)"')" "$other 0"
wait_for change '.status.observedGeneration == .metadata.generation'

kubectl set image pod/change a=127.0.0.1:1/none:1 >/dev/null
wait_for change '.status.containerStatuses[] | select(.name == "a") | .state.waiting.reason == "ImagePullBackOff" and .lastState.terminated'
kubectl set image pod/change a=busybox >/dev/null
wait_for change '.status.containerStatuses[] | select(.name == "a") | .restartCount == 2 and .state.running'

busybox_pod once "exec sleep 1000" Never
wait_running once
kubectl set image pod/once c=docker.io/library/busybox:latest >/dev/null
wait_for once '.status.phase != "Running" or (.status.containerStatuses[0] | .restartCount == 1 and .state.running)'
expect "Never does not keep it from starting again" "$(seen .status.phase)" Running
