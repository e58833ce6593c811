#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Keeps one program running as systemd would (Restart=always, well within a second) until NAME.down exists.
#
#   supervise.sh RIG NAME   runs RIG/cmd/NAME, keeps its process id in RIG/run/NAME.pid
rig=$1 name=$2
cd / || exit 1
echo $$ >"$rig/run/$name.sup"
while ! [ -e "$rig/run/$name.down" ]; do
	bash "$rig/cmd/$name" </dev/null >>"$rig/log/$name.log" 2>&1 &
	echo $! >"$rig/run/$name.pid.new"
	mv "$rig/run/$name.pid.new" "$rig/run/$name.pid"
	wait $!
	echo "--- $name ended with $?" >>"$rig/log/$name.log"
	rm -f "$rig/run/$name.pid"
	sleep 0.3
done
rm -f "$rig/run/$name.sup"
