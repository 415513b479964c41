/*
 * Windows: mapping and unmapping of guest pages at the guest's own distances. See window.h.
 *
 * Invariants: a bit in `readable` (`writable`) says that the page may be mapped (for writing); every page with a bit is
 * in a run, so that dropping all is complete. Host addresses are never given back, only made inaccessible, so nothing
 * else of the process can come to lie there. Runs while the guest's vector state is live. Thread: the vCPU's own.
 */
#include "softmmu/window.h"
#include "cpu-model/base/host_call.h"

#include <linux/mman.h>
#include <sys/syscall.h>

enum {
    PROT_R = 1,
    PROT_RW = 3,
    CREDIT_AT_OPENING = 2000, /* faults: a working set of 8 MB in small pages, about 8 ms */
    CREDIT_PER_TICK = 20,     /* 20 faults for a millisecond: 8 % at most in the long run */
    CREDIT_MAX = 8000,
    PATIENCE_FIRST = 4,
    PATIENCE_MAX = 1000,
};

static unsigned slot_page(uint64_t linear)
{
    return (unsigned)(linear >> GUEST_PAGE_SHIFT) & ((1u << 20) - 1);
}

static bool bit_get(const uint64_t *bits, unsigned n)
{
    return bits[n / 64] >> n % 64 & 1;
}

static void bits_clear(uint64_t *bits, unsigned first, unsigned count)
{
    for (unsigned n = first; n < first + count; n++)
        bits[n / 64] &= ~BIT(n % 64);
}

static void bits_set(uint64_t *bits, unsigned first, unsigned count)
{
    for (unsigned n = first; n < first + count; n++)
        bits[n / 64] |= BIT(n % 64);
}

static int slot_of(const struct window *window, uint64_t linear)
{
    for (int i = 0; i < WINDOW_SLOTS; i++)
        if (window->slot[i].used && !((window->slot[i].linear ^ linear) >> WINDOW_REGION_BITS))
            return i;
    return -1;
}

static uint64_t *region_entry(const struct window *window, uint64_t linear)
{
    return &window->regions[linear >> WINDOW_REGION_BITS & (WINDOW_REGIONS - 1)];
}

/* Accesses to the region fault from now on. Code that C goes back to learns its deltas anew (runtime.c, resume()). */
static void leave_slot(struct window *window, int slot)
{
    *region_entry(window, window->slot[slot].linear) = window->nowhere + WINDOW_GUARD_BELOW - window->slot[slot].linear;
    window->slot[slot].used = false;
}

/* The host took no pages away from the slot (too many mappings, no memory): nothing may lead there ever again. */
static void abandon_slot(struct window *window, int slot)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < window->run_count; i++)
        if (slot_of(window, window->runs[i].linear) != slot)
            window->runs[kept++] = window->runs[i];
    window->run_count = kept;
    leave_slot(window, slot);
    window->slot[slot].abandoned = true;
    window->broken = true;
}

/* Makes [linear, + pages) of a slot's window inaccessible again. */
static void unmap(struct window *window, int slot, uint64_t linear, uint64_t pages)
{
    uint64_t host = window->slot[slot].host + (linear - window->slot[slot].linear);
    long got = host_call6(SYS_mmap, host, pages << GUEST_PAGE_SHIFT, 0,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, (uint64_t)-1, 0);
    if (got != (long)host)
        abandon_slot(window, slot);
}

void window_drop_all(struct window *window)
{
    uint64_t first[WINDOW_SLOTS], last[WINDOW_SLOTS] = {0};
    if (!window->run_count)
        return;
    window->drops++;
    for (int i = 0; i < WINDOW_SLOTS; i++)
        first[i] = ~0ull;
    for (uint32_t i = 0; i < window->run_count; i++) {
        const struct window_run *run = &window->runs[i];
        int slot = slot_of(window, run->linear);
        uint64_t end = run->linear + ((uint64_t)run->pages << GUEST_PAGE_SHIFT);
        first[slot] = run->linear < first[slot] ? run->linear : first[slot];
        last[slot] = end > last[slot] ? end : last[slot];
        bits_clear(window->slot[slot].readable, slot_page(run->linear), run->pages);
        bits_clear(window->slot[slot].writable, slot_page(run->linear), run->pages);
    }
    window->run_count = 0;
    for (int i = 0; i < WINDOW_SLOTS; i++)
        if (last[i])
            unmap(window, i, first[i], (last[i] - first[i]) >> GUEST_PAGE_SHIFT);
}

void window_drop_range(struct window *window, uint64_t linear, uint64_t pages)
{
    int slot = slot_of(window, linear);
    unsigned first = slot_page(linear);
    bool any = false;
    if (slot < 0)
        return;
    for (unsigned n = first; n < first + pages && !any; n++)
        any = bit_get(window->slot[slot].readable, n);
    if (!any)
        return;
    window->drops++;
    bits_clear(window->slot[slot].readable, first, (unsigned)pages);
    bits_clear(window->slot[slot].writable, first, (unsigned)pages);
    unmap(window, slot, linear, pages);
}

void window_protect(struct window *window, uint64_t arena_page)
{
    for (uint32_t i = 0; i < window->run_count; i++) {
        const struct window_run *run = &window->runs[i];
        uint64_t into = arena_page - run->arena_page;
        uint64_t linear = run->linear + (into << GUEST_PAGE_SHIFT);
        if (into >= run->pages)
            continue;
        int slot = slot_of(window, run->linear);
        if (!bit_get(window->slot[slot].writable, slot_page(linear)))
            continue;
        bits_clear(window->slot[slot].writable, slot_page(linear), 1);
        if (host_call6(SYS_mprotect, window->slot[slot].host + (linear - window->slot[slot].linear), GUEST_PAGE_SIZE,
                       PROT_R, 0, 0, 0)) {
            abandon_slot(window, slot);
            i = (uint32_t)-1; /* other runs have other places now */
        }
    }
}

