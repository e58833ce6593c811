#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fsGroup: owner, modes and the set-group-id bit of volumes; the token file for a user with and without fsGroup.
. "$(dirname "$0")/../lib.sh"

kubectl create secret generic key --from-literal=k=v >/dev/null
pod group <<-'EOT'
	securityContext: {fsGroup: 4321, runAsUser: 1000, runAsGroup: 2000, supplementalGroups: [777]}
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sleep, "1000"]
	  volumeMounts: [{name: dir, mountPath: /dir}, {name: key, mountPath: /key}, {name: ram, mountPath: /ram}]
	volumes: [{name: dir, emptyDir: {}}, {name: ram, emptyDir: {medium: Memory}}, {name: key, secret: {secretName: key}}]
EOT
pod user <<-'EOT'
	securityContext: {runAsUser: 1000}
	containers:
	- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}
EOT
wait_running group user
token=/var/run/secrets/kubernetes.io/serviceaccount/token
expect ids "$(in_pod group sh -c 'id -u; id -g; id -G' | tr '\n' ' ')" "1000 2000 2000 777 4321 "
expect "directories" "$(in_pod group stat -c '%g %a' /dir /ram | tr '\n' ';')" "4321 2777;4321 3777;"
in_pod group touch /dir/new
expect "a new file's group" "$(in_pod group stat -c '%u %g' /dir/new)" "1000 4321"
expect "secret file" "$(in_pod group stat -L -c '%u %g %a' /key/k)" "0 4321 644"
expect "token with fsGroup" "$(in_pod group stat -L -c '%u %g %a' $token)" "1000 4321 640"
expect "token of a user" "$(in_pod user stat -L -c '%u %a' $token)" "1000 600"
