#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Clients that never finish their handshake or head are sent away after 30 s, and nobody else notices them.
# only: ours stock waits 4 h for a head (docs/deviations.md)
. "$(dirname "$0")/../lib.sh"

busybox_pod c 'exec sleep 100000'
wait_running c
python3 "$repo/e2e/tools/slow.py" "$NODE_IP" &
slow=$!
at_exit "kill $slow 2>/dev/null"
while kill -0 $slow 2>/dev/null; do
	expect "exec beside slow clients" "$(kubectl exec c -- echo yes)" yes
	sleep 2
done
wait $slow
