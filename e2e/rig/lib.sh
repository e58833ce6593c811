# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the rig and the cases share: where things are, and control of the rig's programs by name.
#
# RIG_ID (0 to 249) separates rigs on one machine: folder, links, addresses and cgroups carry it, and everything that
# listens binds the rig's own address, so ports need not differ.

RIG_ID=${RIG_ID:-0}
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
rig_home=$repo/e2e/rig
CUBELET_CACHE=${CUBELET_CACHE:-$HOME/.cache/cubelet}
RIG=${RIG_DIR:-/var/lib/cubelet-rig}/$RIG_ID
NODE_NAME=node
CONTROL_IP=10.250.$RIG_ID.1
NODE_IP=${RIG_NODE_IP:-$CONTROL_IP} # the same, unless the node is a guest
POD_CIDR=10.251.$RIG_ID.0/24
SERVICE_CIDR=10.252.$RIG_ID.0/24
NODE_LINK=cubelet-rig$RIG_ID
POD_LINK=cubelet-cni$RIG_ID
POD_CGROUP=cubelet-rig-$RIG_ID
SYSTEM_CGROUP=cubelet-rig-$RIG_ID-system
CRI_SOCKET=$RIG/containerd/containerd.sock
BIN=${KUBE_BIN_DIR:-$CUBELET_CACHE/bin}
# On a machine that is that many times slower everything may take that much longer.
E2E_SLOW=${E2E_SLOW:-1}
poll=0.2
[ "$E2E_SLOW" = 1 ] || poll=1 # each look costs the slow machine much of its time
export PATH=$BIN:$PATH CUBELET_CACHE

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "$0: $*"
	exit 1
}

# wait_until SECONDS WHAT COMMAND...: polls; after the time, fails and says what did not happen.
wait_until() {
	local deadline=$((SECONDS + $1 * E2E_SLOW)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $deadline ]; then
			say "timed out: $what"
			return 1
		fi
		sleep $poll
	done
}

# Every hierarchy of cgroup v1, or the one of v2.
cgroup_mounts() {
	awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts
}

# --- Programs by name: etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet ---

rig_pid() {
	cat "$RIG/run/$1.pid" 2>/dev/null
}

rig_alive() {
	local pid
	pid=$(rig_pid "$1") && kill -0 "$pid" 2>/dev/null
}

rig_supervised() {
	local pid
	pid=$(cat "$RIG/run/$1.sup" 2>/dev/null) && kill -0 "$pid" 2>/dev/null
}

rig_start() {
	rm -f "$RIG/run/$1.down"
	rig_supervised "$1" && return
	# The programs leave the caller's session, cgroups, lock and standard streams behind.
	(
		local mount
		while read -r mount; do
			echo $BASHPID >"$mount/$SYSTEM_CGROUP/cgroup.procs"
		done < <(cgroup_mounts)
		exec setsid "$rig_home/supervise.sh" "$RIG" "$1" </dev/null >/dev/null 2>&1 9>&-
	) &
	wait_until 5 "$1 started" rig_pid "$1"
}

# rig_stop NAME [SIGNAL]: ends it and keeps it down until rig_start.
rig_stop() {
	local pid
	touch "$RIG/run/$1.down"
	pid=$(rig_pid "$1") && kill "-${2:-TERM}" "$pid" 2>/dev/null
	wait_until 90 "$1 stopped" not rig_supervised "$1"
}

# rig_kill NAME [SIGNAL]: the supervisor starts it again.
rig_kill() {
	local pid
	pid=$(rig_pid "$1") && kill "-${2:-KILL}" "$pid"
}

rig_restart() {
	rig_stop "$1" "${2:-TERM}" && rig_start "$1"
}

not() {
	! "$@"
}
