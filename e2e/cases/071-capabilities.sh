#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Capabilities, privileges, read-only root, no_new_privs, seccomp.
. "$(dirname "$0")/../lib.sh"

one() {
	pod "$1" <<-EOT
		containers:
		- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"], securityContext: $2}
	EOT
}
one plain '{}'
one add '{capabilities: {add: [NET_ADMIN], drop: [MKNOD, CHOWN]}}'
one none '{capabilities: {drop: [ALL]}}'
one privileged '{privileged: true}'
one readonly '{readOnlyRootFilesystem: true}'
one nonew '{allowPrivilegeEscalation: false, runAsUser: 1000}'
one unconfined '{seccompProfile: {type: Unconfined}}'
one confined '{seccompProfile: {type: RuntimeDefault}}'
wait_running plain add none privileged readonly nonew unconfined confined
status() {
	in_pod "$1" awk -v k="$2:" '$1 == k { print $2 }' /proc/1/status
}
has() { # POD BIT
	echo $(((0x$(status "$1" CapEff) >> $2) & 1))
}
expect "default capabilities" "$(status plain CapEff)" 00000000a80425fb
expect "added and dropped" "$(has add 12) $(has add 27) $(has add 0) $(has add 5)" "1 0 0 1"
expect "all dropped" "$(status none CapEff)" 0000000000000000
expect "privileged" "$(has privileged 21)" 1
in_pod privileged sh -c 'ls /dev | wc -l' >"$WORK/n"
[ "$(cat "$WORK/n")" -gt 20 ] || fail "a privileged container sees the node's devices, not $(cat "$WORK/n")"
! in_pod readonly touch /x 2>"$WORK/err" || fail "wrote to a read-only root"
in_pod readonly touch /dev/shm/x
expect "no new privileges" "$(status nonew NoNewPrivs) $(status plain NoNewPrivs)" "1 0"
expect "seccomp" "$(status unconfined Seccomp) $(status confined Seccomp) $(status privileged Seccomp)" "0 2 0"
expect_like "masked paths" "$(in_pod plain grep -c ' /proc/' /proc/mounts)" '^[4-9]|1[0-9]$'
