#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# deps.sh FOLDER: a static libcurl, built from the distribution's own (patched) source package.
#
# The distribution's libcurl links LDAP, Kerberos, SSH and more, which costs 5 MB in each process. Here it gets only what
# the kubelet uses: HTTP over OpenSSL and nghttp2.
set -euo pipefail

to=$1
key=$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-16)
[ "$(cat "$to/lib/.key" 2>/dev/null)" = "$key" ] && touch "$to/lib/.done" && exit

mkdir -p "$to"
exec 9>"$to/lock"
flock 9
[ "$(cat "$to/lib/.key" 2>/dev/null)" = "$key" ] && touch "$to/lib/.done" && exit

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Source packages come from where the machine's binary packages come from; its own lists stay as they are.
sources() {
	local file
	mkdir -p "$work/apt/lists/partial" "$work/apt/parts"
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -e "$file" ] && sed 's/^Types:.*/Types: deb-src/' "$file" >"$work/apt/parts/$(basename "$file")"
	done
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | sed -n 's/^deb /deb-src /p' |
		grep -E 'debian' >"$work/apt/parts/classic.list" || true
	apt_options=(-qq -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$work/apt/parts"
		-o "Dir::State::lists=$work/apt/lists" -o "APT::Sandbox::User=root")
	apt-get "${apt_options[@]}" update || true # a foreign list without sources is no reason to stop
}

fetch() {
	(cd "$work" && apt-get "${apt_options[@]}" source "$1" >/dev/null) || {
		echo "deps: the source package $1 is not to be had" >&2
		exit 1
	}
}

build_curl() {
	fetch curl
	cd "$work"/curl-*/
	cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$to" -DCMAKE_INSTALL_LIBDIR=lib \
		-DCMAKE_C_FLAGS="-ffunction-sections -fdata-sections -fPIC" \
		-DBUILD_SHARED_LIBS=OFF -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DHTTP_ONLY=ON -DUSE_NGHTTP2=ON \
		-DCURL_USE_OPENSSL=ON -DCURL_USE_LIBSSH2=OFF -DCURL_USE_LIBSSH=OFF -DCURL_USE_LIBPSL=OFF -DUSE_LIBIDN2=OFF \
		-DCURL_ZLIB=OFF -DCURL_BROTLI=OFF -DCURL_ZSTD=OFF -DCURL_USE_GSSAPI=OFF -DCURL_DISABLE_LDAP=ON \
		-DCURL_DISABLE_COOKIES=ON -DCURL_DISABLE_ALTSVC=ON -DCURL_DISABLE_HSTS=ON -DCURL_DISABLE_NETRC=ON \
		-DENABLE_MANUAL=OFF -DCURL_CA_BUNDLE=none -DCURL_CA_PATH=none >/dev/null
	ninja -C build install >/dev/null
}

echo "deps: building a static libcurl into $to (about a minute)" >&2
sources
(build_curl)
echo "$key" >"$to/lib/.key"
touch "$to/lib/.done"
