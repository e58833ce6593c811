#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# group: alone
# While the runtime has no network, pods say so and wait; those on the host's network run.
. "$(dirname "$0")/../lib.sh"

at_exit "mv $WORK/10-rig.conflist $RIG/cni/"
mv "$RIG/cni/10-rig.conflist" "$WORK/"
no_network() {
	api /api/v1/nodes/node | jq -e '.status.conditions[] | select(.type == "Ready") | .message | test("NetworkReady=false")'
}
wait_until 90 "the node says that it has no network" no_network
for host in true false; do
	pod "host-$host" <<-EOT
		nodeName: node
		hostNetwork: $host
		tolerations: [{operator: Exists}]
		containers:
		- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}
	EOT
done
wait_running host-true
wait_event host-false '^Warning NetworkNotReady network is not ready: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: '
expect "phase" "$(get host-false .status.phase)" Pending
cp "$WORK/10-rig.conflist" "$RIG/cni/"
wait_running host-false
