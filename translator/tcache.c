/*
 * The translation cache's book-keeping. See tcache.h.
 *
 * Invariants: a block is in the hash and on its page's list exactly while it is valid; an exit is on its target's
 * incoming list exactly while it is linked; a page with blocks has PAGE_CODE set. Vector-live code; thread: the vCPU's
 * own.
 */
#include "translator/tcache.h"

static uint32_t hash_of(uint64_t offset, uint32_t mode)
{
    uint64_t h = (offset ^ (uint64_t)mode << 40) * 0x9e3779b97f4a7c15ull;
    return (uint32_t)(h >> (64 - TB_HASH_BITS));
}

void tcache_flush(struct tcache *cache, struct vcpu *vcpu)
{
    for (uint64_t i = 0; i < cache->page_count; i++)
        if (cache->pages[i].first) {
            cache->pages[i] = (struct page_code){0};
            __atomic_and_fetch(&vcpu->space->page_flags[i], (uint8_t)~PAGE_CODE, __ATOMIC_RELAXED);
        }
    for (unsigned i = 0; i < ARRAY_LEN(cache->hash); i++)
        cache->hash[i] = NO_INDEX;
    cache->tb_count = cache->site_count = cache->exit_count = cache->insn_count = 1;
    cache->used = cache->start;
    cache->flushes++;
    shadow_forget_code(vcpu);
}

bool tcache_full(const struct tcache *cache)
{
    return cache->used + (128 << 10) > cache->size || cache->tb_count + 2 > cache->tb_max ||
           cache->site_count + 1024 > cache->site_max || cache->exit_count + 128 > cache->exit_max ||
           cache->insn_count + 256 > cache->insn_max;
}

struct tb *tcache_find(struct tcache *cache, uint64_t linear, uint64_t offset, uint32_t mode)
{
    cache->lookups++;
    for (uint32_t i = cache->hash[hash_of(offset, mode)]; i != NO_INDEX; i = cache->tbs[i].hash_next) {
        struct tb *tb = &cache->tbs[i];
        if (tb->lin == linear && tb->mode == mode && tb->page[0] + (linear & GUEST_PAGE_OFFSET) == offset)
            return tb;
    }
    return NULL;
}

const struct tb *tcache_block_at(const struct tcache *cache, uint64_t offset)
{
    uint32_t low = 0, high = cache->tb_count;
    while (low + 1 < high) {
        uint32_t middle = (low + high) / 2;
        if (cache->tbs[middle].code <= offset)
            low = middle;
        else
            high = middle;
    }
    const struct tb *tb = &cache->tbs[low];
    return low && offset - tb->code < tb->code_size ? tb : NULL;
}

static uint32_t stamp_of(uint64_t first, uint64_t last)
{
    unsigned a = (unsigned)(first >> STAMP_SHIFT) & 31, b = (unsigned)(last >> STAMP_SHIFT) & 31;
    return (uint32_t)((BIT(b + 1) - 1) & ~(BIT(a) - 1));
}

/* The part of a page that a block was made from; which: 0 its first page, 1 its second. */
static uint32_t tb_stamp(const struct tb *tb, unsigned which)
{
    uint64_t first = tb->lin & GUEST_PAGE_OFFSET, last = first + tb->guest_size - 1;
    if (which)
        return stamp_of(0, last & GUEST_PAGE_OFFSET);
    return stamp_of(first, last > GUEST_PAGE_OFFSET ? GUEST_PAGE_OFFSET : last);
}

static void enter_page(struct tcache *cache, struct vcpu *vcpu, struct tb *tb, unsigned which)
{
    uint64_t number = tb->page[which] >> GUEST_PAGE_SHIFT;
    struct page_code *page = &cache->pages[number];
    tb->page_next[which] = page->first;
    if (!page->first) {
        __atomic_or_fetch(&vcpu->space->page_flags[number], PAGE_CODE, __ATOMIC_RELAXED);
        shadow_protect(vcpu, tb->page[which]);
    }
    page->first = tb_index(cache, tb) * 2 + which;
    page->stamp |= tb_stamp(tb, which);
}

