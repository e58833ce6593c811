#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs from Debian what the rig runs with, only what is missing.
set -euo pipefail

packages=(
	runc containernetworking-plugins iptables iproute2 kmod   # containers and their network
	mmdebstrap busybox-static gcc libc6-dev                   # images
	jq curl python3-minimal procps util-linux openssl git ca-certificates # the rig and the cases
)
missing=()
for package in "${packages[@]}"; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
