#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Requests that no library would send, wrong and odd ones, and 2,000 idle connections: the answers are stock's.
. "$(dirname "$0")/../lib.sh"

python3 "$repo/e2e/tools/raw.py" "$NODE_IP" 10250 "$RIG/pki/apiserver-kubelet-client.crt" "$RIG/pki/apiserver-kubelet-client.key"
