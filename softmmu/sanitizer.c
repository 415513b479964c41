/*
 * Address space borrowed from AddressSanitizer. See sanitizer.h.
 *
 * Its layout on x86-64: shadow of low addresses, a gap nobody may touch, shadow of high addresses, high addresses. A
 * piece of the high shadow is free to lend if the addresses it stands for are reserved, so that they never need it.
 * The gap and idle room of its heap are inaccessible as they are.
 *
 * Thread: start-up and shutdown only. Source: AddressSanitizer's documentation, "Address space layout".
 */
#include "softmmu/sanitizer.h"

#if SANITIZER_TAKES_ADDRESSES

#include <inttypes.h>
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define USER_END BIT(47)

static size_t shadow_scale(void)
{
    size_t scale, offset;
    __asan_get_shadow_mapping(&scale, &offset);
    return scale;
}

uint64_t sanitizer_shadow(uint64_t address)
{
    size_t scale, offset;
    __asan_get_shadow_mapping(&scale, &offset);
    return (address >> scale) + offset;
}

static uint64_t address_of(uint64_t shadow)
{
    return (shadow - sanitizer_shadow(0)) << shadow_scale();
}

/* High addresses begin where their own shadow ends. */
static bool is_high_shadow(uint64_t start, uint64_t size)
{
    uint64_t high = sanitizer_shadow(USER_END);
    return start >= sanitizer_shadow(high) && start + size <= high;
}

/* Its heap on x86-64: 64 places of 64 GiB, objects from the start on, lists of free ones from 7/8 on. */
uint64_t sanitizer_stretch(unsigned n)
{
    return 0x600000000000 + n / 2 * (64ull << 30) + n % 2 * (56ull << 30);
}

/* Room of the heap that never comes into use. */
static bool is_idle_heap(uint64_t start, uint64_t size)
{
    if (start < sanitizer_stretch(0) || start + size > sanitizer_stretch(SANITIZER_STRETCHES))
        return false;
    for (unsigned n = 0; n < SANITIZER_STRETCHES; n++)
        if (start < sanitizer_stretch(n) + SANITIZER_STRETCH && start + size > sanitizer_stretch(n))
            return false;
    return true;
}

/* Between the shadows of low and of high addresses. */
static bool is_gap(uint64_t start, uint64_t size)
{
    return start >= sanitizer_shadow(sanitizer_shadow(0)) &&
           start + size <= sanitizer_shadow(sanitizer_shadow(USER_END));
}

static bool inaccessible(uint64_t start, uint64_t size)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512], right[2];
    bool ok = maps;
    while (ok && fgets(line, sizeof(line), maps)) {
        uint64_t from, to;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %1[r-]", &from, &to, right) == 3 && from < start + size && to > start)
            ok = right[0] == '-';
    }
    if (maps)
        fclose(maps);
    return ok;
}

static bool reserve(uint64_t start, uint64_t size)
{
    void *got =
        mmap((void *)start, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    return got == (void *)start || (is_idle_heap(start, size) && inaccessible(start, size));
}

bool sanitizer_lends(uint64_t start, uint64_t size)
{
    if (!is_high_shadow(start, size))
        return (is_gap(start, size) || is_idle_heap(start, size)) && inaccessible(start, size);
    return reserve(address_of(start), size << shadow_scale()) && !mprotect((void *)start, size, PROT_NONE);
}

/* The addresses it stood for stay reserved: nobody needs them. */
void sanitizer_gets_back(uint64_t start, uint64_t size)
{
    if (is_high_shadow(start, size))
        mprotect((void *)start, size, PROT_READ | PROT_WRITE);
}

#endif
