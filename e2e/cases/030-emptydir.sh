#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# emptyDir on disk and in memory: shared between containers, world-writable, limited, gone with the pod.
. "$(dirname "$0")/../lib.sh"

pod dir <<-'EOT'
	containers:
	- name: writer
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "echo hello >/disk/f; echo fast >/ram/f; exec sleep 1000"]
	  securityContext: {runAsUser: 1234}
	  volumeMounts: &mounts [{name: disk, mountPath: /disk}, {name: ram, mountPath: /ram}]
	- name: reader
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sleep, "1000"]
	  volumeMounts: [{name: disk, mountPath: /deep/er/disk, readOnly: true}, {name: ram, mountPath: /ram}]
	volumes:
	- {name: disk, emptyDir: {}}
	- {name: ram, emptyDir: {medium: Memory, sizeLimit: 16Mi}}
EOT
wait_running dir
reader() {
	kubectl exec dir -c reader -- "$@"
}
expect shared "$(reader cat /deep/er/disk/f /ram/f | tr '\n' ' ')" "hello fast "
expect mode "$(reader stat -c %a /deep/er/disk /ram | tr '\n' ' ')" "777 1777 "
expect_like "memory is a tmpfs" "$(reader grep ' /ram ' /proc/mounts)" '^tmpfs .*size=16384k'
! reader touch /deep/er/disk/no 2>"$WORK/err" || fail "wrote to a read-only mount"
grep -q "Read-only file system" "$WORK/err" || fail "$(cat "$WORK/err")"
uid=$(get dir .metadata.uid)
[ -e "$RIG/kubelet/pods/$uid/volumes/kubernetes.io~empty-dir/disk/f" ] || fail "not where stock keeps it"
kubectl delete pod dir >/dev/null
folder_gone() {
	! [ -e "$RIG/kubelet/pods/$uid" ]
}
wait_until 60 "the pod's folder is removed" folder_gone

# However deep a container nests folders, its pod goes.
pod deep <<-'EOT'
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "cd /disk; i=0; while [ $i -lt 400 ]; do mkdir d && cd d || exit 1; i=$((i + 1)); done; >made; exec sleep 1000"]
	  volumeMounts: [{name: disk, mountPath: /disk}]
	volumes:
	- {name: disk, emptyDir: {}}
	terminationGracePeriodSeconds: 0
EOT
wait_running deep
uid=$(get deep .metadata.uid)
is_deep() {
	[ "$(find "$RIG/kubelet/pods/$uid/volumes/kubernetes.io~empty-dir/disk" -name made | wc -l)" = 1 ]
}
wait_until 30 "the folders are made" is_deep
kubectl delete pod deep >/dev/null
wait_until 60 "the pod's folder is removed" folder_gone
