#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# exec returns the command's exit code and keeps its streams apart, over WebSockets and SPDY.
. "$(dirname "$0")/../lib.sh"

busybox_pod c 'exec sleep 1000'
wait_running c
code() {
	local code=0
	kubectl exec c -- "$@" >"$WORK/out" 2>"$WORK/err" || code=$?
	echo $code
}
codes() {
	local n
	for n in 0 1 2 126 127 137 255; do
		expect "$PROTOCOL exit $n" "$(code sh -c "exit $n")" "$n"
		[ "$n" = 0 ] || grep -qxF "command terminated with exit code $n" "$WORK/err" || fail "$PROTOCOL $n: $(cat "$WORK/err")"
	done
	expect "$PROTOCOL true" "$(code true)" 0
	expect "$PROTOCOL false" "$(code false)" 1
	expect "$PROTOCOL killed" "$(code sh -c 'kill -9 $$')" 137
	expect "$PROTOCOL streams" "$(code sh -c 'echo out; echo err >&2; exit 4')" 4
	expect "$PROTOCOL stdout" "$(cat "$WORK/out")" out
	expect "$PROTOCOL stderr" "$(head -n 1 "$WORK/err")" err
	expect "$PROTOCOL argument words" "$(kubectl exec c -- printf '[%s]' 'a b' '' '$HOME' 'é&x=1')" '[a b][][$HOME][é&x=1]'
	expect "$PROTOCOL stdin ends" "$(printf 'one\ntwo' | kubectl exec -i c -- cat)" $'one\ntwo'
	expect "$PROTOCOL stdin not read to its end" "$(printf 'one\ntwo\nthree' | kubectl exec -i c -- head -n 1)" one
}
protocols codes
