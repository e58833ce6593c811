#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Variables of services, in stock's names; none but the API server's when enableServiceLinks is false.
. "$(dirname "$0")/../lib.sh"

kubectl create service clusterip my-db --tcp=5432:5432 >/dev/null
address=$(kubectl get service my-db -o 'jsonpath={.spec.clusterIP}')
make() {
	pod "$1" <<-EOT
		restartPolicy: Never
		enableServiceLinks: $2
		containers:
		- {name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [env]}
	EOT
	wait_ended "$1" Succeeded
	kubectl logs "$1" >"$WORK/$1"
}
linked() { # the kubelet learns of a service a moment later
	kubectl delete pod links --ignore-not-found >/dev/null
	make links true
	grep -q ^MY_DB_SERVICE_HOST "$WORK/links"
}
wait_until 60 "service variables" linked
for line in "MY_DB_SERVICE_HOST=$address" MY_DB_SERVICE_PORT=5432 "MY_DB_PORT=tcp://$address:5432" \
	"MY_DB_PORT_5432_TCP=tcp://$address:5432" MY_DB_PORT_5432_TCP_PROTO=tcp MY_DB_PORT_5432_TCP_PORT=5432 \
	"MY_DB_PORT_5432_TCP_ADDR=$address" MY_DB_SERVICE_PORT_5432_5432=5432 \
	"KUBERNETES_SERVICE_HOST=10.252.$RIG_ID.1" KUBERNETES_SERVICE_PORT=443 KUBERNETES_SERVICE_PORT_HTTPS=443 \
	"KUBERNETES_PORT=tcp://10.252.$RIG_ID.1:443" KUBERNETES_PORT_443_TCP_PROTO=tcp; do
	grep -qxF "$line" "$WORK/links" || fail "no line '$line' in: $(cat "$WORK/links")"
done
make plain false
! grep -q ^MY_DB "$WORK/plain" || fail "service variables although enableServiceLinks is false"
grep -q ^KUBERNETES_SERVICE_HOST= "$WORK/plain" || fail "no KUBERNETES_SERVICE_HOST"
