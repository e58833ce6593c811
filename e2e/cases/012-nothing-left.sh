#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A pod that used much of what there is leaves nothing: processes, mounts, namespaces, links, cgroups, addresses, files.
# group: alone
. "$(dirname "$0")/../lib.sh"

kubectl create secret generic key --from-literal=k=v >/dev/null
make() {
	pod used <<-'EOT'
		containers:
		- name: c
		  image: busybox
		  imagePullPolicy: IfNotPresent
		  command: [sh, -c, "while :; do sleep 1 & wait; done"]
		  resources: {limits: {memory: 32Mi, cpu: 100m}}
		  volumeMounts: [{name: d, mountPath: /d}, {name: r, mountPath: /r}, {name: k, mountPath: /k}]
		- {name: d, image: nginx, imagePullPolicy: IfNotPresent}
		volumes: [{name: d, emptyDir: {}}, {name: r, emptyDir: {medium: Memory}}, {name: k, secret: {secretName: key}}]
	EOT
	wait_running used
	kubectl exec used -c c -- sh -c 'echo x >/d/f; echo x >/r/f'
	kubectl logs used -c c >/dev/null
	# The runtime makes no sandbox with a group alone, so it never knows this one.
	pod refused <<-'EOT'
		securityContext: {runAsGroup: 5}
		containers: [{name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}]
	EOT
	wait_event refused '^Warning FailedCreatePodSandBox '
	kubectl delete pod used refused >/dev/null
}
# What other rigs on the machine have comes and goes, and so do the chains that every kubelet shares.
not_ours="cubelet-(rig|cni)(?!$RIG_ID\\b)[0-9]|KUBE-"
snapshot() {
	local pid mount
	{
		set +e # much of this finds nothing
		find /proc -maxdepth 1 -regex '/proc/[0-9]+' -printf '%f\n' | while read -r pid; do
			grep -qs "$POD_CGROUP/" "/proc/$pid/cgroup" && echo "process in a pod's cgroup: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
		done
		pgrep -a containerd-shim | grep -F "$CRI_SOCKET" | cut -d' ' -f2-
		awk '{ print "mount", $5 }' /proc/self/mountinfo | grep -F "$RIG/"
		ip -o link | awk '{ print "link", $2 }' | grep -v 'veth.*@if[0-9]*:$' | grep -vP "$not_ours"
		echo "veths: $(bridge link show 2>/dev/null | grep -c "master $POD_LINK")"
		while read -r mount; do
			find "$mount/$POD_CGROUP" -mindepth 3 -type d # the classes' own groups stay
			find "$mount/$POD_CGROUP" -maxdepth 2 -name 'pod*'
		done < <(cgroup_mounts)
		ls "$RIG/ipam/cubelet-rig-$RIG_ID" "$RIG/kubelet/pods" "$RIG/pod-logs" "$RIG/containerd/state/netns" 2>&1
		iptables-save | grep -v '^#' | grep -vP "$not_ours" | sed 's/\[[0-9:]*\]//'
		crictl pods -q 2>/dev/null
		crictl ps -aq 2>/dev/null
	} | sort || true
}
# The rules of the kubelet and the last pods of other cases settle first.
empty() {
	[ -z "$(crictl pods -q 2>/dev/null)" ] && [ -z "$(ls "$RIG/kubelet/pods")" ] && [ -z "$(ls "$RIG/pod-logs")" ]
}
command kubectl get namespaces -o name | grep '^namespace/e2e-' | grep -v "/$NS\$" | xargs -r kubectl delete >/dev/null 2>&1 || true
wait_until 150 "no pods to begin with" empty
snapshot >"$WORK/before"
make
clean() {
	snapshot >"$WORK/after"
	diff "$WORK/before" "$WORK/after" >"$WORK/diff"
}
wait_until 150 "nothing left" clean || fail "$(cat "$WORK/diff")"
