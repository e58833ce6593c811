/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The service manager's protocol: it is told when we are ready, and as often as it wants that we are alive. */
#include <stdint.h>

#include "pkg/base/err.h"

/* Sends the state ("READY=1") to $NOTIFY_SOCKET; without one nobody listens, and nothing happens. */
void systemd_notify(const char *state);

/*
 * How often WATCHDOG=1 is to be sent, from $WATCHDOG_USEC and $WATCHDOG_PID (NULL for unset); 0 when nobody waits for
 * it. -EINVAL in stock's words for what no service manager sets, and for a time that is too short to be kept.
 */
int systemd_watchdog_interval(const char *usec, const char *pid, int64_t *ret_ms, struct err *err);
