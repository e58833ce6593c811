#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# logs -f shows what comes, ends with the container, and survives a reader that is slow.
. "$(dirname "$0")/../lib.sh"

busybox_pod tick 'for i in $(seq 1 30); do echo tick $i; sleep 0.1; done' Never
wait_for tick '.status.containerStatuses[0].state | .running or .terminated'
kubectl logs -f tick >"$WORK/ticks"
expect "every line" "$(cat "$WORK/ticks")" "$(seq -f 'tick %g' 1 30)"

busybox_pod flood 'seq 1 300000; sleep 1' Never
wait_for flood '.status.containerStatuses[0].state | .running or .terminated'
expect "a slow reader misses nothing" "$(kubectl logs -f flood | (sleep 2; sha256sum))" "$(seq 1 300000 | sha256sum)"

busybox_pod last 'for i in $(seq 1 30); do echo line $i; sleep 0.1; done' Never
wait_for last '.status.containerStatuses[0].state | .running or .terminated'
kubectl logs -f --tail=1 last >"$WORK/last"
expect "tail and follow end" "$(tail -n 1 "$WORK/last")" "line 30"
