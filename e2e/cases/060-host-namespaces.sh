#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# hostNetwork, hostPID, hostIPC, and processes shared within the pod.
. "$(dirname "$0")/../lib.sh"

sleeper() {
	pod "$1" <<-EOT
		$2
		containers:
		- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}
		- {name: d, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "2000"]}
	EOT
}
sleeper net 'hostNetwork: true'
sleeper pid 'hostPID: true'
sleeper ipc 'hostIPC: true'
sleeper shared 'shareProcessNamespace: true'
sleeper own ''
wait_running net pid ipc shared own
in_c() {
	local name=$1
	shift
	kubectl exec "$name" -c c -- "$@"
}
expect "host network" "$(in_c net readlink /proc/self/ns/net)" "$(readlink /proc/self/ns/net)"
expect "address" "$(get net .status.podIP)" "$NODE_IP"
expect "host name" "$(in_c net hostname)" "$(hostname)"
expect "host processes" "$(in_c pid readlink /proc/self/ns/pid)" "$(readlink /proc/self/ns/pid)"
expect "host IPC" "$(in_c ipc readlink /proc/self/ns/ipc)" "$(readlink /proc/self/ns/ipc)"
for kind in net ipc pid uts; do
	[ "$(in_c own readlink /proc/self/ns/$kind)" != "$(readlink /proc/self/ns/$kind)" ] || fail "a plain pod has the node's $kind"
done
expect "pod's processes" "$(in_c shared sh -c 'cat /proc/1/cmdline | tr "\0" " "; ps | grep -c "sleep [12]000"')" "/pause 2"
expect "IPC is the pod's" "$(in_c own readlink /proc/self/ns/ipc)" "$(kubectl exec own -c d -- readlink /proc/self/ns/ipc)"
