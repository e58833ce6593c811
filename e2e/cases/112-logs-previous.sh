#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# logs of the run before, and the words when there was none.
. "$(dirname "$0")/../lib.sh"

pod twice <<-'EOT'
	containers:
	- name: c
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "if [ -e /v/x ]; then echo second; exec sleep 1000; fi; touch /v/x; echo first; exit 1"]
	  volumeMounts: [{name: v, mountPath: /v}]
	volumes: [{name: v, emptyDir: {}}]
EOT
busybox_pod once 'exec sleep 1000'
wait_for twice '.status.containerStatuses[0] | .restartCount == 1 and .state.running'
wait_running once
expect previous "$(kubectl logs -p twice)" first
expect current "$(kubectl logs twice)" second
expect_like "none before" "$(kubectl logs -p once 2>&1)" 'previous terminated container "c" in pod "once" not found'
