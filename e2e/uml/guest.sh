#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Process 1 of the guest: makes it a node with cgroup v2, runs the cases and switches the machine off.
# /job is a folder of the host: checkout (scripts and our kubelet), env and images in, out and rc out.
export PATH=/stock:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TMPDIR=/tmp

modules=(veth bridge br_netfilter ip_tables iptable_nat iptable_filter iptable_mangle xt_comment xt_MASQUERADE
	xt_addrtype xt_mark xt_conntrack)

mounts() {
	mount -t proc proc /proc
	umount -l /old
	mount -t sysfs sys /sys
	mount -t devtmpfs dev /dev 2>/dev/null
	mkdir -p /dev/pts /dev/shm
	mount -t devpts -o mode=620,ptmxmode=666 pts /dev/pts
	mount -t tmpfs shm /dev/shm
	mount -t mqueue mqueue /dev/mqueue 2>/dev/null
	mount -t tmpfs -o mode=755 run /run
	mount -t tmpfs tmp /tmp
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	# overlay takes no overlay and no folder of the host as its upper layer
	mkdir -p /var/lib/cubelet-rig
	mount -t tmpfs -o mode=755 rig /var/lib/cubelet-rig
	# A stock kubelet does not start where it finds no clock speed.
	{
		grep -v '^$' /proc/cpuinfo
		printf 'physical id\t: 0\ncore id\t\t: 0\ncpu MHz\t\t: 2000.000\n\n'
	} >/run/cpuinfo
	mount --bind /run/cpuinfo /proc/cpuinfo
}

mounts
modprobe -a "${modules[@]}"
# shellcheck source=/dev/null # written by run.sh
. /job/env
hostname guest
ip link set lo up
ip link add "$NODE_LINK" type bridge
ip addr add "$RIG_NODE_IP/24" dev "$NODE_LINK"
ip link set vec0 master "$NODE_LINK" up
ip link set "$NODE_LINK" up
ln -sfn /proc/self/fd /dev/fd
if [ -n "${UML_COMMAND:-}" ]; then
	bash -c "$UML_COMMAND"
else
	# shellcheck disable=SC2086 # words
	/job/checkout/e2e/run.sh $CASES
fi
echo $? >/job/rc
cp -r /var/lib/cubelet-rig/*/log /job/out/rig-log 2>/dev/null
sync
exec busybox poweroff -f
