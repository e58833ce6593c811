#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A container that fails again and again: back-off with stock's words, counts and last state.
. "$(dirname "$0")/../lib.sh"

busybox_pod crash 'echo bye; exit 5'
# Stock says so at its second look at the dead container, which may be one of those it takes every minute: the wait of
# 80 s, the fourth, is the first that must have one in it.
wait_for crash '.status.containerStatuses[0] | .state.waiting.reason == "CrashLoopBackOff" and .restartCount >= 1' 200
status=$(seen '.status.containerStatuses[0]')
expect_like message "$(jq -r .state.waiting.message <<<"$status")" \
	"^back-off (10|20|40|1m20)s restarting failed container=c pod=crash_$NS\($(get crash .metadata.uid)\)\$"
expect last "$(jq -c '.lastState.terminated | [.reason, .exitCode]' <<<"$status")" '["Error",5]'
expect phase "$(seen .status.phase)" Running
expect conditions "$(seen '[.status.conditions[] | select(.type | test("Ready$")) | "\(.type) \(.status) \(.reason) \(.message)"] | join(";")')" \
	"Ready False ContainersNotReady containers with unready status: [c];ContainersReady False ContainersNotReady containers with unready status: [c]"
wait_event crash "^Warning BackOff Back-off restarting failed container c in pod crash_$NS\($(get crash .metadata.uid)\)\$"
# Stock's status may name a run that is removed already (one dead container is kept) until its next look, as above.
previous() {
	[ "$(kubectl logs crash --previous)" = bye ]
}
wait_until 100 "output of the last run" previous
