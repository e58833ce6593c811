#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the images of the rig as OCI tars in the cache, or finds them there.
#
#   build.sh [IMAGE...]   prints one line for each: REFERENCE FILE
#
# An image is made again only when its inputs change (this file, the tool, its source).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CUBELET_CACHE:-$HOME/.cache/cubelet}
dir=$cache/images
tmp=

reference() {
	case $1 in
	nginx) echo docker.io/library/nginx:latest ;;
	busybox) echo docker.io/library/busybox:latest ;;
	pause) echo registry.k8s.io/pause:3.10.2 ;;
	*)
		echo "no image $1: nginx, busybox, pause" >&2
		return 1
		;;
	esac
}

# A Debian system with nginx and the tools that a person wants in a shell. Documentation and locales stay out.
# shellcheck disable=SC2016 # the hooks are expanded by the shell of mmdebstrap
root_nginx() {
	mmdebstrap --quiet --variant=essential --include=nginx-light,bash,procps,iproute2 \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook='ln -sf /dev/stdout "$1/var/log/nginx/access.log"' \
		--customize-hook='ln -sf /dev/stderr "$1/var/log/nginx/error.log"' \
		--customize-hook='rm -f "$1/etc/hostname" "$1/etc/resolv.conf"' \
		bookworm "$1" >&2
}

root_busybox() {
	local root=$tmp/root name
	mkdir -p "$root"/{bin,etc,proc,sys,dev,root,home,var/www,usr/bin,usr/sbin,sbin}
	mkdir -m 1777 "$root/tmp"
	cp "$(command -v busybox)" "$root/bin/busybox"
	for name in $("$root/bin/busybox" --list); do
		[ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
	done
	printf '%s\n' root:x:0:0:root:/root:/bin/sh www-data:x:33:33:www-data:/var/www:/bin/sh \
		nobody:x:65534:65534:nobody:/home:/bin/false >"$root/etc/passwd"
	printf '%s\n' root:x:0: www-data:x:33: extra:x:4242:www-data nogroup:x:65534: >"$root/etc/group"
	tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$1" .
}

root_pause() {
	mkdir -p "$tmp/pause"
	cc -std=c17 -D_GNU_SOURCE -Os -static -s -o "$tmp/pause/pause" "$here/pause/pause.c"
	tar -C "$tmp/pause" --mtime=@0 --owner=0 --group=0 -cf "$1" pause
}

config() {
	case $1 in
	nginx) printf '%s\n' -cmd nginx -cmd -g -cmd 'daemon off;' ;;
	busybox) printf '%s\n' -cmd sh ;;
	pause) printf '%s\n' -entrypoint /pause -user 65535:65535 ;;
	esac
	[ "$1" = pause ] || printf '%s\n' -env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
}

tool() {
	[ "$cache/bin/image-tool" -nt "$here/tool/main.go" ] ||
		(cd "$here/tool" && CGO_ENABLED=0 go build -trimpath -o "$cache/bin/image-tool" .) >&2
	"$cache/bin/image-tool" "$@"
}

image() {
	local name=$1 ref key file args
	ref=$(reference "$name")
	key=$(cat "$here/build.sh" "$here/tool/main.go" "$here"/pause/pause.c | sha256sum | cut -c1-16)
	file=$dir/$name-$key.tar
	if ! [ -e "$file" ]; then
		echo "making image $name" >&2
		tmp=$(mktemp -d)
		"root_$name" "$tmp/root.tar"
		mapfile -t args < <(config "$name")
		tool make -name "$ref" -rootfs "$tmp/root.tar" -out "$file.new" "${args[@]}"
		rm -rf "$tmp"
		rm -f "$dir/$name"-*.tar
		mv "$file.new" "$file"
	fi
	echo "$ref $file"
}

mkdir -p "$dir" "$cache/bin"
exec 9>"$cache/images.lock"
flock 9
trap 'rm -rf "${tmp:-/nonexistent}"' EXIT
[ $# -gt 0 ] || set -- pause busybox nginx
for name; do
	image "$name"
done
