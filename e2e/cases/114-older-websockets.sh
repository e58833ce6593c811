#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# exec and attach over the older WebSocket channel protocols, through the API server and straight to the kubelet.
. "$(dirname "$0")/../lib.sh"

busybox_pod c 'while :; do echo tick; sleep 0.2; done'
wait_running c
ask() { # HOST PORT CERT KEY PATH PROTOCOL
	python3 "$repo/e2e/tools/channels.py" "$@"
}
api_server=("$NODE_IP" 6443 "$RIG/conf/admin.crt" "$RIG/conf/admin.key")
kubelet=("$NODE_IP" 10250 "$RIG/pki/apiserver-kubelet-client.crt" "$RIG/pki/apiserver-kubelet-client.key")
command='command=sh&command=-c&command=echo+out%3Becho+err%3E%262%3Bexit+3'
for protocol in channel.k8s.io base64.channel.k8s.io v4.channel.k8s.io v4.base64.channel.k8s.io; do
	through=$(ask "${api_server[@]}" "/api/v1/namespaces/$NS/pods/c/exec?$command&stdout=1&stderr=1" $protocol)
	direct=$(ask "${kubelet[@]}" "/exec/$NS/c/c?$command&output=1&error=1" $protocol)
	for answer in "$through" "$direct"; do
		grep -qx '1 out' <<<"$answer" || fail "$protocol stdout: $answer"
		grep -qx '2 err' <<<"$answer" || fail "$protocol stderr: $answer"
		grep -q '^3 .*3' <<<"$answer" || fail "$protocol status: $answer"
	done
done
for protocol in v4.channel.k8s.io v4.base64.channel.k8s.io; do
	# Who leaves is told nothing more: neither a status nor that there was none.
	answer=$(ask "${kubelet[@]}" "/exec/$NS/c/c?command=sh&command=-c&command=echo+out%3Bexec+cat&input=1&output=1" $protocol close)
	expect "$protocol closed by the client" "$answer" "1 out"
done
