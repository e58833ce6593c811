#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs end-to-end cases on a node with cgroup v2: runtime, kubelet and the cases in a user-mode-linux guest, the control
# plane beside it on this machine.
#
#   run.sh [NAME...]    these cases, as e2e/run.sh takes them, or those below
#
# KUBELET=ours (default) or stock; RIG_ID=1 by default; UML_MEMORY of the guest; UML_TIMEOUT in seconds for all of it;
# UML_COMMAND a shell command in the guest instead of the cases. Results and logs are in build/e2e-v2/$KUBELET.
set -euo pipefail

export RIG_ID=${RIG_ID:-1} KUBELET=${KUBELET:-ours}
# shellcheck source=e2e/rig/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../rig/lib.sh"
job=$repo/build/e2e-v2/$KUBELET
tap=cubelet-tap$RIG_ID
memory=${UML_MEMORY:-3072M}
limit=${UML_TIMEOUT:-5400}
# Pods, volumes, environment, resources, OOM, logs, exec, restarts of the kubelet: what may depend on cgroups or on the
# kernel. The others ask the same of both.
default_cases="010 012 020 030 032 037 040 043 050 080 081 100 110 123"
slow=4 # times are that much longer in the guest: it has one CPU, and a system call costs ten times as much

case $KUBELET in stock | ours) ;; *) die "KUBELET must be stock or ours, not '$KUBELET'" ;; esac
[ $# -gt 0 ] || read -ra default_cases <<<"${CASE:-$default_cases}"
[ $# -gt 0 ] || set -- "${default_cases[@]}"
mkdir -p "$job"
exec 8>"$job.lock"
flock -n 8 || die "another one runs with KUBELET=$KUBELET in this checkout"

group=
# shellcheck disable=SC2317 # the trap calls it
clean_up() {
	[ -z "$group" ] || kill -KILL -- "-$group" 2>/dev/null || true
	ip link del "$tap" 2>/dev/null || true
	"$rig_home/rig.sh" down
}
trap clean_up EXIT

guest=$("$repo/e2e/uml/build.sh")
"$rig_home/rig.sh" control 8>&-
ip link del "$tap" 2>/dev/null || true
ip tuntap add dev "$tap" mode tap
ip link set "$tap" master "$NODE_LINK" up

# A copy of everything that may change while the guest runs.
rm -rf "${job:?}"
mkdir -p "$job/checkout/build" "$job/control" "$job/out"
cp -r "$repo/e2e" "$job/checkout/"
[ "$KUBELET" = stock ] || cp "$repo/build/kubelet" "$job/checkout/build/"
cp -r "$RIG/pki" "$RIG/conf" "$job/control/"
images=$(cat "$RIG/images")
echo "${images// $CUBELET_CACHE\// /cache/}" >"$job/images"
cat >"$job/env" <<-EOT
	export KUBELET=$KUBELET RIG_ID=$RIG_ID CUBELET_CACHE=/cache KUBE_BIN_DIR=/stock
	export RIG_READY=/job/images RIG_CONTROL=/job/control RIG_NODE_IP=10.250.$RIG_ID.2 NODE_LINK=$NODE_LINK
	export E2E_LOGS=/job/out E2E_SLOW=$slow E2E_JOBS=2 E2E_TIMEOUT=1800
	CASES=$(printf '%q' "$*") UML_COMMAND=$(printf '%q' "${UML_COMMAND:-}")
EOT

cc -O2 -shared -fPIC -o "$job/xstate.so" "$repo/e2e/uml/xstate.c"
# The guest's memory is a file there.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
# Every process of the guest is one of ours, in one process group.
set -m
env "LD_PRELOAD=$job/xstate.so" "$guest/linux" "mem=$memory" rootfstype=hostfs "rootflags=$guest/root" ro init=/uml-init quiet panic=1 \
	"vec0:transport=tap,ifname=$tap,depth=128" con=null con0=null,fd:1 "JOB=$job" "CACHE=$CUBELET_CACHE" "STOCK=$BIN" \
	</dev/null >"$job/console" 2>&1 8>&- &
group=$!
set +m
# What the kernel says as it starts and ends is left out; the file has it.
timeout "$limit" tail --pid=$group -n +1 -f "$job/console" |
	sed -u 's/\r$//; /^SELinux:/d; /^mmapper_init/d; /^Failed to initialize ubd/d; /^reboot:/d; /^$/d' || true
[ -e "$job/rc" ] || die "the guest ended without a result"
exit "$(cat "$job/rc")"
