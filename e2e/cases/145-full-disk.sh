#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The disk of the kubelet's pods is full, then has no inodes, then that of the logs: new pods say so and start once there
# is room, pods that run go on, and no file that they see is cut.
# group: alone
. "$(dirname "$0")/../lib.sh"

pods=$RIG/kubelet/pods logs=$RIG/pod-logs
no_pods() {
	[ -z "$(ls -A "$pods")" ]
}
# Pods of other cases would lose their folders for a while.
wait_until 60 "no pod is left of other cases" no_pods || true
# Small file systems, in which everything of this case lives.
for folder in "$pods" "$logs"; do
	mkdir -p "$folder"
	mount -t tmpfs -o size=512k,nr_inodes=1000,mode=0750 small "$folder"
	at_exit "umount -l $folder"
done
at_exit "kubectl delete pod --all --force --grace-period 0 >/dev/null 2>&1; sleep 5"
kubectl create configmap m --from-literal=k=old >/dev/null
pod stays <<-'EOT'
	containers:
	- name: a
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "i=0; while :; do i=$((i + 1)); echo $i; sleep 1; done"]
	  volumeMounts: [{name: v, mountPath: /v}, {name: m, mountPath: /m}]
	- name: b
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "until [ -e /v/end ]; do sleep 0.2; done; rm /v/end; exit 3"]
	  volumeMounts: [{name: v, mountPath: /v}]
	volumes: [{name: v, emptyDir: {}}, {name: m, configMap: {name: m}}]
EOT
wait_running stays
uid=$(get stays .metadata.uid)
life() {
	get stays '.status.containerStatuses[] | select(.name == "a") | "\(.containerID) \(.restartCount) \(.state.running.startedAt)"'
}
# Stock removes a ConfigMap that it cannot write anew, also from under a pod that runs: only ours is asked about it.
files="/etc/hosts"
[ "$KUBELET" = stock ] || files+=" /m/k"
seen_inside() {
	# shellcheck disable=SC2086 # several names
	kubectl exec stays -c a -- cat $files
}
before=$(life)
inside=$(seen_inside)
room=$pods/$uid/volumes/kubernetes.io~empty-dir/v
log_room=$logs/${NS}_stays_$uid/a

# --- No bytes ---

fill() { # FOLDER
	dd if=/dev/zero of="$1/fill" bs=4k 2>/dev/null || true
	dd if=/dev/zero bs=1 count=4096 2>/dev/null >>"$1/fill" || true
}
fill "$room"
small_pod() { # NAME VOLUME: the volume is one in words of YAML
	local mounts='' volumes=''
	if [ -n "${2:-}" ]; then
		mounts='volumeMounts: [{name: x, mountPath: /x}]'
		volumes="volumes: [{name: x, $2}]"
	fi
	pod "$1" <<-EOT
		automountServiceAccountToken: false
		containers:
		- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"], $mounts}
		$volumes
	EOT
}
kubectl create configmap big --from-file=k=<(head -c 8192 /dev/zero | tr '\0' x) >/dev/null
small_pod mounts 'configMap: {name: big}'
small_pod plain
wait_event mounts '^Warning FailedMount MountVolume.SetUp failed for volume "x" : .*[Nn]o space left on device'
wait_event plain '^Warning Failed .*[Nn]o space left on device'
wait_for plain '.status.containerStatuses[0].state.waiting | .reason == "CreateContainerConfigError" and (.message | test("[Nn]o space left on device"))'
expect "phase of mounts" "$(get mounts .status.phase)" Pending
kubectl patch configmap m -p "{\"data\":{\"k\":\"$(head -c 9000 /dev/zero | tr '\0' n)\"}}" >/dev/null
touch "$room/end"
wait_for stays '.status.containerStatuses[] | select(.name == "b") | .restartCount >= 1' 60
sleep 5
expect "files of the pod that runs" "$(seen_inside)" "$inside"
expect "what ran" "$(life)" "$before"
rm "$room/fill"
wait_running mounts plain stays
if [ "$KUBELET" = ours ]; then
	new_content() {
		[ "$(kubectl exec stays -c a -- cat /m/k | tr -d n | wc -c)" = 0 ]
	}
	wait_until 150 "the new content" new_content
	expect "content" "$(kubectl exec stays -c a -- cat /m/k | wc -c)" 9000
fi

# --- No inodes ---

no_inodes() { # FOLDER
	local n=0
	mkdir "$1/many"
	while : 2>/dev/null >"$1/many/$n"; do
		n=$((n + 1))
	done
}
no_inodes "$room"
small_pod inodes 'emptyDir: {}'
wait_event inodes '^Warning Failed error making pod data directories: .*[Nn]o space left on device'
expect "what ran" "$(life)" "$before"
rm -r "$room/many"
wait_running inodes

# --- The logs ---

no_inodes "$log_room"
small_pod logless
wait_event logless '^Warning FailedCreatePodSandBox Failed to create pod sandbox: .*[Nn]o space left on device'
rm -r "$log_room/many"
wait_running logless
fill "$log_room"
sleep 3
expect "what ran" "$(life)" "$before"
lines=$(kubectl logs stays -c a | wc -l)
[ "$lines" -gt 5 ] || fail "the log has $lines lines"
rm "$log_room/fill"
grows() {
	[ "$(kubectl logs stays -c a | wc -l)" -gt $((lines + 1)) ]
}
wait_until 20 "the log grows again" grows
expect "what ran" "$(life)" "$before"
kubectl delete pod --all --wait=false >/dev/null
wait_gone stays mounts plain inodes logless
wait_until 30 "nothing is left" no_pods
