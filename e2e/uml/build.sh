#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the guest in the cache, or finds it there: a user-mode-linux kernel with its modules, and a Debian system.
#
#   build.sh    prints the folder; it has "linux" (the kernel) and "root" (the guest's system)
#
# Both come from Debian packages alone. The kernel's version is pinned; when Debian has moved on, the one that it has now
# is taken and said.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CUBELET_CACHE:-$HOME/.cache/cubelet}
kernel=6.1um4+b13
suite=bookworm
# What e2e/rig/install.sh installs to run with, without what builds: that is done outside.
packages=(runc containernetworking-plugins iptables iproute2 kmod mount busybox-static jq curl python3-minimal procps
	util-linux openssl ca-certificates)

fetch_kernel() {
	(cd "$tmp" && apt-get download "user-mode-linux=$kernel") >/dev/null 2>&1 && return
	apt-get update -qq >&2
	(cd "$tmp" && apt-get download "user-mode-linux=$kernel") >/dev/null 2>&1 && return
	(cd "$tmp" && apt-get download user-mode-linux) >&2
	echo "user-mode-linux $kernel is not to be had any more, taking $(cd "$tmp" && echo user-mode-linux*.deb)" >&2
}

make_root() {
	local include
	include=$(IFS=, && echo "${packages[*]}")
	# shellcheck disable=SC2016 # the hook is expanded by the shell of mmdebstrap
	mmdebstrap --quiet --mode=root --variant=essential --include="$include" --format=directory \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook='chroot "$1" update-alternatives --quiet --set iptables /usr/sbin/iptables-legacy' \
		"$suite" "$tmp/root" >&2
	mkdir -p "$tmp/root/lib/modules" "$tmp/root"/{job,cache,stock}
	mv "$tmp"/kernel/usr/lib/uml/modules/* "$tmp/root/lib/modules/"
	chroot "$tmp/root" depmod "$(ls "$tmp/root/lib/modules")"
	install -m 0755 "$here/init.sh" "$tmp/root/uml-init"
}

mkdir -p "$cache"
exec 9>"$cache/uml.lock"
flock 9
key=$({ cat "$here/init.sh" && echo "$kernel $suite ${packages[*]}"; } | sha256sum | cut -c1-16)
dir=$cache/uml/$key
if ! [ -e "$dir/done" ]; then
	echo "making the user-mode-linux guest" >&2
	rm -rf "${dir:?}"
	mkdir -p "$cache/uml"
	tmp=$(mktemp -d "$cache/uml/tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	fetch_kernel
	dpkg-deb -x "$tmp"/user-mode-linux*.deb "$tmp/kernel"
	make_root
	mkdir "$dir"
	mv "$tmp/root" "$dir/root"
	mv "$tmp/kernel/usr/bin/linux.uml" "$dir/linux"
	touch "$dir/done"
fi
echo "$dir"
