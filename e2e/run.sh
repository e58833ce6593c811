#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the end-to-end cases against a rig and says for each one whether it passed.
#
#   run.sh [NAME...]    all cases, or these (names, numbers or patterns; CASE="NAME..." says the same)
#
# KUBELET=ours (default) or stock; RIG_ID=1 by default; E2E_JOBS cases at once; KEEP=1 leaves the cluster running;
# E2E_PART=1/2 takes the first, third, ... case of each group only, for runs side by side.
# A case says in its head: "# group: alone" when it kills or restarts something, "# only: ours|stock REASON" when it asks
# for something that the other one does not do, "# not-yet: REASON" when it passes on stock and is known to fail on ours.
set -euo pipefail

export RIG_ID=${RIG_ID:-1} KUBELET=${KUBELET:-ours}
# shellcheck source=e2e/rig/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/rig/lib.sh"
e2e=$repo/e2e
out=${E2E_LOGS:-$repo/build/e2e}/$KUBELET
jobs=${E2E_JOBS:-3}
limit=${E2E_TIMEOUT:-300}

field() {
	sed -n "s/^# $1: //p" "$2" | head -n 1
}

try_case() {
	mkdir -p "$out/$2"
	NS=e2e-$2-$RANDOM WORK=$out/$2 timeout -k 20 "$limit" bash "$1" >"$out/$2/log" 2>&1
}

# What the programs and the kernel said lately, for who looks for the cause.
keep_evidence() { # FOLDER
	local program
	for program in kubelet containerd; do
		tail -n 3000 "$RIG/log/$program.log" >"$1/$program.log"
	done
	dmesg --time-format iso 2>/dev/null | tail -n 1000 >"$1/dmesg.log"
}

# One case in a namespace and a folder of its own; its verdict is one line.
run_case() {
	local file=$1 name start code=0 only again=
	name=$(basename "$file" .sh)
	only=$(field only "$file")
	if [ -n "$only" ] && [ "${only%% *}" != "$KUBELET" ]; then
		echo "ok - $name # skip only for ${only%% *}: ${only#* }"
		return
	fi
	only=$(field not-yet "$file")
	if [ -n "$only" ] && [ "$KUBELET" = ours ]; then
		echo "ok - $name # skip not yet on ours: $only"
		return
	fi
	start=$EPOCHREALTIME
	rm -rf "${out:?}/$name" "$out/$name.first"
	try_case "$file" "$name" || code=$?
	if [ $code -ne 0 ] && [ $code -ne 77 ]; then
		# A second try is for the machine's bad moments; it is shown, and counted at the end.
		mv "$out/$name" "$out/$name.first" 2>/dev/null && keep_evidence "$out/$name.first" || true
		code=0
		again=" on the second try"
		try_case "$file" "$name" || code=$?
	fi
	start=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
	case $code in
	0)
		echo "ok - $name ($start s)$again"
		[ -z "$again" ] || grep -E '^(FAILED|timed out)' "$out/$name.first/log" | tail -n 3 | sed 's/^/    /' || true
		rm -rf "${out:?}/$name" || true
		;;
	77)
		echo "ok - $name # skip $(tail -n 1 "$out/$name/log")"
		rm -rf "${out:?}/$name"
		;;
	*)
		echo "not ok - $name ($start s): exit code $code, see $out/$name/log"
		tail -n 20 "$out/$name/log" | cut -c 1-2000 | sed 's/^/    /'
		;;
	esac
}

choose() {
	local pattern patterns file
	[ -n "${CASE:-}" ] || {
		ls "$e2e"/cases/*.sh
		return
	}
	read -ra patterns <<<"$CASE"
	for pattern in "${patterns[@]}"; do
		for file in "$e2e"/cases/*.sh; do
			# shellcheck disable=SC2254 # patterns are wanted
			case $(basename "$file" .sh) in $pattern | $pattern-* | [0-9][0-9][0-9]-$pattern) echo "$file" ;; esac
		done
	done
}

CASE=${*:-${CASE:-}}
cases=$(choose)
[ -n "$cases" ] || die "no case '$CASE': $(cd "$e2e/cases" && echo *.sh)"
rig_supervised kubelet && started=no || started=yes
"$e2e/rig/rig.sh" cluster
mkdir -p "$out"
results=$(mktemp)
trap 'rm -f "$results"' EXIT

together=() alone=()
n_together=0 n_alone=0
part=${E2E_PART:-1/1}
in_part() { # N
	[ $(($1 % ${part#*/})) = $((${part%/*} % ${part#*/})) ]
}
for file in $cases; do
	if [ "$(field group "$file")" = alone ]; then
		n_alone=$((n_alone + 1))
		! in_part $n_alone || alone+=("$file")
	else
		n_together=$((n_together + 1))
		! in_part $n_together || together+=("$file")
	fi
done
echo "1..$((${#together[@]} + ${#alone[@]}))"
running=0
for file in "${together[@]}"; do
	if [ $running -ge "$jobs" ]; then
		wait -n || true
		running=$((running - 1))
	fi
	run_case "$file" | tee -a "$results" &
	running=$((running + 1))
done
wait
for file in "${alone[@]}"; do
	run_case "$file" | tee -a "$results"
done

# Pods that do not go are told, with what there is to know; which case they are of is to be seen by their namespace.
no_pods_left() {
	[ -z "$(ls -A "$RIG/kubelet/pods")" ]
}
wait_until 90 "no pod is left in the end" no_pods_left || {
	export KUBECONFIG=$RIG/conf/admin.conf
	kubectl get namespaces
	kubectl get pods -A -o json | jq -c '.items[] | del(.metadata.managedFields, .spec)'
	for uid in "$RIG"/kubelet/pods/*; do
		echo "$uid: $(grep "$uid/" /proc/self/mountinfo)"
		grep -F "${uid##*/}" "$RIG/log/kubelet.log" | tail -n 20
	done
} 2>&1 | sed 's/^/# /' || true
[ "$started" = no ] || [ -n "${KEEP:-}" ] || "$e2e/rig/rig.sh" down
failed=$(grep -c '^not ok' "$results" || true)
skipped=$(grep -c '^ok .*# skip' "$results" || true)
again=$(grep -c 'on the second try' "$results" || true)
[ "$again" = 0 ] || echo "# $again passed on the second try only"
passed=$(($(grep -c '^ok' "$results" || true) - skipped))
echo "e2e: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
