#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The guest's first program: puts a writable layer over the host's folder, mounts the job, and hands over to it.
# The kernel's command line gives JOB, CACHE and STOCK, folders of the host.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
modprobe overlay
mount -t tmpfs -o mode=755 top /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work root /mnt/root
mount -t hostfs -o "$JOB" job /mnt/root/job
mount -t hostfs -o "$CACHE" cache /mnt/root/cache -r
mount -t hostfs -o "$STOCK" stock /mnt/root/stock -r
umount /proc
cd /mnt/root
mkdir -p old
pivot_root . old
exec chroot . /job/checkout/e2e/uml/guest.sh </dev/console >/dev/console 2>&1
