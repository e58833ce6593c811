#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Readiness of a pod over its life: times are kept while a condition stays, and change when it does.
. "$(dirname "$0")/../lib.sh"

pod life <<-'EOT'
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "test -e /v/x && exec sleep 1000; touch /v/x; sleep 3; exit 0"]
	  volumeMounts: [{name: v, mountPath: /v}]
	volumes: [{name: v, emptyDir: {}}]
EOT
wait_for life 'any(.status.conditions[]?; .type == "Ready" and .status == "True")'
first=$(seen '.status | [.startTime, (.conditions[] | select(.type == "Initialized" or .type == "PodScheduled") | .lastTransitionTime)] | tojson')
ready=$(seen '.status.conditions[] | select(.type == "Ready") | .lastTransitionTime')
wait_for life '.status.containerStatuses[0].restartCount == 1 and any(.status.conditions[]; .type == "Ready" and .status == "True")'
expect "what stayed" "$(seen '.status | [.startTime, (.conditions[] | select(.type == "Initialized" or .type == "PodScheduled") | .lastTransitionTime)] | tojson')" "$first"
[ "$(seen '.status.conditions[] | select(.type == "Ready") | .lastTransitionTime')" != "$ready" ] || fail "Ready went away and came back, its time did not change"
expect "last state" "$(seen '.status.containerStatuses[0].lastState.terminated | [.exitCode, .reason] | tojson')" '[0,"Completed"]'
expect "events of a back-off: the first restart is at once" "$(events life | grep -c BackOff || true)" 0

pod early 'finalizers: [e2e.example.com/hold]' <<-'EOT'
	containers:
	- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"], envFrom: [{configMapRef: {name: none}}]}
EOT
at_exit "kubectl patch pod early --type merge -p '{\"metadata\":{\"finalizers\":null}}'"
wait_for early '.status.containerStatuses[0].state.waiting.reason == "CreateContainerConfigError"'
kubectl delete pod early --wait=false >/dev/null
wait_ended early Failed
expect "a pod that never ran was not ready, whatever became of it" \
	"$(seen '[.status.conditions[] | select(.type | test("Ready$")) | "\(.status) \(.reason) \(.message)"] | unique | join(";")')" \
	"False ContainersNotReady containers with unready status: [c]"
expect "its container" "$(seen '.status.containerStatuses[0].state.terminated | [.reason, .exitCode] | tojson')" \
	'["ContainerStatusUnknown",137]'
