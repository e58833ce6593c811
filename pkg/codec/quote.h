/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Text as Go's strconv.Quote writes it: what cannot be printed as \n, \x07, \u00a0 or \U000e0001, broken UTF-8 byte by
 * byte. Code points that no version of Unicode has assigned are taken as printable, which Go's tables do not.
 */
#include "pkg/base/buf.h"

void quote_go(struct buf *into, const char *text); /* with the quotation marks */
