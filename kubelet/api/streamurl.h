/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The URL at which a runtime streams a session. It comes from another process, so it is held to what it must be: plain
 * HTTP to this machine itself (a loopback address with a port). A runtime that was taken over cannot make the kubelet
 * dial anybody else. Pure.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "pkg/base/arena.h"
#include "pkg/base/err.h"

enum { STREAM_URL_MAX = 4096 }; /* containerd's have 60 bytes */

struct stream_url {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t address_size;
	const char *host; /* for the Host header */
	const char *path; /* with the query: "/exec/TOKEN" */
};

/*
 * http://127.0.0.1:PORT/PATH, http://[::1]:PORT/PATH or http://localhost:PORT/PATH; -EINVAL says what is wrong.
 */
int stream_url_parse(const char *text, struct arena *arena, struct stream_url *ret_url, struct err *err);
