/*
 * The arena and its address-space reservations. See arena.h.
 *
 * Invariant: [base - guard, base + size + guard) modulo 2^37 is mapped nowhere else in the process, as long as
 * aliases_failed is 0. The kernel's vsyscall page (readable from user space on some hosts) is outside it as well.
 * Thread: start-up and shutdown. No guest state is live here.
 */
#include "softmmu/arena.h"
#include "softmmu/sanitizer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define ALIAS_DISTANCE BIT(ARENA_ALIAS_SHIFT)
#define VSYSCALL_PAGE  0xffffffffff600000ull

enum {
    GUARD = GUEST_PAGE_SIZE,
    HUGE_PAGE = 2 << 20,
    LOWEST = 1 << 30, /* below: null pointers, and what the host's mmap_min_addr forbids */
    ROOM = 256 << 20, /* kept free around what is mapped now: stacks and the heap grow, libraries get loaded */
    RESERVE_FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
};

/* Addresses in use, modulo the alias distance. */
struct used_ranges {
    struct {
        uint64_t start, end; /* end may exceed the alias distance: wrapped ranges are stored twice */
    } * range;
    unsigned count, capacity;
};

static bool used_add(struct used_ranges *used, uint64_t start, uint64_t size)
{
    if (used->count == used->capacity) {
        unsigned capacity = used->capacity ? used->capacity * 2 : 256;
        void *grown = realloc(used->range, capacity * sizeof(used->range[0]));
        if (!grown)
            return false;
        used->range = grown;
        used->capacity = capacity;
    }
    used->range[used->count].start = start;
    used->range[used->count++].end = start + size;
    return true;
}

static bool used_add_mapping(struct used_ranges *used, uint64_t start, uint64_t size)
{
    uint64_t residue = start % ALIAS_DISTANCE;
    /* A mapping as long as the alias distance covers every residue: no choice avoids it. */
    if (size >= ALIAS_DISTANCE)
        return true;
    return used_add(used, residue, size) &&
           (residue + size <= ALIAS_DISTANCE || used_add(used, 0, residue + size - ALIAS_DISTANCE));
}

static bool used_collect(struct used_ranges *used)
{
    bool ok = used_add(used, VSYSCALL_PAGE % ALIAS_DISTANCE, GUEST_PAGE_SIZE);
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    bool line_start = true;
    for (int n = 0; ok && n < SANITIZER_STRETCHES; n++)
        ok = used_add_mapping(used, sanitizer_stretch((unsigned)n), SANITIZER_STRETCH) &&
             used_add_mapping(used, sanitizer_shadow(sanitizer_stretch((unsigned)n)), SANITIZER_STRETCH / 8);
    while (ok && maps && fgets(line, sizeof(line), maps)) {
        uint64_t start, end;
        char right[2];
        bool parsed = line_start && sscanf(line, "%" SCNx64 "-%" SCNx64 " %1[r-]", &start, &end, right) == 3;
        line_start = strchr(line, '\n'); /* a path longer than the buffer continues in the next read */
        if (!parsed || (SANITIZER_TAKES_ADDRESSES && right[0] == '-'))
            continue; /* AddressSanitizer has room reserved that it never uses */
        ok = used_add_mapping(used, start, end - start);
        if (ok && SANITIZER_TAKES_ADDRESSES)
            ok = used_add_mapping(used, sanitizer_shadow(start), sanitizer_shadow(end) - sanitizer_shadow(start) + 1);
    }
    if (maps)
        fclose(maps);
    return ok;
}

static unsigned used_conflicts(const struct used_ranges *used, uint64_t start, uint64_t size)
{
    unsigned conflicts = 0;
    for (unsigned i = 0; i < used->count; i++)
        conflicts += used->range[i].start < start + size + ROOM && start < used->range[i].end + ROOM;
    return conflicts;
}

/* The residue for an arena of `size` bytes with the fewest conflicts; almost always there is one with none. False:
 * there is not. */
