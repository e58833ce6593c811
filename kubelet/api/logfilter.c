/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/logfilter.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/crilog.h"
#include "pkg/codec/quote.h"
#include "pkg/codec/rfc3339.h"

enum { TIME_DIGITS = 9 };

/* ---- options ---- */

#define BAD_QUERY "{\"message\": \"Unable to decode query.\"}"
#define BAD_OPTIONS "{\"message\": \"Invalid request.\"}"

struct raw_options {
	bool has_tail, has_limit, has_since_s, has_since_time;
	int64_t since_s;
	const char *stream;
};

static bool read_int(const struct query *query, const char *key, bool *ret_has, int64_t *ret_value)
{
	const char *text = query_get(query, key);

	*ret_has = text != NULL;
	return !text || query_int(text, ret_value) == 0;
}

static bool read_flag(const struct query *query, const char *key)
{
	const char *text = query_get(query, key);

	return text && query_bool(text);
}

static bool read_options(const struct query *query, struct logfilter_options *options, struct raw_options *raw)
{
	const char *tail = query_get(query, "tail"), *time = query_get(query, "sinceTime");
	bool all = str_eq(tail, "all");

	options->follow = read_flag(query, "follow");
	options->previous = read_flag(query, "previous");
	options->timestamps = read_flag(query, "timestamps");
	raw->stream = query_get(query, "stream");
	raw->has_since_time = time != NULL;
	/* `tail` is the older name and wins. */
	if (!all && !read_int(query, str_empty(tail) ? "tailLines" : "tail", &raw->has_tail, &options->tail_lines))
		return false;
	if (!read_int(query, "limitBytes", &raw->has_limit, &options->limit_bytes) ||
	    !read_int(query, "sinceSeconds", &raw->has_since_s, &raw->since_s))
		return false;
	if (str_empty(time) || str_eq(time, "null"))
		return true; /* Go's zero time: long before everything */
	/* Go takes the letters in upper case only. */
	return !strpbrk(time, "tz") && rfc3339_parse(time, &options->since_s, &options->since_nanos) == 0;
}

static bool are_sensible(const struct logfilter_options *options, const struct raw_options *raw)
{
	static const char *const streams[] = { "All", "Stdout", "Stderr" };
	bool known = !raw->stream;

	for (size_t i = 0; i < ARRAY_LEN(streams); i++)
		known = known || strcmp(raw->stream, streams[i]) == 0;
	return known && !(raw->has_tail && options->tail_lines < 0) && !(raw->has_limit && options->limit_bytes < 1) &&
	       !(raw->has_since_s && (raw->has_since_time || raw->since_s < 1)) &&
	       !(raw->stream && strcmp(raw->stream, "All") != 0 && raw->has_tail);
}

/* Stock's arithmetic: nanoseconds in 64 bits that wrap round, so that very many seconds ago lie in the future. */
static void since_seconds_ago(int64_t seconds, int64_t now_ns, struct logfilter_options *options)
{
	int64_t back_ns = (int64_t)((uint64_t)seconds * 1000000000U);
	int64_t nanos = now_ns % 1000000000 - back_ns % 1000000000;

	options->since_s = now_ns / 1000000000 - back_ns / 1000000000;
	if (nanos < 0) {
		nanos += 1000000000;
		options->since_s--;
	} else if (nanos >= 1000000000) {
		nanos -= 1000000000;
		options->since_s++;
	}
	options->since_nanos = (int32_t)nanos;
}

int logfilter_options_parse(const struct query *query, int64_t now_ns, struct logfilter_options *ret_options,
			    struct err *err)
{
	struct logfilter_options options = { .tail_lines = -1, .limit_bytes = -1, .since_s = INT64_MIN };
	struct raw_options raw = { 0 };

	if (!read_options(query, &options, &raw)) {
		err_set(err, -EINVAL, BAD_QUERY);
		return 400;
	}
	if (!are_sensible(&options, &raw)) {
		err_set(err, -EINVAL, BAD_OPTIONS);
		return 422;
	}
	if (raw.has_since_s) {
		since_seconds_ago(raw.since_s, now_ns, &options);
	}
	*ret_options = options;
	if (!raw.stream || strcmp(raw.stream, "All") == 0)
		return 200;
	err_set(err, -EINVAL,
		"unable to return the given log stream: \"%s\". Please enable PodLogsQuerySplitStreams feature gate in "
		"kubelet",
		raw.stream);
	return 400;
}

/* ---- which container ---- */

static const Core__ContainerStatus *find_status(Core__ContainerStatus *const *statuses, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(statuses[i]->name, name))
			return statuses[i];
	return NULL;
}

static const Core__ContainerStatus *status_of(const Core__PodStatus *status, const char *name)
{
	const Core__ContainerStatus *found = NULL;

	if (!status)
		return NULL;
	found = find_status(status->containerstatuses, status->n_containerstatuses, name);
	if (!found)
		found = find_status(status->initcontainerstatuses, status->n_initcontainerstatuses, name);
	if (!found)
		found = find_status(status->ephemeralcontainerstatuses, status->n_ephemeralcontainerstatuses, name);
	return found;
}

static const char *waiting_text(const char *reason)
{
	if (str_eq(reason, "ErrImagePull"))
		return "image can't be pulled";
	if (str_eq(reason, "ImagePullBackOff"))
		return "trying and failing to pull image";
	return str_or(reason, "");
}

