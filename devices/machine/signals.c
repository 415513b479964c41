/* Process signals as events of the main loop. See signals.h. Thread: the main thread. */
#include "devices/machine/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

int signals_open(void)
{
    static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT};
    struct sigaction before;
    sigset_t set;

    sigemptyset(&set);
    for (unsigned i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (sigaction(taken[i], NULL, &before) || before.sa_handler != SIG_IGN)
            sigaddset(&set, taken[i]);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int signals_next(int fd)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof(info)) != sizeof(info))
        return 0;
    if (info.ssi_signo == SIGTSTP)
        return SIGNALS_SUSPEND;
    return info.ssi_signo == SIGCONT ? SIGNALS_CONTINUED : (int)info.ssi_signo;
}

void signals_suspend(void)
{
    sigset_t stop, old;

    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    pthread_sigmask(SIG_UNBLOCK, &stop, &old);
    raise(SIGTSTP); /* unless the process group is an orphan: then nobody could continue it, and the kernel does nothing
                     */
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int signals_start_thread(pthread_t *thread, void *(*start)(void *), void *context)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t all, old;

    sigfillset(&all);
    for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = pthread_create(thread, NULL, start, context);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -r;
}
