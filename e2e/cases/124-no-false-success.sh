#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kubectl exec exits 0 only when the command's own status arrived: the kubelet, containerd or the gate dies in
# mid-session. One case nobody can save: between API server and node it is SPDY whatever kubectl speaks, and a SPDY
# client takes the end of the connection for success; sessions of a killed gate that do so are counted and listed.
# only: ours stock tells a SPDY client that its session succeeded, and a WebSocket client when containerd dies
# group: alone
. "$(dirname "$0")/../lib.sh"

rounds=${ROUNDS:-5} # of each kind; make test-full runs 20
busybox_pod c 'exec sleep 100000'
wait_running c
kill_gate() {
	local old start
	old=$(gate)
	start=$EPOCHREALTIME
	kill -KILL "$old"
	until other_gate "$old"; do
		awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { exit b - a > 10 }' || fail "no new gate after 10 s"
	done
	awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%d\n", (b - a) * 1000 }' >>"$WORK/replaced"
}
victim() { # NAME
	local pid code=0
	kubectl exec c -- sh -c 'echo begun; sleep 60; echo done' >"$WORK/out" 2>"$WORK/err" &
	pid=$!
	wait_until 30 "the session runs" grep -q begun "$WORK/out"
	sleep "0.$((RANDOM % 40))"
	if [ "$1" = gate ]; then
		kill_gate
	else
		rig_kill "$1" KILL
	fi
	wait $pid || code=$?
	echo "$PROTOCOL: $1 killed: exit code $code" >>"$WORK/seen"
	[ $code != 0 ] || echo "$PROTOCOL: $1 killed: exit code 0" >>"$WORK/zero"
}
works() {
	[ "$(kubectl exec c -- echo yes)" = yes ]
}
kills() {
	local name
	for name in containerd kubelet gate; do
		for _ in $(seq "$rounds"); do
			wait_until 60 "exec works" works
			victim $name
		done
	done
	wait_until 60 "exec works" works
}
protocols kills
touch "$WORK/zero"
sort "$WORK/seen" | uniq -c
echo "sessions that took the death of the gate for success: $(grep -c 'gate killed' "$WORK/zero" || true) of $((2 * rounds))"
echo "milliseconds until there was a new gate: $(sort -n "$WORK/replaced" | xargs)"
wrong=$(grep -v 'gate killed' "$WORK/zero" | sort | uniq -c || true)
[ -z "$wrong" ] || fail "$wrong"
