#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 256 MiB out of a pod and into it, with equal checksums.
. "$(dirname "$0")/../lib.sh"

size=$((256 << 20))
busybox_pod c 'exec sleep 1000'
wait_running c
head -c $size /dev/zero | openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 00 -nosalt >"$WORK/big" 2>/dev/null
sum=$(sha256sum <"$WORK/big")
# On a busy machine stock loses the end of it over SPDY now and then, so it is asked again.
stdout() {
	local tries=1
	[ "$KUBELET $PROTOCOL" != "stock spdy" ] || tries=10
	until kubectl exec c -- cat /big >"$WORK/out" && cmp "$WORK/big" "$WORK/out"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || fail "$PROTOCOL stdout: $(stat -c %s "$WORK/out") bytes of $size came"
	done
}
bulk() {
	expect "$PROTOCOL stdin" "$(kubectl exec -i c -- sha256sum <"$WORK/big")" "$sum"
	# "true" keeps the shell, and with it the command's standard output, open: see 108-exec-closed-output.
	kubectl exec -i c -- sh -c 'cat >/big; true' <"$WORK/big"
	stdout
	kubectl exec c -- rm /big
}
protocols bulk
rm "$WORK/big"
