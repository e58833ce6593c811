#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# logs: everything, tail, since, time stamps, byte limit, long lines, both streams, one container of many.
. "$(dirname "$0")/../lib.sh"

pod log <<-'EOT'
	restartPolicy: Never
	containers:
	- name: a
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "for i in 1 2 3 4 5; do echo out $i; done; sleep 0.2; echo err >&2; sleep 4; printf late"]
	- name: long
	  image: busybox
	  imagePullPolicy: IfNotPresent
	  command: [sh, -c, "head -c 50000 /dev/zero | tr \\\\0 x; echo; printf 'cr\\r\\n'; printf '\\351\\n'"]
EOT
wait_ended log Succeeded
logs() {
	kubectl logs log -c a "$@"
}
expect all "$(logs)" $'out 1\nout 2\nout 3\nout 4\nout 5\nerr\nlate'
expect tail "$(logs --tail=3)" $'out 5\nerr\nlate'
expect "tail 0" "$(logs --tail=0)" ""
expect "tail more than there is" "$(logs --tail=100 | wc -l)" 6
expect bytes "$(logs --limit-bytes=8 | od -An -c | tr -d ' ')" 'out1\nou'
expect "since an hour" "$(logs --since=1h | head -n 1)" "out 1"
expect_like "time stamps" "$(logs --timestamps | head -n 1)" '^20[0-9-]+T[0-9:.]+Z out 1$'
late=$(logs --timestamps | tail -n 1 | cut -d' ' -f1)
expect "since a time" "$(logs --since-time="${late%.*}Z")" late
expect_like "an unknown container" "$(kubectl logs log -c none 2>&1)" 'container none is not valid for pod log'
kubectl logs log -c long >"$WORK/long"
expect "a long line" "$(head -n 1 "$WORK/long" | tr -d 'x' | wc -c) $(head -n 1 "$WORK/long" | wc -c)" "1 50001"
expect "the rest" "$(tail -n +2 "$WORK/long" | od -An -tx1 | tr -d ' ')" 63720ae90a
expect "all containers" "$(kubectl logs log --all-containers --prefix | grep -o '\[pod/log/' | wc -l)" 10
# What other runtimes write, and what none does.
id=$(get log '.status.containerStatuses[] | select(.name == "long") | .containerID | sub("containerd://"; "")')
file=$(crictl inspect "$id" | jq -r .status.logPath)
printf '2026-01-01T00:00:00.1+00:00 stdout F utc\n' >"$file"
expect "a time without Z" "$(kubectl logs log -c long --timestamps)" "2026-01-01T00:00:00.100000000Z utc"
printf 'what\t"\n' >"$file"
expect "no log" "$(kubectl logs log -c long)" 'failed to get parse function: unsupported log format: "what\t\"\n"'
