#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An image that was pulled with a secret is not for pods that have none.
# group: alone
. "$(dirname "$0")/../lib.sh"

# shellcheck source=e2e/registry.sh
. "$(dirname "$0")/../registry.sh"

kubectl create secret docker-registry login --docker-server="$registry" --docker-username=me --docker-password=secret >/dev/null
run stranger private/own:1 IfNotPresent
run friend private/own:1 IfNotPresent login
wait_ended friend Succeeded
wait_for stranger '.status.containerStatuses[0].state.waiting.reason | test("ErrImagePull|ImagePullBackOff")'
