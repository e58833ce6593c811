/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* fsGroup: who may use the files of a volume (upstream's SetVolumeOwnership). Blocking: for the pool. */
#include <stdbool.h>
#include <stdint.h>

#include "pkg/base/err.h"

/*
 * Gives everything in `dir` and the folder itself to the group: files get ug+rw (read-only volumes: ug+r), folders also
 * ug+x and setgid. Links are given to the group and not followed. A single file that refuses is no failure, as in
 * stock.
 */
int ownership_set(const char *dir, int64_t group, bool read_only, struct err *err);

/* Whether the folder itself has the group and the bits already: all that fsGroupChangePolicy OnRootMismatch looks at.
 */
bool ownership_root_matches(const char *dir, int64_t group, bool read_only);
