/*
 * Shadow page tables and views. See shadow.h.
 *
 * Invariants: every non-zero entry is in one of its view's logs; a WRITE entry's page is not a code page and has its
 * dirty bit set; a non-zero `writers` word names the only WRITE entry of its page or says there are many (it may be
 * stale, never too small); memory behind the tables is in `touched`, for nothing but 0 is ever stored elsewhere, and
 * that only over what is not 0. Runs while the guest's vector state is live. Thread: the vCPU's own. Source: SDM Vol. 3
 * "Caching translation information".
 */
#include "softmmu/shadow.h"
#include "cpu-model/base/host_call.h"
#include "cpu-model/state/trace.h"

#include <linux/mman.h>
#include <sys/syscall.h>

enum { LOG_CAPACITY = 1 << 16 };
#define WRITERS_MANY 0xffffffffu

/* A store to a table where there was never an entry would cost a page of host memory. */
static void clear_entry(const struct view *view, int table, uint64_t index)
{
    uint64_t *entry = view_entry(view, table, index);
    if (*entry)
        *entry = 0;
}

static void clear_index(const struct view *view, uint64_t index)
{
    clear_entry(view, VIEW_READ, index);
    clear_entry(view, VIEW_WRITE, index);
    clear_entry(view, VIEW_EXEC, index);
}

void view_forget_code(struct view *view)
{
    for (unsigned i = 0; i < JUMP_ENTRIES; i++)
        *view_jump_tag(view, i) =
            -(uint64_t)(i + 1); /* a target whose low bits belong to another entry: never matches */
    view->return_sp = view->return_empty;
}

void shadow_forget_code(struct vcpu *vcpu)
{
    for (unsigned i = 0; i < VIEW_COUNT; i++)
        if (vcpu->shadow->view[i].base)
            view_forget_code(&vcpu->shadow->view[i]);
}

/* Drops the entries in one log. */
static void drop_log(struct view *view, unsigned which)
{
    bool code = false;
    if (view->window)
        window_drop_all(view->window);
    for (uint32_t i = 0; i < view->logged[which]; i++) {
        uint32_t index = view->log[which][i];
        code |= *view_entry(view, VIEW_EXEC, index) != 0;
        clear_index(view, index);
    }
    view->logged[which] = 0;
    if (code)
        view_forget_code(view);
}

static void drop_view(struct view *view, bool global)
{
    drop_log(view, 0);
    if (global) {
        drop_log(view, 1);
        view->huge = false;
        for (unsigned i = 0; i < ARRAY_LEN(view->large); i++)
            view->large[i] = 0;
    }
}

/* The 4 MiB region's place in the set of regions with entries from 2 or 4 MiB pages. */
static unsigned large_bit(uint64_t linear)
{
    return (unsigned)((linear >> 22) ^ (linear >> 31)) & 511;
}

static bool large_seen(const struct view *view, uint64_t linear)
{
    return view->large[large_bit(linear) >> 6] >> (large_bit(linear) & 63) & 1;
}

/* Drops the entry of one linear page, or of the 2 or 4 MiB around it where large pages were seen. */
static void drop_page(struct vcpu *vcpu, struct view *view, uint64_t linear)
{
    uint64_t first = linear & ~(uint64_t)GUEST_PAGE_OFFSET, count = 1;
    bool code = false;
    if (view->huge) {
        drop_view(view, true);
        return;
    }
    if (large_seen(view, linear)) {
        first = linear & ~0x3fffffull;
        count = 1024;
    }
    if (view->window)
        window_drop_range(view->window, first, count);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t index = shadow_index(vcpu->shadow, first + i * GUEST_PAGE_SIZE);
        code |= *view_entry(view, VIEW_EXEC, index) != 0;
        clear_index(view, index);
    }
    if (code)
        view_forget_code(view);
}

static long give_back(uint8_t *start, uint64_t size)
{
    return host_call6(SYS_madvise, (uint64_t)(uintptr_t)start, size, MADV_DONTNEED, 0, 0, 0);
}

/* Drops all entries of a view and gives the memory behind them back to the host. */
static void trim_view(struct shadow *shadow, struct view *view)
{
    drop_view(view, true);
    long r = view->plain_index ? give_back(view->base + VIEW_SLOTS, 32ull << SHADOW_INDEX_BITS)
                               : give_back(view->base + VIEW_READ, 2 * VIEW_TABLE_SIZE) |
                                     give_back(view->base + VIEW_EXEC, VIEW_TABLE_SIZE);
    if (r)
        return; /* still there: it remains counted */
    for (unsigned i = 0; i < ARRAY_LEN(view->touched); i++)
        view->touched[i] = 0;
    shadow->chunks -= view->chunks;
    view->chunks = 0;
}

/* An entry appears at this index: memory will be behind it. */
static void touch_chunk(struct shadow *shadow, struct view *view, uint64_t index)
{
    uint64_t *word = &view->touched[index >> (CHUNK_BITS + 6)];
    unsigned bit = index >> CHUNK_BITS & 63;
    if (*word >> bit & 1)
        return;
    if (shadow->chunks >= shadow->chunks_max) {
        for (unsigned i = 0; i < VIEW_COUNT; i++)
            trim_view(shadow, &shadow->view[i]);
        shadow->trims++;
    }
    *word |= BIT(bit);
    view->chunks++;
    shadow->chunks++;
}

