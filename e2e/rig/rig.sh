#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A one-node cluster of stock components around one kubelet.
#
#   rig.sh up            start what is not running, run pod nginx, end in a shell inside it (or run $EXEC_CMD)
#   rig.sh cluster       the same without the pod and the shell
#   rig.sh control       the control plane alone, for a node that is elsewhere
#   rig.sh down          remove everything that up made, except the cache
#   rig.sh env           print export lines for a shell
#   rig.sh exec          the last step of up alone
#   rig.sh pid|start|stop|kill|restart PROGRAM [SIGNAL]
#
# KUBELET=ours (default) or stock; RIG_ID, RIG_DIR, CUBELET_CACHE, KUBE_BIN_DIR as in lib.sh and build.sh.
# RIG_CONTROL=DIR: the control plane is elsewhere, DIR has its pki and conf; RIG_NODE_IP is the node's address then.
# RIG_READY=FILE: everything is installed and built already, and FILE is the list that e2e/images/build.sh printed.
set -euo pipefail

# shellcheck source=e2e/rig/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=e2e/rig/config.sh
. "$rig_home/config.sh"

KUBELET=${KUBELET:-ours}
step=0
steps=10
programs=(kubelet kube-scheduler kube-controller-manager kube-apiserver etcd containerd)
# What a stock kubelet and the CNI plugins change on the machine.
sysctls=(vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys
	kernel.keys.root_maxbytes net.ipv4.ip_forward)
# Stock programs use these whatever their settings say.
folders=(/var/lib/kubelet /usr/libexec/kubernetes /run/containerd /var/log/containers /var/lib/cni)
rigs=$(dirname "$RIG") # $RIG itself is gone when the machine is restored
machine=$rigs/machine

begin() {
	step=$((step + 1))
	say "step $step/$steps  $*  ($SECONDS s elapsed)"
}

kubectl() {
	KUBECONFIG=$RIG/conf/admin.conf command kubectl "$@"
}

announce() {
	local program missing=0
	for program in kube-apiserver kubectl kube-scheduler kube-controller-manager kubelet kubeadm etcd containerd crictl; do
		[ -x "$BIN/$program" ] || missing=$((missing + 1))
	done
	say "cluster $RIG_ID with kubelet '$KUBELET' in $RIG, cache in $CUBELET_CACHE"
	if [ $missing -gt 0 ]; then
		say "cold start: $missing stock programs are to be built; all of them cost about 20 minutes on two cores and 12 GB of disk"
	elif rig_alive kubelet; then
		say "warm start: it runs already; a few seconds"
	else
		say "warm start: about a minute"
	fi
}

# Two checkouts, or two people, must not share one rig by accident.
claim() {
	local owner
	[[ $RIG_ID =~ ^[0-9]+$ ]] && [ "$RIG_ID" -lt 250 ] || die "RIG_ID must be a number below 250, not '$RIG_ID'"
	[ "$(id -u)" = 0 ] || die "the rig needs root: it makes links, mounts and cgroups"
	case $KUBELET in stock | ours) ;; *) die "KUBELET must be stock or ours, not '$KUBELET'" ;; esac
	mkdir -p "$RIG"/{cmd,conf,log,run}
	exec 9>"$RIG/lock"
	flock -n 9 || die "another rig.sh works on $RIG"
	owner=$(cat "$RIG/owner" 2>/dev/null || echo "$repo")
	if [ "$owner" != "$repo" ] && [ -e "$owner/e2e/rig/rig.sh" ]; then
		die "rig $RIG_ID belongs to the checkout $owner: set another RIG_ID, or run 'make down' there"
	fi
	echo "$repo" >"$RIG/owner"
}

# --- Network, cgroups, settings of the machine ---

# The first rig remembers it, the last one puts it back.
remember_machine() {
	local path
	[ -e "$machine/done" ] && return
	mkdir -p "$machine"
	sysctl -e "${sysctls[@]}" >"$machine/sysctl"
	iptables-save 2>/dev/null | grep -o '^:KUBE[^ ]*' | sort -u >"$machine/iptables" || true
	for path in "${folders[@]}"; do
		[ -e "$path" ] || echo "$path"
	done >"$machine/folders"
	touch "$machine/done"
}

