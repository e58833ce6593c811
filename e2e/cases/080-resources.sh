#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Requests and limits become cgroup values, in the pod's and the container's group, below the QoS class's.
. "$(dirname "$0")/../lib.sh"

one() {
	pod "$1" <<-EOT
		containers:
		- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"], resources: $2}
		- {name: d, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"], resources: $2}
	EOT
}
one best '{}'
one burst '{requests: {cpu: 100m, memory: 32Mi}, limits: {cpu: 500m, memory: 64Mi}}'
one open '{requests: {cpu: 200m}}'
one sure '{limits: {cpu: 250m, memory: 48Mi}}'
wait_running best burst open sure
expect classes "$(for p in best burst open sure; do get $p .status.qosClass; done | tr '\n' ' ')" \
	"BestEffort Burstable Burstable Guaranteed "
group() { # CONTROLLER POD
	local class
	case $(get "$2" .status.qosClass) in Guaranteed) class= ;; Burstable) class=burstable/ ;; *) class=besteffort/ ;; esac
	echo "$(cgroup_dir "$1")/$POD_CGROUP/kubepods/${class}pod$(get "$2" .metadata.uid)"
}
container_group() { # CONTROLLER POD CONTAINER
	local id
	id=$(get "$2" ".status.containerStatuses[] | select(.name == \"$3\") | .containerID")
	echo "$(group "$1" "$2")/${id#containerd://}"
}
# What cgroup v2 makes of CPU shares differs between runtimes; only the order of magnitude is compared there.
if cgroup_v2; then
	memory() { cat "$1/memory.max"; }
	quota() { cut -d' ' -f1 "$1/cpu.max"; }
	unlimited=max
else
	memory() { cat "$1/memory.limit_in_bytes"; }
	quota() { cat "$1/cpu.cfs_quota_us"; }
	unlimited=-1
	shares() { cat "$1/cpu.shares"; }
	expect "shares of pods" "$(for p in best burst open sure; do shares "$(group cpu $p)"; done | tr '\n' ' ')" "2 204 409 512 "
	expect "shares of containers" "$(for p in best burst open sure; do shares "$(container_group cpu $p c)"; done | tr '\n' ' ')" \
		"2 102 204 256 "
fi
expect "memory of the pod" "$(memory "$(group memory burst)") $(memory "$(group memory sure)")" "$((128 << 20)) $((96 << 20))"
expect "memory of a container" "$(memory "$(container_group memory burst d)") $(memory "$(container_group memory sure d)")" \
	"$((64 << 20)) $((48 << 20))"
expect "quota of the pod" "$(quota "$(group cpu burst)") $(quota "$(group cpu sure)") $(quota "$(group cpu open)")" "100000 50000 $unlimited"
expect "quota of a container" "$(quota "$(container_group cpu burst c)") $(quota "$(container_group cpu sure c)")" "50000 25000"
expect "reported resources" "$(get sure '.status.containerStatuses[0].resources | tojson')" \
	'{"limits":{"cpu":"250m","memory":"48Mi"},"requests":{"cpu":"250m","memory":"48Mi"}}'
expect "allocated resources" "$(get burst '.status.containerStatuses[0].allocatedResources | tojson')" '{"cpu":"100m","memory":"32Mi"}'
expect "OOM score of best effort" "$(kubectl exec best -c c -- cat /proc/1/oom_score_adj)" 1000
