#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The node object: labels, addresses, capacity, conditions in stock's order and words, images, lease.
. "$(dirname "$0")/../lib.sh"

node=$(api /api/v1/nodes/node)
field() {
	jq -r "$1" <<<"$node"
}
expect labels "$(field '.metadata.labels | tojson')" \
	'{"beta.kubernetes.io/arch":"amd64","beta.kubernetes.io/os":"linux","kubernetes.io/arch":"amd64","kubernetes.io/hostname":"node","kubernetes.io/os":"linux"}'
expect addresses "$(field '.status.addresses | tojson')" "[{\"type\":\"InternalIP\",\"address\":\"$NODE_IP\"},{\"type\":\"Hostname\",\"address\":\"node\"}]"
expect conditions "$(field '[.status.conditions[] | "\(.type) \(.status) \(.reason) \(.message)"] | join(";")')" \
	"MemoryPressure False KubeletHasSufficientMemory kubelet has sufficient memory available;DiskPressure False KubeletHasNoDiskPressure kubelet has no disk pressure;PIDPressure False KubeletHasSufficientPID kubelet has sufficient PID available;Ready True KubeletReady kubelet is posting ready status"
expect cpu "$(field .status.capacity.cpu)" "$(nproc)"
expect memory "$(field .status.capacity.memory)" "$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)Ki"
expect pods "$(field '.status.capacity.pods + " " + .status.allocatable.pods')" "110 110"
expect resources "$(field '.status.capacity | keys | join(" ")')" "cpu ephemeral-storage hugepages-1Gi hugepages-2Mi memory pods"
expect allocatable "$(field '.status.allocatable.cpu + " " + .status.allocatable.memory')" "$(field '.status.capacity.cpu + " " + .status.capacity.memory')"
expect port "$(field .status.daemonEndpoints.kubeletEndpoint.Port)" 10250
info() {
	field ".status.nodeInfo.$1"
}
expect version "$(info kubeletVersion)" v1.37.2
expect kernel "$(info kernelVersion)" "$(uname -r)"
expect os "$(info osImage)" "$(. /etc/os-release && echo "$PRETTY_NAME")"
expect "system" "$(info operatingSystem) $(info architecture)" "linux amd64"
expect "machine" "$(info machineID)" "$(cat /etc/machine-id)"
expect "boot" "$(info bootID)" "$(cat /proc/sys/kernel/random/boot_id)"
expect_like "runtime" "$(info containerRuntimeVersion)" '^containerd://v?[2-9]'
names_image() {
	api /api/v1/nodes/node | jq -e '.status.images[] | select(.names | index("docker.io/library/nginx:latest")) | .sizeBytes > 1000000'
}
wait_until 90 "the node lists nginx" names_image

lease=/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node
expect "lease holder" "$(api $lease | jq -r '"\(.spec.holderIdentity) \(.spec.leaseDurationSeconds)"')" "node 40"
expect "lease owner" "$(api $lease | jq -r '.metadata.ownerReferences[0] | "\(.kind) \(.name) \(.uid)"')" "Node node $(field .metadata.uid)"
renewed=$(api $lease | jq -r .spec.renewTime)
later() {
	[ "$(api $lease | jq -r .spec.renewTime)" != "$renewed" ]
}
wait_until 30 "the lease is renewed" later
