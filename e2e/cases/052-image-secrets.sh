#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An image that was pulled with a secret is not for pods that have none: who may use it is recorded, and the record
# outlives the kubelet.
# group: alone
. "$(dirname "$0")/../lib.sh"

# shellcheck source=e2e/registry.sh
. "$(dirname "$0")/../registry.sh"

# login NAME PASSWORD: makes the secret, or gives it other contents.
login() {
	kubectl create secret docker-registry "$1" --docker-server="$registry" --docker-username=me --docker-password="$2" \
		--dry-run=client -o yaml | kubectl apply -f - >/dev/null
}
allowed() {
	run "$@"
	wait_ended "$1" Succeeded
}
# With IfNotPresent the registry decides; with Never nobody asks it.
refused() {
	run "$@"
	wait_for "$1" '.status.containerStatuses[0].state.waiting.reason | test("ErrImagePull|ImagePullBackOff")'
	wait_event "$1" "^Normal Pulling Pulling image \"$registry/$2\"\$"
}
hidden() {
	run "$@"
	wait_for "$1" '.status.containerStatuses[0].state.waiting.reason == "ErrImageNeverPull"'
	expect message "$(seen '.status.containerStatuses[0].state.waiting.message')" \
		"Container image \"$registry/$2\" is not present with pull policy of Never"
	wait_event "$1" "^Warning ErrImageNeverPull Container image \"$registry/$2\" is not present with pull policy of Never\$"
}
records=$RIG/kubelet/image_manager
record() {
	echo "$records/pulled/sha256-$(printf %s "$1" | sha256sum | cut -d' ' -f1)"
}
id_of() {
	crictl inspecti -o json "$registry/$1" | jq -r .status.id
}
hash_of() {
	printf '{"username":"me","password":"%s"}' "$1" | sha256sum | cut -d' ' -f1
}
at_exit "crictl rmi $registry/private/own:1 $registry/pre/own:1"

login login secret
login wrong wrong
refused stranger private/own:1 IfNotPresent
allowed friend private/own:1 IfNotPresent login
wait_for stranger '.status.containerStatuses[0].state.waiting.reason | test("ErrImagePull|ImagePullBackOff")'

# The record, byte by byte; nothing is being pulled any more but what the stranger tries.
id=$(id_of private/own:1)
uid=$(kubectl get secret login -o jsonpath='{.metadata.uid}')
expect record "$(sed 's/"20[0-9-]*T[0-9:]*Z"/"TIME"/' "$(record "$id")")" "{\"kind\":\"ImagePulledRecord\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\",\"lastUpdatedTime\":\"TIME\",\"imageRef\":\"$id\",\"credentialMapping\":{\"$registry/private/own\":{\"kubernetesSecrets\":[{\"uid\":\"$uid\",\"namespace\":\"$NS\",\"name\":\"login\",\"credentialHash\":\"$(hash_of secret)\"}]}}}"
expect modes "$(stat -c %a "$records" "$records/pulled" "$records/pulling" "$(record "$id")" | tr '\n' ' ')" "700 700 700 600 "
kubectl delete pod stranger --wait=false >/dev/null

for round in 1 2; do
	before=$(pulls private/own)
	allowed "same$round" private/own:1 Never login
	wait_event "same$round" "^Normal Pulled Container image \"$registry/private/own:1\" already present on machine and can be accessed by the pod\$"
	hidden "none$round" private/own:1 Never
	hidden "never$round" private/own:1 Never wrong
	expect "Never asks nobody" "$(pulls private/own)" "$before"
	refused "wrong$round" private/own:1 IfNotPresent wrong
	[ $round = 2 ] || rig_restart kubelet
done

# A secret with the same contents, and the same secret with others.
login copy secret
allowed copy private/own:1 Never copy
login login rotated
tries=0
learned() {
	tries=$((tries + 1))
	allowed "rotated$tries" private/own:1 Never login
	grep -q "$(hash_of rotated)" "$(record "$id")"
}
wait_until 60 "the record knows the new contents" learned
login copied-again rotated
allowed copied-again private/own:1 Never copied-again

# An image of which only an intent is left: somebody has pulled it, nobody knows for whom.
echo preloaded >>"$WORK/root/unique"
tar -C "$WORK/root" -cf "$WORK/root.tar" .
"$CUBELET_CACHE/bin/image-tool" make -name "$registry/pre/own:1" -rootfs "$WORK/root.tar" -out "$WORK/pre.tar" -env PATH=/bin
ctr -a "$CRI_SOCKET" -n k8s.io images import "$WORK/pre.tar" >/dev/null
allowed preloaded pre/own:1 Never
rig_stop kubelet
printf '{"kind":"ImagePullIntent","apiVersion":"kubelet.config.k8s.io/v1beta1","image":"%s/pre/own:1"}\n' "$registry" \
	>"$records/pulling/sha256-$(printf %s "$registry/pre/own:1" | sha256sum | cut -d' ' -f1)"
echo garbage >"$records/pulling/sha256-garbage"
at_exit "rm -f $records/pulling/sha256-garbage"
rig_start kubelet
hidden intended pre/own:1 Never
expect_like record "$(cat "$(record "$(id_of pre/own:1)")")" '"imageRef":"[^"]*".$'
expect "intents that are left" "$(grep -l pre/own "$records"/pulling/sha256-* || true)" ""
