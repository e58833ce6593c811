/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/systemd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/codec/duration.h"

enum { WATCHDOG_MIN_US = 1000 * 1000 }; /* stock's; it must be more */

void systemd_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = -1;
	size_t size;

	if (str_empty(path) || strlen(path) >= sizeof address.sun_path)
		return;
	size = strlen(path);
	memcpy(address.sun_path, path, size);
	if (path[0] == '@')
		address.sun_path[0] = 0; /* abstract */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
}

static int read_number(const char *name, const char *text, int64_t *ret_value, struct err *err)
{
	bool digits = strspn(text, "+-0123456789") == strlen(text) && strpbrk(text, "0123456789");

	if (str_to_i64(text, INT64_MIN, INT64_MAX, ret_value) == 0)
		return 0;
	return err_set(err, -EINVAL, "configure watchdog: error converting %s: strconv.Atoi: parsing \"%s\": %s", name,
		       text, digits ? "value out of range" : "invalid syntax");
}

int systemd_watchdog_interval(const char *usec, const char *pid, int64_t *ret_ms, struct err *err)
{
	char text[DURATION_TEXT_MAX];
	int64_t us, whose = getpid();

	*ret_ms = 0;
	if (str_empty(usec))
		return 0;
	if (read_number("WATCHDOG_USEC", usec, &us, err) < 0)
		return err->code;
	if (us <= 0)
		return err_set(err, -EINVAL, "configure watchdog: error WATCHDOG_USEC must be a positive number");
	if (!str_empty(pid) && read_number("WATCHDOG_PID", pid, &whose, err) < 0)
		return err->code;
	if (whose != getpid())
		return 0; /* meant for the process that started us */
	if (us <= WATCHDOG_MIN_US) {
		duration_format(us * 1000, text);
		return err_set(err, -EINVAL, "configure watchdog timeout too small: %s", text);
	}
	*ret_ms = us / US_PER_MS / 2;
	return 0;
}
