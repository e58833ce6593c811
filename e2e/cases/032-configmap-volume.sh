#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# configMap volumes: keys, items, modes, binary data, the atomic links, optional maps, and updates in place.
. "$(dirname "$0")/../lib.sh"

head -c 300 /dev/urandom >"$WORK/bin"
kubectl create configmap conf --from-literal=one=1 --from-literal=two=2 --from-file=raw="$WORK/bin" >/dev/null
pod conf <<-'EOT'
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sleep, "1000"]
	  volumeMounts: [{name: all, mountPath: /all}, {name: some, mountPath: /some}, {name: none, mountPath: /none}]
	volumes:
	- {name: all, configMap: {name: conf}}
	- name: some
	  configMap:
	    name: conf
	    defaultMode: 0400
	    items: [{key: one, path: a/b/first}, {key: two, path: second, mode: 0755}]
	- {name: none, configMap: {name: nowhere, optional: true}}
EOT
wait_running conf
expect keys "$(in_pod conf ls /all | tr '\n' ' ')" "one raw two "
expect value "$(in_pod conf cat /all/one)" 1
expect "binary data" "$(in_pod conf sha256sum /all/raw | cut -d' ' -f1)" "$(sha256sum <"$WORK/bin" | cut -d' ' -f1)"
expect modes "$(in_pod conf stat -L -c %a /all/one /some/a/b/first /some/second | tr '\n' ' ')" "644 400 755 "
expect "a key is a link" "$(in_pod conf readlink /all/one)" ..data/one
expect "items" "$(in_pod conf find /some/ -type l | sort | tr '\n' ' ')" "/some/..data /some/a /some/second "
expect "optional and missing: empty" "$(in_pod conf ls /none)" ""
! in_pod conf touch /all/new 2>/dev/null || fail "wrote to a configMap volume"

kubectl create configmap conf --from-literal=one=11 --from-literal=three=3 --dry-run=client -o yaml | kubectl replace -f - >/dev/null
updated() {
	[ "$(in_pod conf sh -c 'cat /all/one /all/three; ls /all' | tr '\n' ' ')" = "113one three " ]
}
wait_until 150 "the volume follows the map" updated
expect "the link's folder" "$(in_pod conf sh -c 'ls -d /all/..2* | wc -l')" 1
