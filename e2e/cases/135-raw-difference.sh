#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same raw requests to the stock kubelet and to ours: status lines, headers, bodies and what becomes of the
# connection differ only where e2e/tools/raw-differences.txt says so, and why.
# only: ours it starts a second rig with the stock kubelet itself and asks both
# group: alone
. "$(dirname "$0")/../lib.sh"
# shellcheck source=e2e/certs.sh
. "$repo/e2e/certs.sh"

tools=$repo/e2e/tools
# Paths and addresses of the two are of one length, as messages that hold them have a length in front.
other=$((RIG_ID < 10 ? (RIG_ID + 5) % 10 : RIG_ID < 100 ? 10 + (RIG_ID + 10) % 90 : 100 + (RIG_ID - 80) % 150))
rig() { # RIG-ID COMMAND...: with that rig's settings, the kubelet of the second one being stock's
	local id=$1 kind=ours
	shift
	[ "$id" = "$RIG_ID" ] || kind=stock
	# shellcheck disable=SC2030,SC2031 # that is what it is for
	(
		export RIG_ID=$id KUBELET=$kind
		. "$repo/e2e/rig/lib.sh"
		export KUBECONFIG=$RIG/conf/admin.conf
		"$@"
	)
}
running_already() {
	rig_supervised kubelet && [ "$(cat "$RIG/kind")" = stock ]
}
if ! rig "$other" running_already; then
	at_exit "rig $other $repo/e2e/rig/rig.sh down"
	rig "$other" "$repo/e2e/rig/rig.sh" cluster
fi

# Namespaces, pods and users of the same names on both.
prepare() {
	local name dir=$WORK/$RIG_ID
	mkdir -p "$dir"
	command kubectl create namespace "$NS" >/dev/null 2>&1 || true # ours has it
	wait_until 30 "the default service account" kubectl get serviceaccount default
	busybox_pod c 'echo one; echo two; echo three; exec sleep 100000'
	busybox_pod ended 'echo one; echo two; printf three' Never
	pod waits <<-EOT
		containers:
		- {name: c, image: none.invalid/none, imagePullPolicy: Never}
	EOT
	kubectl create serviceaccount good >/dev/null
	command kubectl create clusterrolebinding "$NS" --clusterrole system:kubelet-api-admin --serviceaccount "$NS:good" >/dev/null
	issue "$RIG/pki" "$dir/admin" /CN=kube-apiserver-kubelet-client 20200101000000Z 20490101000000Z
	issue "$RIG/pki" "$dir/nobody" /CN=nobody 20200101000000Z 20490101000000Z
	issue "$RIG/pki" "$dir/expired" /CN=kube-apiserver-kubelet-client 20200101000000Z 20210101000000Z
	issue "$RIG/pki" "$dir/early" /CN=kube-apiserver-kubelet-client 20480101000000Z 20490101000000Z
	issue "$RIG/pki" "$dir/server" /CN=kube-apiserver-kubelet-client 20200101000000Z 20490101000000Z serverAuth
	self_signed "$dir/foreign" /O=system:masters/CN=kube-apiserver-kubelet-client
	wait_for c '.status.phase == "Running"'
	wait_for ended '.status.phase == "Succeeded"'
	wait_for waits '.status.containerStatuses[0].state.waiting.reason == "ErrImageNeverPull"'
	jq -n --arg ip "$NODE_IP" --arg rig "$RIG" --arg ns "$NS" --arg dir "$dir" --arg uid "$(get c .metadata.uid)" \
		--arg token "$(kubectl create token good)" --arg weak "$(kubectl create token default)" '{
			ip: $ip, replace: {($rig): "RIG", ($ip): "NODE"},
			values: {NS: $ns, UID: $uid, TOKEN: $token, WEAKTOKEN: $weak, TOKEN64: ($token | @base64 | gsub("="; "") | gsub("\\+"; "-") | gsub("/"; "_"))},
			identities: (["admin", "nobody", "expired", "early", "server", "foreign"] | map({(.): ["\($dir)/\(.).crt", "\($dir)/\(.).key"]}) | add)
		}' >"$dir/side.json"
}
api_of_rig() {
	API=https://$NODE_IP:6443 prepare
}
at_exit "rig $other command kubectl delete namespace $NS --wait=false >/dev/null"
for id in "$other" "$RIG_ID"; do
	at_exit "rig $id command kubectl delete clusterrolebinding $NS >/dev/null"
	rig "$id" api_of_rig
done
python3 "$tools/rawdiff.py" "$tools/raw-requests.txt" "$tools/raw-differences.txt" "$WORK/$other/side.json" "$WORK/$RIG_ID/side.json" ${ROWS:+"$ROWS"}