void tcache_insert(struct tcache *cache, struct vcpu *vcpu, struct tb *tb)
{
    uint32_t *head = &cache->hash[hash_of(tb->page[0] + (tb->lin & GUEST_PAGE_OFFSET), tb->mode)];
    tb->hash_next = *head;
    *head = tb_index(cache, tb);
    enter_page(cache, vcpu, tb, 0);
    if (tb->straddles)
        enter_page(cache, vcpu, tb, 1);
    tb->incoming = NO_INDEX;
    tb->valid = true;
}

static void unlink_incoming(struct tcache *cache, struct tb *tb)
{
    for (uint32_t i = tb->incoming; i != NO_INDEX;) {
        struct exit *exit = &cache->exits[i];
        int32_t distance = (int32_t)(exit->stub - (exit->patch + 4));
        __builtin_memcpy(cache->rw + exit->patch, &distance, 4);
        exit->to = NO_INDEX;
        i = exit->incoming_next;
    }
    tb->incoming = NO_INDEX;
}

static void drop_block(struct tcache *cache, struct tb *tb)
{
    uint32_t index = tb_index(cache, tb);
    uint32_t *link = &cache->hash[hash_of(tb->page[0] + (tb->lin & GUEST_PAGE_OFFSET), tb->mode)];
    while (*link != index)
        link = &cache->tbs[*link].hash_next;
    *link = tb->hash_next;
    unlink_incoming(cache, tb);
    tb->valid = false;
    cache->dropped++;
}

/* Takes a dropped block off a page's list. */
static void leave_page(struct tcache *cache, struct vcpu *vcpu, const struct tb *tb, unsigned which)
{
    uint64_t number = tb->page[which] >> GUEST_PAGE_SHIFT;
    struct page_code *page = &cache->pages[number];
    uint32_t *link = &page->first, me = tb_index(cache, tb) * 2 + which, stamp = 0;
    while (*link) {
        struct tb *other = &cache->tbs[*link >> 1];
        unsigned side = *link & 1;
        if (*link == me) {
            *link = tb->page_next[which];
            continue;
        }
        stamp |= tb_stamp(other, side);
        link = &other->page_next[side];
    }
    page->stamp = stamp;
    if (!page->first)
        __atomic_and_fetch(&vcpu->space->page_flags[number], (uint8_t)~PAGE_CODE, __ATOMIC_RELAXED);
}

/* One page's part of tcache_written(). */
static void page_written(struct tcache *cache, struct vcpu *vcpu, uint64_t number, uint64_t first, uint64_t last)
{
    struct page_code *page = &cache->pages[number];
    uint32_t hit = stamp_of(first, last);
    bool any = false;

    if (!(page->stamp & hit))
        return;
    for (uint32_t i = page->first; i;) {
        struct tb *tb = &cache->tbs[i >> 1];
        unsigned which = i & 1;
        i = tb->page_next[which];
        if (!(tb_stamp(tb, which) & hit))
            continue;
        drop_block(cache, tb);
        leave_page(cache, vcpu, tb, 0);
        if (tb->straddles)
            leave_page(cache, vcpu, tb, 1);
        any = true;
    }
    if (any)
        shadow_forget_code(vcpu);
}

void tcache_written(struct tcache *cache, struct vcpu *vcpu, uint64_t offset, uint64_t size)
{
    uint64_t end = offset + size;
    while (offset < end) {
        uint64_t page_end = (offset | GUEST_PAGE_OFFSET) + 1, stop = end < page_end ? end : page_end;
        page_written(cache, vcpu, offset >> GUEST_PAGE_SHIFT, offset & GUEST_PAGE_OFFSET,
                     (stop - 1) & GUEST_PAGE_OFFSET);
        offset = stop;
    }
}

void tcache_link(struct tcache *cache, struct vcpu *vcpu, struct exit *exit, struct tb *to)
{
    if (exit->guard) {
        uint64_t host = (uint64_t)(uintptr_t)vcpu->space->arena + to->page[0];
        uint64_t expected = -(host - (to->lin & ~(uint64_t)GUEST_PAGE_OFFSET));
        __builtin_memcpy(cache->rw + exit->guard, &expected, 8);
    }
    int32_t distance = (int32_t)(to->code - (exit->patch + 4));
    __builtin_memcpy(cache->rw + exit->patch, &distance, 4);
    exit->to = tb_index(cache, to);
    exit->incoming_next = to->incoming;
    to->incoming = (uint32_t)(exit - cache->exits);
    cache->links++;
}
