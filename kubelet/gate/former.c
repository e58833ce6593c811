/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/gate/former.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "kubelet/gate/channel/terms.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/file.h"
#include "pkg/base/list.h"
#include "pkg/base/log.h"

enum {
	HONEST_MS = GATE_LAST_WORDS_MS + 5000, /* from our start, which is later than the end of its kubelet */
	KILL_MS = 1000,
	BOOT_ID_CHARS = 36,
	STAT_BYTES = 4096,
	STAT_FIELDS = 22,
};

struct left {
	struct list link;
	struct former_gate gate;
	int pidfd;
};

struct former {
	char *path; /* NULL: neither read nor written */
	char boot_id[BOOT_ID_CHARS + 1];
	struct list left;
	struct loop_timer timer;
};

/* ---- texts ---- */

/* A line; true in *ret_ours when it is of this boot. */
static int parse_line(char *line, const char *boot_id, struct former_gate *gate, bool *ret_ours)
{
	char *fields[4] = { NULL };
	int64_t pid, start, kubelet;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		fields[i] = strsep(&line, " ");
	/* No gate is pid 1, which is somebody's init. */
	if (line || !fields[3] || str_to_i64(fields[0], 2, INT32_MAX, &pid) < 0 ||
	    str_to_i64(fields[1], 1, INT64_MAX, &start) < 0 || strlen(fields[2]) != BOOT_ID_CHARS ||
	    str_to_i64(fields[3], 1, INT32_MAX, &kubelet) < 0)
		return -EINVAL;
	*gate = (struct former_gate){ .pid = (pid_t)pid, .kubelet = (pid_t)kubelet, .start = start };
	*ret_ours = str_eq(fields[2], boot_id);
	return 0;
}

int former_parse(const char *text, size_t size, const char *boot_id, struct former_gate gates[FORMER_MAX],
		 size_t *ret_n)
{
	_cleanup_free_ char *copy = xstrndup(text, size);
	char *rest = copy;
	size_t n = 0;

	/* A line that breaks off may be a longer number's beginning. */
	if (strlen(copy) != size || (size && copy[size - 1] != '\n'))
		return -EINVAL;
	while (*rest) {
		struct former_gate gate;
		bool ours;

		if (parse_line(strsep(&rest, "\n"), boot_id, &gate, &ours) < 0 || (ours && n == FORMER_MAX))
			return -EINVAL;
		if (ours)
			gates[n++] = gate;
	}
	*ret_n = n;
	return 0;
}

/* Who a process number belongs to now. Behind the last ")" is nothing that the process has named. */
static int read_stat(pid_t pid, struct former_gate *ret_gate)
{
	_cleanup_buf_ struct buf text = BUF_INIT(STAT_BYTES);
	char path[32], *rest;
	int64_t parent = 0, start = 0;
	struct err err;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (file_read(path, &text, &err) < 0 || !text.size)
		return -ESRCH;
	rest = strrchr(text.bytes, ')');
	rest = rest && rest[1] ? rest + 2 : NULL;
	for (int field = 3; field <= STAT_FIELDS; field++) {
		const char *value = strsep(&rest, " ");

		if ((field == 4 && str_to_i64(value, 0, INT32_MAX, &parent) < 0) ||
		    (field == STAT_FIELDS && str_to_i64(value, 1, INT64_MAX, &start) < 0))
			return -EBADMSG;
	}
	*ret_gate = (struct former_gate){ .pid = pid, .kubelet = (pid_t)parent, .start = start };
	return 0;
}

/* ---- processes ---- */

static void drop(struct left *left)
{
	list_remove(&left->link);
	close(left->pidfd);
	free(left);
}

static bool has_ended(const struct left *left, int wait_ms)
{
	struct pollfd ended = { .fd = left->pidfd, .events = POLLIN };

	return poll(&ended, 1, wait_ms) > 0;
}

static void drop_ended(struct former *former)
{
	list_for_each(left, &former->left, struct left, link)
		if (has_ended(left, 0))
			drop(left);
}

static bool is_left_behind(const struct left *left)
{
	struct former_gate now;

	return read_stat(left->gate.pid, &now) == 0 && now.start == left->gate.start &&
	       now.kubelet != left->gate.kubelet;
}

