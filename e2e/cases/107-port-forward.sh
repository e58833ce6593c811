#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# port-forward to nginx: 200 requests, a large body, several at once; a port nobody listens on.
. "$(dirname "$0")/../lib.sh"

pod web <<-'EOT'
	containers:
	- {name: nginx, image: nginx, imagePullPolicy: IfNotPresent}
EOT
wait_running web
in_pod web sh -c 'head -c 30000000 /dev/urandom >/var/www/html/big'
sum=$(in_pod web sha256sum /var/www/html/big | cut -d' ' -f1)
five_sums() {
	[ "$(wc -l <"$WORK/sums")" = 5 ]
}
forward() {
	local port pid code
	kubectl port-forward web :80 :81 >"$WORK/forward" 2>&1 &
	pid=$!
	at_exit "kill $pid 2>/dev/null"
	wait_until 20 "port-forward listens" grep -q 'Forwarding from 127.*-> 81' "$WORK/forward"
	port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) -> 80$/\1/p' "$WORK/forward")
	closed=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) -> 81$/\1/p' "$WORK/forward")
	for _ in $(seq 200); do
		curl -sS --max-time 20 -o /dev/null -w '%{http_code}\n' "http://127.0.0.1:$port/"
	done >"$WORK/codes"
	expect "$PROTOCOL answers" "$(sort "$WORK/codes" | uniq -c | tr -s ' ')" " 200 200"
	expect "$PROTOCOL body" "$(curl -sS "http://127.0.0.1:$port/big" | sha256sum | cut -d' ' -f1)" "$sum"
	for _ in 1 2 3 4 5; do
		curl -sS "http://127.0.0.1:$port/big" | sha256sum | cut -d' ' -f1 &
	done >"$WORK/sums"
	wait_until 60 "five downloads" five_sums
	expect "$PROTOCOL bodies at once" "$(sort "$WORK/sums" | uniq -c | tr -s ' ')" " 5 $sum"
	code=0
	curl -sS --max-time 20 "http://127.0.0.1:$closed/" >/dev/null 2>&1 || code=$?
	[ $code != 0 ] || fail "$PROTOCOL: a closed port answers"
	wait_until 10 "the error is shown" grep -qE 'refused' "$WORK/forward"
	kill $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
}
protocols forward
