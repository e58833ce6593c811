#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The policies for images that no kubelet has pulled, and the node without any.
# group: alone
. "$(dirname "$0")/../lib.sh"

cp "$RIG/conf/kubelet.yaml" "$WORK/before"
ready() {
	api /api/v1/nodes/node | jq -e 'any(.status.conditions[]; .type == "Ready" and .status == "True") and .spec.taints == null'
}
# with [LINE...]: the kubelet starts anew with these lines in its configuration.
with() {
	rig_stop kubelet
	{
		cat "$WORK/before"
		[ $# = 0 ] || printf '%s\n' "$@"
	} >"$RIG/conf/kubelet.yaml"
	rig_start kubelet
	wait_until 60 "the node is ready" ready
}
at_exit with
never() {
	pod "$1" <<-EOT
		restartPolicy: Never
		containers:
		- {name: c, image: "$2", imagePullPolicy: Never, command: [echo, hi]}
	EOT
}
allowed() {
	never "$1" "$2"
	wait_ended "$1" Succeeded
	wait_event "$1" "^Normal Pulled Container image \"$2\" already present on machine$3\$"
}
hidden() {
	never "$1" "$2"
	wait_for "$1" '.status.containerStatuses[0].state.waiting.reason == "ErrImageNeverPull"'
}
full=docker.io/library/busybox:latest
suffix=" and can be accessed by the pod"

allowed default busybox "$suffix"
with "imagePullCredentialsVerificationPolicy: AlwaysVerify"
hidden always busybox
with "imagePullCredentialsVerificationPolicy: NeverVerifyAllowlistedImages" "preloadedImagesVerificationAllowlist: [busybox, other.io/*]"
allowed listed busybox "$suffix"
hidden by-its-full-name $full
with "imagePullCredentialsVerificationPolicy: NeverVerifyAllowlistedImages" "preloadedImagesVerificationAllowlist: ['docker.io/library/*']"
allowed below $full "$suffix"
hidden by-its-short-name busybox
with "imagePullCredentialsVerificationPolicy: NeverVerify"
allowed never busybox "$suffix"
with "featureGates: {KubeletEnsureSecretPulledImages: false}"
allowed ungated busybox ""