static void take(struct former *former, const struct former_gate *gate)
{
	_cleanup_fd_ int pidfd = pidfd_open(gate->pid, 0);
	struct former_gate now;
	struct left *left;

	if (pidfd < 0 || read_stat(gate->pid, &now) < 0 || now.start != gate->start || gate->pid == getpid())
		return;
	left = xcalloc(1, sizeof *left);
	*left = (struct left){ .gate = *gate, .pidfd = fd_steal(&pidfd) };
	list_append(&former->left, &left->link);
}

static void kill_left(struct former *former)
{
	drop_ended(former);
	list_for_each(left, &former->left, struct left, link)
		if (is_left_behind(left)) {
			log_warn("A gate stayed when its kubelet ended, and is killed", "pid", log_i64(left->gate.pid),
				 NULL);
			pidfd_send_signal(left->pidfd, SIGKILL, NULL, 0);
		}
}

static void honest_ones_are_gone(void *owner)
{
	struct former *former = owner;

	kill_left(former);
	if (!list_empty(&former->left)) /* one has a kubelet still, or is about to end */
		loop_timer_start(&former->timer, HONEST_MS);
}

/* ---- the file ---- */

static void write_file(struct former *former, const struct former_gate *current)
{
	_cleanup_buf_ struct buf text = BUF_INIT(FORMER_FILE_BYTES);
	size_t n = 1;
	struct err err;

	buf_printf(&text, "%d %" PRId64 " %s %d\n", (int)current->pid, current->start, former->boot_id,
		   (int)current->kubelet);
	list_for_each(left, &former->left, struct left, link)
		if (n++ < FORMER_MAX)
			buf_printf(&text, "%d %" PRId64 " %s %d\n", (int)left->gate.pid, left->gate.start,
				   former->boot_id, (int)left->gate.kubelet);
	if (file_replace(former->path, text.bytes, text.size, 0600, &err) < 0)
		log_error(&err, "The next kubelet will not know this gate", NULL);
}

static void read_file(struct former *former)
{
	_cleanup_buf_ struct buf text = BUF_INIT(FORMER_FILE_BYTES);
	struct former_gate gates[FORMER_MAX];
	struct err err;
	size_t n = 0;
	int code = file_read(former->path, &text, &err);

	if (code == -ENOENT)
		return;
	if (code >= 0 && former_parse(buf_text(&text), text.size, former->boot_id, gates, &n) < 0)
		code = err_set(&err, -EINVAL, "%s: holds what no kubelet has written", former->path);
	if (code < 0)
		log_error(&err, "Gates of kubelets before this one are not known", NULL);
	for (size_t i = 0; i < n; i++)
		take(former, &gates[i]);
}

struct former *former_new(struct loop *loop, const char *path)
{
	struct former *former = xcalloc(1, sizeof *former);
	_cleanup_buf_ struct buf boot_id = BUF_INIT(BOOT_ID_CHARS + 1);
	struct err err;

	list_init(&former->left);
	loop_timer_init(&former->timer, loop, honest_ones_are_gone, former);
	if (!path)
		return former;
	if (file_read("/proc/sys/kernel/random/boot_id", &boot_id, &err) < 0) {
		log_error(&err, "Gates of kubelets before this one are not known", NULL);
		return former;
	}
	snprintf(former->boot_id, sizeof former->boot_id, "%s", buf_text(&boot_id));
	former->path = xstrdup(path);
	read_file(former);
	if (!list_empty(&former->left))
		loop_timer_start(&former->timer, HONEST_MS);
	return former;
}

void former_free(struct former *former)
{
	if (!former)
		return;
	while (!list_empty(&former->left))
		drop(list_first(&former->left, struct left, link));
	loop_timer_stop(&former->timer);
	free(former->path);
	free(former);
}

bool former_lives(struct former *former)
{
	drop_ended(former);
	list_for_each(left, &former->left, struct left, link)
		if (is_left_behind(left))
			return true;
	return false;
}

void former_end(struct former *former)
{
	kill_left(former);
	list_for_each(left, &former->left, struct left, link)
		if (is_left_behind(left))
			has_ended(left, KILL_MS);
	drop_ended(former);
}

void former_note(struct former *former, pid_t gate)
{
	struct former_gate current;

	if (!former->path)
		return;
	if (read_stat(gate, &current) < 0) {
		log_warn("The next kubelet will not know this gate", "pid", log_i64(gate), NULL);
		return;
	}
	drop_ended(former);
	write_file(former, &current);
}
