#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that the build and the checks need, those that are missing.
set -euo pipefail

packages=(gcc g++ make clang clang-format libclang-rt-14-dev cppcheck shellcheck pkg-config cmake ninja-build dpkg-dev
	protobuf-c-compiler libprotobuf-c-dev protobuf-compiler libprotobuf-dev libgrpc-dev libabsl-dev libre2-dev
	libc-ares-dev zlib1g-dev libyajl-dev libyaml-dev libuv1-dev libssl-dev libnghttp2-dev curl git)

missing=()
for package in "${packages[@]}"; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit
echo "installing from Debian: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
	apt-get -qq update
	apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
}
