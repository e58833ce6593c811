# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Writes the configuration of every program of the rig. Sourced by rig.sh after lib.sh.

write_kubeadm_config() {
	cat >"$RIG/kubeadm.yaml" <<-EOT
		apiVersion: kubeadm.k8s.io/v1beta4
		kind: InitConfiguration
		localAPIEndpoint: {advertiseAddress: $NODE_IP, bindPort: 6443}
		nodeRegistration: {name: $NODE_NAME, criSocket: "unix://$CRI_SOCKET"}
		---
		apiVersion: kubeadm.k8s.io/v1beta4
		kind: ClusterConfiguration
		kubernetesVersion: v1.37.2
		certificatesDir: $RIG/pki
		networking: {serviceSubnet: $SERVICE_CIDR, podSubnet: $POD_CIDR}
	EOT
}

write_audit_policy() {
	cat >"$RIG/audit-policy.yaml" <<-EOT
		apiVersion: audit.k8s.io/v1
		kind: Policy
		omitStages: [RequestReceived]
		rules: [{level: Metadata}]
	EOT
}

# write_command NAME WORD...: what the supervisor runs. The PATH has the stock programs and Debian's, nothing of the caller.
write_command() {
	local file=$RIG/cmd/$1
	shift
	{
		echo "export PATH=$BIN:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8"
		printf 'exec'
		printf ' %q' "$@"
		echo
	} >"$file"
}

write_control_plane() {
	local pki=$RIG/pki conf=$RIG/conf
	write_command etcd etcd --name rig --data-dir "$RIG/etcd" --unsafe-no-fsync --log-level warn \
		--listen-client-urls "https://$NODE_IP:2379" --advertise-client-urls "https://$NODE_IP:2379" \
		--listen-peer-urls "https://$NODE_IP:2380" --initial-advertise-peer-urls "https://$NODE_IP:2380" \
		--initial-cluster "rig=https://$NODE_IP:2380" \
		--cert-file "$pki/etcd/server.crt" --key-file "$pki/etcd/server.key" \
		--trusted-ca-file "$pki/etcd/ca.crt" --client-cert-auth \
		--peer-cert-file "$pki/etcd/peer.crt" --peer-key-file "$pki/etcd/peer.key" \
		--peer-trusted-ca-file "$pki/etcd/ca.crt" --peer-client-cert-auth
	write_command kube-apiserver kube-apiserver --bind-address "$NODE_IP" --advertise-address "$NODE_IP" --secure-port 6443 \
		--etcd-servers "https://$NODE_IP:2379" --etcd-cafile "$pki/etcd/ca.crt" \
		--etcd-certfile "$pki/apiserver-etcd-client.crt" --etcd-keyfile "$pki/apiserver-etcd-client.key" \
		--tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" --client-ca-file "$pki/ca.crt" \
		--kubelet-client-certificate "$pki/apiserver-kubelet-client.crt" \
		--kubelet-client-key "$pki/apiserver-kubelet-client.key" --kubelet-preferred-address-types InternalIP \
		--service-account-issuer https://kubernetes.default.svc.cluster.local \
		--service-account-key-file "$pki/sa.pub" --service-account-signing-key-file "$pki/sa.key" \
		--requestheader-client-ca-file "$pki/front-proxy-ca.crt" --requestheader-allowed-names front-proxy-client \
		--requestheader-extra-headers-prefix X-Remote-Extra- --requestheader-group-headers X-Remote-Group \
		--requestheader-username-headers X-Remote-User \
		--proxy-client-cert-file "$pki/front-proxy-client.crt" --proxy-client-key-file "$pki/front-proxy-client.key" \
		--authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged=true \
		--enable-bootstrap-token-auth --service-cluster-ip-range "$SERVICE_CIDR" \
		--audit-policy-file "$RIG/audit-policy.yaml" --audit-log-path "$RIG/log/audit.log" --audit-log-maxsize 500
	write_command kube-controller-manager kube-controller-manager --bind-address "$NODE_IP" \
		--kubeconfig "$conf/controller-manager.conf" --authentication-kubeconfig "$conf/controller-manager.conf" \
		--authorization-kubeconfig "$conf/controller-manager.conf" --client-ca-file "$pki/ca.crt" \
		--requestheader-client-ca-file "$pki/front-proxy-ca.crt" --root-ca-file "$pki/ca.crt" \
		--cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" \
		--service-account-private-key-file "$pki/sa.key" --use-service-account-credentials \
		--controllers '*,bootstrapsigner,tokencleaner' --allocate-node-cidrs --cluster-cidr "$POD_CIDR" \
		--service-cluster-ip-range "$SERVICE_CIDR" --node-cidr-mask-size 24 --leader-elect=false
	write_command kube-scheduler kube-scheduler --bind-address "$NODE_IP" --kubeconfig "$conf/scheduler.conf" \
		--authentication-kubeconfig "$conf/scheduler.conf" --authorization-kubeconfig "$conf/scheduler.conf" \
		--leader-elect=false
}

