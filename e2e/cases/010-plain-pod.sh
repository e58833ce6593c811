#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A plain pod runs, and its status says everything that stock's says.
. "$(dirname "$0")/../lib.sh"

pod web "labels: {app: web}" <<-EOT
	containers:
	- {name: nginx, image: nginx, imagePullPolicy: IfNotPresent, ports: [{containerPort: 80}]}
EOT
wait_for web 'any(.status.conditions[]; .type == "Ready" and .status == "True")'
status=$(get web .status)
field() {
	jq -r "$1" <<<"$status"
}

expect phase "$(field .phase)" Running
expect hostIP "$(field .hostIP)" "$NODE_IP"
expect hostIPs "$(field '.hostIPs | tojson')" "[{\"ip\":\"$NODE_IP\"}]"
expect_like podIP "$(field .podIP)" "^10\.251\.$RIG_ID\.[0-9]+$"
expect podIPs "$(field '.podIPs[0].ip')" "$(field .podIP)"
expect qosClass "$(field .qosClass)" BestEffort
expect observedGeneration "$(field .observedGeneration)" 1
expect_like startTime "$(field .startTime)" '^20.*Z$'
expect "condition types" "$(field '[.conditions[].type] | join(" ")')" \
	"PodReadyToStartContainers Initialized Ready ContainersReady PodScheduled"
expect "conditions" "$(field '[.conditions[].status] | unique | join(" ")')" True
expect "condition generations" "$(field '[.conditions[].observedGeneration] | unique | tojson')" '[1]'

expect containers "$(field '.containerStatuses | length')" 1
container=$(field '.containerStatuses[0]')
expect name "$(jq -r .name <<<"$container")" nginx
expect image "$(jq -r .image <<<"$container")" docker.io/library/nginx:latest
expect_like imageID "$(jq -r .imageID <<<"$container")" '^sha256:[0-9a-f]{64}$|@sha256:[0-9a-f]{64}$'
expect_like containerID "$(jq -r .containerID <<<"$container")" '^containerd://[0-9a-f]{64}$'
expect ready "$(jq -c '[.ready, .started, .restartCount, .lastState]' <<<"$container")" '[true,true,0,{}]'
expect_like startedAt "$(jq -r .state.running.startedAt <<<"$container")" '^20.*Z$'
expect "token volume is reported" \
	"$(jq -c '[.volumeMounts[] | [.mountPath, .readOnly, .recursiveReadOnly]]' <<<"$container")" \
	'[["/var/run/secrets/kubernetes.io/serviceaccount",true,"Disabled"]]'

expect events "$(events web | cut -d' ' -f1,2 | sort | tr '\n' ';')" \
	"Normal Created;Normal Pulled;Normal Scheduled;Normal Started;"
event_seen web '^Normal Created Container created$' || fail "text of Created"
event_seen web '^Normal Started Container started$' || fail "text of Started"
event_seen web '^Normal Pulled Container image "nginx" already present on machine and can be accessed by the pod$' ||
	fail "text of Pulled"

curl -sS --max-time 10 "http://$(field .podIP)/" | grep -q "Welcome to nginx" || fail "nginx does not answer"
expect "host name" "$(in_pod web hostname)" web
