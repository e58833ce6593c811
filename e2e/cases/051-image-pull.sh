#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Pulls from a registry: policies, events, and a private repository with and without its secret.
# group: alone
. "$(dirname "$0")/../lib.sh"

registry=$NODE_IP:5000
# An image of its own: the kubelet remembers which secrets an image was pulled with, by the image's id.
mkdir -p "$WORK/root/bin"
cp "$(command -v busybox)" "$WORK/root/bin/"
ln -s busybox "$WORK/root/bin/echo"
echo "$NS" >"$WORK/root/unique"
tar -C "$WORK/root" -cf "$WORK/root.tar" .
"$CUBELET_CACHE/bin/image-tool" make -name own -rootfs "$WORK/root.tar" -out "$WORK/own.tar" -env PATH=/bin
"$CUBELET_CACHE/bin/image-tool" serve -listen "$registry" -image "own=$WORK/own.tar" -auth me:secret 2>"$WORK/registry" &
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
at_exit "crictl rmi $registry/open/own:1"
run first open/own:1 IfNotPresent
wait_ended first Succeeded
wait_event first "^Normal Pulling Pulling image \"$registry/open/own:1\"\$"
wait_event first "^Normal Pulled Successfully pulled image \"$registry/open/own:1\" in [0-9.]+m?s \([0-9.]+m?s including waiting\). Image size: [0-9]+ bytes.\$"
expect_like imageID "$(get first '.status.containerStatuses[0].imageID')" "^$registry/open/own@sha256:"
before=$(pulls open/own)
run second open/own:1 IfNotPresent
wait_ended second Succeeded
expect "IfNotPresent pulls once" "$(pulls open/own)" "$before"
run third open/own:1 Always
wait_ended third Succeeded
wait_event third "^Normal Pulled Successfully pulled image"
grep -qE "(HEAD|GET) /v2/open/own/manifests/1" "$WORK/registry" || fail "Always did not ask the registry"

kubectl create secret docker-registry login --docker-server="$registry" --docker-username=me --docker-password=secret >/dev/null
run friend private/own:1 IfNotPresent login
wait_ended friend Succeeded
