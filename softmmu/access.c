/*
 * Reads, writes and fetches of linear addresses by the C code of the CPU model.
 *
 * An access is cut at the page end into one or two pieces; all pieces are walked before any byte moves, so that a fault
 * leaves memory and device registers untouched. Pieces in RAM are host accesses (stores pass the door of space.h; ROM
 * drops them); pieces outside go to the machine as naturally aligned accesses in ascending order.
 *
 * @tb-context: runs with the guest's vector state in host registers, which is parked before the machine is called.
 * Thread: the vCPU's own. Source: SDM Vol. 3 "Paging", "Guaranteed atomic operations".
 */
#include "softmmu/mmu.h"

#include <string.h>

#include "cpu-model/state/vector.h"
#include "softmmu/shadow.h"
#include "softmmu/unaligned.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)

enum { DR7_ENABLES = 0xff, DR7_WRITE = 1, DR7_READ_WRITE = 3 };

/* The part of an access that lies in one page. */
struct piece {
    struct translation page;
    unsigned offset; /* in the page */
    unsigned size;
};

static inline unsigned to_page_end(lin_t at)
{
    return GUEST_PAGE_SIZE - (unsigned)(at.v & GUEST_PAGE_OFFSET);
}

/* The page after at's. Outside 64-bit code linear addresses are 32 bits wide and wrap. */
static inline lin_t next_page(const struct vcpu *vcpu, lin_t at)
{
    uint64_t next = (at.v | GUEST_PAGE_OFFSET) + 1;
    return lin(next == BIT(32) && !vcpu_code64(vcpu) ? 0 : next);
}

/* Walks for every page of the access. Returns the number of pieces, 0: exception raised. */
static unsigned split(struct vcpu *vcpu, lin_t at, unsigned size, enum access access, bool user, struct piece piece[2])
{
    if (!mmu_walk(vcpu, at, access, user, &piece[0].page))
        return 0;
    unsigned left = to_page_end(at);
    piece[0].offset = (unsigned)(at.v & GUEST_PAGE_OFFSET);
    piece[0].size = size;
    if (LIKELY(size <= left))
        return 1;
    if (!mmu_walk(vcpu, next_page(vcpu, at), access, user, &piece[1].page))
        return 0;
    piece[0].size = left;
    piece[1].offset = 0;
    piece[1].size = size - left;
    return 2;
}

/* The widest naturally aligned access that starts at offset and stays within `left` bytes. */
static inline unsigned natural_size(unsigned offset, unsigned left)
{
    unsigned size = 8;
    while (size > left || offset & (size - 1))
        size /= 2;
    return size;
}

static __attribute__((noinline)) void mmio_read(struct vcpu *vcpu, const struct piece *piece, uint8_t *to)
{
    vector_park(vcpu);
    for (unsigned done = 0, size; done < piece->size; done += size) {
        unsigned offset = piece->offset + done;
        size = natural_size(offset, piece->size - done);
        uint64_t value = vcpu->wires->mmio_read(vcpu->wires->machine, gpa(piece->page.page.v + offset), size);
        unaligned_store(to + done, value, size);
    }
}

static __attribute__((noinline)) void mmio_write(struct vcpu *vcpu, const struct piece *piece, const uint8_t *from)
{
    vector_park(vcpu);
    for (unsigned done = 0, size; done < piece->size; done += size) {
        unsigned offset = piece->offset + done;
        size = natural_size(offset, piece->size - done);
        uint64_t value = unaligned_load(from + done, size);
        vcpu->wires->mmio_write(vcpu->wires->machine, gpa(piece->page.page.v + offset), value, size);
    }
}

/* Notes the data breakpoints that an access meets; the engine delivers them when the instruction has ended. */
static __attribute__((noinline)) void watch_slow(struct vcpu *vcpu, lin_t at, unsigned size, bool write)
{
    static const uint8_t length[4] = {1, 2, 8, 4}; /* by DR7.LENn */
    uint64_t mask = vcpu_code64(vcpu) ? ~0ull : 0xffffffff;
    for (unsigned i = 0; i < 4; i++) {
        unsigned enabled = vcpu->dr[7] >> (2 * i) & 3, kind = vcpu->dr[7] >> (16 + 4 * i) & 3;
        unsigned watched = length[vcpu->dr[7] >> (18 + 4 * i) & 3];
        uint64_t first = vcpu->dr[i] & ~(uint64_t)(watched - 1) & mask;
        if (enabled && (kind == DR7_READ_WRITE || (write && kind == DR7_WRITE)) && at.v < first + watched &&
            first < at.v + size)
            vcpu->watch_hit |= (uint8_t)(1u << i);
    }
}

static inline void watch(struct vcpu *vcpu, lin_t at, unsigned size, bool write)
{
    if (!LIKELY(!(vcpu->dr[7] & DR7_ENABLES)))
        watch_slow(vcpu, at, size, write);
}

