#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Safe sysctls are set in the pod; an unsafe one is refused with stock's words.
. "$(dirname "$0")/../lib.sh"

one() {
	pod "$1" <<-EOT
		securityContext: {sysctls: [{name: $2, value: "$3"}]}
		containers:
		- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}
	EOT
}
one safe net.ipv4.ip_local_port_range "2000 3000"
one unsafe net.core.somaxconn 500
wait_running safe
expect value "$(in_pod safe cat /proc/sys/net/ipv4/ip_local_port_range | tr '\t' ' ')" "2000 3000"
wait_for unsafe '.status.phase == "Failed"'
expect reason "$(get unsafe .status.reason)" SysctlForbidden
expect message "$(get unsafe .status.message)" 'Pod was rejected: forbidden sysctl: "net.core.somaxconn" not allowlisted'
