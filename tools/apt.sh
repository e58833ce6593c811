#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# apt.sh PACKAGE...: installs from Debian those that are missing, and is silent but for one line.
set -euo pipefail

missing=()
for package in "$@"; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit
if [ "$(id -u)" != 0 ]; then
	echo "only root can install what is missing: apt-get install ${missing[*]}" >&2
	exit 1
fi
echo "installing from Debian: ${missing[*]}" >&2

log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends \
		"${missing[@]}" >"$log" 2>&1
}
# The machine's lists may be absent or too old.
install || { apt-get -qq update >&2 && install; } || {
	cat "$log" >&2
	exit 1
}
