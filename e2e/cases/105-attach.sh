#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# attach: output from now on, input with -i, the exit of the container ends it.
. "$(dirname "$0")/../lib.sh"

attach() {
	pod "in-$PROTOCOL" <<-'EOT'
		restartPolicy: Never
		containers:
		- {name: c, image: busybox, imagePullPolicy: IfNotPresent, stdin: true, stdinOnce: true, command: [sh, -c, "cat; echo end >&2; exit 3"]}
	EOT
	busybox_pod "out-$PROTOCOL" 'i=0; while :; do i=$((i + 1)); echo tick $i; sleep 0.2; done'
	wait_running "in-$PROTOCOL" "out-$PROTOCOL"
	expect "$PROTOCOL attach -i" "$(printf 'one\ntwo\n' | kubectl attach -i -q "in-$PROTOCOL" 2>/dev/null | grep -v end)" $'one\ntwo'
	wait_ended "in-$PROTOCOL" Failed
	expect "exit code" "$(get "in-$PROTOCOL" '.status.containerStatuses[0].state.terminated.exitCode')" 3
	timeout 3 kubectl -n "$NS" attach "out-$PROTOCOL" >"$WORK/out" 2>/dev/null || true
	[ "$(grep -c '^tick' "$WORK/out")" -ge 5 ] || fail "$PROTOCOL attach saw only: $(cat "$WORK/out")"
	[ "$(head -n 1 "$WORK/out")" != "tick 1" ] || fail "attach does not replay"
}
protocols attach
# A terminal has no stderr, and a client that is none itself asks for it.
pod terminal <<-'EOT'
	containers:
	- {name: c, image: busybox, imagePullPolicy: IfNotPresent, tty: true, stdin: true, command: [sleep, "1000"]}
EOT
wait_running terminal
refused() {
	expect_like "$PROTOCOL terminal" "$(kubectl attach -i terminal 2>&1 </dev/null)" \
		'unable to upgrade connection: rpc error: code = InvalidArgument desc = tty and stderr cannot both be true'
}
protocols refused