static void log_index(struct view *view, uint32_t index, bool global)
{
    if (view->logged[global] == LOG_CAPACITY)
        drop_log(view, global);
    view->log[global][view->logged[global]++] = index;
}

static void note_writer(struct shadow *shadow, const struct view *view, uint64_t index, uint64_t page)
{
    uint32_t id = ((uint32_t)(view - shadow->view) << SHADOW_INDEX_BITS | (uint32_t)index) + 1;
    if (!shadow->writers[page] || shadow->writers[page] == id)
        shadow->writers[page] = id;
    else
        shadow->writers[page] = WRITERS_MANY;
}

void shadow_fill(struct vcpu *vcpu, lin_t at, enum access access, const struct translation *t)
{
    struct shadow *shadow = vcpu->shadow;
    struct view *view = shadow->current;
    uint64_t linear = at.v & ~(uint64_t)GUEST_PAGE_OFFSET;
    uint64_t index = shadow_index(shadow, linear);
    uint64_t value = (uint64_t)(uintptr_t)t->host - linear;
    uint64_t *read = view_entry(view, VIEW_READ, index), *write = view_entry(view, VIEW_WRITE, index);
    uint64_t *exec = view_entry(view, VIEW_EXEC, index);
    uint64_t page = space_offset(vcpu->space, t->host) >> GUEST_PAGE_SHIFT;
    uint8_t *flags = &vcpu->space->page_flags[page];
    bool may_write = t->dirty && !t->rom && !(*flags & PAGE_CODE) &&
                     (access == ACCESS_WRITE || !(*flags & PAGE_CLEAN)) &&
                     (t->writable || (vcpu->cpl != 3 && !(vcpu->cr0 & CR0_WP)));

    /* Another linear page shares the index: it goes, wholly. */
    if ((*read && *read != value) || (*write && *write != value) || (*exec && *exec != value)) {
        if (*exec)
            view_forget_code(view);
        clear_index(view, index);
        shadow->evictions++;
    }
    if (!*read && !*write && !*exec) {
        touch_chunk(shadow, view, index);
        log_index(view, (uint32_t)index, t->global && vcpu->cr4 & CR4_PGE);
    }
    if (t->page_shift > 12)
        view->large[large_bit(linear) >> 6] |= BIT(large_bit(linear) & 63);
    view->huge |= t->page_shift > 22;
    if (access == ACCESS_EXEC)
        *exec = value;
    else
        *read = value;
    if (may_write && access != ACCESS_EXEC) {
        if (*flags & PAGE_CLEAN) /* the store that this is for makes it dirty */
            __atomic_and_fetch(flags, (uint8_t)~PAGE_CLEAN, __ATOMIC_SEQ_CST);
        *write = value;
        note_writer(shadow, view, index, page);
    }
    shadow->fills++;
}

/* Removes the one WRITE entry that a `writers` word names. */
static void drop_writer(const struct shadow *shadow, uint32_t id)
{
    id--;
    clear_entry(&shadow->view[id >> SHADOW_INDEX_BITS], VIEW_WRITE, id & ((1u << SHADOW_INDEX_BITS) - 1));
}

/* Removes the WRITE entries, in all views, to those of [arena_offset, + pages) that have all of `flags`. An entry is
 * host - linear, and the index gives the linear page's low bits: enough to tell pages of the arena apart. */
static void drop_writers(struct vcpu *vcpu, uint64_t arena_offset, uint64_t pages, uint8_t flags)
{
    const uint8_t *page_flags = &vcpu->space->page_flags[arena_offset >> GUEST_PAGE_SHIFT];
    uint64_t host = (uint64_t)(uintptr_t)vcpu->space->arena + arena_offset;
    for (unsigned v = 0; v < VIEW_COUNT; v++) {
        struct view *view = &vcpu->shadow->view[v];
        for (unsigned which = 0; view->base && which < 2; which++)
            for (uint32_t i = 0; i < view->logged[which]; i++) {
                uint32_t index = view->log[which][i];
                uint64_t *write = view_entry(view, VIEW_WRITE, index);
                uint64_t page = ((*write + ((uint64_t)(index & 0x1ffffff) << 12) - host) & 0x1fffffffffull) >> 12;
                if (*write && page < pages && (page_flags[page] & flags) == flags)
                    *write = 0;
            }
    }
}

void shadow_protect(struct vcpu *vcpu, uint64_t arena_offset)
{
    struct shadow *shadow = vcpu->shadow;
    uint64_t page = arena_offset >> GUEST_PAGE_SHIFT;
    uint32_t id = shadow->writers[page];

    for (unsigned v = 0; v < VIEW_COUNT; v++)
        if (shadow->view[v].window)
            window_protect(shadow->view[v].window, page);
    shadow->writers[page] = 0;
    if (id == WRITERS_MANY)
        drop_writers(vcpu, page << GUEST_PAGE_SHIFT, 1, 0);
    else if (id)
        drop_writer(shadow, id);
}

