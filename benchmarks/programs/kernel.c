/* Kernel work: system calls, processes, page faults, files, signals. */
#include "benchmarks/programs/bench.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

uint64_t bench_getppid(void)
{
    for (int i = 0; i < 1500000; i++)
        syscall(SYS_getppid);
    return 0;
}

static void wait_for(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

uint64_t bench_fork(void)
{
    for (int i = 0; i < 500; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (!child)
            _exit(0);
        wait_for(child);
    }
    return 0;
}

/* fork, and exec of this static program, which exits at once */
uint64_t bench_exec(void)
{
    for (int i = 0; i < 240; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (!child) {
            execl("/proc/self/exe", "bench", "nop", (char *)NULL);
            _exit(1);
        }
        wait_for(child);
    }
    return 0;
}

/* Two processes pass a byte to and fro: wake-ups and context switches. */
uint64_t bench_pipe(void)
{
    enum { ROUNDS = 6000 };
    int there[2], back[2];
    char byte = 'x';
    CHECK(!pipe(there) && !pipe(back));
    pid_t child = fork();
    CHECK(child >= 0);
    if (!child) {
        for (int i = 0; i < ROUNDS; i++)
            if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1)
                _exit(1);
        _exit(0);
    }
    for (int i = 0; i < ROUNDS; i++)
        CHECK(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1);
    wait_for(child);
    for (int i = 0; i < 2; i++) {
        close(there[i]);
        close(back[i]);
    }
    return 0;
}

uint64_t bench_mmap(void)
{
    enum { PAGES = 64 };
    for (int i = 0; i < 2000; i++) {
        char *map = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(map != MAP_FAILED);
        for (int page = 0; page < PAGES; page++)
            map[page * 4096] = 1;
        munmap(map, PAGES * 4096);
    }
    return 0;
}

/* Create, write 4 KiB, close, unlink, on a tmpfs. */
uint64_t bench_file(void)
{
    static char data[4096];
    char path[64];
    const char *dir = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
    snprintf(path, sizeof(path), "%s/ring3-bench.%d", dir, (int)getpid());
    for (int i = 0; i < 15000; i++) {
        int file = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
        CHECK(file >= 0 && write(file, data, sizeof(data)) == sizeof(data));
        close(file);
        CHECK(!unlink(path));
    }
    return 0;
}

static volatile sig_atomic_t delivered;

static void count_signal(int number)
{
    (void)number;
    delivered = delivered + 1;
}

uint64_t bench_signal(void)
{
    enum { COUNT = 80000 };
    struct sigaction action = {.sa_handler = count_signal}, old;
    CHECK(!sigaction(SIGUSR1, &action, &old));
    delivered = 0;
    for (int i = 0; i < COUNT; i++)
        raise(SIGUSR1);
    CHECK(delivered == COUNT);
    CHECK(!sigaction(SIGUSR1, &old, NULL));
    return 0;
}
