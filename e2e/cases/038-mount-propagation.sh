#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a privileged container mounts in a volume reaches the containers that asked for it, and no others.
. "$(dirname "$0")/../lib.sh"

pod spread <<-'EOT'
	containers:
	- name: giver
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sleep, "1000"]
	  securityContext: {privileged: true}
	  volumeMounts: [{name: v, mountPath: /v, mountPropagation: Bidirectional}]
	- name: taker
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sleep, "1000"]
	  volumeMounts: [{name: v, mountPath: /v, mountPropagation: HostToContainer}]
	- name: alone
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sleep, "1000"]
	  volumeMounts: [{name: v, mountPath: /v}]
	volumes: [{name: v, emptyDir: {}}]
	terminationGracePeriodSeconds: 0
EOT
wait_running spread
at_exit kubectl exec spread -c giver -- umount /v/inner
kubectl exec spread -c giver -- sh -c 'mkdir /v/inner && mount -t tmpfs given /v/inner && echo hello >/v/inner/f'
expect "who asked" "$(kubectl exec spread -c taker -- cat /v/inner/f)" hello
expect "who did not" "$(kubectl exec spread -c alone -- ls /v/inner)" ""
kubectl exec spread -c giver -- umount /v/inner
expect "its end" "$(kubectl exec spread -c taker -- ls /v/inner)" ""
