#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An image that was pulled with a secret is not for pods that have none.
# not-yet: a present image may be used without the secret it was pulled with; who may is not recorded yet
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
kubectl create secret docker-registry login --docker-server="$registry" --docker-username=me --docker-password=secret >/dev/null
run stranger private/own:1 IfNotPresent
run friend private/own:1 IfNotPresent login
wait_ended friend Succeeded
wait_for stranger '.status.containerStatuses[0].state.waiting.reason | test("ErrImagePull|ImagePullBackOff")'
