#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A sandbox that dies takes its containers along: they end when told to, and start again in a new one unless the policy
# is Never. That they end with 0 is no success.
. "$(dirname "$0")/../lib.sh"

for policy in Always OnFailure Never; do
	name=$(tr '[:upper:]' '[:lower:]' <<<"$policy")
	busybox_pod "$name" 'trap "exit 0" TERM; while :; do sleep 1 & wait; done' $policy
done
wait_running always onfailure never
for name in always onfailure never; do
	sandbox=$(crictl pods -q --label io.kubernetes.pod.uid="$(get $name .metadata.uid)")
	kill -KILL "$(crictl inspectp -o json "$sandbox" | jq .info.pid)"
done
for name in always onfailure; do
	wait_for $name '.status.containerStatuses[0] | .restartCount == 1 and .state.running'
	expect "phase of $name" "$(seen .status.phase)" Running
	expect "its last state" "$(seen '.status.containerStatuses[0].lastState.terminated | [.reason, .exitCode] | tojson')" \
		'["Completed",0]'
	wait_event $name '^Normal SandboxChanged Pod sandbox changed, it will be killed and re-created.$'
done
wait_ended never Succeeded
expect "restarts of never" "$(seen '.status.containerStatuses[0].restartCount')" 0
