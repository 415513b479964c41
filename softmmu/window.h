/*
 * Windows: a view's hot pages laid out in host address space as the guest's linear addresses lie, so that the host's
 * MMU does the whole of the translation.
 *
 * The linear address space is cut into regions of 4 GiB (bits 32 to 47). A region that a view uses may have a window: 4
 * GiB of reserved host addresses between two guard zones, into which pages of the arena are mapped one by one as they
 * are touched. The view's table has one delta for each region, so that a guest access becomes
 *
 *     pext  rcx, base, gs:[region_mask]
 *     mov   rcx, gs:[rcx * 8 + REGIONS]     ; host minus linear
 *     op    [base + rcx + disp]
 *
 * (or, for [base + index * scale + disp] where the index is known to be below 2^32, with the base's delta alone: the
 * guard zones are as large as such offsets reach)
 *
 * with no miss check, no page-end check and no flag touched. Whatever is not mapped faults on the host and is then
 * looked at in C: regions without a window lead to one zone that is never mapped; a linear address that is not
 * canonical misses the region it is taken for by a multiple of 2^48. So nothing but the guest's own pages can be
 * reached, whatever the address.
 *
 * A fill costs a host fault and a system call (about 4 us), a drop a system call, against 0.1 us in the tables of
 * shadow.h: windows are for views that run long on the same pages. A view has credit for such costs, gained by running
 * and spent by faults; without credit it goes back to the tables for a while. All of it may be dropped at any
 * instruction boundary.
 *
 * Invariants: a page in a window is in its view's shadow log as well or was found by the same walk; it is writable only
 * if its dirty bit is set and it holds no translated code. Thread: the vCPU's own.
 */
#ifndef RING3_SOFTMMU_WINDOW_H
#define RING3_SOFTMMU_WINDOW_H

#include "softmmu/mmu.h"

enum {
    WINDOW_REGION_BITS = 32,
    WINDOW_REGIONS = 1 << 16, /* indexed by bits 32 to 47 of the linear address */
    WINDOW_SLOTS = 8,         /* regions of a view that can have a window at a time */
    WINDOW_RUNS = 3000, /* mapped runs of pages to remember; more than that and all are dropped. With two mappings a run
                         * in each of eight views the host's limit on mappings (65530) is not reached */
};
#define WINDOW_GUARD_BELOW BIT(32)
#define WINDOW_GUARD_ABOVE (BIT(32) * 10)
#define WINDOW_SPAN        (BIT(WINDOW_REGION_BITS) + WINDOW_GUARD_BELOW + WINDOW_GUARD_ABOVE)

struct window_run {
    uint64_t linear;
    uint32_t pages;
    uint32_t arena_page; /* of the first; the others follow */
};

struct window {
    uint64_t *regions; /* the view's table [WINDOW_REGIONS] of host minus linear */
    int memory_fd;     /* the arena's */
    uint64_t nowhere;  /* WINDOW_SPAN of reserved addresses that stay unmapped */
    struct {
        uint64_t linear;               /* of the region's first byte */
        uint64_t host;                 /* of the window's first byte, behind its guard zone; 0: not yet reserved */
        uint64_t *readable, *writable; /* [2^20 bits]: pages mapped */
        bool used;
        bool abandoned; /* the host could not be made to take pages away again */
    } slot[WINDOW_SLOTS];
    struct window_run *runs;
    uint32_t run_count;

    bool always;       /* open from the first tick on, whatever it costs */
    bool open;         /* translated code may use it */
    bool broken;       /* the host refused memory or mappings: never opened again */
    int32_t credit;    /* host faults that it may still cost */
    uint32_t patience; /* ticks of running that open it again */
    uint32_t ticks;    /* of running so far */
    uint64_t last_tick;
    uint64_t fills, drops, openings;
};

/* A window without any page, over the table at `regions`. Null: the host has no room (speed only). Ordinary code. */
struct window *window_create(const struct vcpu *vcpu, uint64_t *regions);
void window_destroy(struct window *window);

/*
 * Time has passed in which the guest ran user code of this view (called at most every millisecond or so): gains credit,
 * and opens the window when the view has run long enough. `now`: host TSC cycles.
 */
void window_tick(struct window *window, uint64_t now, uint64_t cycles_per_ms);

/* A host fault was taken for the window: false when it has no credit left and was closed. */
bool window_charge(struct window *window);

/* Closes it and forgets how the view has behaved: it is another address space's now. */
void window_reset(struct window *window);

/*
 * Maps the page at `linear`, which `t` describes, and all of its large page. False: there is already what the access
 * needs, or no room; the instruction has to be performed in C.
 */
bool window_fill(struct vcpu *vcpu, struct window *window, lin_t linear, enum access access,
                 const struct translation *t);

/* Removes pages: their translations changed. */
void window_drop_range(struct window *window, uint64_t linear, uint64_t pages);
void window_drop_all(struct window *window);

/* Makes the arena page read-only wherever it is mapped: it is about to hold translated code. */
void window_protect(struct window *window, uint64_t arena_page);

#endif
