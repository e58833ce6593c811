#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# exec that cannot be: words and exit codes.
. "$(dirname "$0")/../lib.sh"

busybox_pod c 'exec sleep 1000'
busybox_pod ended 'exit 0' Never
wait_running c
wait_ended ended Succeeded
refused() {
	local regex=$1 code=0
	shift
	kubectl exec "$@" >"$WORK/out" 2>&1 || code=$?
	[ $code != 0 ] || fail "$PROTOCOL: kubectl exec $* exits 0"
	expect_like "$PROTOCOL: $*" "$(cat "$WORK/out")" "$regex"
}
errors() {
	refused 'no such file or directory' c -- /no/such/program
	refused 'permission denied|[Ee]xec failed' c -- /etc/passwd
	refused 'grpc: error while marshaling: string field contains invalid UTF-8' c -- echo $'\xff'
	refused 'container nope is not valid for pod c|container not found \("nope"\)' c -c nope -- true
	refused 'pods "none" not found' none -- true
	refused 'cannot exec into a container in a completed pod; current phase is Succeeded' ended -- true
}
protocols errors
