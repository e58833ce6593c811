#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kubectl run -i --rm and debug-like use: create, attach, exit code, gone.
. "$(dirname "$0")/../lib.sh"

run() {
	local code=0
	printf 'hello\n' | kubectl run "r-$PROTOCOL" -i --rm -q --restart=Never --image=busybox --image-pull-policy=IfNotPresent \
		--command -- sh -c 'read x; echo "got $x"; sleep 1; exit 6' >"$WORK/out" 2>"$WORK/err" || code=$?
	expect_like "$PROTOCOL output" "$(cat "$WORK/out")" 'got hello'
	expect "$PROTOCOL exit code" $code 6
	wait_gone "r-$PROTOCOL"
}
protocols run