make_network() {
	if ! ip link show "$NODE_LINK" >/dev/null 2>&1; then
		! ip -o addr | grep -qF " $NODE_IP/" || die "the address $NODE_IP is in use on this machine: set another RIG_ID"
		ip link add "$NODE_LINK" type bridge
		ip addr add "$NODE_IP/24" dev "$NODE_LINK"
		ip link set "$NODE_LINK" up
	fi
	# A machine with Docker drops what it does not know.
	iptables -C FORWARD -i "$POD_LINK" -o "$POD_LINK" -j ACCEPT 2>/dev/null ||
		iptables -I FORWARD -i "$POD_LINK" -o "$POD_LINK" -j ACCEPT
}

make_cgroups() {
	local mount group file controller controllers=()
	while read -r mount; do
		if [ -e "$mount/cgroup.controllers" ]; then
			read -ra controllers <"$mount/cgroup.controllers" || true
			for controller in "${controllers[@]}"; do # v2: the kubelet wants all of them in its root
				echo "+$controller" >"$mount/cgroup.subtree_control" 2>/dev/null || true
			done
		fi
		for group in "$POD_CGROUP" "$SYSTEM_CGROUP"; do
			[ -d "$mount/$group" ] || mkdir "$mount/$group"
			for file in cpuset.cpus cpuset.mems; do # v1: a new group has none, and nothing can enter it
				if [ -e "$mount/$file" ] && [ -e "$mount/cgroup.clone_children" ]; then
					cat "$mount/$file" >"$mount/$group/$file"
				fi
			done
		done
	done < <(cgroup_mounts)
}

# --- Programs ---

make_certificates() {
	[ -e "$RIG/conf/super-admin.conf" ] && return
	write_kubeadm_config
	kubeadm init phase certs all --config "$RIG/kubeadm.yaml" >"$RIG/log/kubeadm.log" 2>&1 &&
		kubeadm init phase kubeconfig all --config "$RIG/kubeadm.yaml" --kubeconfig-dir "$RIG/conf" >>"$RIG/log/kubeadm.log" 2>&1 ||
		die "kubeadm failed: see $RIG/log/kubeadm.log"
	# For curl, which costs a tenth of a kubectl.
	admin_field client-certificate-data >"$RIG/conf/admin.crt"
	admin_field client-key-data >"$RIG/conf/admin.key"
}

admin_field() {
	awk -v key="$1:" '$1 == key { print $2 }' "$RIG/conf/admin.conf" | base64 -d
}

