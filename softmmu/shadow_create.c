/*
 * Creation of views and of the vCPU's shared memory. Ordinary code: runs before any guest does.
 *
 * Tables are sparse anonymous memory: a gigabyte of addresses each, a few pages in use (no huge pages there: one
 * touched entry would cost 2 MiB).
 */
#include "softmmu/shadow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LOG_BYTES = (1 << 16) * 4, RETURN_STACK = 64 * 1024, RETURN_SLACK = 4096 };

_Static_assert(sizeof(struct vcpu) <= VIEW_STATE_SIZE, "struct vcpu outgrew its place in the view");
_Static_assert(VIEW_CONSTANTS + sizeof(struct view_constants) <= VIEW_JUMP_TAGS,
               "view constants overlap the jump cache");

struct vcpu *shadow_vcpu_create(struct error *err)
{
    int fd = memfd_create("ring3-vcpu", MFD_CLOEXEC);
    void *memory = MAP_FAILED;
    if (fd >= 0 && !ftruncate(fd, VIEW_STATE_SIZE))
        memory = mmap(NULL, VIEW_STATE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        error_set(err, -errno, "no memory for a virtual CPU: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    struct vcpu *vcpu = memory;
    vcpu->memory_fd = fd;
    vcpu->self = vcpu;
    vcpu->run = 1;
    return vcpu;
}

void shadow_vcpu_destroy(struct vcpu *vcpu)
{
    close(vcpu->memory_fd);
    munmap(vcpu, VIEW_STATE_SIZE);
}

static void fill_constants(struct view_constants *c, const struct shadow *shadow)
{
    c->index_mask = shadow->index_mask;
    c->jump_mask = JUMP_ENTRIES - 1;
    c->page_offset = GUEST_PAGE_OFFSET;
    c->without_if = 0xffffffffull & ~(uint64_t)FLAG_IF;
    c->without_df = 0xffffffffull & ~(uint64_t)FLAG_DF;
    c->arithmetic = FLAGS_ARITHMETIC;
    c->region_mask = (uint64_t)(WINDOW_REGIONS - 1) << WINDOW_REGION_BITS;
    c->page_mask = ~(uint64_t)GUEST_PAGE_OFFSET;
    c->only_df = FLAG_DF;
    for (unsigned log2 = 0; log2 < 5; log2++)
        c->paragraph_mask[log2] = ~0xffffull | ((1u << log2) - 1);
    for (unsigned log2 = 0; log2 < 7; log2++) {
        c->low_mask[log2] = (1u << log2) - 1;
        for (unsigned byte = 0; byte < 256; byte++)
            c->low_bits[log2][byte] = (uint8_t)(byte & ((1u << log2) - 1));
    }
    for (unsigned log2 = 0; log2 < 6; log2++) {
        for (unsigned offset = 0; offset < 4096; offset++)
            c->fits[log2][offset] = offset + (1u << log2) <= GUEST_PAGE_SIZE;
    }
}

/* A view's stretch of addresses: its length, and what of it lies below the base. */
static size_t view_span(bool plain_index)
{
    return plain_index ? VIEW_SLOTS + (32ull << SHADOW_INDEX_BITS) : 4 * VIEW_TABLE_SIZE;
}

static size_t view_below(bool plain_index)
{
    return plain_index ? 0 : 2 * VIEW_TABLE_SIZE;
}

static int view_create(struct vcpu *vcpu, struct view *view, struct error *err)
{
    view->plain_index = vcpu->shadow->plain_index;
    size_t span = view_span(view->plain_index);
    uint8_t *start = mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return error_set(err, -errno, "cannot reserve 4 GiB of address space for a shadow page table (ulimit -v?)");
    madvise(start, span, MADV_NOHUGEPAGE);
    view->base = start + view_below(view->plain_index);
    if (mmap(view->base, VIEW_STATE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, vcpu->memory_fd, 0) ==
        MAP_FAILED)
        return error_set(err, -errno, "cannot map the virtual CPU into a view: %s", strerror(errno));
    /* The return stack: a guard page below, a page above that holds the entries of the empty stack. */
    view->return_stack =
        mmap(NULL, 4096 + RETURN_STACK + RETURN_SLACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    view->log[0] = malloc(LOG_BYTES);
    view->log[1] = malloc(LOG_BYTES);
    if (view->return_stack == MAP_FAILED || !view->log[0] || !view->log[1])
        return error_set(err, -ENOMEM, "no memory for a view");
    if (mprotect(view->return_stack, 4096, PROT_NONE))
        return error_set(err, -errno, "cannot protect a page of a view: %s", strerror(errno));
    view->return_empty = (uint64_t)(uintptr_t)view->return_stack + 4096 + RETURN_STACK;
    fill_constants((struct view_constants *)(view->base + VIEW_CONSTANTS), vcpu->shadow);
    view_forget_code(view);
    return 0;
}

void shadow_window_tick(struct vcpu *vcpu, uint64_t now, uint64_t cycles_per_ms)
{
    struct view *view = vcpu->shadow->current;
    if (!view->window && !view->window_refused && !vcpu->shadow->no_windows) {
        view->window = window_create(vcpu, (uint64_t *)(view->base + VIEW_REGIONS));
        view->window_refused = !view->window;
        if (view->window)
            view->window->always = vcpu->shadow->eager_windows;
    }
    if (view->window)
        window_tick(view->window, now, cycles_per_ms);
}

int shadow_create(struct vcpu *vcpu, bool fast_pext, struct error *err)
{
    struct shadow *shadow = calloc(1, sizeof(*shadow));
    if (!shadow)
        return error_set(err, -ENOMEM, "no memory for shadow page tables");
    vcpu->shadow = shadow;
    shadow->plain_index = !fast_pext;
    shadow->chunks_max = CHUNKS_MAX;
    shadow->index_mask = fast_pext ? 0x1ffffffull << 12 | 3ull << 40 : (uint64_t)((1u << SHADOW_INDEX_BITS) - 1) << 12;
    shadow->writers = mmap(NULL, (vcpu->space->arena_size >> GUEST_PAGE_SHIFT) * sizeof(uint32_t),
                           PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shadow->writers == MAP_FAILED)
        return error_set(err, -ENOMEM, "no memory for the reverse map");
    for (unsigned i = 0; i < VIEW_COUNT; i++) {
        int r = view_create(vcpu, &shadow->view[i], err);
        if (r)
            return r;
    }
    shadow->view[VIEW_KERNEL].in_use = true;
    shadow->current = &shadow->view[VIEW_KERNEL];
    return 0;
}

void shadow_destroy(struct vcpu *vcpu)
{
    struct shadow *shadow = vcpu->shadow;
    if (!shadow)
        return;
    for (unsigned i = 0; i < VIEW_COUNT; i++) {
        struct view *view = &shadow->view[i];
        if (!view->base)
            continue;
        window_destroy(view->window);
        munmap(view->base - view_below(view->plain_index), view_span(view->plain_index));
        munmap(view->return_stack, 4096 + RETURN_STACK + RETURN_SLACK);
        free(view->log[0]);
        free(view->log[1]);
    }
    munmap(shadow->writers, (vcpu->space->arena_size >> GUEST_PAGE_SHIFT) * sizeof(uint32_t));
    free(shadow);
    vcpu->shadow = NULL;
}
