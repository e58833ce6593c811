/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A request as the gate sends it up, looked at with distrust. Pure. */
#include "gate.pb-c.h"
#include "kubelet/gate/gate.h"
#include "pkg/base/arena.h"

/*
 * Copies everything into the arena, which may have a limit. False when a field is not what an honest gate can send: a
 * zero byte, a line break where a head to the runtime is built from, an unknown listener, too many headers.
 */
bool request_read(struct arena *arena, const Gate__Request *from, struct gate_request *into);

/* How much its texts hold. */
size_t request_bytes(const Gate__Request *request);
