#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The termination message: its file, another path, the log's end on error, and the limit of 4 KiB.
. "$(dirname "$0")/../lib.sh"

run() {
	pod "$1" <<-EOT
		restartPolicy: Never
		containers:
		- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sh, -c, "$2"]${3:+, $3}}
	EOT
}
run file 'echo -n why >/dev/termination-log; echo log; exit 1'
run other 'echo -n there >/tmp/reason; exit 0' 'terminationMessagePath: /tmp/reason'
run logs 'for i in 1 2 3; do echo line $i; done; exit 2' 'terminationMessagePolicy: FallbackToLogsOnError'
run fine 'echo log; exit 0' 'terminationMessagePolicy: FallbackToLogsOnError'
run long 'printf %09000d 7 >/dev/termination-log; exit 1'
wait_ended file Failed
wait_ended other Succeeded
wait_ended logs Failed
wait_ended fine Succeeded
wait_ended long Failed
message() {
	get "$1" '.status.containerStatuses[0].state.terminated.message // "none"'
}
expect file "$(message file)" why
expect other "$(message other)" there
expect "fallback to logs" "$(message logs)" $'line 1\nline 2\nline 3'
expect "no fallback after success" "$(message fine)" none
expect "length of a long one" "$(message long | tr -d '\n' | wc -c)" 4096