static bool choose_residue(const struct used_ranges *used, uint64_t size, uint32_t where, uint64_t *residue_chosen)
{
    uint64_t best = LOWEST, room = ALIAS_DISTANCE - LOWEST - size - GUARD;
    if (where)
        best += where * 0x9e3779b97f4a7c15ull % room & -(uint64_t)HUGE_PAGE;
    unsigned best_conflicts = used_conflicts(used, best - GUARD, size + 2 * GUARD);
    for (unsigned i = 0; i < used->count && best_conflicts; i++) {
        uint64_t residue = (used->range[i].end + ROOM + GUARD + HUGE_PAGE - 1) & -(uint64_t)HUGE_PAGE;
        if (residue < LOWEST || residue + size + GUARD > ALIAS_DISTANCE)
            continue;
        unsigned conflicts = used_conflicts(used, residue - GUARD, size + 2 * GUARD);
        if (conflicts < best_conflicts) {
            best = residue;
            best_conflicts = conflicts;
        }
    }
    *residue_chosen = best;
    return !best_conflicts;
}

static bool alias_is(const uint64_t *set, unsigned k)
{
    return set[k / 64] >> k % 64 & 1;
}

static void release(struct arena *arena, uint64_t residue)
{
    for (unsigned k = 0; k < ARENA_ALIASES; k++) {
        uint64_t start = k * ALIAS_DISTANCE + residue - GUARD, size = arena->size + 2 * GUARD;
        if (alias_is(arena->reserved, k))
            munmap((void *)start, size);
        if (alias_is(arena->borrowed, k))
            sanitizer_gets_back(start, size);
    }
    memset(arena->reserved, 0, sizeof(arena->reserved));
    memset(arena->borrowed, 0, sizeof(arena->borrowed));
}

/* alone: nothing in use conflicts, so that what AddressSanitizer has there may be borrowed. */
static void reserve_aliases(struct arena *arena, uint64_t residue, bool alone)
{
    for (unsigned k = 0; k < ARENA_ALIASES; k++) {
        void *wanted = (void *)((uint64_t)k * ALIAS_DISTANCE + residue - GUARD);
        void *got = mmap(wanted, arena->size + 2 * GUARD, PROT_NONE, RESERVE_FLAGS | MAP_FIXED_NOREPLACE, -1, 0);
        if (got == wanted) {
            arena->reserved[k / 64] |= BIT(k % 64);
            continue;
        }
        if (got != MAP_FAILED) /* a kernel without MAP_FIXED_NOREPLACE took the address as a hint */
            munmap(got, arena->size + 2 * GUARD);
        if (alone && sanitizer_lends((uint64_t)wanted, arena->size + 2 * GUARD))
            arena->borrowed[k / 64] |= BIT(k % 64);
        else
            arena->aliases_failed++;
    }
}

/* C code with AddressSanitizer that looks at the arena looks at its shadow first, which must not be lent then. */
static bool shadow_is_lent(const struct arena *arena, uint64_t base)
{
    uint64_t distance = (sanitizer_shadow(base) - base) % ALIAS_DISTANCE, room = arena->size + 2 * GUARD;
    bool lent = false;
    for (unsigned i = 0; i < ARRAY_LEN(arena->borrowed); i++)
        lent |= arena->borrowed[i];
    return lent && (distance < room || ALIAS_DISTANCE - distance < room);
}

/* Where the memory itself goes: a reserved alias far from the host's own mappings, or, if there is none, anywhere. */
static uint8_t *choose_base(const struct arena *arena, uint64_t residue)
{
    for (unsigned i = 0; i < ARENA_ALIASES; i++) {
        unsigned k = (i + ARENA_ALIASES / 4) % ARENA_ALIASES;
        uint64_t base = k * ALIAS_DISTANCE + residue;
        if (alias_is(arena->reserved, k) && !shadow_is_lent(arena, base))
            return (uint8_t *)base;
    }
    return NULL;
}

