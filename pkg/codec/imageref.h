/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Image references as people write them, completed as Docker and every runtime do: docker.io, library/, :latest. */
#include "pkg/base/arena.h"
#include "pkg/base/err.h"

struct imageref {
	const char *domain, *path; /* docker.io, library/nginx; the domain is "" for names like a_b.c/d */
	const char *tag, *digest;  /* either may be NULL */
};

/* -EINVAL with the sentence that the stock kubelet gives for InvalidImageName. */
int imageref_parse(const char *text, struct arena *arena, struct imageref *ret_ref, struct err *err);

/* The text that gave `ref`, without its tag and digest and otherwise as it was written: "nginx:1" gives "nginx". */
char *imageref_trim(const char *text, const struct imageref *ref, struct arena *arena);

/* "docker.io/library/nginx:latest" */
char *imageref_text(const struct imageref *ref, struct arena *arena);
