#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# resolv.conf for each DNS policy.
. "$(dirname "$0")/../lib.sh"

sleeper() {
	pod "$1" <<-EOT
		$2
		containers:
		- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}
	EOT
}
sleeper cluster ''
sleeper default 'dnsPolicy: Default'
sleeper none 'dnsPolicy: None
dnsConfig: {nameservers: [192.0.2.1, 192.0.2.2], searches: [a.example, b.example], options: [{name: ndots, value: "2"}, {name: edns0}]}'
sleeper added 'dnsConfig: {nameservers: [192.0.2.3], searches: [c.example], options: [{name: ndots, value: "3"}, {name: timeout, value: "1"}]}'
sleeper host $'hostNetwork: true\ndnsPolicy: ClusterFirst'
sleeper hostcluster $'hostNetwork: true\ndnsPolicy: ClusterFirstWithHostNet'
wait_running cluster default none added host hostcluster
conf() {
	in_pod "$1" cat /etc/resolv.conf
}
words() { # keyword: all its values of the node's file, in order
	awk -v k="$1" '$1 == k { for (i = 2; i <= NF; i++) printf " %s", $i }' /etc/resolv.conf
}
server=10.252.$RIG_ID.10
search="search $NS.svc.cluster.local svc.cluster.local cluster.local$(words search)"
expect cluster "$(conf cluster)" "$(printf '%s\nnameserver %s\noptions ndots:5' "$search" "$server")"
expect none "$(conf none)" $'search a.example b.example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions ndots:2 edns0'
expect "added search" "$(conf added | grep ^search)" "$search c.example"
expect "added servers" "$(conf added | grep ^nameserver | tr '\n' ' ')" "nameserver $server nameserver 192.0.2.3 "
expect "added options" "$(conf added | sed -n 's/^options //p' | tr ' ' '\n' | sort | tr '\n' ' ')" "ndots:3 timeout:1 "
expect "default servers" "$(conf default | awk '$1 == "nameserver" { printf " %s", $2 }')" "$(words nameserver)"
expect "host network is Default" "$(conf host | awk '$1 == "nameserver" { printf " %s", $2 }')" "$(words nameserver)"
expect "unless asked" "$(conf hostcluster | grep ^nameserver)" "nameserver $server"
