#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the stock programs into the cache, or finds them there.
#
#   build.sh [PROGRAM...]   prints the folder that holds them
#
# Each Go module under stock/ pins one upstream project. A program is rebuilt only when its module's go.mod or go.sum
# changes. KUBE_BIN_DIR names a folder of ready programs, which are taken as they are.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CUBELET_CACHE:-$HOME/.cache/cubelet}
bin=$cache/bin
kube=v1.37.2
go_wanted=1.26
stamp=k8s.io/component-base/version

# program, module, package, build flags
programs() {
	local kube_flags="-X $stamp.gitVersion=$kube -X $stamp.gitMajor=1 -X $stamp.gitMinor=37 -X $stamp.gitTreeState=clean"
	kube_flags+=" -X $stamp.gitCommit=unknown -X $stamp.buildDate=1970-01-01T00:00:00Z"
	local name
	for name in kube-apiserver kubectl kube-scheduler kube-controller-manager kubelet kubeadm; do
		echo "$name|kubernetes|k8s.io/kubernetes/cmd/$name||$kube_flags"
	done
	echo "etcd|etcd|go.etcd.io/etcd/server/v3||"
	local containerd_version="-X github.com/containerd/containerd/v2/version.Version=v2.3.7"
	for name in containerd ctr containerd-shim-runc-v2; do
		echo "$name|containerd|github.com/containerd/containerd/v2/cmd/$name|no_btrfs,no_devmapper,no_zfs|$containerd_version"
	done
	echo "crictl|cri-tools|sigs.k8s.io/cri-tools/cmd/crictl||-X sigs.k8s.io/cri-tools/pkg/version.Version=v1.36.0"
}

module_key() {
	cat "$here/stock/$1/go.mod" "$here/stock/$1/go.sum" | sha256sum | cut -c1-16
}

check_given() {
	local name rest missing=()
	while IFS='|' read -r name rest; do
		[ -x "$KUBE_BIN_DIR/$name" ] || missing+=("$name")
	done < <(programs)
	[ ${#missing[@]} -eq 0 ] && return
	echo "KUBE_BIN_DIR ($KUBE_BIN_DIR) lacks ${missing[*]}" >&2
	exit 1
}

check_go() {
	local has
	has=$(cd "$here/stock/kubernetes" && go env GOVERSION 2>/dev/null) || has= # an older one may fetch a newer
	has=${has#go}
	[ -n "$has" ] && [ "$(printf '%s\n' $go_wanted "$has" | sort -V | head -1)" = $go_wanted ] && return
	echo "Go >= $go_wanted builds the stock programs, and here is ${has:-none}: install it, or let KUBE_BIN_DIR name a folder of them" >&2
	exit 1
}

build_one() {
	local name=$1 module=$2 package=$3 tags=$4 flags=$5
	local key
	key=$(module_key "$module")
	[ -x "$bin/$name" ] && [ "$(cat "$bin/.$name.key" 2>/dev/null)" = "$key" ] && return
	check_go
	echo "building $name" >&2
	(cd "$here/stock/$module" &&
		CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -tags "$tags" -ldflags "-s -w $flags" -o "$bin/$name.new" "$package") >&2
	mv "$bin/$name.new" "$bin/$name"
	echo "$key" >"$bin/.$name.key"
}

if [ -n "${KUBE_BIN_DIR:-}" ]; then
	check_given
	echo "$KUBE_BIN_DIR"
	exit
fi

mkdir -p "$bin"
exec 9>"$cache/build.lock"
flock 9
while IFS='|' read -r name module package tags flags; do
	if [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]; then
		build_one "$name" "$module" "$package" "$tags" "$flags"
	fi
done < <(programs)
echo "$bin"