int logfilter_container_id(const Core__PodStatus *status, const char *pod, const char *container, bool previous,
			   const char **ret_id, const char **ret_full_id, struct err *err)
{
	static const Core__ContainerState nothing = { 0 };
	const Core__ContainerStatus *found = status_of(status, container);

	if (!found)
		return err_set(err, -EINVAL, "container \"%s\" in pod \"%s\" is not available", container, pod);

	const Core__ContainerState *state = found->state ? found->state : &nothing;
	const Core__ContainerState *last_state = found->laststate ? found->laststate : &nothing;
	const char *last = last_state->terminated ? str_or(last_state->terminated->containerid, "") : NULL;
	const char *id;

	if (previous) {
		if (str_empty(last))
			return err_set(err, -EINVAL, "previous terminated container \"%s\" in pod \"%s\" not found",
				       container, pod);
		id = last;
	} else if (state->running) {
		id = str_or(found->containerid, "");
	} else if (state->terminated || last) {
		/* When the next instance did not start, its end has no id, but the one before has. */
		id = state->terminated ? str_or(state->terminated->containerid, last) : last;
		if (str_empty(id))
			return err_set(err, -EINVAL, "container \"%s\" in pod \"%s\" is terminated", container, pod);
	} else if (state->waiting) {
		return err_set(err, -EINVAL, "container \"%s\" in pod \"%s\" is waiting to start: %s", container, pod,
			       waiting_text(state->waiting->reason));
	} else {
		return err_set(err, -EINVAL, "container \"%s\" in pod \"%s\" is waiting to start - no logs yet",
			       container, pod);
	}
	const char *bare = strstr(id, "://");
	*ret_full_id = id;
	*ret_id = bare ? bare + strlen("://") : id;
	return 0;
}

/* ---- lines ---- */

void logfilter_init(struct logfilter *filter, const struct logfilter_options *options)
{
	*filter = (struct logfilter){
		.options = *options,
		.lines_left = options->follow ? -1 : options->tail_lines,
		.bytes_left = options->limit_bytes,
		.at_line_start = true,
	};
}

bool logfilter_is_done(const struct logfilter *filter)
{
	return filter->lines_left == 0;
}

static bool is_before(const struct crilog_line *line, const struct logfilter_options *options)
{
	return line->seconds < options->since_s ||
	       (line->seconds == options->since_s && line->nanos < options->since_nanos);
}

/* The time as Go writes it: nine digits, so that times have one width, and UTC as "Z" (CRI-O logs it as "+00:00"). */
static void append_time(const struct crilog_line *line, struct buf *into)
{
	const char *end = line->time + line->time_size, *zone = line->time + strlen("2006-01-02T15:04:05");
	size_t digits = 0;

	buf_append(into, line->time, (size_t)(zone - line->time));
	buf_putc(into, '.');
	if (*zone == '.' || *zone == ',') {
		for (zone++; zone < end && *zone >= '0' && *zone <= '9'; zone++)
			if (digits < TIME_DIGITS) {
				buf_putc(into, *zone);
				digits++;
			}
	}
	for (; digits < TIME_DIGITS; digits++)
		buf_putc(into, '0');
	if (end - zone == 6 && memcmp(zone + 1, "00:00", 5) == 0)
		buf_putc(into, 'Z');
	else
		buf_append(into, zone, (size_t)(end - zone));
	buf_putc(into, ' ');
}

/* The limit counts what the client gets, its times too. */
static void append_limited(struct logfilter *filter, const struct crilog_line *line, bool newline, struct buf *into)
{
	size_t start = into->size;

	if (filter->options.timestamps && filter->at_line_start)
		append_time(line, into);
	buf_append(into, line->text, line->size);
	if (newline)
		buf_putc(into, '\n');
	if (filter->bytes_left < 0)
		return;
	if ((int64_t)(into->size - start) > filter->bytes_left) {
		into->size = start + (size_t)filter->bytes_left;
		into->bytes[into->size] = 0;
	}
	filter->bytes_left -= (int64_t)(into->size - start);
}

/* The line as Go quotes it, its end among it; of a very long one only the beginning. */
static int unknown_format(const char *line, size_t size, bool whole, struct err *err)
{
	enum { SHOWN_MAX = 200 };
	_cleanup_buf_ struct buf text = BUF_INIT(SHOWN_MAX * 4 + 3); /* each byte as \x00 at most, and the marks */
	char shown[SHOWN_MAX + 1];
	size_t n = MIN(size, (size_t)SHOWN_MAX - 1);

	memcpy(shown, line, n);
	if (whole && n == size)
		shown[n++] = '\n';
	shown[n] = 0;
	quote_go(&text, shown);
	return err_set(err, -EBADMSG, "failed to get parse function: unsupported log format: %s", buf_text(&text));
}

int logfilter_line(struct logfilter *filter, const char *line, size_t size, bool whole, struct buf *into,
		   struct err *err)
{
	struct crilog_line parsed;

	if (crilog_parse(line, size, &parsed) < 0) {
		if (filter->format_known)
			return 0;
		return unknown_format(line, size, whole, err);
	}
	bool newline = whole && !parsed.partial;

	filter->format_known = true;
	if (!is_before(&parsed, &filter->options))
		append_limited(filter, &parsed, newline, into);
	if (filter->bytes_left == 0)
		return 1;
	if (filter->lines_left > 0)
		filter->lines_left--;
	filter->at_line_start = newline || parsed.size == 0;
	return filter->lines_left == 0;
}

bool logfilter_tail_step(struct logfilter_tail *tail, const char *block, size_t size, size_t *ret_skip)
{
	const char *at = block;

	for (const char *end = block + size; (at = memchr(at, '\n', (size_t)(end - at))); at++)
		tail->seen++;
	if (tail->seen <= tail->wanted)
		return false;
	for (at = block; tail->seen > tail->wanted; tail->seen--)
		at = (const char *)memchr(at, '\n', (size_t)(block + size - at)) + 1;
	*ret_skip = (size_t)(at - block);
	return true;
}
