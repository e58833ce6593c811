#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The token volume of every pod: its files, the token's claims, and that it opens the API server.
. "$(dirname "$0")/../lib.sh"

pod token <<-'EOT'
	containers:
	- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}
EOT
wait_running token
mount=/var/run/secrets/kubernetes.io/serviceaccount
expect files "$(in_pod token ls $mount | tr '\n' ' ')" "ca.crt namespace token "
expect namespace "$(in_pod token cat $mount/namespace)" "$NS"
expect modes "$(in_pod token stat -L -c %a $mount/token $mount/ca.crt | tr '\n' ' ')" "644 644 "
in_pod token cat $mount/ca.crt >"$WORK/ca"
cmp -s "$WORK/ca" "$RIG/pki/ca.crt" || fail "ca.crt is not the cluster's"
token=$(in_pod token cat $mount/token)
claims=$(jq -Rr 'split(".")[1] | gsub("-"; "+") | gsub("_"; "/") | @base64d' <<<"$token")
claim() {
	jq -r "$1" <<<"$claims"
}
expect subject "$(claim .sub)" "system:serviceaccount:$NS:default"
expect pod "$(claim '.["kubernetes.io"].pod | .name + " " + .uid')" "token $(get token .metadata.uid)"
expect node "$(claim '.["kubernetes.io"].node.name')" node
expect lifetime "$(claim '.["kubernetes.io"].warnafter - .iat')" 3607
code=$(curl -sS --cacert "$RIG/pki/ca.crt" -H "Authorization: Bearer $token" -o "$WORK/who" -w '%{http_code}' \
	-X POST -H 'Content-Type: application/json' "$API/apis/authentication.k8s.io/v1/selfsubjectreviews" \
	-d '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}')
expect "code for the token" "$code" 201
expect user "$(jq -r .status.userInfo.username "$WORK/who")" "system:serviceaccount:$NS:default"
