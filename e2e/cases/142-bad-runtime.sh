#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A runtime of another version, or with answers about streams that are hostile, cannot be read or do not come: each is
# told in clear words, the kubelet ends with 1 or kubectl with a failure, and what runs is left alone.
# group: alone
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../badcri.sh"

# --- A kubelet that starts ---

program=$(sed -n 's/^exec \([^ ]*\) .*/\1/p' "$RIG/cmd/kubelet")
at_exit "umount -l $WORK/root 2>/dev/null" # a kubelet makes its folder a mount
while read -r mount; do # which stock wants to see before it asks for the version
	mkdir -p "$mount/$POD_CGROUP-bad"
	at_exit "rmdir $mount/$POD_CGROUP-bad"
done < <(cgroup_mounts)
sed -e "s|^port: .*|port: 10350|; s|^healthzPort: .*|healthzPort: 0|; s|^podLogsDir: .*|podLogsDir: $WORK/logs|" \
	-e "s|^staticPodPath: .*||; s|^cgroupRoot: .*|cgroupRoot: /$POD_CGROUP-bad|; s|^volumePluginDir: .*|volumePluginDir: $WORK/plugins|" \
	-e "s|^containerRuntimeEndpoint: .*|containerRuntimeEndpoint: unix://$bad_socket|; \$a runtimeRequestTimeout: 3s" \
	"$RIG/conf/kubelet.yaml" >"$WORK/config.yaml"
refuses() { # RULE REGEX
	local code=0
	misbehave "$1"
	timeout 30 "$program" --config "$WORK/config.yaml" --kubeconfig "$RIG/conf/kubelet.conf" --hostname-override other \
		--root-dir "$WORK/root" --cert-dir "$WORK/certs" >"$WORK/out" 2>&1 || code=$?
	expect "$1: exit code" $code 1
	grep -qE "$2" "$WORK/out" || fail "$1: no '$2' in: $(tail -n 5 "$WORK/out")"
}
validate="validate CRI v1 runtime API for endpoint \\\\?\"unix://$bad_socket\\\\?\": rpc error: code ="
refuses "Version unimplemented" "$validate Unimplemented desc = unknown service runtime.v1.RuntimeService"
refuses "Version version 9.9.9" "runtime api version is not supported"
refuses "Version empty" "not all fields are set in VersionResponse \(missing Version, RuntimeName, RuntimeApiVersion, RuntimeVersion\)"
refuses "Version never" "$validate DeadlineExceeded desc ="
refuses "Version broken" "$validate Internal desc = grpc: failed to unmarshal the received message"
refuses "* garbage" "$validate Unavailable desc ="

# --- Streams ---

busybox_pod stays 'i=0; while :; do i=$((i + 1)); echo $i; sleep 1; done'
wait_running stays
before=$(life stays)
use_bad_runtime
try() { # COMMAND...: what it says; never with 0
	local code=0
	timeout 60 "$1" -n "$NS" "${@:2}" >"$WORK/out" 2>"$WORK/err" || code=$?
	echo "# $bad: exit code $code: $(head -c 400 "$WORK/err")" >&2
	[ $code -ne 0 ] && [ $code -ne 124 ] || fail "$bad: $* ended with $code"
	expect "$bad: output" "$(cat "$WORK/out")" ""
	[ -s "$WORK/err" ] || fail "$bad: no word"
}
execs() { # RULE
	bad=$1
	misbehave "Exec $1"
	try kubectl exec stays -- echo hi
	misbehaved "Exec ${1%% *}" || fail "$1: Exec was not asked"
}
says() {
	grep -qE "$1" "$WORK/err" || fail "$bad: no '$1' in: $(cat "$WORK/err")"
}
works() {
	expect "$1" "$(timeout 60 kubectl -n "$NS" exec stays -- echo hi)" hi
}
soon() {
	[ "$(kubectl exec stays -- echo hi)" = hi ]
}
wait_until 30 "exec through the proxy" soon
execs empty
says 'URL is not set'
execs "error out of%FF%FEorder%0A%1B[31m"
says 'out of.*order'
execs unimplemented
says 'unknown service runtime.v1.RuntimeService'
execs never
says 'DeadlineExceeded'
execs broken
says 'failed to unmarshal'
execs oversized
says 'received message larger than max'
execs cut
execs "url http://127.0.0.1:1/none"
says 'connection refused'
execs "url no URL at all%0D%0A"
execs "url file:///etc/passwd"
execs "url unix:/run/x.sock"
execs "url http://127.0.0.1:{a}{path}" # redirects elsewhere
execs "url http://127.0.0.1:{c}{path}" # no HTTP
misbehave "Exec url http://[::1]:{d}{path}"
works "IPv6"
misbehave "Exec url http://localhost:{port}{path}"
works "localhost"
if [ "$KUBELET" = ours ]; then # stock goes wherever it is sent
	refused() { # URL
		execs "url $1"
		says 'the runtime'\''s streaming URL (is|names)'
		! misbehaved '^stream ' || fail "$1 was dialled"
		tail -n 300 "$RIG/log/kubelet.log" | grep -q 'The runtime named a streaming URL that is not to be trusted' || fail "$1: not in the log"
	}
	refused "http://169.254.169.254:80/latest/meta-data/"
	refused "https://127.0.0.1:{b}{path}"
	refused "http://user:pw@127.0.0.1:{b}{path}"
	refused "http://127.0.0.1:{b}/{long}"
	refused "http://127.0.0.1.example.com:{b}{path}"
	refused "http://$NODE_IP:10250/pods"
	refused "http://127.0.0.1:{b}/x%20HTTP/1.1%0D%0AHost:%20y%0D%0A%0D%0A"
	execs "url http://127.0.0.1:{b}{path}"
	says 'did not answer within 30s'
fi
bad="attach without a URL"
misbehave "Attach empty" "PortForward empty"
try kubectl attach stays
says 'URL is not set'
timeout 20 kubectl -n "$NS" port-forward pod/stays --address 127.0.0.1 :80 >"$WORK/forward" 2>&1 &
forwarded() {
	local port
	port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$WORK/forward")
	[ -z "$port" ] || curl -s --max-time 2 "http://127.0.0.1:$port/" || true
	grep -q 'URL is not set' "$WORK/forward"
}
wait_until 20 "port-forward says what is wrong: $(cat "$WORK/forward")" forwarded
behave
works "exec after all that"
expect "what ran" "$(life stays)" "$before"
