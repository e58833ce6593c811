#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Pulls from a registry: policies, events, and a private repository with and without its secret.
# group: alone
. "$(dirname "$0")/../lib.sh"

# shellcheck source=e2e/registry.sh
. "$(dirname "$0")/../registry.sh"

at_exit "crictl rmi $registry/open/own:1"
run first open/own:1 IfNotPresent
wait_ended first Succeeded
wait_event first "^Normal Pulling Pulling image \"$registry/open/own:1\"\$"
wait_event first "^Normal Pulled Successfully pulled image \"$registry/open/own:1\" in [0-9.]+m?s \([0-9.]+m?s including waiting\). Image size: [0-9]+ bytes.\$"
expect_like imageID "$(get first '.status.containerStatuses[0].imageID')" "^$registry/open/own@sha256:"
before=$(pulls open/own)
run second open/own:1 IfNotPresent
wait_ended second Succeeded
expect "IfNotPresent pulls once" "$(pulls open/own)" "$before"
run third open/own:1 Always
wait_ended third Succeeded
wait_event third "^Normal Pulled Successfully pulled image"
grep -qE "(HEAD|GET) /v2/open/own/manifests/1" "$WORK/registry" || fail "Always did not ask the registry"

kubectl create secret docker-registry login --docker-server="$registry" --docker-username=me --docker-password=secret >/dev/null
run friend private/own:1 IfNotPresent login
wait_ended friend Succeeded
