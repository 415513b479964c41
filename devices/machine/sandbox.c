/*
 * The filters of system calls, and the process that removes sockets. See sandbox.h.
 *
 * Invariant: a call is allowed only if it is in a list here; what is not fails with EPERM, so that a library's attempt
 * at something optional is no more than that. Thread: the main thread, once. Source: seccomp(2), libseccomp's manual.
 */
#include "devices/machine/sandbox.h"

#include "cpu-model/base/types.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is open: files, sockets, descriptors of other kinds. */
static const int on_descriptors[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwritev),
    SCMP_SYS(preadv2),
    SCMP_SYS(pwritev2),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(fadvise64),
    SCMP_SYS(fallocate),
    SCMP_SYS(ftruncate),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(fcntl),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(eventfd2),
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime),
    SCMP_SYS(signalfd4),
    SCMP_SYS(memfd_create),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
};

/* Memory (but for code: below), threads, signals, time, and questions about oneself. */
static const int on_oneself[] = {
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(msync),
    SCMP_SYS(mincore),
    SCMP_SYS(mlock),
    SCMP_SYS(munlock),
    SCMP_SYS(membarrier),
    SCMP_SYS(arch_prctl),
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(getpriority),
    SCMP_SYS(getcpu),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(times),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrlimit),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getpgrp), /* is this the terminal's foreground? */
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(wait4),
};

static int allow_all(scmp_filter_ctx filter, const int *calls, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
        if (r)
            return r;
    }
    return 0;
}

/* Calls that depend on their arguments. */
static int allow_some(scmp_filter_ctx filter)
{
    static const unsigned terminal[] = {TCGETS,    TCSETS,     TCSETSW,  TCSETSF, TIOCGWINSZ,
                                        TIOCGPGRP, TIOCSPTLCK, FIONREAD, FIONBIO};
    const uint64_t self = (uint64_t)getpid();
    int r = 0;

    /* No memory that can be executed, not even for the translator: its cache is there already. */
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    /* Threads, but no processes. The C library tries clone3 first, whose flags a filter cannot see. */
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                          SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    r |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    /* Signals to this process only. */
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0_64(SCMP_CMP_EQ, self, 0));
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A0_64(SCMP_CMP_EQ, self, 0));
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0_64(SCMP_CMP_EQ, PR_SET_NAME, 0));
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0_64(SCMP_CMP_EQ, PR_SET_TIMERSLACK, 0));
    /* Terminals, but no typing on the user's; sound and graphics of a window (types 'A' and 'd'). */
    for (unsigned i = 0; i < ARRAY_LEN(terminal); i++)
        r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                              SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xffffffff, terminal[i]));
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xff00, 'A' << 8));
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xff00, 'd' << 8));
    /* fstat() by its newer name: of a descriptor, whose path is empty. */
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                          SCMP_A3_64(SCMP_CMP_MASKED_EQ, 0x1000 /* AT_EMPTY_PATH */, 0x1000));
    /* Limits of this process can be read. */
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A2_64(SCMP_CMP_EQ, 0, 0));
    return r;
}

int sandbox_enter(struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return error_set(err, -ENOMEM, "-sandbox on: no memory for the filter");
    int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!r)
        r = allow_all(filter, on_descriptors, ARRAY_LEN(on_descriptors));
    if (!r)
        r = allow_all(filter, on_oneself, ARRAY_LEN(on_oneself));
    if (!r && allow_some(filter))
        r = -EINVAL;
    if (!r)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r ? error_set(err, r, "-sandbox on: the host's kernel refuses the filter (%s); run without -sandbox",
                         strerror(-r))
             : 0;
}

int sandbox_enter_opener(void)
{
    static const int calls[] = {SCMP_SYS(read),    SCMP_SYS(pread64),    SCMP_SYS(fstat), SCMP_SYS(readlink),
                                SCMP_SYS(sendmsg), SCMP_SYS(readlinkat), SCMP_SYS(dup2),  SCMP_SYS(close)};
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return -ENOMEM;
    int r = allow_all(filter, calls, ARRAY_LEN(calls));
    if (!r)
        r = allow_all(filter, on_oneself, ARRAY_LEN(on_oneself));
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, SCMP_A2_64(SCMP_CMP_MASKED_EQ, O_CREAT, 0));
    r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                          SCMP_A3_64(SCMP_CMP_MASKED_EQ, 0x1000 /* AT_EMPTY_PATH */, 0x1000));
    if (!r)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r;
}

/* --- what is left behind ------------------------------------------------------------------------------------------ */

pid_t sandbox_fork(int fd)
{
    sigset_t all;
    pid_t child = fork();

    if (child)
        return child;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid(); /* a terminal that hangs up is the parent's concern */
    dup2(fd, 0);
    close_range(1, ~0u, 0);
    return 0;
}

static void keep_waiting(const char *const *paths, unsigned count)
{
    char byte;

    while (read(0, &byte, 1) < 0 && errno == EINTR)
        ;
    for (unsigned i = 0; i < count; i++)
        unlink(paths[i]);
    _exit(0);
}

int sandbox_remove_at_end(struct sandbox *sandbox, const char *const *paths, unsigned count, struct error *err)
{
    int fd[2];
    if (!count)
        return 0;
    if (pipe2(fd, O_CLOEXEC))
        return error_set(err, -errno, "-sandbox on: no pipe: %s", strerror(errno));
    pid_t child = sandbox_fork(fd[0]);
    if (child < 0) {
        int code = -errno;
        close(fd[0]);
        close(fd[1]);
        return error_set(err, code, "-sandbox on: cannot start a process that removes sockets: %s", strerror(-code));
    }
    if (!child)
        keep_waiting(paths, count);
    close(fd[0]);
    sandbox->janitor = child;
    sandbox->janitor_fd = fd[1];
    return 0;
}

void sandbox_end(struct sandbox *sandbox)
{
    if (!sandbox->janitor)
        return;
    close(sandbox->janitor_fd);
    while (waitpid(sandbox->janitor, NULL, 0) < 0 && errno == EINTR)
        ;
    sandbox->janitor = 0;
}
