#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The kubelet's own API: who may ask what, and how it says no.
. "$(dirname "$0")/../lib.sh"

url=https://$NODE_IP:10250
code() {
	curl -sk --max-time 20 -o "$WORK/body" -w '%{http_code}' "$@" || true
}
trusted=(--cert "$RIG/pki/apiserver-kubelet-client.crt" --key "$RIG/pki/apiserver-kubelet-client.key")
known() {
	code "${trusted[@]}" --path-as-is "$@"
}
busybox_pod c 'echo hi; exec sleep 1000'
wait_running c

expect "no certificate" "$(code "$url/pods") $(cat "$WORK/body")" "401 Unauthorized"
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /O=system:masters/CN=evil -keyout "$WORK/key" -out "$WORK/crt" 2>/dev/null
expect "foreign CA" "$(code --cert "$WORK/crt" --key "$WORK/key" "$url/pods")" 401
expect "bad token" "$(code -H 'Authorization: Bearer nonsense' "$url/pods")" 401
token=$(kubectl create token default)
expect "no rights" "$(code -H "Authorization: Bearer $token" "$url/pods")" 403
expect_like "words of no" "$(cat "$WORK/body")" \
	"^Forbidden \(user=system:serviceaccount:$NS:default, verb=get, resource=nodes, subresource\(s\)=\[(pods|proxy)( proxy)?\]\)"
command kubectl create clusterrolebinding "$NS" --clusterrole system:kubelet-api-admin --serviceaccount "$NS:default" >/dev/null
at_exit command kubectl delete clusterrolebinding "$NS"
kubectl create serviceaccount other >/dev/null
command kubectl create clusterrolebinding "$NS-other" --clusterrole system:kubelet-api-admin --serviceaccount "$NS:other" >/dev/null
at_exit command kubectl delete clusterrolebinding "$NS-other"
expect "a token with rights" "$(code -H "Authorization: Bearer $(kubectl create token other)" "$url/pods")" 200
expect pods "$(known "$url/pods") $(jq -r '"\(.kind) \(.apiVersion)"' "$WORK/body")" "200 PodList v1"
jq -e --arg ns "$NS" '.items[] | select(.metadata.namespace == $ns and .metadata.name == "c")' "$WORK/body" >/dev/null || fail "/pods lacks the pod"
expect runningpods "$(known "$url/runningpods/") $(jq -r .kind "$WORK/body")" "200 PodList"
# Stock answers from what it saw of the runtime up to two seconds ago.
running_image() {
	known "$url/runningpods/" >/dev/null
	image=$(jq -er --arg ns "$NS" '.items[] | select(.metadata.namespace == $ns and .metadata.name == "c").spec.containers[0].image' "$WORK/body")
}
wait_until 10 "the pod is among the running ones" running_image
expect "image of a running container" "$image" \
	"$(crictl ps --label io.kubernetes.pod.namespace="$NS" -o json | jq -r '.containers[0].image.image')"
expect healthz "$(known "$url/healthz") $(cat "$WORK/body")" "200 ok"
expect configz "$(known "$url/configz") $(jq -r .kubeletconfig.cgroupDriver "$WORK/body")" "200 cgroupfs"
expect log "$(known "$url/containerLogs/$NS/c/c") $(cat "$WORK/body")" "200 hi"
expect run "$(known -X POST "$url/run/$NS/c/c?cmd=echo%20x") $(cat "$WORK/body")" "200 x"
expect "unknown root" "$(known "$url/nothing") $(cat "$WORK/body")" "404 404 page not found"
expect "unknown root, no certificate" "$(code "$url/nothing")" 404
expect "unknown pod" "$(known "$url/containerLogs/$NS/none/c") $(cat "$WORK/body")" "404 pod \"none\" does not exist"
expect "unknown container" "$(known "$url/containerLogs/$NS/c/none") $(cat "$WORK/body")" "404 container \"none\" not found in pod \"c\""
expect "wrong method" "$(known -X DELETE "$url/pods")" 405
expect "doubled slash" "$(known "$url//pods")" 307
expect "10248" "$(curl -s "http://$NODE_IP:10248/healthz")" ok
expect "HTTP version" "$(curl -sk "${trusted[@]}" --http2 -o /dev/null -w '%{http_version}' "$url/healthz")" 1.1
exec 3<>"/dev/tcp/$NODE_IP/10250"
expect_like "a silent client is asked whether it lives" "$(ss -Htno "src $NODE_IP and sport = :10250")" \
	'timer:\(keepalive,([0-9.]+ms|1?[0-9](\.[0-9]+)?sec)'
exec 3>&-
