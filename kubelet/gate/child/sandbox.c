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
};

/* What serving takes. No open, socket, connect, bind, kill, ptrace, pidfd, clone, exec, mount: nothing that reaches
 * out. */
static const int allowed_calls[] = {
	SYS_read,          SYS_write,
	SYS_readv,         SYS_writev,
	SYS_recvfrom,      SYS_recvmsg,
	SYS_sendto,        SYS_sendmsg,
	SYS_accept4,       SYS_close,
	SYS_shutdown,      SYS_setsockopt,
	SYS_getsockopt,    SYS_getsockname,
	SYS_getpeername,   SYS_fcntl,
	SYS_epoll_ctl,     SYS_epoll_pwait,
	SYS_futex,         SYS_mmap,
	SYS_munmap,        SYS_mremap,
	SYS_madvise,       SYS_brk,
	SYS_clock_gettime, SYS_clock_nanosleep,
	SYS_nanosleep,     SYS_gettimeofday,
	SYS_getrandom,     SYS_getpid,
	SYS_gettid,        SYS_rt_sigprocmask,
	SYS_rt_sigreturn,  SYS_rt_sigaction,
	SYS_sigaltstack,   SYS_restart_syscall,
	SYS_sched_yield,   SYS_exit,
	SYS_exit_group,
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

static int filter_calls(struct err *err)
{
	struct sock_filter code[ARRAY_LEN(allowed_calls) + 12];
	struct sock_fprog program = { .filter = code };
	/* Under a sanitizer a killed process would lose its report. */
	uint32_t verdict = IS_SANITIZED ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_KILL_PROCESS;
	unsigned short n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_LEN(allowed_calls); i++)
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed_calls[i],
							 (uint8_t)(ARRAY_LEN(allowed_calls) - i + 3), 0);
	/* ioctl for the one request that libuv makes of every descriptor. */
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 2);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FIONBIO, 1, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = n;
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
