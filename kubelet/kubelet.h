/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The whole node agent: owns every manager, makes them in order, wires them, takes them down. No logic of its own; it
 * is the only place that sees them all.
 */
#include "kubelet/config/config.h"
#include "pkg/base/err.h"
#include "pkg/loop/loop.h"

struct kubelet;

/* The config must outlive it. What fails here is what the stock kubelet refuses to start with. */
int kubelet_new(struct loop *loop, const struct config *config, struct kubelet **ret_kubelet, struct err *err);
void kubelet_start(struct kubelet *kubelet);
