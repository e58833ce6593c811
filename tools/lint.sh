#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything about the sources that a machine can judge. One line a check; ends with "lint: N passed, N failed, N skipped".
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
mkdir -p build

mapfile -t c_files < <(git ls-files --cached --others --exclude-standard -- '*.c' '*.h' | sort -u)
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run | sort -u)
passed=0 failed=0

check() {
	local name=$1
	shift
	if "$@" >build/lint.log 2>&1; then
		passed=$((passed + 1))
		echo "ok $name"
	else
		failed=$((failed + 1))
		echo "not ok $name"
		sed 's/^/# /' build/lint.log | head -40
	fi
}

# Functions with a better twin: unbounded copies, silent number parsing, shared static results, shells.
banned() {
	local words='strcpy|strcat|strncpy|strncat|strtok|sprintf|vsprintf|gmtime|localtime|ctime|asctime|mktemp|tmpnam'
	words+='|atoi|atol|atoll|strtol|strtoul|strtoll|strtoull|sscanf|system|popen|dup|usleep|alloca|gets'
	# signal() may set SIG_IGN and SIG_DFL; a handler wants sigaction(), or rather the loop.
	! grep -nE "(^|[^A-Za-z0-9_.>])(($words)\(|signal\([^,]+, *[a-z])" "${c_files[@]}"
}

# A function of 100 lines, a file of 1,200, a folder's public header of 250; exceptions with a reason in size-exceptions.txt.
sizes() {
	awk -v exceptions=tools/size-exceptions.txt '
	BEGIN { while ((getline line < exceptions) > 0) { split(line, part, " "); excused[part[1]] = 1 } }
	function report(what, key) { if (!(key in excused)) { print what; bad = 1 } }
	FNR == 1 {
		if (file && lines > 1200) report(file ": " lines " lines", file)
		if (file ~ /[.]h$/ && lines > 250) report(file ": header of " lines " lines", file)
		file = FILENAME; start = 0
	}
	{ lines = FNR }
	/^[A-Za-z_].*\(/ && !/;[ \t]*$/ { head = $0 }
	/^\{/ { start = FNR; name = head; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
	/^\}/ { if (start && FNR - start - 1 > 100) report(FILENAME ":" start ": " name " has " FNR - start - 1 " lines", FILENAME ":" name); start = 0 }
	END { if (lines > 1200) report(file ": " lines " lines", file); exit bad }' "${c_files[@]}"
}

format() {
	clang-format --dry-run -Werror "${c_files[@]}"
}

spdx() {
	local file bad=0
	for file in "${c_files[@]}" "${scripts[@]}" Makefile layers.mk; do
		head -3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || { echo "$file: no licence line"; bad=1; }
	done
	return $bad
}

# Nothing is left for later without a name.
leftovers() {
	! grep -nE 'TODO|FIXME|XXX([^X]|$)|not implemented' "${c_files[@]}" "${scripts[@]/tools\/lint.sh/}" 2>/dev/null
}

cppcheck_run() {
	cppcheck --quiet -j2 --enable=warning,performance,portability --inline-suppr --std=c11 --library=posix --library=gnu \
		--suppress=missingIncludeSystem --suppress=missingInclude --suppress=unknownMacro --suppress=normalCheckLevelMaxBranches \
		--suppressions-list=tools/cppcheck.txt -D__x86_64__ -I. \
		--error-exitcode=1 "${c_files[@]}"
}

check layers tools/layers.sh
check banned banned
check sizes sizes
check licence spdx
check leftovers leftovers
check format format
check shellcheck shellcheck -x "${scripts[@]}"
check cppcheck cppcheck_run
echo "lint: $passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
