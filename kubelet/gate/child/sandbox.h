/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Shuts the gate process in: from then on it has the descriptors that it holds or is passed, its memory, the clock and
 * randomness, and nothing else. Called once, after everything that needs a file, before the first byte of a client.
 *
 * The process was started in its own pid, mount, network, ipc and uts namespaces. Here: an empty read-only root, user
 * kubelet-gate (else uid 64250: never nobody, below the ranges of pods), no capabilities, no_new_privs, resource
 * limits, not dumpable, and a list of allowed system calls.
 */
#include <stdbool.h>

#include "pkg/base/buf.h"
#include "pkg/base/err.h"

enum { SANDBOX_UID = 64250 };

/* With `lenient` a layer that cannot be had is named in `missing` and left out; else it is an error. */
int sandbox_enter(bool lenient, struct buf *missing, struct err *err);

/*
 * Tries what the gate must not be able to do, from inside: open a file, make a socket, connect, signal, trace, start a
 * program. Returns how many of them worked, with a line for each in `report`. For the unit test and for suspicious
 * minds: `kubelet-gate --probe-sandbox`.
 */
int sandbox_probe(struct buf *report);
