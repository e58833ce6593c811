#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A runtime whose answers about pods cannot be read, lack what they must hold, or do not come: what runs is left alone,
# and once it answers well again each new pod has one sandbox and one container, and each that ended its code.
# group: alone
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../badcri.sh"

busybox_pod stays 'i=0; while :; do i=$((i + 1)); echo $i; sleep 1; done'
wait_running stays
before=$(life stays)
use_bad_runtime

# Each for some seconds, while one pod is new and one ends.
both() { # NUMBER
	local kind kinds=("new Always exec sleep 1000" "ends Never sleep 2; exit 3")
	# A cut connection may take a start with it, which a pod that is never restarted does not survive.
	[[ $rules != *cut ]] || unset "kinds[1]"
	for kind in "${kinds[@]}"; do
		read -r name policy script <<<"$kind"
		jq -n --arg name "$name$1" --arg policy "$policy" --arg script "$script" '{apiVersion: "v1", kind: "Pod",
			metadata: {name: $name, labels: {kind: ($name | gsub("[0-9]"; ""))}},
			spec: {restartPolicy: $policy, terminationGracePeriodSeconds: 1, containers: [{name: "c", image: "busybox",
				imagePullPolicy: "IfNotPresent", command: ["sh", "-c", $script]}]}}' |
			api "/api/v1/namespaces/$NS/pods" -X POST -H 'Content-Type: application/json' --data-binary @- >/dev/null
	done
}
n=0
for rules in "ListPodSandbox never" "ListContainers utf8" "ListContainers oversized" "ListPodSandbox cut" \
	"ContainerStatus empty" "ContainerStatus utf8" "PodSandboxStatus empty" "PodSandboxStatus broken" \
	"RunPodSandbox empty" "RunPodSandbox utf8" "RunPodSandbox late" "CreateContainer broken" "StartContainer late" \
	"ImageStatus broken"; do
	n=$((n + 1))
	misbehave "$rules"
	both $n
	wait_until 30 "$rules has happened" misbehaved "${rules% *}"
	sleep 3
	expect "$rules: what ran" "$(life stays)" "$before"
done
misbehave "RunPodSandbox error no%FFroom%0Ahere"
busybox_pod last 'exec sleep 1000'
wait_event last 'FailedCreatePodSandBox .*no.*room'
behave
wait_running last
converged() {
	api "/api/v1/namespaces/$NS/pods?labelSelector=kind" | jq -e --argjson n "$n" '.items
		| (map(select(.metadata.labels.kind == "new" and .status.phase == "Running"
			and .status.containerStatuses[0].state.running)) | length == $n)
		and (map(select(.metadata.labels.kind == "ends" and .status.phase == "Failed"
			and .status.containerStatuses[0].state.terminated.exitCode == 3)) | length == $n - 1)'
}
wait_until 120 "every pod runs or has ended" converged ||
	fail "$(api "/api/v1/namespaces/$NS/pods" | jq -c '.items[] | [.metadata.name, .status.phase, .status.containerStatuses]')"
of_pods() { # KIND: how many each new pod has
	jq -r --arg ns "$NS" "[.$1[] | .labels | select(.[\"io.kubernetes.pod.namespace\"] == \$ns)
		| .[\"io.kubernetes.pod.name\"] | select(startswith(\"new\"))] | group_by(.)[] | \"\(length)\"" | sort | uniq -c | tr -s ' '
}
expect "containers that run" "$(crictl ps -o json | of_pods containers)" " $n 1"
expect "sandboxes that are ready" "$(crictl pods --state ready -o json | of_pods items)" " $n 1"
# A kubelet that starts and cannot read one container: the other pods do not wait for it, and it is left as it is.
id=${before#containerd://}
misbehave "ContainerStatus/${id%% *} utf8"
rig_kill kubelet KILL
busybox_pod meanwhile 'exec sleep 1000'
wait_until 60 "the one container is asked about" misbehaved ContainerStatus
wait_running meanwhile
expect "exec into another pod" "$(in_pod new1 echo hi)" hi
expect "phase of the one" "$(get stays .status.phase)" Running
behave
again() {
	[ "$(in_pod stays echo hi)" = hi ]
}
wait_until 60 "exec into the one" again
expect "containers of the one" "$(crictl ps -a -q --label io.kubernetes.pod.name=stays --label io.kubernetes.pod.namespace="$NS" | wc -l)" 1
expect "what ran" "$(life stays)" "$before"
expect "exec in the end" "$(in_pod stays echo hi)" hi
