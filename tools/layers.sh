#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks every #include against layers.mk: folders of ours by needs.FOLDER, their headers by public.FOLDER, third-party
# headers by their one owner. A folder that is named in needs.FOLDER without an #include is told too.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mkdir -p build
make -s --no-print-directory print-layers >build/layers.txt

git ls-files --cached --others --exclude-standard -- '*.c' '*.h' | grep -E '^(pkg|kubelet|cri-shim)/' |
	xargs grep -nH '^#include' | awk '
BEGIN {
	while ((getline line < "build/layers.txt") > 0) {
		n = split(line, part, / +/)
		if (part[1] == "common") {
			for (i = 2; i <= n; i++)
				common[part[i]] = 1
			continue
		}
		for (i = 3; i <= n; i++) {
			if (part[i] == "")
				continue
			if (part[1] == "needs")
				may[part[2], part[i]] = 1
			else if (part[1] == "tests")
				may_test[part[2], part[i]] = 1
			else
				public[part[2] "/" part[i] ".h"] = 1
		}
	}
	# Third-party headers: a pattern and the folder that alone may include them.
	owner["^uv[.]h"] = "pkg/loop"
	owner["^yajl/"] = "pkg/codec"
	owner["^yaml[.]h"] = "pkg/codec"
	owner["^protobuf-c/"] = "pkg/codec"
	owner["^openssl/"] = "pkg/net"
	owner["^curl/"] = "pkg/net"
	owner["^nghttp2/"] = "pkg/net"
	owner["^grpc"] = "pkg/grpc"
	owner["^archive"] = "cri-shim/image"
}
function folder_of(path) {
	sub("/[^/]*$", "", path)
	return path
}
# FOLDER/folder.h, what public.FOLDER names, and fakes for tests.
function is_public(name, folder, in_test,    short) {
	short = folder
	sub("^.*/", "", short)
	return name == folder "/" short ".h" || name in public || (in_test && name ~ /_fake[.]h$/)
}
function is_for_tests(from, to) {
	return to == "pkg/test" || to == "pkg/base" || (from, to) in may_test
}
function complain(what) {
	print what
	bad++
}
{
	split($0, place, ":")
	from = folder_of(place[1])
	in_test = place[1] ~ /_(test|fuzz)[.]c$/ || from == "pkg/test"
	header = $0
	sub(/^[^#]*#include[ \t]*/, "", header)
	name = header
	gsub(/[<>"]/, "", name)
	sub(/[ \t].*$/, "", name)
	if (header ~ /^</) {
		for (pattern in owner)
			if (name ~ pattern && from != owner[pattern])
				complain(place[1] ":" place[2] ": only " owner[pattern] " may include <" name ">")
		next
	}
	if (name ~ /[.]pb-c[.]h$/)
		next
	used[from, folder_of(name)] = 1
	to = folder_of(name)
	if (to == name || to !~ /^(pkg|kubelet|cri-shim)/)
		complain(place[1] ":" place[2] ": include from the root: \"" name "\"")
	else if (to != from && !((from, to) in may) && !(in_test && is_for_tests(from, to)))
		complain(place[1] ":" place[2] ": " from " may not include " to)
	else if (to != from && !is_public(name, to, in_test))
		complain(place[1] ":" place[2] ": " name " is for " to " only")
}
END {
	# gen is plain data, and what is common to the kubelet is given to each of its folders.
	for (pair in may) {
		split(pair, side, SUBSEP)
		if (!(pair in used) && side[2] != "gen" && !(side[1] ~ /^kubelet/ && side[2] in common))
			complain("layers.mk: " side[1] " does not use " side[2])
	}
	for (pair in may_test) {
		split(pair, side, SUBSEP)
		if (!(pair in used))
			complain("layers.mk: no test of " side[1] " uses " side[2])
	}
	if (bad)
		exit 1
}'
