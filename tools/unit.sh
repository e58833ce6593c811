#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs unit test programs (TAP) and counts their cases: "N passed, N failed, N skipped".
set -u
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

passed=0 failed=0 skipped=0
for program in "$@"; do
	output=$("$program" 2>&1)
	code=$?
	not_ok=$(grep -c '^not ok ' <<<"$output")
	skip=$(grep -c '^ok .*# SKIP' <<<"$output")
	ok=$(($(grep -c '^ok ' <<<"$output") - skip))
	passed=$((passed + ok)) skipped=$((skipped + skip)) failed=$((failed + not_ok))
	# A program that ends badly without naming a case is a failure of its own.
	[ $code -ne 0 ] && [ "$not_ok" -eq 0 ] && failed=$((failed + 1))
	if [ $code -ne 0 ]; then
		echo "== $program (exit $code)"
		grep -v '^ok ' <<<"$output" | head -60
	fi
done
echo "unit: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
