#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Pulls from a registry: policies, events, and a private repository with and without its secret.
# group: alone
. "$(dirname "$0")/../lib.sh"

registry=$NODE_IP:5000
mapfile -t images < <("$repo/e2e/images/build.sh" busybox)
"$CUBELET_CACHE/bin/image-tool" serve -listen "$registry" -image "busybox=${images[0]#* }" -auth me:secret 2>"$WORK/registry" &
at_exit kill $!
serving() {
	curl -sS "http://$registry/v2/"
}
wait_until 10 "the registry" serving
pulls() {
	grep -c "GET /v2/$1/manifests/" "$WORK/registry" || true
}
run() {
	pod "$1" <<-EOT
		restartPolicy: Never
		${4:+imagePullSecrets: [{name: $4\}]}
		containers:
		- {name: c, image: "$registry/$2", imagePullPolicy: $3, command: [echo, hi]}
	EOT
}
at_exit "crictl rmi $registry/open/busybox:1 $registry/private/busybox:1"
run first open/busybox:1 IfNotPresent
wait_ended first Succeeded
wait_event first "^Normal Pulling Pulling image \"$registry/open/busybox:1\"\$"
wait_event first "^Normal Pulled Successfully pulled image \"$registry/open/busybox:1\" in [0-9.]+m?s \([0-9.]+m?s including waiting\). Image size: [0-9]+ bytes.\$"
expect_like imageID "$(get first '.status.containerStatuses[0].imageID')" "^$registry/open/busybox@sha256:"
before=$(pulls open/busybox)
run second open/busybox:1 IfNotPresent
wait_ended second Succeeded
expect "IfNotPresent pulls once" "$(pulls open/busybox)" "$before"
run third open/busybox:1 Always
wait_ended third Succeeded
wait_event third "^Normal Pulled Successfully pulled image"
grep -qE "(HEAD|GET) /v2/open/busybox/manifests/1" "$WORK/registry" || fail "Always did not ask the registry"

kubectl create secret docker-registry login --docker-server="$registry" --docker-username=me --docker-password=secret >/dev/null
run stranger private/busybox:1 IfNotPresent
run friend private/busybox:1 IfNotPresent login
wait_ended friend Succeeded
wait_for stranger '.status.containerStatuses[0].state.waiting.reason | test("ErrImagePull|ImagePullBackOff")'
