/* SPDX-License-Identifier: Apache-2.0 */
/* Heads and bodies: no crash, and byte by byte is the same as whole. */
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/stream/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const uint8_t *data, size_t size, bool is_response)
{
	struct http_head whole, parts;
	size_t taken, at = 0, part;
	int code = 0;

	http_head_init(&whole, is_response);
	http_head_init(&parts, is_response);
	http_head_feed(&whole, data, size, &taken);
	while (at < size && code >= 0 && !parts.complete) {
		code = http_head_feed(&parts, data + at, 1, &part);
		at += part;
	}
	base_assert(whole.complete == parts.complete && whole.refusal == parts.refusal);
	if (whole.complete) {
		struct http_body body;

		base_assert(taken == at && whole.n_headers == parts.n_headers && whole.framing == parts.framing);
		base_assert(is_response || strcmp(whole.path, parts.path) == 0);
		http_body_init(&body, &whole);
		while (at < size && !body.done) {
			const char *content;
			size_t content_size;

			if (http_body_step(&body, (const char *)data + at, size - at, &part, &content, &content_size) <
			    0)
				break;
			base_assert(part > 0 && content_size <= part);
			at += part;
		}
	}
	http_head_done(&whole);
	http_head_done(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	compare(data, size, false);
	compare(data, size, true);
	return 0;
}
