#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A terminal: its size follows, Ctrl-C interrupts, the shell's exit code is kubectl's.
. "$(dirname "$0")/../lib.sh"

pod shell <<-'EOT'
	containers:
	- {name: c, image: nginx, imagePullPolicy: IfNotPresent}
EOT
wait_running shell
tty() {
	python3 "$repo/e2e/tools/terminal.py" "$(command -v kubectl)" -n "$NS" exec -it shell -- bash || fail "$PROTOCOL"
}
protocols tty
