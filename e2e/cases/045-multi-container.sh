#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Several containers: one network, each its own files and processes, started in order, restarted alone.
. "$(dirname "$0")/../lib.sh"

pod many <<-'EOT'
	containers:
	- {name: web, image: nginx, imagePullPolicy: IfNotPresent}
	- {name: side, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}
	- {name: flaky, image: busybox, imagePullPolicy: IfNotPresent, command: [sh, -c, "sleep 3; exit 1"]}
EOT
wait_running many
expect order "$(get many '[.status.containerStatuses[].name] | join(" ")')" "flaky side web"
side() {
	kubectl exec many -c side -- "$@"
}
side wget -q -O - http://localhost/ | grep -q "Welcome to nginx" || fail "localhost is not shared"
! side ls /etc/nginx 2>/dev/null || fail "files are shared"
expect "processes are not shared" "$(side sh -c 'cat /proc/1/cmdline | tr "\\0" " "')" "sleep 1000 "
web=$(get many '.status.containerStatuses[] | select(.name == "web") | .containerID')
wait_for many '.status.containerStatuses[] | select(.name == "flaky") | .restartCount >= 1'
expect "the others stay" "$(get many '[.status.containerStatuses[] | select(.name != "flaky") | .restartCount] | tojson')" "[0,0]"
expect "the same container" "$(get many '.status.containerStatuses[] | select(.name == "web") | .containerID')" "$web"
expect_like "kubectl exec names the first one" "$(kubectl exec many -- nginx -v 2>&1)" 'Defaulted container "web" out of: web, side, flaky'
