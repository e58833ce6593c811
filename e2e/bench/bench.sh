#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compares the stock kubelet with ours on one machine in one run, and prints a table in Markdown.
#
#   bench.sh            two clusters side by side; operations are timed in turn (A B B A ...), memory at the same load
#
# KINDS="stock ours"; ROUNDS=5; STARTS=10, EXECS=40 a round; TAKES=15 of each 256 MiB. Ratios mean something, absolute
# figures are this machine's. A ratio has its 95 % range with it: a difference whose range includes 1 was not seen.
set -euo pipefail

bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
e2e=$(dirname "$bench")
read -ra kinds <<<"${KINDS:-stock ours}"
rounds=${ROUNDS:-5} starts=${STARTS:-10} execs=${EXECS:-40} takes=${TAKES:-15}
declare -A id=([stock]=11 [ours]=12)
work=$(mktemp -d)
cache=${CUBELET_CACHE:-$HOME/.cache/cubelet}

rig() { # KIND WORD...
	local kind=$1
	shift
	RIG_ID=${id[$kind]} KUBELET=$kind "$e2e/rig/rig.sh" "$@"
}

# in_rig KIND COMMAND...: a function that finds the variables of that rig
in_rig() {
	local RIG_ID=${id[$1]} KIND=$1
	shift
	# shellcheck source=e2e/rig/lib.sh
	(
		. "$e2e/rig/lib.sh"
		export KUBECONFIG=$RIG/conf/admin.conf
		"$@"
	)
}

probe() {
	"$work/probe" -api "https://$NODE_IP:6443" -ca "$RIG/pki/ca.crt" -cert "$RIG/conf/admin.crt" -key "$RIG/conf/admin.key" "$@"
}

# Every process of the kubelet: its children too, the runtime's not.
tree() {
	local pid
	echo "$1"
	for pid in $(pgrep -P "$1"); do
		tree "$pid"
	done
}

# memory NAME: RSS, PSS and anonymous memory of the kubelet's processes, MiB
memory() {
	local pid
	for pid in $(tree "$(rig_pid kubelet)"); do
		cat "/proc/$pid/smaps_rollup"
	done | awk '$1 == "Rss:" { r += $2 } $1 == "Pss:" { p += $2 } $1 == "Anonymous:" { a += $2 }
		END { printf "%.1f %.1f %.1f\n", r / 1024, p / 1024, a / 1024 }' >"$work/$1.$KIND"
}

median() {
	sort -n | awk '{ v[NR] = $1 } END { if (NR) printf "%.1f", v[int((NR + 1) / 2)] }'
}

spread() { # 10th and 90th percentile
	sort -n | awk '{ v[NR] = $1 } END { if (NR) printf "%.1f–%.1f", v[int(NR * 0.1) + 1], v[int(NR * 0.9) + (NR < 10)] }'
}

base_pods() {
	kubectl delete pods --all --wait=true >/dev/null 2>&1 || true
	kubectl run a --image=busybox --image-pull-policy=IfNotPresent --command -- sleep 100000 >/dev/null
	kubectl run web --image=nginx --image-pull-policy=IfNotPresent >/dev/null
	kubectl wait --for=condition=Ready --timeout=120s pod/a pod/web >/dev/null
	kubectl exec web -- sh -c 'head -c 268435456 /dev/zero >/var/www/html/big'
}

starts() {
	probe start "$starts" >>"$work/start.$KIND"
}

execs() {
	probe exec a "$execs" >>"$work/exec.$KIND"
}

mib_per_second() { # FILE COMMAND...
	local file=$1 start=$EPOCHREALTIME
	shift
	"$@"
	awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f\n", 256 / (b - a) }' >>"$work/$file.$KIND"
}

exec_out() {
	kubectl exec a -- dd if=/dev/zero bs=1M count=256 >/dev/null 2>&1
}

exec_in() {
	head -c 268435456 /dev/zero | kubectl exec -i a -- sh -c 'cat >/dev/null; true'
}

