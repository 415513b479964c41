/* The tests' random numbers: a small generator whose whole state is one word, so that a case is its seed. */
#ifndef RING3_TESTS_INSTRUCTIONS_RANDOM_H
#define RING3_TESTS_INSTRUCTIONS_RANDOM_H

#include "cpu-model/base/types.h"

struct random {
    uint64_t state;
};

static inline uint64_t random_word(struct random *r) /* splitmix64 */
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static inline unsigned random_below(struct random *r, unsigned n)
{
    return (unsigned)((random_word(r) >> 32) * n >> 32);
}

static inline bool one_in(struct random *r, unsigned n)
{
    return random_below(r, n) == 0;
}

/* Corner cases and values of every width. */
uint64_t random_value(struct random *r);

void data_pool_fill(uint64_t seed);

/* x87, SSE and AVX state in the XSAVE layout: mostly masked exceptions, all kinds of numbers. */
void random_vector(struct random *r, uint8_t *area);

#endif
