/* -sandbox on: what the filter forbids and allows, tried in a child; and the process that removes sockets. */
#include "devices/machine/sandbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs a function in a child under the filter; its result is the child's status. */
static int under_filter(int (*function)(void))
{
    int status;
    pid_t child = fork();
    if (!child) {
        struct error err;
        _exit(sandbox_enter(&err) ? 99 : function());
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The number of the first attempt that was not refused; 0: none. */
static int forbidden(void)
{
    static char *const nothing[] = {NULL};
    int n = 0;
#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        n++;                                                                                                           \
        if ((long)(call) != -1 || errno != EPERM)                                                                      \
            return n;                                                                                                  \
    } while (0)
    REFUSED(execve("/bin/true", nothing, nothing));
    REFUSED(open("/etc/passwd", O_RDONLY));
    REFUSED(open("/tmp/ring3-sandbox", O_WRONLY | O_CREAT, 0600));
    REFUSED(openat(AT_FDCWD, ".", O_RDONLY));
    REFUSED(unlink("/tmp/ring3-sandbox"));
    REFUSED(rename("/tmp/a", "/tmp/b"));
    REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
    REFUSED(socket(AF_INET, SOCK_STREAM, 0));
    REFUSED(fork());
    REFUSED(ptrace(PTRACE_TRACEME, 0, 0, 0));
    REFUSED(kill(getppid(), 0));
    REFUSED((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REFUSED(mprotect((void *)((uintptr_t)forbidden & ~4095ul), 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
    REFUSED(setuid(0));
    REFUSED(chdir("/"));
#undef REFUSED
    return 0;
}

static void *say_yes(void *context)
{
    *(int *)context = 1;
    return NULL;
}

static int allowed(void)
{
    pthread_t thread;
    int yes = 0, fd[2];
    char byte = 'x';
    if (pthread_create(&thread, NULL, say_yes, &yes) || pthread_join(thread, NULL) || !yes)
        return 1;
    if (pipe(fd) || write(fd[1], &byte, 1) != 1 || read(fd[0], &byte, 1) != 1 || close(fd[0]))
        return 2;
    void *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || munmap(memory, 1 << 20))
        return 3;
    if (posix_fadvise(STDERR_FILENO, 0, 4096, POSIX_FADV_WILLNEED) == EPERM) /* images are read ahead */
        return 4;
    return 0;
}

Test(sandbox, programs_files_sockets_processes_and_code_are_refused)
{
    cr_assert_eq(under_filter(forbidden), 0);
}

Test(sandbox, threads_memory_and_open_files_are_not)
{
    cr_assert_eq(under_filter(allowed), 0);
}

static int other_thread_fd[2][2];

static void *try_to_open(void *context)
{
    char byte;
    (void)context;
    if (read(other_thread_fd[0][0], &byte, 1) != 1)
        return NULL;
    byte = open("/etc/passwd", O_RDONLY) == -1 && errno == EPERM;
    return write(other_thread_fd[1][1], &byte, 1) == 1 ? NULL : NULL;
}

Test(sandbox, holds_for_threads_that_were_there_before)
{
    int status;
    pid_t child = fork();
    if (!child) {
        struct error err;
        pthread_t thread;
        char byte = 0;
        if (pipe(other_thread_fd[0]) || pipe(other_thread_fd[1]) || pthread_create(&thread, NULL, try_to_open, NULL) ||
            sandbox_enter(&err) || write(other_thread_fd[0][1], &byte, 1) != 1 ||
            read(other_thread_fd[1][0], &byte, 1) != 1)
            _exit(2);
        _exit(!byte);
    }
    waitpid(child, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(sandbox, what_is_to_be_removed_at_the_end_is)
{
    char path[] = "/tmp/ring3-sandbox-XXXXXX";
    int fd = mkstemp(path);
    const char *const paths[] = {path};
    struct sandbox sandbox = {0};
    struct error err;
    cr_assert_geq(fd, 0);
    cr_assert_eq(sandbox_remove_at_end(&sandbox, paths, 1, &err), 0);
    cr_assert_eq(access(path, F_OK), 0);
    sandbox_end(&sandbox);
    cr_assert_eq(access(path, F_OK), -1);
}
