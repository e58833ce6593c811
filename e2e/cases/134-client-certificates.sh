#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Client certificates: expired, for other or any use, and a CA file that is replaced under an open connection.
# group: alone
. "$(dirname "$0")/../lib.sh"
# shellcheck source=e2e/certs.sh
. "$repo/e2e/certs.sh"

ca=$RIG/conf/kubelet-ca.crt
printf 'openssl_conf=c\n[c]\nssl_conf=s\n[s]\nsystem_default=d\n[d]\nCipherString=DEFAULT@SECLEVEL=0\n' >"$WORK/weak.conf" # shows anything
code() {
	OPENSSL_CONF=$WORK/weak.conf curl -sk --max-time 20 -o "$WORK/body" -w '%{http_code}' --cert "$WORK/$1.crt" --key "$WORK/$1.key" "https://$NODE_IP:10250/pods"
}
issue "$RIG/pki" "$WORK/good" /CN=kube-apiserver-kubelet-client 20200101000000Z 20490101000000Z
issue "$RIG/pki" "$WORK/expired" /CN=kube-apiserver-kubelet-client 20200101000000Z 20210101000000Z
issue "$RIG/pki" "$WORK/early" /CN=kube-apiserver-kubelet-client 20480101000000Z 20490101000000Z
issue "$RIG/pki" "$WORK/server" /CN=kube-apiserver-kubelet-client 20200101000000Z 20490101000000Z serverAuth
issue "$RIG/pki" "$WORK/any" /CN=kube-apiserver-kubelet-client 20200101000000Z 20490101000000Z anyExtendedKeyUsage
issue "$RIG/pki" "$WORK/wrap" /CN=kube-apiserver-kubelet-client 20200101000000Z 20490101000000Z $'clientAuth\nkeyUsage=keyEncipherment'
expect "good, for any use, without signatures" "$(code good) $(code any) $(code wrap)" "200 200 200"
expect "expired, not yet valid, for servers" "$(code expired) $(code early) $(code server)" "401 401 401"
for digest in sha256 sha1; do
	openssl x509 -req -"$digest" -days 1 -in "$WORK/good.csr" -CA "$RIG/pki/ca.crt" -CAkey "$RIG/pki/ca.key" \
		-out "$WORK/$digest.crt" 2>/dev/null
	cp "$WORK/good.key" "$WORK/$digest.key"
done
expect "signed by SHA-256, by SHA-1" "$(code sha256) $(code sha1)" "200 401"

# One connection; a line in is a request, a line out its status.
coproc keep { python3 "$repo/e2e/tools/keepalive.py" "$NODE_IP" 10250 "$WORK/good.crt" "$WORK/good.key" /pods; }
at_exit "kill $keep_PID"
on_open_connection() { # STATUS-REGEX
	local status=
	echo >&"${keep[1]}"
	read -r -t 20 status <&"${keep[0]}"
	[[ $status =~ $1 ]]
}
on_open_connection 200 || fail "a good certificate on an open connection"
cp "$ca" "$WORK/ca.before"
at_exit cp "$WORK/ca.before" "$ca"
self_signed "$WORK/foreign" /CN=foreign
cp "$WORK/foreign.crt" "$ca"
new_refused() {
	[ "$(code good)" = 401 ]
}
wait_until 90 "the new CA counts for new connections" new_refused
# Stock asks again for each request; to end the connection would do as well.
on_open_connection '401|closed' || fail "the open connection still has its rights"
cp "$WORK/ca.before" "$ca"
new_taken() {
	[ "$(code good)" = 200 ]
}
wait_until 90 "the old CA counts again" new_taken
