#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# downwardAPI volumes: fields, resources, modes; labels and annotations follow the pod.
. "$(dirname "$0")/../lib.sh"

pod down 'labels: {b: "2", a: "1"}, annotations: {note: "say \"hi\""}' <<-'EOT'
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sleep, "1000"]
	  resources: {limits: {memory: 64Mi, cpu: 100m}}
	  volumeMounts: [{name: info, mountPath: /info}]
	volumes:
	- name: info
	  downwardAPI:
	    items:
	    - {path: labels, fieldRef: {fieldPath: metadata.labels}}
	    - {path: notes, fieldRef: {fieldPath: metadata.annotations}}
	    - {path: deep/name, fieldRef: {fieldPath: metadata.name}, mode: 0400}
	    - {path: uid, fieldRef: {fieldPath: metadata.uid}}
	    - {path: one, fieldRef: {fieldPath: "metadata.labels['a']"}}
	    - {path: memory, resourceFieldRef: {containerName: c, resource: limits.memory, divisor: 1Mi}}
	    - {path: cpu, resourceFieldRef: {containerName: c, resource: requests.cpu}}
EOT
wait_running down
expect labels "$(in_pod down cat /info/labels)" $'a="1"\nb="2"'
expect_like annotations "$(in_pod down cat /info/notes)" '(^|[[:space:]])note="say \\"hi\\""'
expect "annotations of the kubelet's own" "$(in_pod down sed -E 's/=.*T.*Z"/=TIME/' /info/notes | tr '\n' ' ')" \
	'kubernetes.io/config.seen=TIME kubernetes.io/config.source="api" note="say \"hi\""'
expect name "$(in_pod down cat /info/deep/name)" down
expect mode "$(in_pod down stat -L -c %a /info/deep/name)" 400
expect uid "$(in_pod down cat /info/uid)" "$(get down .metadata.uid)"
expect "one label" "$(in_pod down cat /info/one)" 1
expect resources "$(in_pod down cat /info/memory) $(in_pod down cat /info/cpu)" "64 1"
kubectl label pod down c=3 >/dev/null
followed() {
	in_pod down grep -qx 'c="3"' /info/labels
}
wait_until 45 "the volume follows the labels at once, not at the next look around" followed
