/*
 * bench [-r REPEATS] ROW...|all     prints "row seconds checksum" for each repetition
 * bench list                        prints "row group"
 */
#include "benchmarks/programs/bench.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

static const struct row {
    const char *name, *group;
    uint64_t (*run)(void);
} rows[] = {
    {"crc", "compute", bench_crc},
    {"sort", "compute", bench_sort},
    {"tree", "compute", bench_tree},
    {"fib", "compute", bench_fib},
    {"sieve", "compute", bench_sieve},
    {"hash", "compute", bench_hash},
    {"interpreter", "compute", bench_interpreter},
    {"lcs", "compute", bench_lcs},
    {"matmul", "compute", bench_matmul},
    {"nbody", "compute", bench_nbody},
    {"sse", "compute", bench_sse},
    {"avx2", "compute", bench_avx2},
    {"aes", "compute", bench_aes},
    {"sha", "compute", bench_sha},
    {"memcpy", "compute", bench_memcpy},
    {"repmovs", "compute", bench_repmovs},
    {"getppid", "kernel", bench_getppid},
    {"fork", "kernel", bench_fork},
    {"exec", "kernel", bench_exec},
    {"pipe", "kernel", bench_pipe},
    {"mmap", "kernel", bench_mmap},
    {"file", "kernel", bench_file},
    {"signal", "kernel", bench_signal},
    {"disk", "disk", bench_disk},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static double seconds(void)
{
    struct timespec now;
    CHECK(!clock_gettime(CLOCK_MONOTONIC, &now));
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void run_row(const struct row *row, int repeats)
{
    for (int i = 0; i < repeats; i++) {
        double start = seconds();
        uint64_t checksum = row->run();
        double taken = seconds() - start;
        if (checksum == BENCH_SKIP) {
            printf("%s skip\n", row->name);
            break;
        }
        printf("%s %.6f %016llx\n", row->name, taken, (unsigned long long)checksum);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    int at = 1, repeats = 1;
    if (argc == 2 && !strcmp(argv[1], "nop")) /* what the exec row executes */
        return 0;
    if (argc == 2 && !strcmp(argv[1], "list")) {
        for (int i = 0; i < ROWS; i++)
            printf("%s %s\n", rows[i].name, rows[i].group);
        return 0;
    }
    if (argc > 2 && !strcmp(argv[1], "-r")) {
        repeats = atoi(argv[2]);
        at = 3;
    }
    if (at >= argc || repeats < 1) {
        fprintf(stderr, "usage: %s [-r REPEATS] ROW...|all, or %s list\n", argv[0], argv[0]);
        return 2;
    }
    for (; at < argc; at++) {
        bool found = false;
        for (int i = 0; i < ROWS; i++)
            if (!strcmp(argv[at], rows[i].name) || !strcmp(argv[at], "all")) {
                run_row(&rows[i], repeats);
                found = true;
            }
        if (!found) {
            fprintf(stderr, "no row named %s\n", argv[at]);
            return 2;
        }
    }
    return 0;
}
