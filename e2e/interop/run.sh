#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compares our .proto files and codecs with the official Go modules; ends with "interop: N passed, N failed, N skipped".
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
work=build/interop
mkdir -p $work/official/k8s.io

version=v0.37.2
module() {
	(cd "$here" && go mod download -json "$1@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
}

# Both sides as descriptor sets, by the same compiler.
protoc -Iproto -I/usr/include --include_imports --descriptor_set_out=$work/ours.fds proto/k8s/*.proto proto/config/*.proto
protoc -Iproto -I/usr/include --include_imports --descriptor_set_out=$work/cri.fds proto/cri/cri.proto
ln -sfn "$(module k8s.io/api)" $work/official/k8s.io/api
ln -sfn "$(module k8s.io/apimachinery)" $work/official/k8s.io/apimachinery
(
	cd $work/official
	protoc -I. --include_imports --descriptor_set_out=../official.fds \
		k8s.io/api/{core,coordination,authentication,authorization,certificates,node}/v1/generated.proto 2>/dev/null
)
# Debian's protoc does not know this option of newer ones; it changes no wire.
sed 's/ \[debug_redact = true\]//' "$(module k8s.io/cri-api)/pkg/apis/runtime/v1/api.proto" >$work/official/api.proto
protoc -I$work/official --descriptor_set_out=$work/official-cri.fds $work/official/api.proto

make -s build/interop/roundtrip
(cd "$here" && CGO_ENABLED=0 go build -o "$OLDPWD/$work/interop" .)
$work/interop $work/ours.fds $work/official.fds $work/cri.fds $work/official-cri.fds $work/roundtrip