/* A place of its own for an arena without aliases: reserves too much, and gives back what alignment leaves over. */
static uint8_t *reserve_anywhere(const struct arena *arena)
{
    uint64_t size = arena->size + 2 * GUARD, total = size + HUGE_PAGE;
    uint8_t *got = mmap(NULL, total, PROT_NONE, RESERVE_FLAGS, -1, 0);
    if (got == MAP_FAILED)
        return NULL;
    uint64_t base = ((uint64_t)got + GUARD + HUGE_PAGE - 1) & -(uint64_t)HUGE_PAGE;
    uint8_t *start = (uint8_t *)(base - GUARD);
    if (start > got)
        munmap(got, (size_t)(start - got));
    if (start + size < got + total)
        munmap(start + size, (size_t)(got + total - (start + size)));
    return (uint8_t *)base;
}

/* With an address-space limit, taking what it allows would leave nothing for the rest of the process. */
static bool aliases_allowed(uint64_t size)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return true;
    return limit.rlim_cur / ARENA_ALIASES > 2 * size;
}

/* The memory itself: shared, so that a page can appear at two addresses; private where the host has no memfd. */
static bool map_memory(struct arena *arena, uint8_t *base)
{
    arena->fd = memfd_create("ring3-memory", MFD_CLOEXEC);
    if (arena->fd >= 0 && ftruncate(arena->fd, (off_t)arena->size)) {
        close(arena->fd);
        arena->fd = -1;
    }
    int kind = arena->fd >= 0 ? MAP_SHARED | MAP_NORESERVE : RESERVE_FLAGS;
    return mmap(base, arena->size, PROT_READ | PROT_WRITE, kind | MAP_FIXED, arena->fd, 0) != MAP_FAILED;
}

int arena_create(struct arena *arena, uint64_t bytes, uint32_t where, struct error *err)
{
    memset(arena, 0, sizeof(*arena));
    arena->fd = -1;
    if (!bytes || bytes > ARENA_MAX_BYTES + BIT(30))
        return error_set(err, -EINVAL, "guest memory of %" PRIu64 " MiB: it must be between 1 page and %llu MiB",
                         bytes >> 20, ARENA_MAX_BYTES >> 20);
    arena->size = (bytes + GUEST_PAGE_OFFSET) & ~(uint64_t)GUEST_PAGE_OFFSET;

    uint64_t residue = 0;
    if (aliases_allowed(arena->size)) {
        struct used_ranges used = {0};
        if (!used_collect(&used)) {
            free(used.range);
            return error_set(err, -ENOMEM, "cannot list the process's mappings: out of memory");
        }
        bool without_conflict = choose_residue(&used, arena->size, where, &residue);
        free(used.range);
        reserve_aliases(arena, residue, without_conflict);
    } else {
        arena->aliases_failed = ARENA_ALIASES;
    }

    uint8_t *base = choose_base(arena, residue);
    bool anywhere = !base;
    if (anywhere)
        base = reserve_anywhere(arena);
    if (!base)
        return error_set(err, -ENOMEM,
                         "cannot reserve %" PRIu64 " MiB of address space for guest memory: raise the limit "
                         "(ulimit -v unlimited) or give the guest less memory (-m)",
                         arena->size >> 20);
    if (!map_memory(arena, base)) {
        int code = -errno;
        if (arena->fd >= 0)
            close(arena->fd);
        if (anywhere)
            munmap(base - GUARD, arena->size + 2 * GUARD);
        else
            release(arena, residue);
        return error_set(err, code,
                         "cannot map %" PRIu64 " MiB of guest memory (%s): give the guest less (-m), raise ulimit -v, "
                         "or allow overcommit (vm.overcommit_memory is not 2)",
                         arena->size >> 20, strerror(-code));
    }
    madvise(base, arena->size, MADV_HUGEPAGE); /* speed only: a kernel without it is fine */
    arena->base = base;
    return 0;
}

void arena_destroy(struct arena *arena)
{
    if (!arena->base)
        return;
    if (arena->fd >= 0)
        close(arena->fd);
    uint64_t k = (uint64_t)arena->base / ALIAS_DISTANCE;
    if (!alias_is(arena->reserved, (unsigned)k)) /* it was put anywhere */
        munmap(arena->base - GUARD, arena->size + 2 * GUARD);
    release(arena, (uint64_t)arena->base % ALIAS_DISTANCE);
    memset(arena, 0, sizeof(*arena));
}
