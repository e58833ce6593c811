#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# secret volumes live in memory; a missing secret keeps the pod waiting with stock's event, unless nobody mounts it.
. "$(dirname "$0")/../lib.sh"

kubectl create secret generic key --from-literal=user=me --from-literal=pass=word >/dev/null
make() {
	pod "$1" <<-EOT
		containers:
		- name: c
		  image: busybox
		  imagePullPolicy: IfNotPresent
		  command: [sleep, "1000"]
		  volumeMounts: [{name: key, mountPath: /key, readOnly: true}]
		volumes:
		- {name: key, secret: {secretName: $2, defaultMode: 0440, items: [{key: pass, path: p}]}}
	EOT
}
make secret key
make waits late
wait_running secret
expect content "$(in_pod secret sh -c 'ls /key; cat /key/p')" $'p\nword'
expect mode "$(in_pod secret stat -L -c %a /key/p)" 440
expect_like "kept in memory" "$(in_pod secret grep ' /key ' /proc/mounts)" '^tmpfs '
wait_event waits '^Warning FailedMount MountVolume.SetUp failed for volume "key" : secret "late" not found$'
pod unused <<-'EOT'
	containers:
	- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}
	volumes: [{name: key, secret: {secretName: late}}, {name: dir, hostPath: {path: /no/such, type: Directory}}]
EOT
wait_running unused
kubectl create secret generic late --from-literal=pass=x >/dev/null
wait_running waits
