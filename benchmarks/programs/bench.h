/*
 * The benchmark program: rows of fixed work, the same natively and in a guest.
 *
 * A row returns a checksum of its results, which must agree wherever it ran, or BENCH_SKIP when the CPU lacks what it
 * is about. A row that the operating system fails ends the program.
 */
#ifndef RING3_BENCHMARKS_BENCH_H
#define RING3_BENCHMARKS_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define BENCH_SKIP UINT64_MAX

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            perror(#condition);                                                                                        \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Reproducible pseudo-random numbers (xorshift64). The state must not be 0. */
static inline uint64_t bench_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* integer.c */
uint64_t bench_crc(void);
uint64_t bench_sort(void);
uint64_t bench_tree(void);
uint64_t bench_fib(void);
uint64_t bench_sieve(void);
uint64_t bench_hash(void);
uint64_t bench_interpreter(void);
uint64_t bench_lcs(void);

/* floating.c */
uint64_t bench_matmul(void);
uint64_t bench_nbody(void);

/* simd.c */
uint64_t bench_sse(void);
uint64_t bench_avx2(void);
uint64_t bench_aes(void);
uint64_t bench_sha(void);
uint64_t bench_memcpy(void);
uint64_t bench_repmovs(void);

/* kernel.c */
uint64_t bench_getppid(void);
uint64_t bench_fork(void);
uint64_t bench_exec(void);
uint64_t bench_pipe(void);
uint64_t bench_mmap(void);
uint64_t bench_file(void);
uint64_t bench_signal(void);

/* disk.c */
uint64_t bench_disk(void);

#endif
