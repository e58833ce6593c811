#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A command that closes its standard output at once still gets all of its input.
# only: ours stock breaks such a session over WebSockets after some 32 KiB, and kubectl often exits 0 (seen with v1.37.2)
. "$(dirname "$0")/../lib.sh"

size=$((64 << 20))
busybox_pod c 'exec sleep 1000'
wait_running c
closed() {
	head -c $size /dev/zero | kubectl exec -i c -- sh -c 'exec cat >/big'
	expect "$PROTOCOL size" "$(kubectl exec c -- stat -c %s /big)" "$size"
}
protocols closed
