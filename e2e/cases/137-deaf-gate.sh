#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A gate that ignores the end of its kubelet (here: it is stopped) keeps the ports; the next kubelet ends it and serves.
# only: ours the stock kubelet has no gate
# group: alone
. "$(dirname "$0")/../lib.sh"

works() {
	[ "$(node_api /healthz 2>/dev/null)" = ok ]
}
lives() {
	[[ $(ps -o stat= -p "$old") == [^Z]* ]]
}
end_old() {
	! lives || kill -KILL "$old"
}
wait_until 60 "the kubelet serves" works
old=$(gate)
at_exit end_old
kill -STOP "$old"
lives
rig_kill kubelet KILL
wait_until 60 "there is a new gate" other_gate "$old"
wait_until 60 "the kubelet serves" works
not lives || fail "the old gate lives: $(ps -f -p "$old")"
