/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The gate process. All in this folder runs with no rights and talks to strangers; layers.mk lets it see the channel to
 * the kubelet, and nothing else of the kubelet.
 */
#include "kubelet/gate/channel/terms.h"

/* main() of a program whose own name is GATE_PROGRAM; returns the exit code. */
int gate_child_main(int argc, char **argv);
