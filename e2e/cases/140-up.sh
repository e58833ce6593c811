#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a newcomer does: up without a terminal runs a command and returns its exit code, with one it ends in a shell.
# group: alone
. "$(dirname "$0")/../lib.sh"

rig=$rig_home/rig.sh
at_exit command kubectl -n default delete pod nginx --ignore-not-found
expect_like "output" "$("$rig" up </dev/null 2>&1)" 'nginx version: nginx/'
code=0
EXEC_CMD='sh -c "exit 41"' make -s -C "$repo" up </dev/null >/dev/null 2>&1 || code=$?
expect "exit code" $code 41
protocols python3 "$repo/e2e/tools/terminal.py" make -s -C "$repo" up
at_exit rm -f "$WORK/env"
"$rig" env >"$WORK/env"
expect "a shell with the printed lines" "$(env -i bash -c ". '$WORK/env'; PATH=\$PATH:/usr/bin:/bin; kubectl get pod nginx -o name; crictl pods --name nginx -q | wc -l")" $'pod/nginx\n1'
