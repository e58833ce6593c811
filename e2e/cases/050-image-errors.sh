#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Images that cannot be had: reasons, messages and events of each kind.
. "$(dirname "$0")/../lib.sh"

image() {
	pod "$1" <<-EOT
		containers:
		- {name: c, image: "$2", imagePullPolicy: $3}
	EOT
}
image never 127.0.0.1:1/no/such:v1 Never
image refused 127.0.0.1:1/no/such:v1 IfNotPresent
image odd 'Bad:Name:x' IfNotPresent
waits() {
	wait_for "$1" ".status.containerStatuses[0].state.waiting.reason == \"$2\""
	seen '.status.containerStatuses[0].state.waiting.message'
}
expect never "$(waits never ErrImageNeverPull)" \
	'Container image "127.0.0.1:1/no/such:v1" is not present with pull policy of Never'
expect_like odd "$(waits odd InvalidImageName)" \
	'^Failed to apply default image tag "Bad:Name:x": couldn.t parse image name "Bad:Name:x": invalid reference format'
expect_like back-off "$(waits refused ImagePullBackOff)" \
	'^Back-off pulling image "127.0.0.1:1/no/such:v1": ErrImagePull: failed to pull and unpack image "127.0.0.1:1/no/such:v1": .*connection refused'
wait_event refused '^Normal Pulling Pulling image "127.0.0.1:1/no/such:v1"$'
wait_event refused '^Warning Failed Failed to pull image "127.0.0.1:1/no/such:v1": .*connection refused'
wait_event refused '^Warning Failed Error: ErrImagePull$'
wait_event refused '^Normal BackOff Back-off pulling image "127.0.0.1:1/no/such:v1"$'
wait_event refused '^Warning Failed Error: ImagePullBackOff$'
wait_event never '^Warning ErrImageNeverPull Container image "127.0.0.1:1/no/such:v1" is not present with pull policy of Never$'
wait_event odd '^Warning InspectFailed Failed to apply default image tag "Bad:Name:x": '
expect phase "$(get refused .status.phase)" Pending
