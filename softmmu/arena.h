/*
 * The arena: the one contiguous host region that holds all RAM, ROM and video RAM of a machine.
 *
 * Its address range is reserved, without access, at every multiple of 2^ARENA_ALIAS_SHIFT from itself in the user
 * address space. A shadow table entry (host minus linear address) used with a linear address that collides with the
 * entry's own therefore always leads to an unmapped host address and faults, so translated code compares no tags. One
 * inaccessible page at both ends catches accesses that run out of it.
 *
 * Thread: start-up and shutdown only.
 */
#ifndef RING3_SOFTMMU_ARENA_H
#define RING3_SOFTMMU_ARENA_H

#include "cpu-model/base/error.h"
#include "cpu-model/base/types.h"

enum {
    ARENA_ALIAS_SHIFT = 37, /* colliding linear addresses differ by a multiple of 2^37 */
    ARENA_USER_BITS = 47,   /* of host addresses that user space can have */
    ARENA_ALIASES = 1 << (ARENA_USER_BITS - ARENA_ALIAS_SHIFT),
};

#define ARENA_MAX_BYTES (64ull << 30) /* below half of the alias distance, so that a free residue can be found */

struct arena {
    uint8_t *base; /* 2 MiB-aligned; readable and writable, zeroed */
    int fd; /* the shared memory behind it, so that windows can map its pages elsewhere too (window.h); -1: none */
    uint64_t size; /* in bytes, whole pages */
    /* Aliases that somebody else (Valgrind) already uses. Not 0: translated code has to compare
     * tags. */
    unsigned aliases_failed;
    uint64_t reserved[ARENA_ALIASES / 64]; /* bit k: the alias at k << ARENA_ALIAS_SHIFT is ours */
    uint64_t borrowed[ARENA_ALIASES / 64]; /* the same: it is AddressSanitizer's, and inaccessible (sanitizer.h) */
};

/* Makes an arena of `bytes` (rounded up to whole pages; at most ARENA_MAX_BYTES and a little). Memory is taken from the
 * host when it is touched. `where` not 0: looks first at a place that follows from it. Returns 0, -EINVAL or -ENOMEM
 * with a message. Failed aliases are not an error. */
int arena_create(struct arena *arena, uint64_t bytes, uint32_t where, struct error *err);
void arena_destroy(struct arena *arena); /* a zeroed struct is accepted */

#endif
