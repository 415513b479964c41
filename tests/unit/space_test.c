/* The guest-physical address space: the arena's reservations, slots, the write door, and DMA. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "softmmu/dma.h"
#include "softmmu/space.h"

enum { MIB = 1 << 20 };

struct door_log {
    unsigned calls;
    uint64_t offset[8], size[8];
    uint8_t *watched; /* its value at the first call */
    uint8_t seen;
};

static void log_code_written(void *context, uint64_t offset, uint64_t size)
{
    struct door_log *log = context;
    if (!log->calls && log->watched)
        log->seen = *log->watched;
    if (log->calls < 8) {
        log->offset[log->calls] = offset;
        log->size[log->calls] = size;
    }
    log->calls++;
}

/* RAM at 0 (640 KiB) and 1 MiB (15 MiB), ROM right below 1 MiB; a hole between RAM and ROM. */
static void make_space(struct space *space)
{
    struct error err;
    cr_assert_eq(space_init(space, 32 * MIB, &err), 0, "%s", err.text);
    cr_assert_eq(space_add(space, MIB, 15 * MIB, false, "high ram", NULL, &err), 0);
    cr_assert_eq(space_add(space, 0, 0xa0000, false, "low ram", NULL, &err), 0);
    cr_assert_eq(space_add(space, 0xf0000, 0x10000, true, "bios", NULL, &err), 0);
}

static bool alias_reserved(const struct arena *arena, unsigned k)
{
    return (arena->reserved[k / 64] | arena->borrowed[k / 64]) >> k % 64 & 1;
}

