/*
 * `-accel bt,chaos=SEED`: odd behaviour of the translator that must not change any result, for tests: short blocks of
 * random length, either scratch register, branches left unlinked, code, shadow tables and views dropped now and then, a
 * cache of 512 KiB unless tb-size says otherwise, and guest memory at an odd place of the address space. What happens
 * follows from the seed and from what the guest does.
 */
#ifndef RING3_TRANSLATOR_CHAOS_H
#define RING3_TRANSLATOR_CHAOS_H

#include "translator/emit.h"

enum { CHAOS_CACHE_BYTES = 512 << 10, CHAOS_CHUNKS = 128 };
enum { CHAOS_CODE = 4096, CHAOS_SHADOW = 512, CHAOS_VIEW = 256 }; /* one in so many ways through C drops these */

/* xorshift32: never 0. */
static inline uint32_t chaos_draw(struct bt *bt)
{
    uint32_t x = bt->chaos;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return bt->chaos = x;
}

/* Instructions that the next block may have: any of 1 to `most`, mostly few. */
static inline unsigned chaos_block_limit(struct bt *bt, unsigned most)
{
    if (!bt->chaos)
        return most;
    unsigned range = 1u << chaos_draw(bt) % 7;
    return 1 + chaos_draw(bt) % (range < most ? range : most);
}

/* Is this branch to go through C again next time? */
static inline bool chaos_unlinked(struct bt *bt)
{
    return bt->chaos && chaos_draw(bt) & 1;
}

/* Which of the two scratch registers to try first. */
static inline unsigned chaos_scratch(struct bt *bt)
{
    return bt->chaos ? chaos_draw(bt) & 1 : 0;
}

/* At an instruction boundary, no block held. */
static inline void chaos_flush(struct bt *bt, struct vcpu *vcpu)
{
    if (__builtin_expect(!bt->chaos, 1))
        return;
    uint32_t drawn = chaos_draw(bt);
    if (drawn % CHAOS_SHADOW == 0)
        mmu_flush_all(vcpu, true);
    if (drawn % CHAOS_VIEW == 2)
        shadow_evict(vcpu, (drawn >> 16) % VIEW_COUNT);
    if (drawn % CHAOS_CODE == 1)
        tcache_flush(&bt->cache, vcpu);
}

#endif
