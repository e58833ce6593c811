#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bytes that are no UTF-8 from a container: in its message, its log, its output; nothing else is lost.
. "$(dirname "$0")/../lib.sh"

pod odd <<-'EOT'
	restartPolicy: Never
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "printf 'a\\377b\\351\\n'; printf 'm\\377\\303\\050\\n' >/dev/termination-log; exit 4"]
EOT
wait_ended odd Failed
expect code "$(get odd '.status.containerStatuses[0].state.terminated.exitCode')" 4
expect_like message "$(get odd '.status.containerStatuses[0].state.terminated.message')" '^m.+\('
expect log "$(kubectl logs odd | od -An -tx1 | tr -d ' ')" 61ff62e90a
busybox_pod c 'exec sleep 1000'
wait_running c
raw() {
	expect "$PROTOCOL output" "$(in_pod c printf '\0\377\200' | od -An -tx1 | tr -d ' ')" 00ff80
}
protocols raw
