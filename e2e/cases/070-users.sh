#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Users and groups of containers; runAsNonRoot with its messages.
. "$(dirname "$0")/../lib.sh"

one() {
	pod "$1" <<-EOT
		restartPolicy: Never
		securityContext: $2
		containers:
		- {name: c, image: "${4:-busybox}", imagePullPolicy: IfNotPresent, command: [sh, -c, "id -u; id -g; id -G"], securityContext: $3}
	EOT
}
one image '{}' '{}'
one pod '{runAsUser: 1001, runAsGroup: 2002, supplementalGroups: [3003]}' '{}'
one container '{runAsUser: 1001, runAsGroup: 2002}' '{runAsUser: 33, runAsGroup: 44}'
one merge '{runAsUser: 33, supplementalGroups: [5]}' '{}'
one strict '{runAsUser: 33, supplementalGroups: [5], supplementalGroupsPolicy: Strict}' '{}'
one nonroot '{runAsNonRoot: true}' '{runAsUser: 7}'
one root '{runAsNonRoot: true}' '{}'
one zero '{runAsNonRoot: true}' '{runAsUser: 0}'
ids() {
	wait_ended "$1" Succeeded
	kubectl logs "$1" | tr '\n' ';'
}
expect image "$(ids image | cut -d";" -f1,2)" "0;0"
expect pod "$(ids pod)" "1001;2002;2002 3003;"
expect container "$(ids container)" "33;44;44 4242;"
expect merge "$(ids merge)" "33;33;33 5 4242;"
expect strict "$(ids strict)" "33;33;33 5;"
expect nonroot "$(ids nonroot)" "7;0;0;"
refused() {
	wait_for "$1" '.status.containerStatuses[0].state.waiting.reason == "CreateContainerConfigError"'
	seen '.status.containerStatuses[0].state.waiting.message'
}
uid() {
	get "$1" .metadata.uid
}
expect root "$(refused root)" \
	"container has runAsNonRoot and image will run as root (pod: \"root_$NS($(uid root))\", container: c)"
expect zero "$(refused zero)" \
	"container's runAsUser breaks non-root policy (pod: \"zero_$NS($(uid zero))\", container: c)"
