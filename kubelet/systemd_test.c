/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/systemd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/test/test.h"

TEST(how_often_the_watchdog_is_fed)
{
	_cleanup_free_ char *own = xasprintf("%d", (int)getpid());
	const struct {
		const char *rule, *usec, *pid, *want;
		int64_t ms;
	} rows[] = {
		{ "nobody waits", NULL, NULL, "", 0 },
		{ "twice in its time", "30000000", own, "", 15000 },
		{ "whoever reads it", "30000000", NULL, "", 15000 },
		{ "it waits for another process", "30000000", "1", "", 0 },
		{ "no number", "30s", own,
		  "configure watchdog: error converting WATCHDOG_USEC: strconv.Atoi: parsing \"30s\": invalid syntax",
		  0 },
		{ "a large number", "99999999999999999999", own,
		  "configure watchdog: error converting WATCHDOG_USEC: strconv.Atoi: parsing "
		  "\"99999999999999999999\": value out of range",
		  0 },
		{ "nothing", "0", own, "configure watchdog: error WATCHDOG_USEC must be a positive number", 0 },
		{ "no process", "30000000", "me",
		  "configure watchdog: error converting WATCHDOG_PID: strconv.Atoi: parsing \"me\": invalid syntax",
		  0 },
		{ "too short", "1000000", own, "configure watchdog timeout too small: 1s", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };
		int64_t ms = -1;
		int code = systemd_watchdog_interval(rows[i].usec, rows[i].pid, &ms, &err);

		CHECK_INT(rows[i].rule, code, ==, *rows[i].want ? -EINVAL : 0);
		CHECK_STR(rows[i].rule, err.text, rows[i].want);
		CHECK_INT(rows[i].rule, ms, ==, rows[i].ms);
	}
}

TEST(a_state_reaches_the_socket)
{
	_cleanup_free_ char *path = xasprintf("%s/notify", test_folder());
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[32] = "";

	unsetenv("NOTIFY_SOCKET");
	systemd_notify("READY=1"); /* nobody listens */
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	CHECK_INT("bind", bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
	setenv("NOTIFY_SOCKET", path, 1);
	systemd_notify("WATCHDOG=1");
	CHECK_INT("size", recv(fd, text, sizeof text - 1, MSG_DONTWAIT), ==, 10);
	CHECK_STR("text", text, "WATCHDOG=1");
	unsetenv("NOTIFY_SOCKET");
}
