#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# hostPath: every type, creation with stock's modes, and the message when the type does not fit.
. "$(dirname "$0")/../lib.sh"

host=$RIG/hostpath-$NS
mkdir -p "$host/dir"
echo content >"$host/file"
ln -s not-there-yet "$host/link"
at_exit rm -rf "$host"
pod host <<-EOT
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sleep, "1000"]
	  volumeMounts:
	  - {name: any, mountPath: /any}
	  - {name: dir, mountPath: /dir}
	  - {name: made, mountPath: /made}
	  - {name: file, mountPath: /file, readOnly: true}
	  - {name: newfile, mountPath: /newfile}
	  - {name: link, mountPath: /link}
	volumes:
	- {name: any, hostPath: {path: $host}}
	- {name: dir, hostPath: {path: $host/dir, type: Directory}}
	- {name: made, hostPath: {path: $host/made, type: DirectoryOrCreate}}
	- {name: file, hostPath: {path: $host/file, type: File}}
	- {name: newfile, hostPath: {path: $host/newfile, type: FileOrCreate}}
	- {name: link, hostPath: {path: $host/link, type: FileOrCreate}}
EOT
pod wrong <<-EOT
	containers:
	- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"], volumeMounts: [{name: v, mountPath: /v}]}
	volumes:
	- {name: v, hostPath: {path: $host/file, type: Directory}}
EOT
pod below <<-EOT
	containers:
	- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"], volumeMounts: [{name: v, mountPath: /v}]}
	volumes:
	- {name: v, hostPath: {path: $host/file/a/b, type: DirectoryOrCreate}}
EOT
wait_running host
expect content "$(in_pod host cat /file /any/file | tr '\n' ' ')" "content content "
in_pod host sh -c 'echo 1 >/made/f; echo 2 >/newfile; echo 3 >/dir/f'
expect "seen on the node" "$(cat "$host/made/f" "$host/newfile" "$host/dir/f" | tr '\n' ' ')" "1 2 3 "
expect "modes of what was made" "$(stat -c %a "$host/made" "$host/newfile" | tr '\n' ' ')" "755 644 "
wait_event wrong "^Warning FailedMount MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: $host/file is not a directory, it's a File\$"
wait_event below "^Warning FailedMount MountVolume.SetUp failed for volume \"v\" : mkdir $host/file: not a directory\$"
[ -f "$host/not-there-yet" ] || fail "a link to nothing did not get its file"
expect phase "$(get wrong .status.phase)" Pending
expect reason "$(get wrong '.status.containerStatuses[0].state.waiting.reason')" ContainerCreating
