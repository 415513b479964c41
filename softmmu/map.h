/*
 * All mappings of the present address space, for people: the monitor's `info mem` and `info tlb`. No side effects on
 * the guest's tables or on anything else.
 *
 * Thread: any, while the vCPU is stopped.
 */
#ifndef RING3_SOFTMMU_MAP_H
#define RING3_SOFTMMU_MAP_H

#include "cpu-model/state/vcpu.h"

/* One page, of whatever size. */
struct mapping {
    uint64_t linear; /* sign-extended in 4-level paging */
    uint64_t physical;
    uint64_t size;
    uint64_t entry;      /* the entry that maps it */
    bool user, writable; /* at all levels */
    bool no_execute;     /* at any level */
};

/*
 * Calls `each` for every mapped page in ascending order until it returns false. Paging must be on. Returns whether all
 * were visited: false if `each` said no, or the tables refer to so many tables that somebody must have made them so.
 */
bool mmu_map_each(const struct vcpu *vcpu, bool (*each)(void *context, const struct mapping *mapping), void *context);

#endif
