#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh SECONDS PROGRAM...: runs each libFuzzer target from its committed corpus (testdata/fuzz/NAME beside the source).
set -u
seconds=$1
shift

passed=0 failed=0
for program in "$@"; do
	name=$(basename "$program" _fuzz)
	folder=${program#build/fuzzers/}
	corpus=$(dirname "$folder")/testdata/fuzz/$name
	work=build/fuzzers/corpus/$name
	mkdir -p "$work"
	[ -d "$corpus" ] || corpus=
	# shellcheck disable=SC2086 # an absent corpus is no argument
	if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 \
		-artifact_prefix="build/fuzzers/" "$work" $corpus >"build/fuzzers/$name.log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "== $program"
		tail -40 "build/fuzzers/$name.log"
	fi
done
echo "fuzz: $passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
