#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A kubelet that cannot start says why in a clear line and exits with 1.
. "$(dirname "$0")/../lib.sh"

program=$(sed -n 's/^exec \([^ ]*\) .*/\1/p' "$RIG/cmd/kubelet")
# The second kubelet gets folders, ports and address of its own: it must never disturb the first.
config() {
	sed -e "s|^port: .*|port: 10350|; s|^healthzPort: .*|healthzPort: 0|; s|^podLogsDir: .*|podLogsDir: $WORK/logs|" \
		-e "s|^staticPodPath: .*||; s|^cgroupRoot: .*|cgroupRoot: /none-of-$NS|; s|^volumePluginDir: .*|volumePluginDir: $WORK/plugins|" \
		"$@" "$RIG/conf/kubelet.yaml" >"$WORK/config.yaml"
	cp "$RIG/conf/kubelet.conf" "$WORK/kubeconfig"
}
at_exit umount -l "$WORK/root" 2>/dev/null # a kubelet makes its folder a mount
refuses() { # WHAT REGEX FLAG...
	local what=$1 regex=$2 code=0
	shift 2
	timeout 30 "$program" --config "$WORK/config.yaml" --kubeconfig "$WORK/kubeconfig" --hostname-override other \
		--root-dir "$WORK/root" --cert-dir "$WORK/certs" "$@" >"$WORK/out" 2>&1 || code=$?
	expect "$what: exit code" $code 1
	grep -qE "$regex" "$WORK/out" || fail "$what: no '$regex' in: $(tail -n 5 "$WORK/out")"
}
config
refuses "unknown flag" 'unknown flag: --no-such-flag' --no-such-flag
refuses "a word among flags" 'unknown command run' --max-pods 5 run --max-pods=6
refuses "a drop-in folder that is none" 'failed to walk through kubelet dropin directory .*/none.*no such file' --config-dir /none
refuses "two addresses of one family" 'bad --node-ip \\"10.0.0.1,10.0.0.2\\": must contain either a single IP or a dual-stack pair' \
	--node-ip 10.0.0.1,10.0.0.2 --cgroup-root /
refuses "open files" 'too many open files' --max-open-files 10 --cgroup-root /
refuses "label" '"command failed" err=<$' --node-labels kubernetes.io/x=y
grep -q "^	--node-labels in the 'kubernetes.io' namespace must begin with an allowed prefix" "$WORK/out" || fail "label: $(cat "$WORK/out")"
refuses "authorization" 'failed to run Kubelet: unknown authorization mode Foo' --authorization-mode Foo
refuses "cloud provider" 'failed to run Kubelet: failed to create kubelet: cloud provider \\"aws\\" was specified' \
	--cloud-provider aws --cgroup-root /
refuses "unknown TLS version" 'failed to construct kubelet dependencies: unknown tls version \\"1.2\\"' --tls-min-version 1.2
refuses "unknown cipher" "Cipher suite DES not supported or doesn't exist" --tls-cipher-suites=DES
refuses "no time for the runtime" 'failed to run Kubelet: connectionTimeout must be positive' --runtime-request-timeout=-1s
refuses "unknown policy" 'failed to run Kubelet: unknown policy: \\"Static\\"' --cpu-manager-policy Static --cgroup-root /
refuses "size of logs" 'failed to parse container log max size \\"x\\"' --container-log-max-size x --cgroup-root /
refuses "soft eviction" 'grace period must be specified for the soft eviction threshold' --cgroup-root / \
	--eviction-soft 'memory.available<5%'
mkdir -p "$WORK/dropins"
dropin() { # NAME LINE
	printf 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n%s\n' "$2" >"$WORK/dropins/$1"
}
dropin 10-pods.conf 'maxPods: -2'
dropin 20-port.conf 'port: 70001'
dropin 30-none.yaml 'eventBurst: -1'
refuses "drop-ins" 'error: \[invalid configuration: maxPods \(--max-pods\) -2 must not be a negative number, invalid configuration: port \(--port\) 70001 must be between 1 and 65535, inclusive\]' \
	--config-dir "$WORK/dropins"
