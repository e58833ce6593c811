#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# /etc/hosts and /etc/hostname: what the kubelet writes for every kind of pod.
. "$(dirname "$0")/../lib.sh"

sleeper() {
	pod "$1" <<-EOT
		$2
		hostAliases: [{ip: 192.0.2.7, hostnames: [seven.example, seven]}]
		containers:
		- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}
	EOT
}
sleeper plain ''
sleeper named 'hostname: left'
sleeper full $'hostname: left\nsubdomain: right'
sleeper fqdn $'hostname: left\nsubdomain: right\nsetHostnameAsFQDN: true'
sleeper host 'hostNetwork: true'
wait_running plain named full fqdn host
expected() {
	printf '# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n'
	printf 'fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n'
	printf '%s\t%s\n\n# Entries added by HostAliases.\n192.0.2.7\tseven.example\tseven\n' "$(get "$1" .status.podIP)" "$2"
}
domain=$NS.svc.cluster.local
expect plain "$(in_pod plain cat /etc/hosts)" "$(expected plain plain)"
expect named "$(in_pod named cat /etc/hosts)" "$(expected named left)"
expect full "$(in_pod full cat /etc/hosts)" "$(expected full $'left.right.'"$domain"$'\tleft')"
expect host "$(in_pod host cat /etc/hosts)" "$(
	printf '# Kubernetes-managed hosts file (host network).\n'
	cat /etc/hosts
	printf '\n# Entries added by HostAliases.\n192.0.2.7\tseven.example\tseven\n'
)"
expect hostnames "$(for p in plain named full fqdn; do in_pod $p hostname; done | tr '\n' ' ')" \
	"plain left left left.right.$domain "
