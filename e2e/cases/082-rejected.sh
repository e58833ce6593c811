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
wait_for big '.status.phase == "Failed"'
wait_for picky '.status.phase == "Failed"'
expect "big" "$(get big .status.reason)" OutOfcpu
expect_like "big message" "$(get big .status.message)" \
	'^Pod was rejected: Node didn.t have enough resource: cpu, requested: 1000000, used: [0-9]+, capacity: [0-9]+$'
expect "picky" "$(get picky '.status.reason + ": " + .status.message')" \
	"NodeAffinity: Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
wait_event picky '^Warning NodeAffinity Predicate NodeAffinity failed'
