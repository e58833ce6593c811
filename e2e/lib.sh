# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What a case has at hand. run.sh sets NS (a namespace of the case's own), WORK (a folder of its own), KUBELET, RIG_ID.
# A case asserts what is true in the end, never how long it took. It ends with 0, with 77 after `skip`, else it failed.
set -euo pipefail

# shellcheck source=e2e/rig/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/rig/lib.sh"
export KUBECONFIG=$RIG/conf/admin.conf
API=https://$CONTROL_IP:6443

kubectl() {
	command kubectl -n "$NS" "$@"
}

crictl() {
	command crictl --config "$RIG/conf/crictl.yaml" --timeout $((30 * E2E_SLOW))s "$@"
}

# api PATH [CURL-OPTION...]
api() {
	local path=$1
	shift
	curl -sS --max-time $((20 * E2E_SLOW)) --cacert "$RIG/pki/ca.crt" --cert "$RIG/conf/admin.crt" --key "$RIG/conf/admin.key" "$@" "$API$path"
}

# node_api PATH [CURL-OPTION...]: the kubelet itself, as the API server's client certificate.
node_api() {
	local path=$1
	shift
	curl -sSk --max-time $((20 * E2E_SLOW)) --cert "$RIG/pki/apiserver-kubelet-client.crt" --key "$RIG/pki/apiserver-kubelet-client.key" \
		"$@" "https://$NODE_IP:10250$path"
}

# gate: the process of our kubelet that faces the network
gate() {
	pgrep -P "$(rig_pid kubelet)" -x kubelet-gate
}
other_gate() { # THAN
	local now
	now=$(gate) && [ "$now" != "$1" ]
}

fail() {
	say "FAILED at ${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}: $*"
	exit 1
}

skip() {
	say "$*"
	exit 77
}

# expect WHAT ACTUAL EXPECTED
expect() {
	[ "$2" = "$3" ] || {
		say "FAILED at ${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}: $1: got '$2', want '$3'"
		exit 1
	}
}

# expect_like WHAT ACTUAL REGEX
expect_like() {
	[[ $2 =~ $3 ]] || {
		say "FAILED at ${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}: $1: got '$2', want something like '$3'"
		exit 1
	}
}

# --- Pods ---

# pod NAME [METADATA]: creates a pod; its spec is read from stdin. One second of grace unless the spec says otherwise.
pod() {
	local spec
	spec=$(sed 's/^/  /')
	{
		printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: %s%s}\nspec:\n%s\n' "$1" "${2:+, $2}" "$spec"
		grep -q terminationGracePeriodSeconds <<<"$spec" || echo "  terminationGracePeriodSeconds: 1"
	} | kubectl create -f - >/dev/null
}

# busybox_pod NAME SCRIPT [RESTART-POLICY]: one container "c" that runs a shell script.
busybox_pod() {
	pod "$1" <<-EOT
		restartPolicy: ${3:-Always}
		containers:
		- name: c
		  image: busybox
		  imagePullPolicy: IfNotPresent
		  command: [sh, -c, $(jq -Rsc . <<<"$2")]
	EOT
}

# get POD JQ
get() {
	api "/api/v1/namespaces/$NS/pods/$1" | jq -r "$2"
}

pod_is() {
	api "/api/v1/namespaces/$NS/pods/$1" >"$WORK/seen.json" 2>/dev/null
	jq -e "$2" "$WORK/seen.json" >/dev/null 2>&1
}

# seen JQ: of the very object that ended the last wait_for
seen() {
	jq -r "$1" "$WORK/seen.json"
}

# wait_for POD JQ [SECONDS]: until the expression is true of the pod.
wait_for() {
	wait_until "${3:-90}" "pod $1: $2" pod_is "$1" "$2" || {
		show_pod "$1"
		exit 1
	}
}

wait_running() {
	local name
	for name; do
		wait_for "$name" '.status.phase == "Running" and all(.status.containerStatuses[]; .state.running)'
	done
}

