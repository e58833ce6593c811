/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* YAML to JSON, so that one walker reads both. One document; scalars are typed as YAML 1.1 (and kubectl) does. */
#include <stddef.h>

#include "pkg/base/buf.h"
#include "pkg/base/err.h"

/*
 * -EBADMSG with line and column for what is no YAML; -E2BIG when aliases blow it up past the buffer's limit or it is
 * nested deeper than JSON_DEPTH_MAX. JSON text is YAML too and passes.
 */
int yaml_to_json(const char *yaml, size_t size, struct buf *json, struct err *err);
