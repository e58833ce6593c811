/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/gate/child/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "the gate's system call filter does not know this machine"
#endif

enum {
	FILES_MAX = 16384, /* 4,096 clients with a peer each, and room; the kernel's usual hard limit is larger */
	DATA_MAX_BYTES = 768 << 20, /* 4,096 TLS connections take 150 MiB, unfinished heads 64 MiB */
	PASSWD_MAX_BYTES = 1 << 20,
	RULE_SIZE = 5, /* instructions of put_rule() */
};

/* What serving takes. No open, socket, connect, bind, kill, ptrace, pidfd, clone, exec, mount: nothing that reaches
 * out. filter_calls() adds ioctl, sendto and sendmsg, each in part. */
static const int allowed_calls[] = {
	SYS_read,         SYS_write,        SYS_readv,         SYS_writev,          SYS_recvfrom,
	SYS_recvmsg,      SYS_accept4,      SYS_close,         SYS_shutdown,        SYS_setsockopt,
	SYS_getsockopt,   SYS_getsockname,  SYS_getpeername,   SYS_fcntl,           SYS_epoll_ctl,
	SYS_epoll_pwait,  SYS_futex,        SYS_mmap,          SYS_munmap,          SYS_mremap,
	SYS_madvise,      SYS_brk,          SYS_clock_gettime, SYS_clock_nanosleep, SYS_nanosleep,
	SYS_gettimeofday, SYS_getrandom,    SYS_getpid,        SYS_gettid,          SYS_rt_sigprocmask,
	SYS_rt_sigreturn, SYS_rt_sigaction, SYS_sigaltstack,   SYS_restart_syscall, SYS_sched_yield,
	SYS_exit,         SYS_exit_group,
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
#ifdef SYS_time
	SYS_time,
#endif
};

/* ---- layers ---- */

static int empty_root(struct err *err)
{
	/* Any folder does for the new root's place; /proc is on every machine. */
	static const char place[] = "/proc";

	/* Also when the starter made one: never may the machine's own root be the one that is moved. */
	if (unshare(CLONE_NEWNS) < 0)
		return err_errno(err, "cannot have mounts of its own");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(err, "cannot part from the machine's mounts");
	if (mount("gate", place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,nr_inodes=2,mode=0555") < 0)
		return err_errno(err, "cannot mount an empty root");
	if (chdir(place) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_errno(err, "cannot move to the empty root");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_errno(err, "cannot leave the former root");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return err_errno(err, "cannot make the empty root read-only");
	return 0;
}

static int set_limits(struct err *err)
{
	static const struct {
		__rlimit_resource_t resource;
		rlim_t value;
		const char *name;
	} rows[] = {
		{ RLIMIT_NOFILE, FILES_MAX, "open files" }, { RLIMIT_CORE, 0, "core files" },
		{ RLIMIT_NPROC, 0, "processes" },           { RLIMIT_MEMLOCK, 0, "locked memory" },
		{ RLIMIT_MSGQUEUE, 0, "message queues" },   { RLIMIT_DATA, DATA_MAX_BYTES, "data" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rlimit limit = { rows[i].value, rows[i].value };

		if (rows[i].resource == RLIMIT_DATA && IS_SANITIZED)
			continue; /* the shadow of all memory counts as data */
		if (setrlimit(rows[i].resource, &limit) < 0)
			return err_errno(err, "cannot limit %s", rows[i].name);
	}
	return 0;
}

/* The uid of a user in the text of /etc/passwd; static programs have no getpwnam(). */
static uid_t find_user(const char *passwd, const char *name)
{
	size_t size = strlen(name);

	for (const char *line = passwd; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		const char *uid =
			strncmp(line, name, size) == 0 && line[size] == ':' ? strchr(line + size + 1, ':') : NULL;
		char digits[16] = "";
		int64_t value;

		if (!uid)
			continue;
		memcpy(digits, uid + 1, MIN(strcspn(uid + 1, ":\n"), sizeof digits - 1));
		if (str_to_i64(digits, 1, INT32_MAX, &value) == 0)
			return (uid_t)value;
	}
	return SANDBOX_UID;
}

static int drop_rights(uid_t uid, struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	for (int cap = 0; cap <= 63; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return err_errno(err, "cannot drop the capability bounding set");
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_errno(err, "cannot become uid %u", (unsigned)uid);
	if (syscall(SYS_capset, &header, none) < 0)
		return err_errno(err, "cannot drop capabilities");
	return 0;
}

/* Lets a call pass when an argument of it, here `offset`, is as it must be; otherwise the next rule is asked. */
static struct sock_filter *put_rule(struct sock_filter *at, int call, size_t argument, uint16_t test, uint32_t value,
				    bool passes_if)
{
	uint32_t offset = (uint32_t)(offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t));

	*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, RULE_SIZE - 1);
	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
	*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, !passes_if, passes_if);
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	return at;
}

static int filter_calls(struct err *err)
{
	struct sock_filter code[ARRAY_LEN(allowed_calls) + 3 * RULE_SIZE + 6], *at = code;
	struct sock_fprog program = { .filter = code };
	/* Under a sanitizer a killed process would lose its report. */
	uint32_t verdict = IS_SANITIZED ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_KILL_PROCESS;

	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	/* The one request that libuv makes of every descriptor. */
	at = put_rule(at, SYS_ioctl, 1, BPF_JEQ, FIONBIO, true);
	/* TCP Fast Open is a connect in disguise, and a listener that was shut down is a socket that can be connected.
	 */
	at = put_rule(at, SYS_sendto, 3, BPF_JSET, MSG_FASTOPEN, false);
	at = put_rule(at, SYS_sendmsg, 2, BPF_JSET, MSG_FASTOPEN, false);
	for (size_t i = 0; i < ARRAY_LEN(allowed_calls); i++)
		*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed_calls[i],
						     (uint8_t)(ARRAY_LEN(allowed_calls) - i), 0);
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict);
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = (unsigned short)(at - code);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		return err_errno(err, "cannot filter system calls");
	return 0;
}