static void read_piece(struct vcpu *vcpu, const struct piece *piece, uint8_t *to)
{
    if (LIKELY(piece->page.host))
        memcpy(to, piece->page.host + piece->offset, piece->size);
    else
        mmio_read(vcpu, piece, to);
}

static void write_piece(struct vcpu *vcpu, const struct piece *piece, const uint8_t *from)
{
    if (!piece->page.host || piece->page.rom) { /* ROM: for a flash chip, or for shadow RAM that is only written */
        mmio_write(vcpu, piece, from);
        return;
    }
    uint8_t *host = piece->page.host + piece->offset;
    space_stored(vcpu->space, host, piece->size);
    memcpy(host, from, piece->size);
}

bool mmu_read_bytes(struct vcpu *vcpu, lin_t at, void *buffer, unsigned size, bool user)
{
    struct piece piece[2];
    unsigned pieces = split(vcpu, at, size, ACCESS_READ, user, piece);
    uint8_t *to = buffer;
    watch(vcpu, at, size, false);
    for (unsigned i = 0; i < pieces; to += piece[i++].size)
        read_piece(vcpu, &piece[i], to);
    return pieces;
}

bool mmu_write_bytes(struct vcpu *vcpu, lin_t at, const void *buffer, unsigned size, bool user)
{
    struct piece piece[2];
    unsigned pieces = split(vcpu, at, size, ACCESS_WRITE, user, piece);
    const uint8_t *from = buffer;
    watch(vcpu, at, size, true);
    for (unsigned i = 0; i < pieces; from += piece[i++].size)
        write_piece(vcpu, &piece[i], from);
    return pieces;
}

bool mmu_read(struct vcpu *vcpu, lin_t at, unsigned size, bool user, uint64_t *value)
{
    if (LIKELY(size <= to_page_end(at))) {
        struct translation page;
        const uint8_t *cached = shadow_cached(vcpu, at, ACCESS_READ, user);
        if (cached) {
            *value = unaligned_load(cached, size);
            return true;
        }
        if (!mmu_walk(vcpu, at, ACCESS_READ, user, &page))
            return false;
        watch(vcpu, at, size, false);
        unsigned offset = (unsigned)(at.v & GUEST_PAGE_OFFSET);
        if (LIKELY(page.host)) {
            *value = unaligned_load(page.host + offset, size);
            return true;
        }
        struct piece piece = {.page = page, .offset = offset, .size = size};
        uint64_t bytes = 0;
        mmio_read(vcpu, &piece, (uint8_t *)&bytes);
        *value = bytes;
        return true;
    }
    uint64_t bytes = 0;
    if (!mmu_read_bytes(vcpu, at, &bytes, size, user))
        return false;
    *value = bytes;
    return true;
}

bool mmu_write(struct vcpu *vcpu, lin_t at, unsigned size, bool user, uint64_t value)
{
    if (LIKELY(size <= to_page_end(at))) {
        struct translation page;
        uint8_t *cached = shadow_cached(vcpu, at, ACCESS_WRITE, user);
        if (cached) {
            if (__builtin_expect(vcpu->space->store_log != NULL, 0))
                vcpu->space->store_log(vcpu->space->code_context, cached, size);
            unaligned_store(cached, value, size);
            return true;
        }
        if (!mmu_walk(vcpu, at, ACCESS_WRITE, user, &page))
            return false;
        watch(vcpu, at, size, true);
        if (LIKELY(page.host && !page.rom)) {
            uint8_t *host = page.host + (at.v & GUEST_PAGE_OFFSET);
            space_stored(vcpu->space, host, size);
            unaligned_store(host, value, size);
            return true;
        }
        struct piece piece = {.page = page, .offset = (unsigned)(at.v & GUEST_PAGE_OFFSET), .size = size};
        mmio_write(vcpu, &piece, (const uint8_t *)&value);
        return true;
    }
    return mmu_write_bytes(vcpu, at, &value, size, user);
}

bool mmu_probe(struct vcpu *vcpu, lin_t at, unsigned size, enum access access, bool user)
{
    struct piece piece[2];
    return split(vcpu, at, size, access, user, piece);
}

unsigned mmu_fetch(struct vcpu *vcpu, lin_t at, uint8_t *buffer, unsigned size)
{
    bool user = vcpu->cpl == 3;
    struct piece piece;
    if (!mmu_walk(vcpu, at, ACCESS_EXEC, user, &piece.page))
        return 0;
    unsigned left = to_page_end(at);
    piece.offset = (unsigned)(at.v & GUEST_PAGE_OFFSET);
    if (LIKELY(size == 15 && left >= 15 && piece.page.host)) { /* nearly all */
        memcpy(buffer, piece.page.host + piece.offset, 15);
        return 15;
    }
    piece.size = size < left ? size : left;
    read_piece(vcpu, &piece, buffer);
    if (LIKELY(size <= left))
        return size;
    if (!mmu_walk(vcpu, next_page(vcpu, at), ACCESS_EXEC, user, &piece.page))
        return left;
    piece.offset = 0;
    piece.size = size - left;
    read_piece(vcpu, &piece, buffer + left);
    return size;
}
