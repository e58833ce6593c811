#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What guards a commit, or with `full` the long suites too. Ends with one line: "N passed, N failed, N skipped".
#
# Each suite prints "NAME: N passed, N failed, N skipped" at its end. The slow ones wait for containers rather than
# compute, so they run beside the others; what they print is shown whole, one suite after the other.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
full=${1:-}
[ "$full" != full ] || export ROUNDS="${ROUNDS:-20}" FUZZ_SECONDS="${FUZZ_SECONDS:-300}" E2E_TIMEOUT="${E2E_TIMEOUT:-1800}"
logs=build/test
mkdir -p $logs
passed=0 failed=0 skipped=0
started=$SECONDS

say() {
	echo "== $* ($((SECONDS - started)) s)"
}

# Adds up one suite; one that ended without its line has failed.
count() {
	local name=$1 log=$2 line
	cat "$log"
	line=$(grep -E "^$name: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$" "$log" | tail -1)
	if [ -z "$line" ]; then
		echo "$name: ended without a result"
		failed=$((failed + 1))
		return
	fi
	local p f s
	read -r p f s < <(sed -E 's/.*: ([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped/\1 \2 \3/' <<<"$line")
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

on_v2() {
	KUBELET=$1 e2e/uml/run.sh | sed -u "s/^e2e: /e2e-v2-$1: /"
}

suite() {
	local name=$1
	shift
	say "$name"
	"$@" >"$logs/$name.log" 2>&1
	count "$name" "$logs/$name.log"
}

say "installing what the build needs"
tools/install.sh >$logs/install.log 2>&1 || { cat $logs/install.log; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
say "building"
if ! make -s all >$logs/build.log 2>&1; then
	cat $logs/build.log
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
fi

say "starting the end-to-end suites beside the others"
rig=${RIG_ID:-1}
# On the stock kubelet first, then on ours: a case that stock fails tests a wrong idea of Kubernetes.
(
	e2e/rig/install.sh
	KUBELET=stock RIG_ID=$rig e2e/run.sh | sed -u 's/^e2e: /e2e-stock: /'
) >$logs/e2e-stock.log 2>&1 &
stock=$!

suite lint tools/lint.sh
suite unit make -s unit
suite fuzz make -s fuzz
suite interop make -s interop

# Two clusters, for most cases wait rather than compute. A case about both kubelets starts one more, 20 above.
say "starting the end-to-end suites on ours"
for part in 1 2; do
	KUBELET=ours RIG_ID=$((rig + 60 + part)) E2E_JOBS=2 E2E_PART=$part/2 e2e/run.sh 2>&1 |
		sed -u "s/^e2e: /e2e-$part: /" >$logs/e2e-$part.log &
	ours[part]=$!
done
wait $stock
count e2e-stock $logs/e2e-stock.log
for part in 1 2; do
	wait "${ours[part]}"
	count e2e-$part $logs/e2e-$part.log
done
if [ "$full" = full ]; then
	suite e2e-v2-stock on_v2 stock
	suite e2e-v2-ours on_v2 ours
fi
say "done"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