int sandbox_enter(bool lenient, struct buf *missing, struct err *err)
{
	_cleanup_buf_ struct buf passwd = BUF_INIT(PASSWD_MAX_BYTES);
	struct err ignored;
	uid_t uid;
	int code;

	tzset(); /* reads /etc/localtime, which is out of reach later */
	if (file_read("/etc/passwd", &passwd, &ignored) < 0)
		buf_clear(&passwd);
	uid = find_user(buf_text(&passwd), "kubelet-gate");
#define LAYER(call)                                                                        \
	do {                                                                               \
		code = (call);                                                             \
		if (code < 0 && !lenient)                                                  \
			return code;                                                       \
		if (code < 0)                                                              \
			buf_printf(missing, "%s%s", missing->size ? "; " : "", err->text); \
	} while (0)
	LAYER(empty_root(err));
	LAYER(set_limits(err));
	if (geteuid() == 0)
		LAYER(drop_rights(uid, err));
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		LAYER(err_errno(err, "cannot become not dumpable"));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		LAYER(err_errno(err, "cannot give up new privileges"));
	LAYER(filter_calls(err));
#undef LAYER
	return 0;
}

/* ---- the proof ---- */

static long try_open(void)
{
	return open("/", O_RDONLY | O_CLOEXEC);
}

static long try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long try_pair_connect(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(1),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	/* Even a stolen socket must not be connected anywhere: the call is refused before the descriptor is looked at.
	 */
	return connect(-1, (struct sockaddr *)&in, sizeof in) < 0 && errno == EBADF ? 0 : -1;
}

/* The same by way of data, with flags in both of the calls that take any. */
static long try_fast_open(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(1),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct iovec iov = { .iov_base = &in, .iov_len = 1 };
	struct msghdr header = { .msg_name = &in, .msg_namelen = sizeof in, .msg_iov = &iov, .msg_iovlen = 1 };

	if (sendto(-1, &in, 1, MSG_FASTOPEN, (struct sockaddr *)&in, sizeof in) < 0 && errno == EBADF)
		return 0;
	return sendmsg(-1, &header, MSG_FASTOPEN | MSG_NOSIGNAL) < 0 && errno == EBADF ? 0 : -1;
}

static long try_kill(void)
{
	return kill(1, 0);
}

static long try_pidfd(void)
{
	return syscall(SYS_pidfd_open, 1, 0);
}

static long try_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, 0, 0);
}

static long try_fork(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long try_exec(void)
{
	char *argv[] = { NULL };

	return syscall(SYS_execveat, 0, "", argv, argv, 0x1000) < 0 && errno != EPERM ? 0 : -1;
}

static long try_unshare(void)
{
	return syscall(SYS_unshare, 0x10000000);
}

static long try_mount(void)
{
	return mount("x", "/", "tmpfs", 0, NULL) < 0 && errno == EPERM ? -1 : 0;
}

static long try_memfd(void)
{
	return syscall(SYS_memfd_create, "x", 0);
}

static long try_setuid(void)
{
	return syscall(SYS_setuid, 0);
}

int sandbox_probe(struct buf *report)
{
	static const struct {
		const char *name;
		long (*call)(void);
	} rows[] = {
		{ "open a file", try_open },
		{ "make a socket", try_socket },
		{ "connect", try_pair_connect },
		{ "connect by sending", try_fast_open },
		{ "signal a process", try_kill },
		{ "open a pidfd", try_pidfd },
		{ "trace", try_ptrace },
		{ "start a process", try_fork },
		{ "execute a program", try_exec },
		{ "make a namespace", try_unshare },
		{ "mount", try_mount },
		{ "make a file in memory", try_memfd },
		{ "become root", try_setuid },
	};
	int worked = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		long result = rows[i].call();

		if (result == 0 && rows[i].call == try_fork && getpid() != 1)
			_exit(0); /* the child of a start that should not have worked */
		worked += result >= 0;
		buf_printf(report, "%s: %s\n", rows[i].name, result >= 0 ? "POSSIBLE" : "refused");
	}
	return worked;
}
