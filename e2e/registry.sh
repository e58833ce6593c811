# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For cases about pulling: a registry on the node with one image of the case's own, open as open/own:1 and with a password
# as private/own:1. `run NAME IMAGE PULL-POLICY [SECRET]` makes a pod of it, `pulls REPOSITORY` counts requests.

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
