#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Deletion: TERM first and time to clean up, KILL after the grace period, events and the handshake with the API server.
. "$(dirname "$0")/../lib.sh"

host=$RIG/hostpath-$NS
mkdir -p "$host"
at_exit rm -rf "$host"
make() {
	pod "$1" <<-EOT
		terminationGracePeriodSeconds: $2
		containers:
		- name: c
		  image: busybox
		  imagePullPolicy: IfNotPresent
		  command: [sh, -c, "$3; while :; do sleep 0.1; done"]
		  volumeMounts: [{name: v, mountPath: /v}]
		volumes: [{name: v, hostPath: {path: $host}}]
	EOT
}
make polite 60 'trap \"echo start >/v/polite; sleep 2; echo end >>/v/polite; exit 0\" TERM'
make stubborn 4 'trap \"date +%s >/v/stubborn\" TERM'
wait_running polite stubborn

start=$(date +%s)
kubectl delete pod polite stubborn --wait=false >/dev/null
wait_for polite '.metadata.deletionTimestamp'
wait_gone stubborn polite
expect "polite finished its work" "$(tr '\n' ' ' <"$host/polite")" "start end "
took=$(($(date +%s) - start))
[ $took -ge 4 ] && [ $took -lt $((30 * E2E_SLOW)) ] || fail "the stubborn pod had 4 s of grace, gone after $took s"
event_seen stubborn '^Normal Killing Stopping container c$' || fail "no Killing event: $(events stubborn)"
