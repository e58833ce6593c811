#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A pod that the node cannot hold is refused with stock's words.
. "$(dirname "$0")/../lib.sh"

pod big <<-'EOT'
	nodeName: node
	containers:
	- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1"], resources: {requests: {cpu: "1000"}}}
EOT
pod picky <<-'EOT'
	nodeName: node
	nodeSelector: {no: such}
	containers:
	- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1"]}
EOT
pod pages <<-'EOT'
	nodeName: node
	containers:
	- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1"], resources: {limits: {cpu: 1m, memory: 9Mi, hugepages-2Mi: 2000Gi}}}
EOT
pod setting <<-'EOT'
	securityContext: {sysctls: [{name: kernel.msgmax, value: "65536"}]}
	containers:
	- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1"]}
EOT
pod profile <<-'EOT'
	containers:
	- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"], securityContext: {appArmorProfile: {type: RuntimeDefault}}}
EOT
wait_for big '.status.phase == "Failed"'
wait_for picky '.status.phase == "Failed"'
expect "big" "$(get big .status.reason)" OutOfcpu
expect_like "big message" "$(get big .status.message)" \
	'^Pod was rejected: Node didn.t have enough resource: cpu, requested: 1000000, used: [0-9]+, capacity: [0-9]+$'
expect "picky" "$(get picky '.status.reason + ": " + .status.message')" \
	"NodeAffinity: Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
wait_event picky '^Warning NodeAffinity Predicate NodeAffinity failed'
wait_for pages '.status.phase == "Failed"'
expect_like "pages" "$(get pages '.status.reason + ": " + .status.message')" \
	'^OutOfhugepages-2Mi: Pod was rejected: Node didn.t have enough resource: hugepages-2Mi, requested: 2147483648000, used: 0, capacity: [0-9]+$'
wait_for setting '.status.phase == "Failed"'
expect "what is left of the conditions, generation" "$(seen '.status | [(.conditions // [] | length), .observedGeneration] | tojson')" "[0,1]"
if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" != Y ]; then
	wait_for profile '.status.phase == "Failed"'
	expect "profile" "$(seen '.status.reason + ": " + .status.message')" \
		"AppArmor: Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host"
fi
listens() {
	pod "$1" <<-EOT
		nodeName: node
		hostNetwork: true
		containers:
		- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"], ports: [{containerPort: 20080}]}
	EOT
}
listens first
wait_running first
listens second
wait_for second '.status.phase == "Failed"'
expect "a port of the node that another pod has" "$(seen '.status.reason + ": " + .status.message')" \
	"NodePorts: Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