void shadow_clean_pages(struct vcpu *vcpu, uint64_t arena_offset, uint64_t size)
{
    const uint8_t *flags = &vcpu->space->page_flags[arena_offset >> GUEST_PAGE_SHIFT];
    uint32_t *writers = &vcpu->shadow->writers[arena_offset >> GUEST_PAGE_SHIFT];
    uint64_t pages = size >> GUEST_PAGE_SHIFT;
    bool many = false;

    /* Video memory is in no window. */
    for (uint64_t i = 0; i < pages; i++) {
        if (!(flags[i] & PAGE_CLEAN) || !writers[i])
            continue;
        if (writers[i] == WRITERS_MANY)
            many = true;
        else
            drop_writer(vcpu->shadow, writers[i]);
        writers[i] = 0;
    }
    /* One pass for all pages with several writers: a screenful of them is cleaned 60 times a second. */
    if (many)
        drop_writers(vcpu, arena_offset, pages, PAGE_CLEAN);
}

static uint16_t current_pcid(const struct vcpu *vcpu)
{
    return vcpu->cr4 & CR4_PCIDE ? vcpu->cr3 & 0xfff : 0;
}

/* Forgets all that a view knows: it becomes another PCID's. */
static void empty_view(struct view *view)
{
    drop_view(view, true);
    view_forget_code(view);
    if (view->window)
        window_reset(view->window);
}

void shadow_evict(struct vcpu *vcpu, unsigned number)
{
    struct view *view = &vcpu->shadow->view[number];
    if (number == VIEW_KERNEL || !view->in_use)
        return;
    empty_view(view);
    view->in_use = false;
}

struct view *shadow_select(struct vcpu *vcpu)
{
    struct shadow *shadow = vcpu->shadow;
    uint16_t pcid = current_pcid(vcpu);
    struct view *best = &shadow->view[VIEW_KERNEL];

    if (vcpu->cpl == 3) {
        struct view *oldest = NULL;
        best = NULL;
        for (unsigned i = 1; i < VIEW_COUNT && !best; i++) {
            struct view *view = &shadow->view[i];
            if (view->in_use && view->pcid == pcid)
                best = view;
            if (!oldest || view->last_used < oldest->last_used)
                oldest = view;
        }
        if (!best) {
            best = oldest;
            empty_view(best);
            best->in_use = true;
            best->pcid = pcid;
        }
        best->last_used = ++shadow->clock;
    }
    shadow->current = best;
    shadow->current_user = vcpu->cpl == 3;
    return best;
}

/* ---- flushes (mmu.h) ---- */

void mmu_flush_page(struct vcpu *vcpu, lin_t at)
{
    struct shadow *shadow = vcpu->shadow;
    trace(vcpu, LOG_MMU, "flush page %llx", (unsigned long long)at.v);
    if (!shadow)
        return;
    shadow->page_flushes++;
    for (unsigned i = 0; i < VIEW_COUNT; i++)
        if (shadow->view[i].in_use)
            drop_page(vcpu, &shadow->view[i], at.v);
}

void mmu_flush_page_pcid(struct vcpu *vcpu, lin_t at, uint16_t pcid)
{
    (void)pcid; /* dropping more than asked is allowed, and the kernel view holds the current PCID's pages anyway */
    mmu_flush_page(vcpu, at);
}

void mmu_flush_pcid(struct vcpu *vcpu, uint16_t pcid)
{
    struct shadow *shadow = vcpu->shadow;
    if (!shadow)
        return;
    shadow->flushes++;
    for (unsigned i = 0; i < VIEW_COUNT; i++) {
        struct view *view = &shadow->view[i];
        if (view->in_use && (i == VIEW_KERNEL ? pcid == current_pcid(vcpu) : view->pcid == pcid))
            drop_view(view, false);
    }
}

void mmu_flush_all(struct vcpu *vcpu, bool global)
{
    struct shadow *shadow = vcpu->shadow;
    trace(vcpu, LOG_MMU, "flush all%s", global ? ", global pages too" : "");
    if (!shadow)
        return;
    shadow->flushes++;
    for (unsigned i = 0; i < VIEW_COUNT; i++)
        if (shadow->view[i].in_use)
            drop_view(&shadow->view[i], global);
}

void mmu_set_root(struct vcpu *vcpu, bool keep)
{
    struct shadow *shadow = vcpu->shadow;
    trace(vcpu, LOG_MMU, "cr3 = %llx%s", (unsigned long long)vcpu->cr3, keep ? ", translations kept" : "");
    if (!shadow)
        return;
    shadow->flushes++;
    drop_view(&shadow->view[VIEW_KERNEL], false); /* it shows the old root's user half */
    for (unsigned i = 1; i < VIEW_COUNT && !keep; i++)
        if (shadow->view[i].in_use && shadow->view[i].pcid == current_pcid(vcpu))
            drop_view(&shadow->view[i], false);
}

void mmu_mode_changed(struct vcpu *vcpu)
{
    mmu_flush_all(vcpu, true);
}
