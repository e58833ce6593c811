/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/sys/mountinfo.h"

#include <string.h>

#include "pkg/base/file.h"

/* \040 and its kind, as the kernel writes blanks, tabs, newlines and backslashes. */
static void unescape(const char *from, size_t size, char *into, size_t room)
{
	size_t used = 0;

	for (size_t i = 0; i < size && used + 1 < room; i++) {
		if (from[i] == '\\' && i + 3 < size && from[i + 1] >= '0' && from[i + 1] <= '3' && from[i + 2] >= '0' &&
		    from[i + 2] <= '7' && from[i + 3] >= '0' && from[i + 3] <= '7') {
			into[used++] = (char)((from[i + 1] - '0') * 64 + (from[i + 2] - '0') * 8 + (from[i + 3] - '0'));
			i += 3;
		} else {
			into[used++] = from[i];
		}
	}
	into[used] = 0;
}

struct word {
	const char *text;
	size_t size;
};

static bool next_word(const char **at, const char *end, struct word *into)
{
	while (*at < end && **at == ' ')
		(*at)++;
	into->text = *at;
	while (*at < end && **at != ' ')
		(*at)++;
	into->size = (size_t)(*at - into->text);
	return into->size > 0;
}

/* id parent major:minor root target options [optional fields] - type source super-options */
static bool parse_line(const char *at, const char *end, struct mountinfo_line *into)
{
	struct word words[6], word = { 0 };

	for (size_t i = 0; i < 6; i++)
		if (!next_word(&at, end, &words[i]))
			return false;
	into->is_shared = false;
	do {
		if (!next_word(&at, end, &word))
			return false;
		into->is_shared |= word.size > 7 && memcmp(word.text, "shared:", 7) == 0;
	} while (word.size != 1 || *word.text != '-');
	unescape(words[3].text, words[3].size, into->root, sizeof into->root);
	unescape(words[4].text, words[4].size, into->target, sizeof into->target);
	unescape(words[5].text, words[5].size, into->options, sizeof into->options);
	if (!next_word(&at, end, &word))
		return false;
	unescape(word.text, word.size, into->type, sizeof into->type);
	next_word(&at, end, &word); /* the source may be empty */
	unescape(word.text, word.size, into->source, sizeof into->source);
	next_word(&at, end, &word);
	unescape(word.text, word.size, into->super_options, sizeof into->super_options);
	return true;
}

bool mountinfo_next(const char *text, size_t size, size_t *at, struct mountinfo_line *into)
{
	while (*at < size) {
		const char *line = text + *at, *end = memchr(line, '\n', size - *at);

		if (!end)
			end = text + size;
		*at = (size_t)(end - text) + (end < text + size);
		if (parse_line(line, end, into))
			return true;
	}
	return false;
}

int mountinfo_read(struct buf *into, struct err *err)
{
	return file_read("/proc/self/mountinfo", into, err);
}

bool mountinfo_has_option(const char *options, const char *option)
{
	size_t size = strlen(option);

	for (const char *at = options; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, option, size) == 0 && (at[size] == ',' || !at[size]))
			return true;
	}
	return false;
}
