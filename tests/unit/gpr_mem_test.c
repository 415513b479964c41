/*
 * gpr_mem.S against the C library's functions: every small size and offset, overlaps both ways, and page ends.
 */
#include "cpu-model/base/gpr_mem.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

enum { SPAN = 320 };

static void fill(unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(i * 7 + 3);
}

Test(gpr_mem, copies_like_memcpy)
{
    unsigned char from[SPAN], to[SPAN], want[SPAN];
    fill(from, SPAN);
    for (size_t size = 0; size <= 200; size++)
        for (size_t offset = 0; offset < 9; offset++) {
            memset(to, 0, SPAN);
            memset(want, 0, SPAN);
            memcpy(want + offset, from + 8 - offset, size);
            cr_assert_eq(gpr_memcpy(to + offset, from + 8 - offset, size), to + offset);
            cr_assert_arr_eq(to, want, SPAN, "size %zu offset %zu", size, offset);
        }
}

Test(gpr_mem, moves_overlapping_ranges_both_ways)
{
    unsigned char got[SPAN], want[SPAN];
    for (size_t size = 0; size <= 100; size++)
        for (size_t from = 0; from < 40; from++)
            for (size_t to = 0; to < 40; to++) {
                fill(got, SPAN);
                fill(want, SPAN);
                memmove(want + to, want + from, size);
                cr_assert_eq(gpr_memmove(got + to, got + from, size), got + to);
                cr_assert(!memcmp(got, want, SPAN), "size %zu from %zu to %zu", size, from, to);
            }
}

Test(gpr_mem, sets_like_memset)
{
    unsigned char got[SPAN], want[SPAN];
    for (size_t size = 0; size <= 200; size++) {
        fill(got, SPAN);
        fill(want, SPAN);
        memset(want + 5, 0x1a5, size);
        cr_assert_eq(gpr_memset(got + 5, 0x1a5, size), got + 5);
        cr_assert_arr_eq(got, want, SPAN, "size %zu", size);
    }
}

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

Test(gpr_mem, compares_like_memcmp)
{
    unsigned char a[SPAN], b[SPAN];
    fill(a, SPAN);
    for (size_t size = 0; size <= 40; size++) {
        fill(b, SPAN);
        cr_assert_eq(gpr_memcmp(a, b, size), 0);
        for (size_t at = 0; at < SPAN; at++) {
            b[at] ^= 0x80;
            cr_assert_eq(sign(gpr_memcmp(a, b, size)), sign(memcmp(a, b, size)), "size %zu at %zu", size, at);
            b[at] ^= 0x80;
        }
    }
}

Test(gpr_mem, touches_nothing_outside_the_range)
{
    size_t page = 4096;
    unsigned char *map = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(map, MAP_FAILED);
    cr_assert_eq(mprotect(map, page, PROT_NONE), 0);
    cr_assert_eq(mprotect(map + 2 * page, page, PROT_NONE), 0);
    unsigned char *first = map + page, *end = map + 2 * page;
    unsigned char other[SPAN];
    fill(other, SPAN);
    for (size_t size = 0; size <= 200; size++) {
        gpr_memcpy(first, other, size);
        gpr_memcpy(end - size, other, size);
        gpr_memmove(other, end - size, size);
        gpr_memset(end - size, 1, size);
        gpr_memcmp(end - size, first, size);
    }
    munmap(map, 3 * page);
}
