#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that the build and the checks need, those that are missing.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/apt.sh" gcc g++ make clang clang-format libclang-rt-14-dev cppcheck shellcheck \
	pkg-config cmake ninja-build dpkg-dev protobuf-c-compiler libprotobuf-c-dev protobuf-compiler libprotobuf-dev \
	libgrpc-dev libabsl-dev libre2-dev libc-ares-dev zlib1g-dev libyajl-dev libyaml-dev libuv1-dev libssl-dev \
	libnghttp2-dev curl git