/* ---- opening and closing ---- */

static void window_close(struct window *window)
{
    window_drop_all(window);
    for (int i = 0; i < WINDOW_SLOTS; i++) {
        if (window->slot[i].used)
            leave_slot(window, i);
    }
    window->open = false;
    window->ticks = 0;
}

void window_tick(struct window *window, uint64_t now, uint64_t cycles_per_ms)
{
    if (!window->always && now - window->last_tick < cycles_per_ms)
        return;
    window->last_tick = now;
    if (window->open) {
        window->credit += CREDIT_PER_TICK;
        if (window->credit > CREDIT_MAX)
            window->credit = CREDIT_MAX;
    } else if ((++window->ticks >= window->patience || window->always) && !window->broken) {
        window->open = true;
        window->openings++;
        window->credit = CREDIT_AT_OPENING;
    }
}

bool window_charge(struct window *window)
{
    if (window->open && (--window->credit >= 0 || (window->always && !window->broken)))
        return true;
    window->patience = window->patience * 2 < PATIENCE_MAX ? window->patience * 2 : PATIENCE_MAX;
    window_close(window);
    return false;
}

void window_reset(struct window *window)
{
    window_close(window);
    window->patience = PATIENCE_FIRST;
}

/* ---- filling ---- */

/* The slot for the region of `linear`, taken if need be; -1: none left, or no room in the host. */
static int take_slot(struct window *window, uint64_t linear)
{
    int slot = slot_of(window, linear);
    for (int i = 0; i < WINDOW_SLOTS && slot < 0; i++) {
        if (window->slot[i].used || window->slot[i].abandoned || !window->slot[i].host)
            continue;
        slot = i;
        window->slot[i].used = true;
        window->slot[i].linear = linear >> WINDOW_REGION_BITS << WINDOW_REGION_BITS;
        *region_entry(window, linear) = window->slot[i].host - window->slot[i].linear;
    }
    return slot;
}

/* Maps pages that follow each other in linear and in arena order, all with the same rights. */
static bool map_run(struct window *window, int slot, uint64_t linear, uint64_t arena_page, unsigned pages, bool write)
{
    if (window->run_count == WINDOW_RUNS)
        window_drop_all(window);
    uint64_t host = window->slot[slot].host + (linear - window->slot[slot].linear);
    long got =
        host_call6(SYS_mmap, host, (uint64_t)pages << GUEST_PAGE_SHIFT, write ? PROT_RW : PROT_R,
                   MAP_SHARED | MAP_FIXED | MAP_POPULATE, (uint64_t)window->memory_fd, arena_page << GUEST_PAGE_SHIFT);
    if (got != (long)host) {
        window->broken = true; /* too many mappings, or no memory: the tables serve without */
        window->credit = 0;
        return false;
    }
    window->runs[window->run_count++] = (struct window_run){linear, pages, (uint32_t)arena_page};
    bits_set(window->slot[slot].readable, slot_page(linear), pages);
    if (write)
        bits_set(window->slot[slot].writable, slot_page(linear), pages);
    else
        bits_clear(window->slot[slot].writable, slot_page(linear), pages);
    window->fills++;
    return true;
}

/* The part of the large page around `linear` that a fill may map at once: [*first, + pages), all in one piece of RAM.
 */
static unsigned around(const struct vcpu *vcpu, uint64_t linear, const struct translation *t, uint64_t *first)
{
    const struct space *space = vcpu->space;
    unsigned shift = t->page_shift > 21 ? 21 : t->page_shift;
    uint64_t mask = BIT(shift) - 1, page = linear & ~(uint64_t)GUEST_PAGE_OFFSET;
    *first = page;
    if (shift < 21)
        return 1;
    const struct space_slot *slot = space_find(space, t->page);
    uint64_t start = t->page.v & ~mask;
    if (!slot || slot->rom || start < slot->base || start + mask >= slot->base + slot->size)
        return 1;
    *first = linear & ~mask;
    return 1u << (shift - GUEST_PAGE_SHIFT);
}

bool window_fill(struct vcpu *vcpu, struct window *window, lin_t at, enum access access, const struct translation *t)
{
    const struct space *space = vcpu->space;
    uint64_t page = at.v & ~(uint64_t)GUEST_PAGE_OFFSET, first;
    uint64_t arena_page = space_offset(space, t->host) >> GUEST_PAGE_SHIFT;
    bool write = t->writable && t->dirty && !t->rom, code = space->page_flags[arena_page] & PAGE_CODE;
    int slot = take_slot(window, page);
    if (slot < 0 || space->page_flags[arena_page] & ~PAGE_CODE)
        return false;
    if (bit_get(access == ACCESS_WRITE ? window->slot[slot].writable : window->slot[slot].readable, slot_page(page)))
        return false;
    if (access == ACCESS_WRITE && (!write || code))
        return false;

    unsigned pages = around(vcpu, page, t, &first);
    uint64_t first_page = arena_page - ((page - first) >> GUEST_PAGE_SHIFT);
    for (unsigned i = 0; i < pages;) { /* runs of pages with the same flags */
        uint8_t flags = space->page_flags[first_page + i];
        unsigned n = i + 1;
        while (n < pages && space->page_flags[first_page + n] == flags)
            n++;
        if (!(flags & ~PAGE_CODE) &&
            !map_run(window, slot, first + ((uint64_t)i << GUEST_PAGE_SHIFT), first_page + i, n - i, write && !flags))
            return false;
        i = n;
    }
    return true;
}
