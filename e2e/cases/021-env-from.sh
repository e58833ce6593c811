#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# envFrom: config maps and secrets with prefix, odd keys, optional ones; env wins over envFrom, the last source wins.
. "$(dirname "$0")/../lib.sh"

kubectl create configmap one --from-literal=A=1 --from-literal=SAME=one --from-literal=with.dot=d >/dev/null
kubectl create configmap two --from-literal=SAME=two --from-literal=B=2 >/dev/null
kubectl create secret generic three --from-literal=S=secret >/dev/null
pod from <<-EOT
	restartPolicy: Never
	containers:
	- name: c
	  image: nginx
	  imagePullPolicy: IfNotPresent
	  command: [env]
	  envFrom:
	  - {configMapRef: {name: one}}
	  - {configMapRef: {name: two}}
	  - {secretRef: {name: three}, prefix: X_}
	  - {configMapRef: {name: nowhere, optional: true}}
	  env:
	  - {name: B, value: own}
EOT
wait_ended from Succeeded
kubectl logs from >"$WORK/env"
for line in A=1 SAME=two with.dot=d X_S=secret B=own; do
	grep -qxF "$line" "$WORK/env" || fail "no line '$line' in: $(cat "$WORK/env")"
done
