#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How pods end: phases, reasons, exit codes and conditions for the policies Never and OnFailure.
. "$(dirname "$0")/../lib.sh"

busybox_pod good 'exit 0' Never
busybox_pod bad 'exit 3' Never
busybox_pod high 'exit 255' Never
pod retry <<-'EOT'
	restartPolicy: OnFailure
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "test -e /v/again && exit 0; touch /v/again; exit 7"]
	  volumeMounts: [{name: v, mountPath: /v}]
	volumes: [{name: v, emptyDir: {}}]
EOT
wait_ended good Succeeded
wait_ended bad Failed
wait_ended high Failed
wait_ended retry Succeeded
ended() {
	get "$1" '.status.containerStatuses[0] | [.state.terminated.reason, .state.terminated.exitCode, .restartCount, .ready, .started] | tojson'
}
expect good "$(ended good)" '["Completed",0,0,false,false]'
expect bad "$(ended bad)" '["Error",3,0,false,false]'
expect high "$(ended high)" '["Error",255,0,false,false]'
expect retry "$(ended retry)" '["Completed",0,1,false,false]'
expect "the first try" "$(get retry '.status.containerStatuses[0].lastState.terminated | [.reason, .exitCode] | tojson')" '["Error",7]'
conditions() {
	get "$1" '[.status.conditions[] | "\(.type)=\(.status)/\(.reason // "")"] | join(" ")'
}
for name in good bad; do
	wait_for $name '.status.conditions[] | select(.type == "PodReadyToStartContainers") | .status == "False"'
done
expect "conditions of success" "$(conditions good)" \
	"PodReadyToStartContainers=False/PodSandboxNotReady Initialized=True/PodCompleted Ready=False/PodCompleted ContainersReady=False/PodCompleted PodScheduled=True/"
expect "conditions of failure" "$(conditions bad)" \
	"PodReadyToStartContainers=False/PodSandboxNotReady Initialized=True/ Ready=False/PodFailed ContainersReady=False/PodFailed PodScheduled=True/"
for key in containerID startedAt finishedAt; do
	expect_like "$key" "$(get bad ".status.containerStatuses[0].state.terminated.$key")" '^(containerd://|20)'
done
