#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A projected volume with every source; a token of its own audience and lifetime.
. "$(dirname "$0")/../lib.sh"

kubectl create configmap conf --from-literal=c=map >/dev/null
kubectl create secret generic key --from-literal=s=secret >/dev/null
pod all 'labels: {x: "y"}' <<-'EOT'
	automountServiceAccountToken: false
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sleep, "1000"]
	  volumeMounts: [{name: all, mountPath: /all}]
	volumes:
	- name: all
	  projected:
	    defaultMode: 0440
	    sources:
	    - configMap: {name: conf, items: [{key: c, path: from/map}]}
	    - secret: {name: key}
	    - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
	    - serviceAccountToken: {audience: vault, expirationSeconds: 900, path: token}
	    - configMap: {name: nowhere, optional: true}
EOT
wait_running all
expect files "$(in_pod all find /all/..data/ -type f | sort | sed 's|.*\.\.data/||' | tr '\n' ' ')" "from/map labels s token "
expect contents "$(in_pod all sh -c 'cat /all/from/map /all/s /all/labels')" 'mapsecretx="y"'
expect modes "$(in_pod all stat -L -c %a /all/from/map /all/s /all/token | tr '\n' ' ')" "440 440 440 "
claims=$(in_pod all cat /all/token | jq -Rr 'split(".")[1] | gsub("-"; "+") | gsub("_"; "/") | @base64d')
expect audience "$(jq -c .aud <<<"$claims")" '["vault"]'
expect lifetime "$(jq -r '.exp - .iat' <<<"$claims")" 900
! in_pod all ls /var/run/secrets/kubernetes.io 2>/dev/null || fail "the token volume although automount is off"

pod lacks <<-'EOT'
	containers:
	- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"], volumeMounts: [{name: all, mountPath: /all}]}
	volumes: [{name: all, projected: {sources: [{configMap: {name: none}}, {secret: {name: key}}, {secret: {name: nothing}}]}}]
EOT
wait_event lacks \
	'^Warning FailedMount MountVolume.SetUp failed for volume "all" : \[configmap "none" not found, secret "nothing" not found\]$'
