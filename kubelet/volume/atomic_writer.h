/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Changes all files of a volume at one moment, as a container sees them (upstream's AtomicWriter):
 *
 *   DIR/..2026_11_25_08_00_00.1234567890/a/b   the files
 *   DIR/..data -> ..2026_11_25_08_00_00.1234567890
 *   DIR/a -> ..data/a
 *
 * A new version gets a new folder, then `..data` is replaced by rename. Blocking: for the pool.
 */
#include "kubelet/volume/payload.h"
#include "pkg/base/err.h"

/*
 * Makes the content of `dir` (which exists) the payload. Content that is right already is not written again; links
 * that are missing are made, names that are no longer in the payload removed. `group` is the pod's fsGroup or -1: new
 * files get it before they can be seen. *ret_written (may be NULL) tells whether a new version was made.
 */
int atomic_write(const char *dir, const struct payload *payload, int64_t group, bool *ret_written, struct err *err);
