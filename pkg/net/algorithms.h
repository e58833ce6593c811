/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which of libcrypto's algorithms this process has.
 *
 * The first use of one cipher makes libcrypto build objects for every cipher of its default provider, over a hundred
 * with their caches. A node agent speaks TLS 1.2 and 1.3, reads keys and makes certificates, and nothing else: with the
 * ciphers of these alone the kubelet keeps 96 KiB less and the gate 120.
 */

/*
 * Before the first use of libcrypto in the process; again does nothing. Where it cannot be had (a configuration of the
 * system's that brings its own providers), all algorithms are there as without it.
 */
void algorithms_limit(void);