apiserver_ready() {
	[ "$(curl -sS --max-time $((2 * E2E_SLOW)) --cacert "$RIG/pki/ca.crt" "https://$CONTROL_IP:6443/readyz")" = ok ]
}

bind_rights() {
	local admin=$RIG/conf/super-admin.conf
	command kubectl --kubeconfig "$admin" create clusterrolebinding kubeadm:cluster-admins --clusterrole cluster-admin \
		--group kubeadm:cluster-admins --dry-run=client -o yaml | command kubectl --kubeconfig "$admin" apply -f - >/dev/null
	command kubectl --kubeconfig "$admin" create clusterrolebinding rig:kubelet-api --clusterrole system:kubelet-api-admin \
		--user kube-apiserver-kubelet-client --dry-run=client -o yaml | command kubectl --kubeconfig "$admin" apply -f - >/dev/null
}

start_control_plane() {
	write_audit_policy
	write_control_plane
	rig_start etcd
	rig_start kube-apiserver
	wait_until 90 "the API server is ready (see $RIG/log/kube-apiserver.log)" apiserver_ready
	[ -e "$RIG/run/bound" ] || bind_rights
	touch "$RIG/run/bound"
	# After the API server: it gives up when it cannot reach it for 10 s.
	rig_start kube-controller-manager
	rig_start kube-scheduler
}

runtime_ready() {
	crictl --runtime-endpoint "unix://$CRI_SOCKET" info >/dev/null 2>&1
}

start_runtime() {
	local ref file images
	write_cni
	write_containerd
	rig_start containerd
	wait_until 30 "containerd answers (see $RIG/log/containerd.log)" runtime_ready
	images=$(ctr -a "$CRI_SOCKET" -n k8s.io images ls -q 2>/dev/null)
	while read -r ref file; do
		if ! grep -qxF "$ref" <<<"$images" || [ "$(cat "$RIG/run/image.${ref//\//_}" 2>/dev/null)" != "$file" ]; then
			ctr -a "$CRI_SOCKET" -n k8s.io images import "$file" >"$RIG/log/import.log" 2>&1 ||
				die "importing $ref failed: see $RIG/log/import.log"
			echo "$file" >"$RIG/run/image.${ref//\//_}"
		fi
	done <"$RIG/images"
}

kubelet_program() {
	if [ "$KUBELET" = stock ]; then
		command -v kubelet
	else
		echo "$repo/build/kubelet"
	fi
}

node_ready() {
	[ "$(kubectl get node "$NODE_NAME" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}{.spec.taints}')" = True ]
}

start_kubelet() {
	local program key
	program=$(kubelet_program)
	[ -x "$program" ] || die "no kubelet at $program"
	write_kubelet "$program"
	key=$(cat "$RIG/cmd/kubelet" "$RIG/conf/kubelet.yaml" "$program" | sha256sum)
	if rig_supervised kubelet && [ "$(cat "$RIG/run/kubelet.key" 2>/dev/null)" != "$key" ]; then
		rig_stop kubelet
	fi
	echo "$key" >"$RIG/run/kubelet.key"
	rig_start kubelet
	wait_until 90 "the node is ready (see $RIG/log/kubelet.log)" node_ready
	wait_until 30 "the default service account exists" kubectl get serviceaccount default
}

# --- The pod, and the shell in it ---

nginx_running() {
	[ "$(kubectl get pod nginx -o jsonpath='{.status.phase}{.metadata.deletionTimestamp}' 2>/dev/null)" = Running ]
}

start_nginx() {
	nginx_running && return
	kubectl delete pod nginx --ignore-not-found >/dev/null
	kubectl apply -f - >/dev/null <<-EOT
		apiVersion: v1
		kind: Pod
		metadata: {name: nginx, namespace: default, labels: {app: nginx}}
		spec:
		  containers:
		  - {name: nginx, image: nginx, imagePullPolicy: IfNotPresent, ports: [{containerPort: 80}]}
	EOT
	if ! wait_until 120 "pod nginx is running" nginx_running; then
		kubectl describe pod nginx >&2
		exit 1
	fi
}

enter_nginx() {
	export KUBECONFIG=$RIG/conf/admin.conf
	exec 9>&-
	if [ -t 0 ] && [ -t 1 ]; then
		exec kubectl exec -it nginx -- bash
	fi
	local words # as a shell would split them, quotes and all, but without expanding anything
	mapfile -d '' words < <(xargs printf '%s\0' <<<"${EXEC_CMD:-nginx -v}")
	exec kubectl exec nginx -- "${words[@]}"
}

# Everything that may have to be installed or built.
prepare() {
	if [ -n "${RIG_READY:-}" ]; then
		cp "$RIG_READY" "$RIG/images"
		steps=$((steps - 4))
		return
	fi
	begin "Debian packages"
	"$rig_home/install.sh"
	if [ "$KUBELET" = ours ]; then
		"$repo/tools/install.sh"
		begin "our programs"
		env -u MAKEFLAGS -u MAKELEVEL make -s -C "$repo" all >&2 9>&-
	else
		begin "the stock kubelet stands in for ours"
	fi
	begin "stock components"
	"$rig_home/build.sh" >/dev/null 9>&-
	begin "images"
	"$repo/e2e/images/build.sh" >"$RIG/images.new" 9>&-
	mv "$RIG/images.new" "$RIG/images"
}

control() {
	begin "network and cgroups"
	remember_machine
	make_network
	make_cgroups
	if [ -n "${RIG_CONTROL:-}" ]; then
		cp -r "$RIG_CONTROL"/{pki,conf} "$RIG/"
		steps=$((steps - 2))
		return
	fi
	begin "certificates"
	make_certificates
	begin "etcd, API server, controller manager, scheduler"
	start_control_plane
}

cluster() {
	claim
	announce
	prepare
	if rig_supervised kubelet && [ "$(cat "$RIG/kind" 2>/dev/null)" != "$KUBELET" ]; then
		say "the running node has another kubelet: starting from nothing"
		cp "$RIG/images" "$RIG/../.images.$RIG_ID"
		remove_rig
		claim
		mv "$RIG/../.images.$RIG_ID" "$RIG/images"
	fi
	echo "$KUBELET" >"$RIG/kind"
	control
	begin "containerd"
	start_runtime
	begin "kubelet"
	start_kubelet
}

up() {
	cluster
	begin "pod nginx"
	start_nginx
	say "ready after $SECONDS s; 'make -s env' prints what a shell needs"
	enter_nginx
}

# --- Taking it down ---

end_pods() {
	runtime_ready || return 0
	timeout 120 crictl --runtime-endpoint "unix://$CRI_SOCKET" --timeout 60s rmp -fa >/dev/null 2>&1 || true
}

end_programs() {
	local name pid mount group
	for name in "${programs[@]}"; do
		touch "$RIG/run/$name.down"
		pid=$(cat "$RIG/run/$name.sup" 2>/dev/null) && kill -KILL "$pid" 2>/dev/null || true
		pid=$(rig_pid "$name") && kill -KILL "$pid" 2>/dev/null || true
	done
	# Shims, and whatever a pod left: everything in our cgroups. Twice, for what was being started meanwhile.
	for _ in 1 2; do
		while read -r mount; do
			for group in "$POD_CGROUP" "$SYSTEM_CGROUP"; do
				[ -d "$mount/$group" ] || continue
				find "$mount/$group" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -un | xargs -r kill -KILL 2>/dev/null || true
			done
		done < <(cgroup_mounts)
		sleep 0.3
	done
}

unmount_all() {
	local target
	for _ in 1 2 3; do # mounts on top of each other
		awk -v rig="$RIG/" 'index($5, rig) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r target; do
			umount -l "$target" 2>/dev/null || true
		done
	done
}

remove_cgroups() {
	local mount group
	while read -r mount; do
		for group in "$POD_CGROUP" "$SYSTEM_CGROUP"; do
			[ -d "$mount/$group" ] || continue
			find "$mount/$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
			wait_until 10 "the cgroup $mount/$group is empty" rmdir_gone "$mount/$group" || true
		done
	done < <(cgroup_mounts)
}

rmdir_gone() {
	find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
	! [ -d "$1" ]
}

other_rigs() {
	local dir
	for dir in "$rigs"/*/; do
		[ "$(basename "$dir")" = "$RIG_ID" ] || ! [ -e "$dir/owner" ] || return 0
	done
	return 1
}

restore_machine() {
	local link table chain
	for link in "$POD_LINK" "$NODE_LINK"; do
		ip link del "$link" 2>/dev/null || true
	done
	iptables -D FORWARD -i "$POD_LINK" -o "$POD_LINK" -j ACCEPT 2>/dev/null || true
	other_rigs && return # they still need the rest
	[ -e "$machine/done" ] || return 0
	sysctl -q -e -p "$machine/sysctl" >/dev/null 2>&1 || true
	for table in mangle nat filter; do
		iptables -t $table -S 2>/dev/null | awk '$1 == "-N" && $2 ~ /^KUBE/ { print $2 }' | while read -r chain; do
			grep -qxF ":$chain" "$machine/iptables" && continue
			iptables -t $table -S | grep -F -- "-j $chain" | sed 's/^-A/-D/' | xargs -r -L1 iptables -t $table || true
			iptables -t $table -F "$chain" && iptables -t $table -X "$chain" || true
		done
	done
	xargs -r rm -rf <"$machine/folders"
	rm -rf "$machine"
}

remove_files() {
	local socket link
	# Shims keep their sockets outside of the state folder.
	if [ -d "$RIG/containerd/state" ]; then
		find "$RIG/containerd/state" -name bootstrap.json -exec jq -r .address {} + 2>/dev/null | while read -r socket; do
			rm -f "${socket#unix://}"
		done
	fi
	for link in /var/log/containers/*; do
		case $(readlink "$link") in "$RIG"/*) rm -f "$link" ;; esac
	done
	rm -rf /var/lib/cni/results/cubelet-rig-"$RIG_ID"-* 2>/dev/null || true
	rm -rf --one-file-system "${RIG:?}"
}

remove_rig() {
	rig_supervised kubelet && { rig_stop kubelet KILL || true; }
	end_pods
	end_programs
	unmount_all
	remove_cgroups
	remove_files
	restore_machine
	rmdir "$(dirname "$RIG")" 2>/dev/null || true
}

down() {
	[ -d "$RIG" ] || { say "rig $RIG_ID is not there"; return; }
	claim
	remove_rig
	say "rig $RIG_ID removed"
}

print_env() {
	[ -e "$RIG/conf/admin.conf" ] || die "rig $RIG_ID is not up"
	printf 'export PATH=%q:$PATH KUBECONFIG=%q CONTAINER_RUNTIME_ENDPOINT=%q CRI_CONFIG_FILE=%q RIG_ID=%q\n' \
		"$BIN" "$RIG/conf/admin.conf" "unix://$CRI_SOCKET" "$RIG/conf/crictl.yaml" "$RIG_ID"
}

verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
up) up ;;
cluster) cluster ;;
control)
	steps=8
	claim
	prepare
	control
	;;
down) down ;;
env) print_env ;;
exec) enter_nginx ;;
pid | start | stop | kill | restart) "rig_$verb" "$@" ;;
*) die "up | cluster | control | down | env | exec | pid | start | stop | kill | restart" ;;
esac
