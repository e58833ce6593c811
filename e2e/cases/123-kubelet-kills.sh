#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The kubelet is killed ten times at random points of pods' lives: no container is restarted or started twice,
# everything converges, deletion included.
# group: alone
. "$(dirname "$0")/../lib.sh"

busybox_pod stays 'exec sleep 1000'
busybox_pod once 'echo run >>/dev/termination-log; exit 7' Never
pod counted <<-'EOT'
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "test -e /v/x && exec sleep 1000; touch /v/x; echo -n first >/dev/termination-log; exit 3"]
	  volumeMounts: [{name: v, mountPath: /v}]
	volumes: [{name: v, emptyDir: {}}]
EOT
wait_running stays
wait_for counted '.status.containerStatuses[0] | .restartCount == 1 and .state.running'
wait_ended once Failed
address=$(get stays .status.podIP)
facts() {
	get "$1" '[.status.startTime, (.status.containerStatuses[0] | .containerID, .restartCount, .state, .lastState)] | tojson'
}
for name in stays counted once; do
	facts $name >"$WORK/$name"
done
host=$RIG/hostpath-$NS
mkdir -p "$host"
at_exit rm -rf "$host"
for i in $(seq 10); do
	pod "new$i" <<-EOT
		restartPolicy: Never
		containers:
		- name: c
		  image: busybox
		  imagePullPolicy: IfNotPresent
		  command: [sh, -c, "echo start >>/h/$i; sleep 1; echo end >>/h/$i; exit 0"]
		  volumeMounts: [{name: h, mountPath: /h}]
		volumes: [{name: h, hostPath: {path: $host}}]
	EOT
	[ "$i" -lt 3 ] || kubectl delete pod "new$((i - 2))" --wait=false >/dev/null 2>&1
	sleep "0.$((RANDOM % 90 + 10))"
	rig_kill kubelet KILL || true # it may be between two lives
	sleep "1.$((RANDOM % 90 + 10))"
done
# A kill while the runtime starts the container cuts that call off; containerd then ends the container with StartError,
# and the pod is never tried again, whichever kubelet it is.
ended='.status.containerStatuses[0].state.terminated.reason'
for i in 9 10; do
	wait_for "new$i" ".status.phase == \"Succeeded\" or (.status.phase == \"Failed\" and $ended == \"StartError\")"
done
for i in $(seq 8); do
	wait_gone "new$i"
done
for i in $(seq 10); do
	starts=0 # one that was deleted early may never have started
	[ ! -e "$host/$i" ] || starts=$(grep -c start "$host/$i")
	[ "$starts" -le 1 ] || fail "new$i was started $starts times"
done
wait_running stays counted
for name in stays counted once; do
	expect "$name after ten kills" "$(facts $name)" "$(cat "$WORK/$name")"
done
expect "address" "$(get stays .status.podIP)" "$address"
two_ready() {
	[ "$(crictl pods --namespace "$NS" --state ready -q | wc -l)" = 2 ]
}
wait_until 90 "only the two running pods have a live sandbox" two_ready || fail "$(crictl pods --namespace "$NS")"
kubectl delete pod --all >/dev/null
