#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A container over its memory limit is killed, and the status says why.
. "$(dirname "$0")/../lib.sh"

pod greedy <<-'EOT'
	restartPolicy: Never
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "dd if=/dev/zero of=/ram/f bs=1M count=200; sleep 1000"]
	  resources: {limits: {memory: 32Mi}}
	  volumeMounts: [{name: ram, mountPath: /ram}]
	- {name: alone, image: busybox, imagePullPolicy: IfNotPresent, command: [tail, /dev/zero], resources: {limits: {memory: 32Mi}}}
	- name: child
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "tail /dev/zero; echo went on after $?; exit 3"]
	  resources: {limits: {memory: 32Mi}}
	volumes: [{name: ram, emptyDir: {medium: Memory}}]
EOT
wait_for greedy 'any(.status.containerStatuses[]; .name == "alone" and .state.terminated)'
expect alone "$(seen '.status.containerStatuses[] | select(.name == "alone") | .state.terminated | [.reason, .exitCode] | tojson')" '["OOMKilled",137]'
wait_for greedy 'any(.status.containerStatuses[]; .name == "child" and .state.terminated)'
child=$(seen '.status.containerStatuses[] | select(.name == "child") | .state.terminated | [.reason, .exitCode] | tojson')
if cgroup_v2; then # all processes of the container go
	expect "a child over the limit" "$child" '["OOMKilled",137]'
	expect "its parent" "$(kubectl logs greedy -c child)" ""
else # only the one that the kernel chose
	expect_like "a child over the limit" "$child" '^\["(OOMKilled|Error)",3\]$'
	expect "its parent" "$(kubectl logs greedy -c child | grep -vx Killed)" "went on after 137"
fi
