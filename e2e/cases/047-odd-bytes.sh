#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bytes that are no UTF-8 from a container: in its message, its log, its output; nothing else is lost.
. "$(dirname "$0")/../lib.sh"

pod odd <<-'EOF'
	restartPolicy: Never
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "printf 'a\\377b\\351\\n\\0\\r\\033[31m\\200'; printf 'm\\377\\303\\050\\0z\\n' >/dev/termination-log; exit 4"]
EOF
pod logs <<-'EOF'
	restartPolicy: Never
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  terminationMessagePolicy: FallbackToLogsOnError
	  command: [sh, -c, "printf 'x\\355\\240\\200y\\n\\360\\237z' >&2; exit 5"]
EOF
wait_ended odd Failed
wait_ended logs Failed
bytes() {
	od -An -tx1 | tr -d ' \n'
}
message() {
	api "/api/v1/namespaces/$NS/pods/$1" | jq -j '.status.containerStatuses[0].state.terminated.message' | bytes
}
expect code "$(get odd '.status.containerStatuses[0].state.terminated.exitCode')" 4
expect_like message "$(message odd)" '^6defbfbd(efbfbd)?28(00|efbfbd)7a0a$'
expect_like "message from the log" "$(message logs)" '^78(efbfbd)+790a(efbfbd)+7a$'
expect log "$(kubectl logs odd | bytes)" 61ff62e90a000d1b5b33316d80
expect "the log's first bytes" "$(kubectl logs odd --limit-bytes 2 | bytes)" 61ff
expect "the log's last line" "$(kubectl logs odd --tail 1 | bytes)" 000d1b5b33316d80
expect "the log with times" "$(kubectl logs odd --timestamps | sed 's/^[0-9TZ:.-]* //' | bytes)" 61ff62e90a000d1b5b33316d80
busybox_pod c 'exec sleep 1000'
wait_running c
raw() {
	expect "$PROTOCOL output" "$(in_pod c printf '\0\377\200' | bytes)" 00ff80
	expect "$PROTOCOL error output" "$(in_pod c sh -c "printf '\\0\\377\\200' >&2" 2>&1 >/dev/null | bytes)" 00ff80
	expect "$PROTOCOL input" "$(printf '\0\377\200\n\355' | kubectl exec -i c -- cat | bytes)" 00ff800aed
	code=0
	in_pod c sh -c "printf '\\377'; exit 7" >"$WORK/out" 2>"$WORK/err" || code=$?
	expect "$PROTOCOL code" $code 7
	expect "$PROTOCOL output before it" "$(bytes <"$WORK/out")" ff
}
protocols raw