# wait_ended POD PHASE
wait_ended() {
	wait_for "$1" '.status.phase == "Succeeded" or .status.phase == "Failed"'
	expect "phase of $1" "$(get "$1" .status.phase)" "$2"
}

pod_gone() {
	[ "$(api "/api/v1/namespaces/$NS/pods/$1" -o /dev/null -w '%{http_code}')" = 404 ]
}

wait_gone() {
	local name
	for name; do
		wait_until "${GONE_SECONDS:-60}" "pod $name gone" pod_gone "$name" || {
			show_pod "$name"
			exit 1
		}
	done
}

show_pod() {
	get "$1" 'del(.metadata.managedFields)' >&2
	events "$1" >&2
}

# events POD: lines "Type Reason Message", oldest first
events() {
	api "/api/v1/namespaces/$NS/events?fieldSelector=involvedObject.name=$1" |
		jq -r '.items | sort_by(.firstTimestamp // .eventTime) | .[] | "\(.type) \(.reason) \(.message)"'
}

event_seen() {
	events "$1" | grep -E "$2" >/dev/null # with -q the writer could die of SIGPIPE
}

# wait_event POD REGEX [SECONDS]
wait_event() {
	wait_until "${3:-60}" "event of $1: $2" event_seen "$1" "$2" || {
		show_pod "$1"
		exit 1
	}
}

# in_pod POD COMMAND...: output of a command in the pod
in_pod() {
	local name=$1
	shift
	kubectl exec "$name" -- "$@"
}

cgroup_v2() {
	[ -e /sys/fs/cgroup/cgroup.controllers ]
}

# cgroup_value GROUP WHAT: a value of a cgroup below the top, on either hierarchy; "max" is none.
#   shares (of v2: the weight), quota and memory have files on both; any other word is a file of v2 ("memory.high")
cgroup_value() {
	local root=/sys/fs/cgroup v2=$2 v1 value
	case $2 in
	shares) v1=cpu/$1/cpu.shares v2=cpu.weight ;;
	quota) v1=cpu/$1/cpu.cfs_quota_us v2=cpu.max ;;
	memory) v1=memory/$1/memory.limit_in_bytes v2=memory.max ;;
	pids.max) v1=pids/$1/pids.max ;;
	*) v1=none ;;
	esac
	if cgroup_v2; then
		read -r value _ <"$root/$1/$v2"
	else
		read -r value <"$root/$v1"
	fi
	case $value in -1 | 9223372036854771712) value=max ;; esac
	echo "$value"
}

# pod_cgroup POD [CONTAINER]: its cgroup below the top
pod_cgroup() {
	local object class id=
	object=$(get "$1" .)
	class=$(jq -r '.status.qosClass | ascii_downcase' <<<"$object")
	[ "$class" != guaranteed ] || class=
	[ -z "${2:-}" ] || id=$(jq -r --arg name "$2" \
		'.status.containerStatuses[] | select(.name == $name) | .containerID | sub("^containerd:/"; "")' <<<"$object")
	echo "$POD_CGROUP/kubepods${class:+/$class}/pod$(jq -r .metadata.uid <<<"$object")$id"
}

# protocols COMMAND...: runs a function once over WebSockets and once over SPDY; $PROTOCOL says which.
protocols() {
	PROTOCOL=websocket KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true KUBECTL_PORT_FORWARD_WEBSOCKETS=true "$@"
	PROTOCOL=spdy KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false KUBECTL_PORT_FORWARD_WEBSOCKETS=false "$@"
}

# --- Cleaning up, in reverse order ---

cleanups=()
at_exit() {
	cleanups+=("$*")
}

run_cleanups() {
	local code=$? i
	set +e
	for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do
		eval "${cleanups[i]}"
	done
	command kubectl delete namespace "$NS" --wait=false >/dev/null 2>&1
	exit $code
}
trap run_cleanups EXIT

command kubectl create namespace "$NS" >/dev/null
has_account() {
	[ "$(api "/api/v1/namespaces/$NS/serviceaccounts/default" -o /dev/null -w '%{http_code}')" = 200 ]
}
wait_until 30 "the default service account of $NS" has_account
