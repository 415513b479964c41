/*
 * Reserving address space for windows. Ordinary code: runs when a view is first found worth a window, with the guest's
 * vector state parked.
 */
#include "softmmu/window.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { RESERVE = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };

static void *reserve(uint64_t size, int protection)
{
    void *got = mmap(NULL, size, protection, RESERVE, -1, 0);
    return got == MAP_FAILED ? NULL : got;
}

static bool create_slots(struct window *window)
{
    const uint64_t bitmap = BIT(WINDOW_REGION_BITS - GUEST_PAGE_SHIFT) / 8;
    for (int i = 0; i < WINDOW_SLOTS; i++) {
        uint8_t *place = reserve(WINDOW_SPAN, PROT_NONE);
        uint64_t *bits = reserve(2 * bitmap, PROT_READ | PROT_WRITE);
        if (place)
            window->slot[i].host = (uint64_t)(uintptr_t)place + WINDOW_GUARD_BELOW;
        window->slot[i].readable = bits;
        if (!place || !bits)
            return false;
        window->slot[i].writable = bits + bitmap / sizeof(*bits);
    }
    return true;
}

struct window *window_create(const struct vcpu *vcpu, uint64_t *regions)
{
    struct window *window = calloc(1, sizeof(*window));
    if (!window)
        return NULL;
    window->regions = regions;
    window->memory_fd = vcpu->space->reservation.fd;
    window->nowhere = (uint64_t)(uintptr_t)reserve(WINDOW_SPAN, PROT_NONE);
    window->runs = reserve(WINDOW_RUNS * sizeof(struct window_run), PROT_READ | PROT_WRITE);
    if (window->memory_fd < 0 || !window->nowhere || !window->runs || !create_slots(window)) {
        window_destroy(window);
        return NULL;
    }
    for (uint64_t i = 0; i < WINDOW_REGIONS; i++) {
        uint64_t linear = i << WINDOW_REGION_BITS;
        linear |= i >> 15 ? 0xffffull << 48 : 0; /* canonical */
        regions[i] = window->nowhere + WINDOW_GUARD_BELOW - linear;
    }
    window_reset(window);
    return window;
}

void window_destroy(struct window *window)
{
    if (!window)
        return;
    for (int i = 0; i < WINDOW_SLOTS; i++) {
        if (window->slot[i].host)
            munmap((void *)(uintptr_t)(window->slot[i].host - WINDOW_GUARD_BELOW), WINDOW_SPAN);
        if (window->slot[i].readable)
            munmap(window->slot[i].readable, 2 * (BIT(WINDOW_REGION_BITS - GUEST_PAGE_SHIFT) / 8));
    }
    if (window->nowhere)
        munmap((void *)(uintptr_t)window->nowhere, WINDOW_SPAN);
    if (window->runs)
        munmap(window->runs, WINDOW_RUNS * sizeof(struct window_run));
    free(window);
}