transfers() { # PROTOCOL
	local port pid before websockets=true
	before=$(cpu_ticks)
	[ "$1" = websocket ] || websockets=false
	export KUBECTL_REMOTE_COMMAND_WEBSOCKETS=$websockets KUBECTL_PORT_FORWARD_WEBSOCKETS=$websockets
	mib_per_second "out-$1" exec_out
	mib_per_second "in-$1" exec_in
	rm -f "$work/forward"
	kubectl port-forward web :80 >"$work/forward" 2>&1 &
	pid=$!
	wait_until 20 "port-forward" grep -qs "127.0.0.1:.*-> 80" "$work/forward"
	port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$work/forward")
	mib_per_second "forward-$1" curl -sS -o /dev/null "http://127.0.0.1:$port/big"
	kill $pid
	wait $pid 2>/dev/null || true
	# Three times 256 MiB.
	awk -v t="$(($(cpu_ticks) - before))" -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.2f\n", t / hz / 0.75 }' \
		>>"$work/cpu-$1.$KIND"
}

throughput() {
	transfers websocket
	transfers spdy
}

declares() {
	kubectl get node "$NODE_NAME" -o 'jsonpath={.status.declaredFeatures}' | grep -q ExtendWebSocketsToKubelet
}

# Stock takes WebSockets itself, for ours the API server translates them: what that costs is seen on stock without it.
without_websockets() {
	local config=$RIG/conf/kubelet.yaml
	declares || return 0
	echo 'featureGates: {ExtendWebSocketsToKubelet: false}' >>"$config"
	rig_kill kubelet
	wait_until 60 "stock without WebSockets" not declares
	wait_until 60 "stock knows its pods again" kubectl exec a -- true
}

translated() {
	KIND=translated-$KIND
	transfers websocket
}

# The node's own requests, as the API server's audit log counts them.
node_requests() {
	grep -c '"username":"system:node:node"' "$RIG/log/audit.log" || true
}

requests() {
	local before idle
	sleep 5
	before=$(node_requests)
	sleep 60
	idle=$(($(node_requests) - before))
	echo "$idle" >"$work/idle.$KIND"
	before=$(node_requests)
	for _ in 1 2 3; do
		probe burst 10 >>"$work/burst10.$KIND"
	done
	sleep 5
	echo "$(($(node_requests) - before)) $idle" | awk '{ printf "%.1f\n", $1 / 30 }' >"$work/life.$KIND"
}

burst() {
	probe burst 30 >>"$work/burst30.$KIND"
	sleep 10 # runtimes clean up for some seconds after the last pod is gone
}

fill() {
	local i
	for i in $(seq 28); do
		printf -- '---\napiVersion: v1\nkind: Pod\nmetadata: {name: f%s}\nspec:\n  terminationGracePeriodSeconds: 0\n  containers:\n' "$i"
		printf -- '  - {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "100000"]}\n'
	done | kubectl create -f - >/dev/null
	kubectl wait --for=condition=Ready --timeout=180s pods --all >/dev/null
	sleep 20
}

cpu_ticks() {
	local pid
	for pid in $(tree "$(rig_pid kubelet)"); do
		cat "/proc/$pid/stat"
	done | sed 's/.*) //' | awk '{ t += $12 + $13 } END { print t }'
}

idle_cpu() {
	local before
	before=$(cpu_ticks)
	sleep 30
	awk -v t="$(($(cpu_ticks) - before))" -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.2f\n", t / hz / 30 * 100 }' >"$work/cpu.$KIND"
}

each() {
	local kind
	for kind in "${kinds[@]}"; do
		in_rig "$kind" "$@"
	done
}

