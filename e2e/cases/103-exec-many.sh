#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 20 sessions at once, each with its own data and exit code.
. "$(dirname "$0")/../lib.sh"

busybox_pod c 'exec sleep 1000'
wait_running c
one() {
	local i=$1 code=0 want
	want=$(head -c 200000 /dev/zero | tr '\0' "$(printf '\\%o' $((65 + i)))" | tee "$WORK/in.$i" | sha256sum)
	kubectl exec -i c -- sh -c "tee /dev/stderr; exit $i" <"$WORK/in.$i" >"$WORK/out.$i" 2>"$WORK/err.$i" || code=$?
	[ "$code" = "$i" ] && [ "$(sha256sum <"$WORK/out.$i")" = "$want" ] &&
		[ "$(head -c 200000 "$WORK/err.$i" | sha256sum)" = "$want" ] || echo "$PROTOCOL: session $i: exit code $code" >>"$WORK/wrong"
}
many() {
	local i
	for i in $(seq 1 20); do
		one "$i" &
	done
	wait
	[ ! -e "$WORK/wrong" ] || fail "$(cat "$WORK/wrong")"
}
protocols many
