#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A pod that uses something this kubelet does not act on yet is refused, and the message names the field.
# only: ours stock acts on these fields
. "$(dirname "$0")/../lib.sh"

base='containers:
- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]'
refused() { # NAME FIELD-REGEX
	pod "$1"
	wait_for "$1" '.status.phase == "Failed"'
	expect "$1" "$(get "$1" .status.reason)" UnexpectedAdmissionError
	expect_like "$1" "$(get "$1" .status.message)" "$2"
	expect "$1 never ran" "$(crictl ps -aq --label io.kubernetes.pod.uid="$(get "$1" .metadata.uid)")" ""
}
refused init 'initContainers' <<<"$base}
initContainers: [{name: i, image: busybox, imagePullPolicy: IfNotPresent, command: [\"true\"]}]"
refused live 'livenessProbe' <<<"$base, livenessProbe: {exec: {command: [\"true\"]}}}"
refused ready 'readinessProbe' <<<"$base, readinessProbe: {exec: {command: [\"true\"]}}}"
refused start 'startupProbe' <<<"$base, startupProbe: {exec: {command: [\"true\"]}}}"
refused hook 'lifecycle' <<<"$base, lifecycle: {preStop: {exec: {command: [\"true\"]}}}}"
refused port 'hostPort' <<<"$base, ports: [{containerPort: 80, hostPort: 8080}]}"
refused sub 'subPath' <<<"$base, volumeMounts: [{name: v, mountPath: /v, subPath: x}]}
volumes: [{name: v, emptyDir: {}}]"

# What comes to a pod that runs cannot be refused any more; nor is it done in silence.
pod later <<<"$base, resources: {limits: {cpu: 20m, memory: 32Mi}}}"
wait_running later
expect "resized nothing" "$(get later '[.status.conditions[] | select(.type == "PodResizePending")] | length')" 0
kubectl patch pod later --subresource resize -p '{"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "30m"}, "requests": {"cpu": "30m"}}}]}}' >/dev/null
wait_for later '.status.conditions[] | select(.type == "PodResizePending") | .status == "True" and .reason == "Infeasible"'
api "/api/v1/namespaces/$NS/pods/later/ephemeralcontainers" -X PATCH -H 'Content-Type: application/strategic-merge-patch+json' \
	-d '{"spec": {"ephemeralContainers": [{"name": "look", "image": "busybox"}]}}' >/dev/null
wait_for later '.status.ephemeralContainerStatuses[0].state.waiting.message == "spec.ephemeralContainers is not supported by this kubelet yet"'
expect "the pod runs on" "$(get later .status.phase)" Running
