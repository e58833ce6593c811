#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cp of files and trees, both ways.
. "$(dirname "$0")/../lib.sh"

pod c <<-'EOT'
	containers:
	- {name: c, image: nginx, imagePullPolicy: IfNotPresent}
EOT
wait_running c
mkdir -p "$WORK/tree/deep/er"
head -c 20000000 /dev/urandom >"$WORK/tree/deep/er/big"
echo small >"$WORK/tree/small file"
sums() {
	(cd "$1" && find . -type f -exec sha256sum {} + | sort)
}
copy() {
	rm -rf "$WORK/back" "$WORK/one"
	kubectl cp "$WORK/tree" "c:/tmp/$PROTOCOL"
	kubectl cp "c:/tmp/$PROTOCOL" "$WORK/back" >/dev/null
	expect "$PROTOCOL tree" "$(sums "$WORK/back")" "$(sums "$WORK/tree")"
	kubectl cp "$WORK/tree/small file" "c:/tmp/one-$PROTOCOL"
	kubectl cp "c:/tmp/one-$PROTOCOL" "$WORK/one" >/dev/null
	expect "$PROTOCOL file" "$(cat "$WORK/one")" small
}
protocols copy
rm -rf "$WORK/tree" "$WORK/back"
