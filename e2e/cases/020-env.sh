#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every source of an environment variable.
. "$(dirname "$0")/../lib.sh"

kubectl create configmap conf --from-literal=colour=blue --from-literal=empty= >/dev/null
kubectl create secret generic key --from-literal=pass='p w"d' >/dev/null
pod env 'labels: {tier: front}, annotations: {note: "two words"}' <<-'EOT'
	restartPolicy: Never
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [env]
	  resources: {limits: {cpu: 1500m, memory: 96Mi}, requests: {cpu: 250m, memory: 32Mi}}
	  env:
	  - {name: PLAIN, value: "a b"}
	  - {name: NONE}
	  - {name: REFERS, value: "<$(PLAIN)> $(UNKNOWN) $$(PLAIN)"}
	  - {name: LATER, value: "$(AFTER)"}
	  - {name: AFTER, value: x}
	  - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
	  - {name: NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
	  - {name: UID_, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
	  - {name: LABEL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['tier']"}}}
	  - {name: ANNOTATION, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['note']"}}}
	  - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
	  - {name: ACCOUNT, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}
	  - {name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
	  - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
	  - {name: POD_IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}
	  - {name: CPU_LIMIT, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
	  - {name: CPU_REQUEST, valueFrom: {resourceFieldRef: {resource: requests.cpu, divisor: 1m}}}
	  - {name: MEM_LIMIT, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
	  - {name: MEM_REQUEST, valueFrom: {resourceFieldRef: {resource: requests.memory, divisor: 1Mi}}}
	  - {name: COLOUR, valueFrom: {configMapKeyRef: {name: conf, key: colour}}}
	  - {name: EMPTY, valueFrom: {configMapKeyRef: {name: conf, key: empty}}}
	  - {name: OPTIONAL, valueFrom: {configMapKeyRef: {name: nowhere, key: k, optional: true}}}
	  - {name: PASS, valueFrom: {secretKeyRef: {name: key, key: pass}}}
EOT
wait_ended env Succeeded
kubectl logs env >"$WORK/env"
has() {
	grep -qxF -- "$1" "$WORK/env" || fail "no line '$1' in: $(cat "$WORK/env")"
}
has "PLAIN=a b"
has "NONE="
has 'REFERS=<a b> $(UNKNOWN) $(PLAIN)'
has 'LATER=$(AFTER)'
has "POD=env"
has "NAMESPACE=$NS"
has "UID_=$(get env .metadata.uid)"
has "LABEL=front"
has "ANNOTATION=two words"
has "NODE=node"
has "ACCOUNT=default"
has "HOST_IP=$NODE_IP"
has "POD_IP=$(get env .status.podIP)"
has "POD_IPS=$(get env .status.podIP)"
has "CPU_LIMIT=2"
has "CPU_REQUEST=250"
has "MEM_LIMIT=$((96 << 20))"
has "MEM_REQUEST=32"
has "COLOUR=blue"
has "EMPTY="
has 'PASS=p w"d'
has "HOSTNAME=env"
has "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
! grep -q ^OPTIONAL= "$WORK/env" || fail "an optional key that is missing must not be set"
