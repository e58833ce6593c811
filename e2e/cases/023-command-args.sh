#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Command and arguments: image defaults, replacement, expansion of $(NAME), $$ and unknown names; workingDir.
. "$(dirname "$0")/../lib.sh"

run() {
	local name=$1
	pod "$name" <<-EOT
		restartPolicy: Never
		containers:
		- name: c
		  image: busybox
		  imagePullPolicy: IfNotPresent
		  env: [{name: WORD, value: "a  b"}]
		$(sed 's/^/  /')
	EOT
}
run both <<<'command: [printf, "[%s]"]
args: ["$(WORD)", "$$(WORD)", "$(NOT)", "x$(WORD)y", "$WORD", "", "é"]'
run args <<<'args: ["-c", "echo args only"]
command: [sh]'
run dir <<<'command: [pwd]
workingDir: /var/www'
run fresh <<<'command: [pwd]
workingDir: /made/for/me'
wait_ended both Succeeded
wait_ended args Succeeded
wait_ended dir Succeeded
wait_ended fresh Succeeded
expect expansion "$(kubectl logs both)" '[a  b][$(WORD)][$(NOT)][xa  by][$WORD][][é]'
expect "args only" "$(kubectl logs args)" "args only"
expect workingDir "$(kubectl logs dir)" /var/www
expect "missing workingDir is made" "$(kubectl logs fresh)" /made/for/me
