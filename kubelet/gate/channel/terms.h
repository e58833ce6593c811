/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What both ends of the channel mean by a number or a name; the messages themselves are in proto/gate.proto. */

/* The own name (last part of argv[0]) under which this program is the gate. */
#define GATE_PROGRAM "kubelet-gate"

enum gate_listener {
	GATE_API,       /* 10250, TLS */
	GATE_HEALTHZ,   /* 10248, plain; binding it is tried again every 5 s, as stock does */
	GATE_READ_ONLY, /* 10255, plain, off by default */
	GATE_LISTENERS,
};

enum gate_session { GATE_COMMAND, GATE_PORT_FORWARD };

enum {
	GATE_CHANNEL_FD = 3,            /* where the gate finds its end */
	GATE_LAST_WORDS_MS = 30 * 1000, /* for sessions to end in good form once the kubelet is gone */
	COUNTED_BODY_BYTES = 2048,      /* of an answer; a longer one comes in chunks, as Go's do */
};
