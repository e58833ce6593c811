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
# Together they ask for less than one CPU: a node may have no more.
one best '{}'
one burst '{requests: {cpu: 100m, memory: 32Mi}, limits: {cpu: 500m, memory: 64Mi}}'
one open '{requests: {cpu: 150m}}'
one sure '{limits: {cpu: 200m, memory: 48Mi}}'
# So little CPU that a slow machine does not get a container started.
[ "$E2E_SLOW" != 1 ] || one odd '{requests: {cpu: 1m}, limits: {cpu: 3m, memory: "40e6"}}'
wait_running best burst open sure
[ "$E2E_SLOW" != 1 ] || wait_running odd
expect classes "$(for p in best burst open sure; do get $p .status.qosClass; done | tr '\n' ' ')" \
	"BestEffort Burstable Burstable Guaranteed "
declare -A group
for name in best burst open sure; do
	group[$name]=$(pod_cgroup $name)
	group[$name/c]=$(pod_cgroup $name c)
done
values() { # WHAT GROUP...
	local what=$1 name
	shift
	for name; do
		printf '%s ' "$(cgroup_value "${group[$name]}" "$what")"
	done
}
if cgroup_v2; then
	expect "weights of pods" "$(values shares best burst open sure)" "1 8 12 16 "
	# What a runtime makes of shares differs from version to version.
	read -r -a weights <<<"$(values shares best/c burst/c open/c sure/c)"
	expect "weights of containers, by size" "$(printf '%s\n' "${weights[@]}" | sort -nu | tr '\n' ' ')" "${weights[*]} "
	for name in best burst open sure best/c burst/c open/c sure/c; do
		expect "protection of $name" "$(values memory.min $name)$(values memory.low $name)" "0 0 "
		expect "throttling of $name" "$(values memory.high $name)" "max "
		[[ $name == */c ]] && want=1 || want=0
		expect "processes of $name die together" "$(values memory.oom.group $name)" "$want "
	done
else
	expect "shares of pods" "$(values shares best burst open sure)" "2 204 307 409 "
	expect "shares of containers" "$(values shares best/c burst/c open/c sure/c)" "2 102 153 204 "
fi
node=$(command kubectl get node "$NODE_NAME" -o 'jsonpath={.status.allocatable.memory}')
expect "memory that pods have together" "$(cgroup_value "$POD_CGROUP/kubepods" memory)" "$((${node%Ki} << 10))"
expect "processes that pods have together" "$(cgroup_value "$POD_CGROUP/kubepods" pids.max)" \
	"$(sort -n /proc/sys/kernel/pid_max /proc/sys/kernel/threads-max | head -n 1)"
expect "memory of pods" "$(values memory best burst open sure)" "max $((128 << 20)) max $((96 << 20)) "
expect "memory of containers" "$(values memory best/c burst/c open/c sure/c)" "max $((64 << 20)) max $((48 << 20)) "
expect "quota of pods" "$(values quota best burst open sure)" "max 100000 max 40000 "
expect "quota of containers" "$(values quota best/c burst/c open/c sure/c)" "max 50000 max 20000 "
expect "processes of pods" "$(values pids.max best sure)" "max max "
expect "reported resources" "$(get sure '.status.containerStatuses[0].resources | tojson')" \
	'{"limits":{"cpu":"200m","memory":"48Mi"},"requests":{"cpu":"200m","memory":"48Mi"}}'
expect "allocated resources" "$(get burst '.status.containerStatuses[0].allocatedResources | tojson')" '{"cpu":"100m","memory":"32Mi"}'
[ "$E2E_SLOW" != 1 ] || expect "what the kernel cannot express, and a number in another form" \
	"$(get odd '.status.containerStatuses[0].resources | del(.requests.memory) | tojson')" '{"limits":{"cpu":"3m","memory":"40M"},"requests":{"cpu":"1m"}}'
expect "resources of the pod" "$(get burst '.status.resources | tojson')" \
	'{"limits":{"cpu":"1","memory":"128Mi"},"requests":{"cpu":"200m","memory":"64Mi"}}'
expect "allocated to the pod" "$(get burst '.status.allocatedResources | tojson')" '{"cpu":"200m","memory":"64Mi"}'
expect "OOM score of best effort" "$(kubectl exec best -c c -- cat /proc/1/oom_score_adj)" 1000
