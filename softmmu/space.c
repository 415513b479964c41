/*
 * The guest-physical address space: slots of RAM and ROM in the arena, and the door through which guest memory is
 * written. See space.h.
 *
 * Invariants: slots are sorted by base and do not overlap; every slot lies inside the arena; page_flags has a byte for
 * each arena page, changed atomically. Who changes the map says so by `changed`. The door is passed before the bytes
 * change, and once more after writes that may come from another thread than the vCPU's. Threads: see space.h. Lookups
 * and stores run with the guest's vector state in host registers, start-up code does not.
 */
#include "softmmu/space.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "softmmu/unaligned.h"

enum {
    HUGE_PAGE = 2 << 20,
    PHYSICAL_BITS = 52, /* architectural limit of guest-physical addresses */
};

int space_init(struct space *space, uint64_t bytes, struct error *err)
{
    return space_init_at(space, bytes, 0, err);
}

int space_init_at(struct space *space, uint64_t bytes, uint32_t where, struct error *err)
{
    memset(space, 0, sizeof(*space));
    /* Room so that each slot can start where huge pages are possible. */
    int result = arena_create(&space->reservation, bytes + (uint64_t)SPACE_MAX_SLOTS * HUGE_PAGE, where, err);
    if (result)
        return result;
    space->arena = space->reservation.base;
    space->arena_size = space->reservation.size;
    void *flags = mmap(NULL, space->arena_size / GUEST_PAGE_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (flags == MAP_FAILED) {
        result = -errno;
        space_destroy(space);
        return error_set(err, result, "cannot map page flags for %" PRIu64 " MiB of guest memory: raise ulimit -v",
                         bytes >> 20);
    }
    space->page_flags = flags;
    return 0;
}

void space_destroy(struct space *space)
{
    if (space->page_flags)
        munmap(space->page_flags, space->arena_size / GUEST_PAGE_SIZE);
    arena_destroy(&space->reservation);
    memset(space, 0, sizeof(*space));
}

int space_reserve(struct space *space, uint64_t size, const char *name, uint8_t **host, struct error *err)
{
    uint64_t offset = space->arena_used;
    if (size >= HUGE_PAGE)
        offset = (offset + HUGE_PAGE - 1) & -(uint64_t)HUGE_PAGE;
    if (offset > space->arena_size || size > space->arena_size - offset)
        return error_set(err, -ENOMEM,
                         "%s: %" PRIx64 "h bytes do not fit into the %" PRIx64 "h that are left of the arena", name,
                         size, space->arena_size - space->arena_used);
    space->arena_used = offset + size;
    *host = space->arena + offset;
    return 0;
}

static void map_changed(struct space *space)
{
    space->largest = 0;
    for (unsigned i = 1; i < space->slots; i++)
        if (space->slot[i].size > space->slot[space->largest].size)
            space->largest = i;
    if (space->changed)
        space->changed(space->changed_context);
}

/* Checks a place for a new slot; *at gets its index. */
static int find_place(const struct space *space, uint64_t base, uint64_t size, const char *name, unsigned *at,
                      struct error *err)
{
    if (!size || (base | size) & GUEST_PAGE_OFFSET || base + size < base || base + size > BIT(PHYSICAL_BITS))
        return error_set(err, -EINVAL, "%s at %" PRIx64 "h, %" PRIx64 "h bytes: not whole pages below 2^%d", name, base,
                         size, PHYSICAL_BITS);
    *at = 0;
    while (*at < space->slots && space->slot[*at].base < base + size) {
        const struct space_slot *other = &space->slot[*at];
        if (other->base + other->size > base)
            return error_set(err, -EEXIST, "%s at %" PRIx64 "h-%" PRIx64 "h overlaps %s at %" PRIx64 "h-%" PRIx64 "h",
                             name, base, base + size - 1, other->name, other->base, other->base + other->size - 1);
        ++*at;
    }
    if (space->slots == SPACE_MAX_SLOTS)
        return error_set(err, -ENOSPC, "%s: there are already %d areas of guest memory", name, SPACE_MAX_SLOTS);
    return 0;
}

static void insert_slot(struct space *space, unsigned at, const struct space_slot *slot)
{
    memmove(&space->slot[at + 1], &space->slot[at], (space->slots - at) * sizeof(space->slot[0]));
    space->slots++;
    space->slot[at] = *slot;
    map_changed(space);
}

int space_map(struct space *space, const struct space_slot *slot, struct error *err)
{
    unsigned at;
    uint64_t offset = space_offset(space, slot->host);
    if (offset & GUEST_PAGE_OFFSET || offset > space->arena_used || slot->size > space->arena_used - offset)
        return error_set(err, -EINVAL, "%s: not whole pages of the arena", slot->name);
    int r = find_place(space, slot->base, slot->size, slot->name, &at, err);
    if (!r)
        insert_slot(space, at, slot);
    return r;
}

int space_unmap(struct space *space, uint64_t base)
{
    unsigned at = 0;
    while (at < space->slots && space->slot[at].base != base)
        at++;
    if (at == space->slots)
        return -ENOENT;
    space->slots--;
    memmove(&space->slot[at], &space->slot[at + 1], (space->slots - at) * sizeof(space->slot[0]));
    if (!space->slots)
        space->slot[0] = (struct space_slot){0}; /* space_find() looks at it */
    map_changed(space);
    return 0;
}

int space_add(struct space *space, uint64_t base, uint64_t size, bool rom, const char *name, uint8_t **host,
              struct error *err)
{
    struct space_slot slot = {.base = base, .size = size, .rom = rom, .name = name};
    unsigned at;
    int r = find_place(space, base, size, name, &at, err);
    if (!r)
        r = space_reserve(space, size, name, &slot.host, err);
    if (r)
        return r;
    insert_slot(space, at, &slot);
    if (host)
        *host = slot.host;
    return 0;
}

/* --- tracking ------------------------------------------------------------------------------------------------------
 */

static uint8_t *flags_of(const struct space *space, const uint8_t *host)
{
    return &space->page_flags[space_offset(space, host) >> GUEST_PAGE_SHIFT];
}

static bool page_dirty(const uint8_t *flags)
{
    return (__atomic_load_n(flags, __ATOMIC_RELAXED) & (PAGE_TRACKED | PAGE_CLEAN)) == PAGE_TRACKED;
}

void space_track(struct space *space, const uint8_t *host, uint64_t size)
{
    uint8_t *flags = flags_of(space, host);
    for (uint64_t i = 0; i < size >> GUEST_PAGE_SHIFT; i++)
        __atomic_or_fetch(&flags[i], PAGE_TRACKED, __ATOMIC_RELAXED);
}

bool space_any_dirty(const struct space *space, const uint8_t *host, uint64_t size)
{
    const uint8_t *flags = flags_of(space, host);
    for (uint64_t i = 0; i < size >> GUEST_PAGE_SHIFT; i++)
        if (page_dirty(&flags[i]))
            return true;
    return false;
}

void space_take_dirty(struct space *space, const uint8_t *host, uint64_t size, uint8_t *dirty)
{
    uint8_t *flags = flags_of(space, host);
    bool any = false;
    for (uint64_t i = 0; i < size >> GUEST_PAGE_SHIFT; i++) {
        if (!page_dirty(&flags[i]))
            continue;
        dirty[i] = 1;
        __atomic_or_fetch(&flags[i], PAGE_CLEAN, __ATOMIC_SEQ_CST);
        any = true;
    }
    if (any && space->cleaned)
        space->cleaned(space->code_context, space_offset(space, host), size);
}

/* --- look-ups and the door -----------------------------------------------------------------------------------------
 */

const struct space_slot *space_find(const struct space *space, gpa_t address)
{
    const struct space_slot *slot = &space->slot[space->largest];
    if (__builtin_expect(address.v - slot->base < slot->size, 1)) /* an empty space has an empty slot 0 */
        return slot;
    for (unsigned i = space->slots; i-- > 0;) {
        slot = &space->slot[i];
        if (address.v >= slot->base)
            return address.v - slot->base < slot->size ? slot : NULL;
    }
    return NULL;
}

uint8_t *space_host(const struct space *space, gpa_t address)
{
    const struct space_slot *slot = space_find(space, address);
    return slot ? slot->host + (address.v - slot->base) : NULL;
}

void space_written(struct space *space, const void *host, uint64_t size)
{
    uint64_t offset = space_offset(space, host);
    if (offset >= space->arena_size)
        return;
    if (size > space->arena_size - offset)
        size = space->arena_size - offset;
    while (size) {
        uint64_t length = GUEST_PAGE_SIZE - (offset & GUEST_PAGE_OFFSET);
        if (length > size)
            length = size;
        uint8_t *page = &space->page_flags[offset >> GUEST_PAGE_SHIFT];
        uint8_t flags = __atomic_load_n(page, __ATOMIC_RELAXED);
        if (flags & PAGE_CLEAN)
            __atomic_and_fetch(page, (uint8_t)~PAGE_CLEAN, __ATOMIC_SEQ_CST);
        if (flags & PAGE_CODE && space->code_written)
            space->code_written(space->code_context, offset, length);
        offset += length;
        size -= length;
    }
}

void space_store(struct space *space, const struct space_slot *slot, uint8_t *host, uint64_t value, unsigned size)
{
    if (slot->rom)
        return;
    uint64_t page = space_offset(space, host) >> GUEST_PAGE_SHIFT;
    if (__builtin_expect(__atomic_load_n(&space->page_flags[page], __ATOMIC_RELAXED), 0))
        space_written(space, host, size);
    unaligned_store(host, value, size);
}

/* Length of the run from `address` that lies in one slot, or in one page of nothing. */
static uint64_t run_length(const struct space_slot *slot, uint64_t address, uint64_t size)
{
    uint64_t length = slot ? slot->base + slot->size - address : GUEST_PAGE_SIZE - (address & GUEST_PAGE_OFFSET);
    return length < size ? length : size;
}

bool space_read_bytes(struct space *space, gpa_t address, void *buffer, uint64_t size)
{
    bool all = true;
    uint8_t *to = buffer;
    for (uint64_t at = address.v, length; size; size -= length, at += length, to += length) {
        const struct space_slot *slot = at >= address.v ? space_find(space, gpa(at)) : NULL; /* no wrap to 0 */
        length = run_length(slot, at, size);
        if (slot)
            memcpy(to, slot->host + (at - slot->base), length);
        else
            memset(to, 0xff, length);
        all &= slot != NULL;
    }
    return all;
}

bool space_write_bytes(struct space *space, gpa_t address, const void *buffer, uint64_t size)
{
    bool all = true;
    const uint8_t *from = buffer;
    for (uint64_t at = address.v, length; size; size -= length, at += length, from += length) {
        const struct space_slot *slot = at >= address.v ? space_find(space, gpa(at)) : NULL;
        length = run_length(slot, at, size);
        if (slot) {
            uint8_t *host = slot->host + (at - slot->base);
            space_written(space, host, length);
            memcpy(host, from, length);
            space_written(space, host, length); /* again: the vCPU may have translated the old bytes meanwhile */
        }
        all &= slot != NULL;
    }
    return all;
}
