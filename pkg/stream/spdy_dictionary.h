/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The preset dictionary of SPDY/3 header compression: draft-mbelshe-httpbis-spdy-00, section 2.6.10.1. Each word goes
 * behind its length in four bytes; the run of text at the end goes as it is. Adler-32 e3c6a7c2, checked by a test.
 */
enum { SPDY_DICTIONARY_BYTES = 1423 };

const unsigned char *spdy_dictionary(void);
