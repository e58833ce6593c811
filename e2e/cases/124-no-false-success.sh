#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kubectl exec exits 0 only when the command's own status arrived: the kubelet or containerd dies in mid-session.
# only: ours stock tells a SPDY client that its session succeeded, and a WebSocket client when containerd dies
# group: alone
. "$(dirname "$0")/../lib.sh"

rounds=${ROUNDS:-5} # of each kind; make test-full runs 20
busybox_pod c 'exec sleep 100000'
wait_running c
victim() { # NAME
	local pid code=0
	kubectl exec c -- sh -c 'echo begun; sleep 60; echo done' >"$WORK/out" 2>"$WORK/err" &
	pid=$!
	wait_until 30 "the session runs" grep -q begun "$WORK/out"
	sleep "0.$((RANDOM % 40))"
	rig_kill "$1" KILL
	wait $pid || code=$?
	[ $code != 0 ] || echo "$PROTOCOL: $1 killed: exit code 0" >>"$WORK/wrong"
}
works() {
	[ "$(kubectl exec c -- echo yes)" = yes ]
}
kills() {
	local name
	for name in containerd kubelet; do
		for _ in $(seq "$rounds"); do
			wait_until 60 "exec works" works
			victim $name
		done
	done
	wait_until 60 "exec works" works
}
protocols kills
[ ! -e "$WORK/wrong" ] || fail "$(sort "$WORK/wrong" | uniq -c)"