# The pod network: one bridge per rig, addresses kept in the rig's folder.
write_cni() {
	mkdir -p "$RIG/cni"
	cat >"$RIG/cni/10-rig.conflist" <<-EOT
		{"cniVersion": "1.0.0", "name": "cubelet-rig-$RIG_ID", "plugins": [
		  {"type": "bridge", "bridge": "$POD_LINK", "isGateway": true, "hairpinMode": true,
		   "ipam": {"type": "host-local", "dataDir": "$RIG/ipam", "ranges": [[{"subnet": "$POD_CIDR"}]],
		            "routes": [{"dst": "0.0.0.0/0"}]}},
		  {"type": "portmap", "capabilities": {"portMappings": true}}]}
	EOT
}

write_containerd() {
	local dir=$RIG/containerd registry=$RIG/certs.d/$NODE_IP:5000
	mkdir -p "$dir" "$registry"
	# The registry that some cases start speaks plain HTTP.
	printf 'server = "http://%s:5000"\n[host."http://%s:5000"]\n' "$NODE_IP" "$NODE_IP" >"$registry/hosts.toml"
	cat >"$dir/config.toml" <<-EOT
		version = 3
		root = "$dir/root"
		state = "$dir/state"
		[grpc]
		  address = "$CRI_SOCKET"
		[ttrpc]
		  address = "$CRI_SOCKET.ttrpc"
		[plugins."io.containerd.internal.v1.opt"]
		  path = "$dir/opt"
		[plugins."io.containerd.nri.v1.nri"]
		  disable = true
		[plugins."io.containerd.cri.v1.images".pinned_images]
		  sandbox = "registry.k8s.io/pause:3.10.2"
		[plugins."io.containerd.cri.v1.images".registry]
		  config_path = "$RIG/certs.d"
		[plugins."io.containerd.cri.v1.runtime"]
		  disable_apparmor = true
		  restrict_oom_score_adj = true
		  netns_mounts_under_state_dir = true
		[plugins."io.containerd.cri.v1.runtime".cni]
		  bin_dirs = ["/usr/lib/cni"]
		  conf_dir = "$RIG/cni"
		[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
		  runtime_type = "io.containerd.runc.v2"
		[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
		  BinaryName = "/usr/sbin/runc"
		  Root = "$dir/runc"
		  SystemdCgroup = false
	EOT
	printf 'runtime-endpoint: "unix://%s"\nimage-endpoint: "unix://%s"\n' "$CRI_SOCKET" "$CRI_SOCKET" >"$RIG/conf/crictl.yaml"
	write_command containerd containerd --config "$dir/config.toml"
}

# Stock and ours take the same file and the same command line.
write_kubelet() {
	local program=$1
	mkdir -p "$RIG/kubelet" "$RIG/manifests" "$RIG/pod-logs"
	cp "$RIG/pki/ca.crt" "$RIG/conf/kubelet-ca.crt" # a file of its own, which a case may replace
	cat >"$RIG/conf/kubelet.yaml" <<-EOT
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		address: $NODE_IP
		port: 10250
		healthzBindAddress: $NODE_IP
		healthzPort: 10248
		authentication:
		  anonymous: {enabled: false}
		  webhook: {enabled: true}
		  x509: {clientCAFile: $RIG/conf/kubelet-ca.crt}
		authorization: {mode: Webhook}
		cgroupDriver: cgroupfs
		cgroupRoot: /$POD_CGROUP
		failCgroupV1: false
		failSwapOn: false
		containerRuntimeEndpoint: unix://$CRI_SOCKET
		clusterDNS: [10.252.$RIG_ID.10]
		clusterDomain: cluster.local
		podLogsDir: $RIG/pod-logs
		staticPodPath: $RIG/manifests
		volumePluginDir: $RIG/kubelet-plugins
		evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
		imageGCHighThresholdPercent: 100
		imageGCLowThresholdPercent: 99
	EOT
	write_command kubelet "$program" --config "$RIG/conf/kubelet.yaml" --kubeconfig "$RIG/conf/kubelet.conf" \
		--hostname-override "$NODE_NAME" --node-ip "$NODE_IP" --root-dir "$RIG/kubelet" --cert-dir "$RIG/kubelet/pki" --v=2
}
