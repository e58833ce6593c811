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

# The container of a deleted pod is removed while its log is read to the end.
for n in 1 2 3; do
	busybox_pod "deleted-$n" 'trap "echo term; sleep 1; echo last; exit" TERM; echo ready; while :; do sleep 0.1; done'
done
wait_running deleted-1 deleted-2 deleted-3
for n in 1 2 3; do
	kubectl logs -f "deleted-$n" >"$WORK/deleted-$n" 2>&1 &
	wait_until 20 "deleted-$n is followed" grep -q ready "$WORK/deleted-$n"
done
kubectl delete pod deleted-1 deleted-2 deleted-3 --grace-period=10 >/dev/null
wait
for n in 1 2 3; do
	expect "log of a deleted pod" "$(cat "$WORK/deleted-$n")" $'ready\nterm\nlast'
done
