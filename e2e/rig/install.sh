#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs from Debian what the rig runs with, only what is missing.
set -euo pipefail

packages=(
	runc containernetworking-plugins iptables iproute2 kmod   # containers and their network
	mmdebstrap busybox-static gcc libc6-dev                   # images
	jq curl python3 procps util-linux openssl git ca-certificates # the rig and the cases
)
exec "$(dirname "${BASH_SOURCE[0]}")/../../tools/apt.sh" "${packages[@]}"