config -e '$a memorySwap: \&swap {swapBehavior: Foo}\nextra: {<<: *swap}'
refuses "a rule behind an anchor" 'memorySwap.swapBehavior .*Foo.* must be one of'
rm "$WORK/config.yaml"
refuses "no config" "failed to load kubelet config file.*$WORK/config.yaml.*no such file"
echo 'kind: [' >"$WORK/config.yaml"
refuses "no YAML" "failed to load kubelet config file"
config -e 's/^kind: .*/kind: Nonsense/'
refuses "wrong kind" 'no kind .*Nonsense.* is registered for version'
config -e 's/^failSwapOn: .*/maxPods: -1/'
refuses "bad value" 'invalid configuration: maxPods \(--max-pods\) -1 must not be a negative number'
config -e 's/^failSwapOn: .*/syncFrequency: "10"/'
refuses "no unit" 'time: missing unit in duration \\"10\\"'
config -e 's/^failSwapOn: .*/syncFrequency: 10d/'
refuses "no such unit" 'time: unknown unit \\"d\\" in duration \\"10d\\"'
config -e 's/^port: .*/port: 70000/'
refuses "bad port" 'port.*70000|70000.*port'
config -e 's|clientCAFile: [^}]*|clientCAFile: /none/ca.crt|'
refuses "no CA" '/none/ca.crt.*no such file'
config
rm "$WORK/kubeconfig"
refuses "no kubeconfig" "$WORK/kubeconfig"
echo '{' >"$WORK/kubeconfig"
refuses "bad kubeconfig" 'kubeconfig|yaml|json'
identity() { # CLUSTER-FIELDS USER-FIELDS
	printf '%s\n' 'apiVersion: v1' 'kind: Config' 'current-context: c' 'contexts: [{name: c, context: {cluster: k, user: u}}]' \
		"clusters: [{name: k, cluster: {$1}}]" "users: [{name: u, user: {$2}}]" >"$WORK/kubeconfig"
}
garbage=$(echo garbage | base64)
server='server: "https://127.0.0.1:1"'
identity "$server" "client-certificate-data: $garbage, client-key-data: $garbage"
refuses "a certificate that is none" \
	'failed to run Kubelet: failed to initialize kubelet client: tls: failed to find any PEM data in certificate input'
identity "$server, certificate-authority-data: $garbage" 'token: x'
refuses "a CA that is none" \
	'failed to initialize kubelet client: unable to load root certificates: unable to parse bytes as PEM block'
identity "$server" 'token: x, username: a, password: b'
refuses "two ways" 'invalid kubeconfig: invalid configuration: more than one .* found for u; found \[token basicAuth\], only one is allowed'
identity 'server: "https://"' 'token: x'
refuses "no host" 'failed to initialize kubelet client: host must be a URL or a host:port pair: \\"https://\\"'
identity 'server: "127.0.0.1:1"' 'token: x'
refuses "a server without scheme is one" 'cgroup.*none-of'
printf '%s\n' 'current-context: c' 'contexts: [{name: c, context: {cluster: k, user: nobody}}]' \
	"clusters: [{name: k, cluster: {$server}}]" >"$WORK/kubeconfig"
refuses "a user that is missing is none" 'cgroup.*none-of'
echo 'current-context: c' >"$WORK/kubeconfig"
refuses "no such context" 'invalid configuration: \[context was not found for specified context: c, cluster has no server defined\]'
: >"$WORK/kubeconfig"
refuses "an empty kubeconfig" 'invalid kubeconfig: invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER'
config -e 's|^containerRuntimeEndpoint: .*|containerRuntimeEndpoint: unix:///none/cri.sock|'
refuses "no runtime" 'validate service connection: validate CRI v1 runtime API for endpoint \\"unix:///none/cri.sock\\": rpc error: code = Unavailable desc = connection error: desc = \\"transport: Error while dialing: dial unix /none/cri.sock: connect: no such file or directory\\"'
config
refuses "one slash" 'for endpoint \\"unix:/none/x\\": rpc error: .* dial unix /none/x: connect: no such file' \
	--container-runtime-endpoint unix:/none/x
refuses "tcp" 'failed to run Kubelet: only support unix socket endpoint' --container-runtime-endpoint tcp://127.0.0.1:1
refuses "http" 'failed to run Kubelet: protocol \\"http\\" not supported' --container-runtime-endpoint http://x/y
expect version "$("$program" --version)" "Kubernetes v1.37.2"
expect "raw version" "$("$program" --version=raw | grep -o '^version.Info{Major:"1", Minor:"37",.* GitVersion:"v1.37.2"')" \
	'version.Info{Major:"1", Minor:"37", EmulationMajor:"", EmulationMinor:"", MinCompatibilityMajor:"", MinCompatibilityMinor:"", GitVersion:"v1.37.2"'
refuses "another version" \
	'invalid argument \\"v1.2.3\\" for \\"--version\\" flag: version \\"v1.2.3\\" must match major/minor/patch of default version' \
	--version=v1.2.3