Test(arena, every_alias_is_taken_or_reported)
{
    struct arena arena;
    struct error err;
    cr_assert_eq(arena_create(&arena, 64 * MIB + 1, 0, &err), 0, "%s", err.text);
    cr_assert_eq(arena.size, 64 * MIB + 4096);
    cr_assert_eq((uint64_t)arena.base % (2 * MIB), 0);
    arena.base[0] = 1;
    arena.base[arena.size - 1] = 2;

    unsigned reserved = 0;
    uint64_t residue = (uint64_t)arena.base & (BIT(ARENA_ALIAS_SHIFT) - 1);
    for (unsigned k = 0; k < ARENA_ALIASES; k++) {
        if (!alias_reserved(&arena, k))
            continue;
        reserved++;
        /* Nobody else gets this place: first page, last page and both guards. */
        uint64_t alias = ((uint64_t)k << ARENA_ALIAS_SHIFT) + residue;
        const uint64_t probes[] = {alias - 4096, alias, alias + arena.size - 4096, alias + arena.size};
        for (unsigned i = 0; i < ARRAY_LEN(probes); i++) {
            void *got = mmap((void *)probes[i], 4096, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
            cr_assert_eq(got, MAP_FAILED, "alias %u is free at %lx", k, (unsigned long)probes[i]);
        }
    }
    cr_assert_eq(reserved + arena.aliases_failed, ARENA_ALIASES);
    cr_assert_eq(arena.aliases_failed, 0);
    cr_assert_neq(residue, 0xffffffffff600000 & (BIT(ARENA_ALIAS_SHIFT) - 1));
    arena_destroy(&arena);
    cr_assert_null(arena.base);
    arena_destroy(&arena);
}

Test(arena, two_live_side_by_side)
{
    struct arena one, two;
    struct error err;
    cr_assert_eq(arena_create(&one, 8 * MIB, 0, &err), 0);
    cr_assert_eq(arena_create(&two, 8 * MIB, 0, &err), 0);
    one.base[5] = 1;
    two.base[5] = 2;
    cr_assert_eq(one.base[5], 1);
#ifndef __SANITIZE_ADDRESS__ /* what the first has borrowed is not there for the second */
    cr_assert_eq(two.aliases_failed, 0);
#endif
    arena_destroy(&one);
    cr_assert_eq(two.base[5], 2);
    arena_destroy(&two);
}

Test(arena, sizes_out_of_range_are_refused)
{
    struct arena arena;
    struct error err;
    cr_assert_eq(arena_create(&arena, 0, 0, &err), -EINVAL);
    cr_assert_eq(arena_create(&arena, 1ull << 40, 0, &err), -EINVAL);
    cr_assert_null(strchr(err.text, '\n'));
}

Test(arena, largest_size)
{
    struct arena arena;
    struct error err;
    cr_assert_eq(arena_create(&arena, ARENA_MAX_BYTES, 0, &err), 0, "%s", err.text);
    arena.base[ARENA_MAX_BYTES - 1] = 1;
    arena_destroy(&arena);
}

#ifndef __SANITIZE_ADDRESS__ /* whose shadow exceeds any limit */
Test(arena, an_address_space_limit_costs_the_aliases_only)
{
    struct arena arena;
    struct error err;
    struct rlimit limit = {4ull << 30, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
    cr_assert_eq(arena_create(&arena, 64 * MIB, 0, &err), 0, "%s", err.text);
    cr_assert_eq(arena.aliases_failed, ARENA_ALIASES);
    arena.base[64 * MIB - 1] = 1;
    arena_destroy(&arena);
    cr_assert_eq(arena_create(&arena, 8ull << 30, 0, &err), -ENOMEM);
    cr_assert(strstr(err.text, "ulimit"), "%s", err.text);
}
#endif

Test(space, slots_are_found_by_their_bytes)
{
    struct space space;
    make_space(&space);
    cr_assert_eq(space.slots, 3);
    cr_assert_str_eq(space_find(&space, gpa(0))->name, "low ram");
    cr_assert_str_eq(space_find(&space, gpa(0x9ffff))->name, "low ram");
    cr_assert_null(space_find(&space, gpa(0xa0000)));
    cr_assert_null(space_find(&space, gpa(0xeffff)));
    cr_assert_str_eq(space_find(&space, gpa(0xf0000))->name, "bios");
    cr_assert(space_find(&space, gpa(0xfffff))->rom);
    cr_assert_str_eq(space_find(&space, gpa(0x100000))->name, "high ram");
    cr_assert_str_eq(space_find(&space, gpa(16 * MIB - 1))->name, "high ram");
    cr_assert_null(space_find(&space, gpa(16 * MIB)));
    cr_assert_null(space_find(&space, gpa(UINT64_MAX)));

    uint8_t *host = space_host(&space, gpa(0x123456));
    cr_assert_eq(host, space_find(&space, gpa(MIB))->host + 0x23456);
    cr_assert_null(space_host(&space, gpa(0xb8000)));
    cr_assert_eq(space_offset(&space, host), (uint64_t)(host - space.arena));
    space_destroy(&space);
}

Test(space, bad_slots_are_refused_by_name)
{
    struct space space;
    struct error err;
    make_space(&space);
    cr_assert_eq(space_add(&space, 0x9f000, 0x2000, false, "vga", NULL, &err), -EEXIST);
    cr_assert(strstr(err.text, "vga") && strstr(err.text, "low ram"), "%s", err.text);
    cr_assert_eq(space_add(&space, 0xe0000, 0x10001000, false, "over all", NULL, &err), -EEXIST);
    cr_assert_eq(space_add(&space, 0xf1000, 0x1000, false, "inside", NULL, &err), -EEXIST);
    cr_assert(strstr(err.text, "bios"), "%s", err.text);
    cr_assert_eq(space_add(&space, 0xa0800, 0x1000, false, "odd base", NULL, &err), -EINVAL);
    cr_assert_eq(space_add(&space, 0xa0000, 0x800, false, "odd size", NULL, &err), -EINVAL);
    cr_assert_eq(space_add(&space, 0xa0000, 0, false, "empty", NULL, &err), -EINVAL);
    cr_assert_eq(space_add(&space, -4096ull, 0x2000, false, "wraps", NULL, &err), -EINVAL);
    cr_assert_eq(space_add(&space, 1ull << 32, 1ull << 30, false, "too large", NULL, &err), -ENOMEM);
    cr_assert_eq(space.slots, 3);
    uint64_t base = 1ull << 32;
    while (space.slots < SPACE_MAX_SLOTS) {
        cr_assert_eq(space_add(&space, base, 4096, false, "small", NULL, &err), 0);
        base += 8192;
    }
    cr_assert_eq(space_add(&space, base, 4096, false, "one more", NULL, &err), -ENOSPC);
    space_destroy(&space);
}

Test(space, all_bytes_asked_for_can_be_used)
{
    struct space space;
    struct error err;
    cr_assert_eq(space_init(&space, 8 * MIB, &err), 0);
    cr_assert_eq(space_add(&space, 0, 4096, false, "a", NULL, &err), 0);
    cr_assert_eq(space_add(&space, 4 * MIB, 4 * MIB, false, "b", NULL, &err), 0);
    cr_assert_eq(space_add(&space, 16 * MIB, 4 * MIB - 4096, false, "c", NULL, &err), 0);
    cr_assert_eq((uint64_t)space_host(&space, gpa(4 * MIB)) % (2 * MIB), 0);
    cr_assert_eq((uint64_t)space_host(&space, gpa(16 * MIB)) % (2 * MIB), 0);
    space_destroy(&space);
}

Test(space, bytes_outside_memory)
{
    struct space space;
    make_space(&space);
    uint8_t buffer[0x20000], pattern[0x20000];
    memset(pattern, 0x5a, sizeof(pattern));
    cr_assert_not(space_write_bytes(&space, gpa(0x9fffe), pattern, 4));
    memset(buffer, 0, sizeof(buffer));
    cr_assert_not(space_read_bytes(&space, gpa(0x9fffe), buffer, 4));
    cr_assert_arr_eq(buffer, ((uint8_t[]){0x5a, 0x5a, 0xff, 0xff}), 4);
    /* Hole, ROM, RAM in one go; the ROM is written. */
    cr_assert_not(space_write_bytes(&space, gpa(0xefff0), pattern, 0x10020));
    cr_assert_not(space_read_bytes(&space, gpa(0xefff0), buffer, 0x10020));
    cr_assert_eq(buffer[0xf], 0xff);
    cr_assert_eq(buffer[0x10], 0x5a);
    cr_assert_eq(buffer[0x1001f], 0x5a);
    cr_assert(space_read_bytes(&space, gpa(0xf0000), buffer, 0x10010));
    /* Nothing wraps to address 0. */
    memset(buffer, 0, sizeof(buffer));
    cr_assert_not(space_read_bytes(&space, gpa(UINT64_MAX - 1), buffer, 4));
    cr_assert_arr_eq(buffer, ((uint8_t[]){0xff, 0xff, 0xff, 0xff}), 4);
    cr_assert_not(space_write_bytes(&space, gpa(UINT64_MAX - 1), pattern, 4));
    cr_assert(space_read_bytes(&space, gpa(0), buffer, 2));
    cr_assert_eq(buffer[0], 0);
    cr_assert(space_read_bytes(&space, gpa(UINT64_MAX), buffer, 0));
    space_destroy(&space);
}

Test(space, the_door_sees_code_pages_only)
{
    struct space space;
    make_space(&space);
    uint8_t *host = space_host(&space, gpa(0x200000));
    struct door_log log = {.watched = host + 0x1004};
    space.code_written = log_code_written;
    space.code_context = &log;
    uint64_t offset = space_offset(&space, host);
    space.page_flags[(offset >> 12) + 1] = PAGE_CODE;
    space.page_flags[(offset >> 12) + 3] = PAGE_CODE;
    const struct space_slot *slot = space_find(&space, gpa(0x200000));

    space_store(&space, slot, host + 0xffc, 0x11223344, 4);
    cr_assert_eq(log.calls, 0);
    host[0x1004] = 7;
    space_store(&space, slot, host + 0x1004, 0x8877665544332211, 8);
    cr_assert_eq(log.calls, 1);
    cr_assert_eq(log.offset[0], offset + 0x1004);
    cr_assert_eq(log.size[0], 8);
    cr_assert_eq(log.seen, 7, "called before the bytes change");
    cr_assert_eq(*(uint64_t *)(host + 0x1004), 0x8877665544332211);

    log.calls = 0;
    space_written(&space, host + 0x800, 0x2808); /* pages 0 to 3: 1 whole, 3 its first 8 bytes */
    cr_assert_eq(log.calls, 2);
    cr_assert_eq(log.offset[0], offset + 0x1000);
    cr_assert_eq(log.size[0], 0x1000);
    cr_assert_eq(log.offset[1], offset + 0x3000);
    cr_assert_eq(log.size[1], 8);
    space_written(&space, host + 0x1000, 0);
    cr_assert_eq(log.calls, 2);
    space_written(&space, &log, 8); /* not the arena's: ignored */
    cr_assert_eq(log.calls, 2);
    space.code_written = NULL;
    space_written(&space, host, 0x4000);
    space_destroy(&space);
}

Test(space, stores_have_their_size_and_spare_rom)
{
    struct space space;
    make_space(&space);
    const struct space_slot *ram = space_find(&space, gpa(0)), *rom = space_find(&space, gpa(0xf0000));
    for (unsigned size = 1; size <= 8; size *= 2) {
        for (unsigned at = 0; at < 8; at++) {
            memset(ram->host, 0xee, 32);
            space_store(&space, ram, ram->host + 8 + at, 0x8877665544332211, size);
            for (unsigned i = 0; i < 32; i++) {
                bool inside = i >= 8 + at && i < 8 + at + size;
                cr_assert_eq(ram->host[i], inside ? 0x11 * (i - 8 - at + 1) : 0xee);
            }
        }
    }
    space_store(&space, rom, rom->host, 0xff, 1);
    cr_assert_eq(rom->host[0], 0);
    space_destroy(&space);
}

Test(dma, passes_the_door_and_drops_rom_writes)
{
    struct space space;
    make_space(&space);
    struct door_log log = {0};
    space.code_written = log_code_written;
    space.code_context = &log;
    uint64_t page = space_offset(&space, space_host(&space, gpa(0x100000))) >> 12;
    space.page_flags[page] = PAGE_CODE;
    uint8_t data[64], back[64];
    for (unsigned i = 0; i < 64; i++)
        data[i] = (uint8_t)(i + 1);

    /* Half in ROM, half in RAM. */
    cr_assert_not(dma_write(&space, gpa(0xfffe0), data, 64));
    cr_assert_geq(log.calls, 1);
    cr_assert_eq(log.offset[0], page << 12);
    cr_assert_eq(log.size[0], 32);
    cr_assert(dma_read(&space, gpa(0xfffe0), back, 64));
    cr_assert_eq(back[0], 0);
    cr_assert_arr_eq(back + 32, data + 32, 32);

    cr_assert(dma_fill(&space, gpa(0x100002), 0xaa, 3));
    cr_assert(dma_read(&space, gpa(0x100000), back, 6));
    cr_assert_arr_eq(back, ((uint8_t[]){33, 34, 0xaa, 0xaa, 0xaa, 38}), 6);

    log.calls = 0;
    cr_assert(dma_store(&space, gpa(0x100008), 0x0123456789abcdef, 8));
    cr_assert_geq(log.calls, 1);
    cr_assert_eq(dma_load(&space, gpa(0x100008), 8), 0x0123456789abcdef);
    cr_assert_eq(dma_load(&space, gpa(0x100008), 2), 0xcdef);
    cr_assert_eq(dma_load(&space, gpa(0xb8000), 4), 0xffffffff);
    cr_assert_eq(dma_load(&space, gpa(0x9fffe), 4), 0xffff0000);
    cr_assert_not(dma_store(&space, gpa(0xf0000), 1, 1));
    cr_assert_not(dma_store(&space, gpa(0x9fffe), 0x11112222, 4));
    cr_assert_eq(dma_load(&space, gpa(0x9fffe), 2), 0x2222);
    space_destroy(&space);
}

Test(dma, maps_what_is_contiguous)
{
    struct space space;
    make_space(&space);
    struct door_log log = {0};
    space.code_written = log_code_written;
    space.code_context = &log;
    space.page_flags[space_offset(&space, space_host(&space, gpa(0x9f000))) >> 12] = PAGE_CODE;
    uint64_t size = 0x100000;
    uint8_t *host = dma_map_write(&space, gpa(0x90000), &size);
    cr_assert_eq(host, space_host(&space, gpa(0x90000)));
    cr_assert_eq(size, 0x10000);
    cr_assert_eq(log.calls, 1);
    dma_unmap_written(&space, host, 0x10000);
    cr_assert_eq(log.calls, 2);
    size = 16;
    cr_assert_null(dma_map_write(&space, gpa(0xf0000), &size));
    cr_assert_not_null(dma_map_read(&space, gpa(0xf0000), &size));
    cr_assert_eq(size, 16);
    cr_assert_null(dma_map_read(&space, gpa(0xa0000), &size));
    space_destroy(&space);
}

static void note_change(void *context)
{
    ++*(unsigned *)context;
}

Test(space, pieces_of_the_arena_move_and_are_mapped_twice)
{
    struct space space;
    struct error err;
    uint8_t *host;
    unsigned changes = 0;
    make_space(&space);
    space.changed = note_change;
    space.changed_context = &changes;
    cr_assert_eq(space_reserve(&space, 0x20000, "bios", &host, &err), 0);
    host[0x10000] = 0x55;
    struct space_slot slot = {.base = 0xfffe0000, .size = 0x20000, .host = host, .rom = true, .name = "bios"};
    cr_assert_eq(space_map(&space, &slot, &err), 0);
    cr_assert_eq(space_map(&space, &slot, &err), -EEXIST);
    cr_assert_eq(space_unmap(&space, 0xf0000), 0);
    cr_assert_null(space_host(&space, gpa(0xf0000)));
    slot = (struct space_slot){.base = 0xf0000, .size = 0x10000, .host = host + 0x10000, .rom = true, .name = "copy"};
    cr_assert_eq(space_map(&space, &slot, &err), 0);
    cr_assert_eq(*space_host(&space, gpa(0xf0000)), 0x55);
    cr_assert_eq(space_host(&space, gpa(0xf0000)), space_host(&space, gpa(0xffff0000)));
    cr_assert_eq(changes, 3);
    cr_assert_eq(space_unmap(&space, 0xe0000), -ENOENT);
    cr_assert_eq(changes, 3);
    space_destroy(&space);
}

Test(space, only_the_arena_is_mapped)
{
    struct space space;
    struct error err;
    uint8_t page[8192], *host;
    make_space(&space);
    cr_assert_eq(space_map(&space, &(struct space_slot){.base = 0xc0000, .size = 4096, .host = page}, &err), -EINVAL);
    cr_assert_eq(space_reserve(&space, 4096, "last", &host, &err), 0);
    cr_assert_eq(space_map(&space, &(struct space_slot){.base = 0xc0000, .size = 8192, .host = host}, &err), -EINVAL);
    cr_assert_eq(space_map(&space, &(struct space_slot){.base = 0xc0000, .size = 4096, .host = host}, &err), 0);
    cr_assert_eq(space_reserve(&space, 1ull << 40, "too much", &host, &err), -ENOMEM);
    space_destroy(&space);
}

Test(space, an_emptied_map_finds_nothing)
{
    struct space space;
    struct error err;
    cr_assert_eq(space_init(&space, MIB, &err), 0);
    cr_assert_eq(space_add(&space, 0, 4096, false, "ram", NULL, &err), 0);
    cr_assert_eq(space_unmap(&space, 0), 0);
    cr_assert_null(space_find(&space, gpa(0)));
    space_destroy(&space);
}

static void log_cleaned(void *context, uint64_t offset, uint64_t size)
{
    log_code_written(context, offset, size);
}

Test(space, tracked_pages_tell_of_stores_once)
{
    struct space space;
    struct error err;
    struct door_log log = {0};
    uint8_t *video, dirty[4] = {0};
    make_space(&space);
    cr_assert_eq(space_add(&space, 0xe0000000, 4 * GUEST_PAGE_SIZE, false, "video", &video, &err), 0, "%s", err.text);
    space.cleaned = log_cleaned;
    space.code_context = &log;
    cr_assert_not(space_any_dirty(&space, video, 4 * GUEST_PAGE_SIZE));
    space_track(&space, video, 4 * GUEST_PAGE_SIZE);
    cr_assert(space_any_dirty(&space, video, 4 * GUEST_PAGE_SIZE));
    space_take_dirty(&space, video, 4 * GUEST_PAGE_SIZE, dirty);
    cr_assert_eq(memcmp(dirty, "\1\1\1\1", 4), 0);
    cr_assert_eq(log.calls, 1);
    cr_assert_eq(log.offset[0], space_offset(&space, video));
    cr_assert_not(space_any_dirty(&space, video, 4 * GUEST_PAGE_SIZE));

    memset(dirty, 0, sizeof(dirty));
    space_store(&space, space_find(&space, gpa(0xe0000000)), video + GUEST_PAGE_SIZE, 1, 1);
    dma_fill(&space, gpa(0xe0000000 + 3 * GUEST_PAGE_SIZE - 1), 7, 2);
    cr_assert(space_any_dirty(&space, video, 4 * GUEST_PAGE_SIZE));
    cr_assert_not(space_any_dirty(&space, video, GUEST_PAGE_SIZE));
    space_take_dirty(&space, video, 4 * GUEST_PAGE_SIZE, dirty);
    cr_assert_eq(memcmp(dirty, "\0\1\1\1", 4), 0);
    space_take_dirty(&space, video, 4 * GUEST_PAGE_SIZE, dirty);
    cr_assert_eq(log.calls, 2);
    space_destroy(&space);
}
