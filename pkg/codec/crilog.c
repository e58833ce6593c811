/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/crilog.h"

#include <errno.h>
#include <string.h>

#include "pkg/codec/rfc3339.h"

/* The word up to the next blank; the rest begins behind it. */
static bool take_word(const char **at, const char *end, const char **ret_word, size_t *ret_size)
{
	const char *blank = memchr(*at, ' ', (size_t)(end - *at));

	if (!blank)
		return false;
	*ret_word = *at;
	*ret_size = (size_t)(blank - *at);
	*at = blank + 1;
	return true;
}

int crilog_parse(const char *line, size_t size, struct crilog_line *ret_line)
{
	const char *at = line, *end = line + size, *stream, *tag;
	size_t stream_size, tag_size;
	char time[RFC3339_MAX];
	struct crilog_line got = { 0 };

	if (!take_word(&at, end, &got.time, &got.time_size) || got.time_size >= sizeof time)
		return -EBADMSG;
	memcpy(time, got.time, got.time_size);
	time[got.time_size] = 0;
	if (rfc3339_parse(time, &got.seconds, &got.nanos) < 0)
		return -EBADMSG;
	if (!take_word(&at, end, &stream, &stream_size) || stream_size != 6)
		return -EBADMSG;
	got.is_stderr = memcmp(stream, "stderr", 6) == 0;
	if (!got.is_stderr && memcmp(stream, "stdout", 6) != 0)
		return -EBADMSG;
	if (!take_word(&at, end, &tag, &tag_size))
		return -EBADMSG;
	got.partial = tag_size > 0 && tag[0] == 'P'; /* tags may be joined by ':'; the first one is this */
	got.text = at;
	got.size = (size_t)(end - at);
	*ret_line = got;
	return 0;
}
