/*
 * Vector code: SSE, AVX2 with FMA, AES and SHA instructions, and copying memory. Rows that the CPU lacks are skipped.
 */
#include "benchmarks/programs/bench.h"

#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

/* CPUID leaf 7, subleaf 0, EBX bit 29. */
static int has_sha(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx >> 29 & 1) && __builtin_cpu_supports("ssse3");
}

static uint64_t fold(const void *bytes, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum = sum * 31 + ((const uint8_t *)bytes)[i];
    return sum;
}

/* Single-precision a*x + y over 16 KiB, four lanes at a time. */
uint64_t bench_sse(void)
{
    enum { COUNT = 4096 };
    static float x[COUNT] __attribute__((aligned(16))), y[COUNT] __attribute__((aligned(16)));
    for (int i = 0; i < COUNT; i++) {
        x[i] = (float)(i % 100) * 0.01f;
        y[i] = 0;
    }
    __m128 factor = _mm_set1_ps(0.5f), decay = _mm_set1_ps(0.999f);
    for (int pass = 0; pass < 250000; pass++)
        for (int i = 0; i < COUNT; i += 4) {
            __m128 v = _mm_mul_ps(_mm_load_ps(y + i), decay);
            _mm_store_ps(y + i, _mm_add_ps(v, _mm_mul_ps(_mm_load_ps(x + i), factor)));
        }
    return fold(y, sizeof(y));
}

/* The same in eight lanes with FMA. */
__attribute__((target("avx2,fma"))) static uint64_t run_avx2(void)
{
    enum { COUNT = 4096 };
    static float x[COUNT] __attribute__((aligned(32))), y[COUNT] __attribute__((aligned(32)));
    for (int i = 0; i < COUNT; i++) {
        x[i] = (float)(i % 100) * 0.01f;
        y[i] = 0;
    }
    __m256 factor = _mm256_set1_ps(0.5f), decay = _mm256_set1_ps(0.999f);
    for (int pass = 0; pass < 400000; pass++)
        for (int i = 0; i < COUNT; i += 8) {
            __m256 v = _mm256_mul_ps(_mm256_load_ps(y + i), decay);
            _mm256_store_ps(y + i, _mm256_fmadd_ps(_mm256_load_ps(x + i), factor, v));
        }
    return fold(y, sizeof(y));
}

uint64_t bench_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? run_avx2() : BENCH_SKIP;
}

/* Ten AES rounds on each block of 16 KiB, four blocks side by side, as counter modes do. */
__attribute__((target("aes,sse4.1"))) static uint64_t run_aes(void)
{
    enum { BLOCKS = 1024 };
    static __m128i data[BLOCKS];
    __m128i keys[11];
    for (int i = 0; i < 11; i++)
        keys[i] = _mm_set_epi32(i * 0x1234567, i + 1, ~i, i * i);
    for (int i = 0; i < BLOCKS; i++)
        data[i] = _mm_set_epi32(i, 2 * i, 3 * i, 4 * i);
    for (int pass = 0; pass < 30000; pass++)
        for (int i = 0; i < BLOCKS; i += 4) {
            __m128i b[4];
            for (int k = 0; k < 4; k++)
                b[k] = _mm_xor_si128(data[i + k], keys[0]);
            for (int round = 1; round < 10; round++)
                for (int k = 0; k < 4; k++)
                    b[k] = _mm_aesenc_si128(b[k], keys[round]);
            for (int k = 0; k < 4; k++)
                data[i + k] = _mm_aesenclast_si128(b[k], keys[10]);
        }
    return fold(data, sizeof(data));
}

uint64_t bench_aes(void)
{
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.1") ? run_aes() : BENCH_SKIP;
}

/* SHA-256-shaped rounds over 16 KiB: the instructions in their usual order and dependence, with a constant key. */
__attribute__((target("sha,ssse3"))) static uint64_t run_sha(void)
{
    enum { VECTORS = 1024 };
    static __m128i data[VECTORS];
    __m128i state[2] = {_mm_set_epi32(1, 2, 3, 4), _mm_set_epi32(5, 6, 7, 8)};
    __m128i key = _mm_set_epi32(0x428a2f98, 0x71374491, (int)0xb5c0fbcf, (int)0xe9b5dba5);
    for (int i = 0; i < VECTORS; i++)
        data[i] = _mm_set_epi32(i, 3 * i, 5 * i, 7 * i);
    for (int pass = 0; pass < 20000; pass++)
        for (int i = 0; i < VECTORS; i += 4) {
            __m128i m[4] = {data[i], data[i + 1], data[i + 2], data[i + 3]};
            for (int round = 0; round < 16; round++) {
                __m128i k = _mm_add_epi32(m[round & 3], key);
                state[1] = _mm_sha256rnds2_epu32(state[1], state[0], k);
                state[0] = _mm_sha256rnds2_epu32(state[0], state[1], _mm_shuffle_epi32(k, 0x0e));
                __m128i next = _mm_sha256msg1_epu32(m[round & 3], m[(round + 1) & 3]);
                next = _mm_add_epi32(next, _mm_alignr_epi8(m[(round + 3) & 3], m[(round + 2) & 3], 4));
                m[round & 3] = _mm_sha256msg2_epu32(next, m[(round + 3) & 3]);
            }
        }
    return fold(state, sizeof(state));
}

uint64_t bench_sha(void)
{
    return has_sha() ? run_sha() : BENCH_SKIP;
}

/* The C library's memcpy, 1 byte to 2 KiB at odd alignments: its vector paths, and calls. */
uint64_t bench_memcpy(void)
{
    enum { SIZE = 2048, SPAN = 1 << 16 };
    static uint8_t from[SPAN + SIZE + 64], to[SPAN + SIZE + 64];
    for (size_t i = 0; i < sizeof(from); i++)
        from[i] = (uint8_t)(i * 13);
    for (int pass = 0; pass < 160; pass++)
        for (size_t size = 1; size <= SIZE; size *= 2)
            for (size_t i = 0; i < 8000; i++) {
                size_t at = i * 97 % SPAN;
                memcpy(to + at, from + at + (i & 31), size);
                __asm__ volatile("" ::"r"(to) : "memory");
            }
    return fold(to, sizeof(to));
}

/* REP MOVSB of 64 KiB, which is what memcpy uses for large blocks and kernels for pages. */
uint64_t bench_repmovs(void)
{
    enum { SIZE = 1 << 16 };
    static uint8_t from[SIZE], to[SIZE];
    for (size_t i = 0; i < SIZE; i++)
        from[i] = (uint8_t)(i * 13);
    for (int pass = 0; pass < 30000; pass++) {
        uint8_t *source = from, *target = to;
        size_t count = SIZE;
        __asm__ volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count)::"memory");
    }
    return fold(to, sizeof(to));
}