# in_turn TIMES COMMAND...: in turn, the other way round every second time.
in_turn() {
	local times=$1 round i
	shift
	for round in $(seq "$times"); do
		echo "  $1 $round/$times" >&2
		if [ $((round % 2)) = 1 ]; then
			for ((i = 0; i < ${#kinds[@]}; i++)); do in_rig "${kinds[i]}" "$@"; done
		else
			for ((i = ${#kinds[@]} - 1; i >= 0; i--)); do in_rig "${kinds[i]}" "$@"; done
		fi
	done
}

row() { # LABEL CELLS [RANGE]: a cell a kind, then the ratio of the first number of the last to the first, and its range
	echo "$1|$2" | awk -F'|' -v OFS=' | ' -v range="${3:+ ($3)}" '{ split($2, a, " "); split($NF, b, " ")
		r = (NF > 2 && a[1] > 0) ? sprintf("%.2f", b[1] / a[1]) range : ""
		line = "| " $1; for (i = 2; i <= NF; i++) line = line " | " $i; print line " | " r " |" }'
}

# The 95 % range of the ratio of two medians, by drawing a thousand times from what was measured (bootstrap).
ratio_range() { # FILE OF-WHICH-FILE
	awk 'function drawn(v, n,    i, j, x, m) {
			for (i = 1; i <= n; i++) {
				x = v[int(rand() * n) + 1]
				for (j = i - 1; j > 0 && m[j] > x; j--) m[j + 1] = m[j]
				m[j + 1] = x
			}
			return m[int((n + 1) / 2)]
		}
		FNR == 1 { file++ }
		file == 1 { a[++na] = $1 }
		file == 2 { b[++nb] = $1 }
		END { srand(1); for (k = 0; k < 1000; k++) printf "%.4f\n", drawn(a, na) / drawn(b, nb) }' "$1" "$2" |
		sort -n | awk '{ v[NR] = $1 } END { printf "%.2f–%.2f", v[25], v[975] }'
}

timing_row() { # LABEL FILE [KIND...]
	local label=$1 file=$2 range=
	shift 2
	[ $# -gt 0 ] || set -- "${kinds[@]}"
	[ $# -lt 2 ] || range=$(ratio_range "$work/$file.${*: -1}" "$work/$file.$1")
	row "$label" "$(cells timing "$file" "$@")" "$range"
}

cells() { # FUNCTION FILE [KIND...]: joined by |
	local kind first=yes function=$1 file=$2
	shift 2
	[ $# -gt 0 ] || set -- "${kinds[@]}"
	for kind; do
		[ $first = yes ] || printf '|'
		first=no
		"$function" "$work/$file.$kind"
	done
}

timing() {
	printf '%s (%s)' "$(median <"$1")" "$(spread <"$1")"
}

field1() { awk '{ printf "%s", $1 }' "$1"; }
field2() { awk '{ printf "%s", $2 }' "$1"; }
field3() { awk '{ printf "%s", $3 }' "$1"; }

table() {
	local kind size
	printf '| what |'
	for kind in "${kinds[@]}"; do printf ' %s |' "$kind"; done
	printf ' ratio |\n|---|'
	for kind in "${kinds[@]}"; do printf -- '---|'; done
	printf -- '---|\n'
	for size in 2 30; do
		row "memory of all its processes at $size pods, RSS, MiB" "$(cells field1 memory$size)"
		row "… PSS, MiB" "$(cells field2 memory$size)"
		row "… anonymous, MiB" "$(cells field3 memory$size)"
	done
	row "idle CPU at 30 pods, % of a core" "$(cells field1 cpu)"
	timing_row "pod created until seen Running, one at a time, ms" start
	timing_row "30 pods at once until all run, ms" burst30
	timing_row "exec /bin/true through the API server, ms" exec
	timing_row "exec stdout, WebSocket, MiB/s" out-websocket
	timing_row "exec stdout, SPDY, MiB/s" out-spdy
	timing_row "exec stdin, WebSocket, MiB/s" in-websocket
	timing_row "exec stdin, SPDY, MiB/s" in-spdy
	timing_row "port-forward download, WebSocket, MiB/s" forward-websocket
	timing_row "port-forward download, SPDY, MiB/s" forward-spdy
	local translated=("${kinds[@]/#/translated-}")
	timing_row "exec stdout, WebSocket translated by the API server for both, MiB/s" out-websocket "${translated[@]}"
	timing_row "exec stdin, the same" in-websocket "${translated[@]}"
	timing_row "port-forward download, the same" forward-websocket "${translated[@]}"
	timing_row "CPU of the kubelet for 1 GiB of all three, WebSocket, s" cpu-websocket
	timing_row "CPU of the kubelet for 1 GiB of all three, SPDY, s" cpu-spdy
	row "API requests for the life of a plain pod, 10 at once" "$(cells field1 life)"
	row "API requests in an idle minute" "$(cells field1 idle)"
}

end() {
	local kind
	[ -n "${KEEP:-}" ] || for kind in "${kinds[@]}"; do
		rig "$kind" down >/dev/null 2>&1 || true
	done
	rm -rf "$work"
}
trap end EXIT

(cd "$bench/probe" && CGO_ENABLED=0 go build -trimpath -o "$work/probe" .)
export PATH=${KUBE_BIN_DIR:-$cache/bin}:$PATH
for kind in "${kinds[@]}"; do
	rig "$kind" cluster
done
each base_pods
sleep 20
each memory memory2
in_turn "$rounds" starts
in_turn "$rounds" execs
in_turn "$takes" throughput
each requests
in_turn "$rounds" burst
each fill
each memory memory30
each idle_cpu
each without_websockets
in_turn "$takes" translated
table
