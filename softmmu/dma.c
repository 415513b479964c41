/*
 * Bus-master access to guest memory. See dma.h.
 *
 * Invariant: the write door is passed before the bytes change and again after it, because the vCPU may translate the
 * old bytes in between when the device works on a thread of its own.
 * Threads: any. No guest vector state is live in a device's thread, but nothing here depends on that.
 */
#include "softmmu/dma.h"

#include <string.h>

#include "softmmu/unaligned.h"

static uint8_t *map(struct space *space, uint64_t at, uint64_t *size, bool write)
{
    const struct space_slot *slot = space_find(space, gpa(at));
    uint64_t length = slot ? slot->base + slot->size - at : GUEST_PAGE_SIZE - (at & GUEST_PAGE_OFFSET);
    if (length < *size)
        *size = length;
    if (!slot || (write && slot->rom))
        return NULL;
    return slot->host + (at - slot->base);
}

bool dma_read(struct space *space, gpa_t address, void *buffer, uint64_t size)
{
    return space_read_bytes(space, address, buffer, size);
}

/* Copies from `from`, or fills with `byte` if it is null. */
static bool write_or_fill(struct space *space, uint64_t address, const uint8_t *from, uint8_t byte, uint64_t size)
{
    bool all = true;
    for (uint64_t at = address, length; size; size -= length, at += length) {
        if (at < address) /* past the end of all addresses */
            return false;
        length = size;
        uint8_t *host = map(space, at, &length, true);
        if (host) {
            space_written(space, host, length);
            if (from)
                memcpy(host, from + (at - address), length);
            else
                memset(host, byte, length);
            space_written(space, host, length);
        }
        all &= host != NULL;
    }
    return all;
}

bool dma_write(struct space *space, gpa_t address, const void *buffer, uint64_t size)
{
    return write_or_fill(space, address.v, buffer, 0, size);
}

bool dma_fill(struct space *space, gpa_t address, uint8_t byte, uint64_t size)
{
    return write_or_fill(space, address.v, NULL, byte, size);
}

uint64_t dma_load(struct space *space, gpa_t address, unsigned size)
{
    uint64_t length = size;
    const uint8_t *host = map(space, address.v, &length, false);
    if (host && length == size)
        return unaligned_load(host, size);
    uint64_t value = 0;
    space_read_bytes(space, address, &value, size);
    return value;
}

bool dma_store(struct space *space, gpa_t address, uint64_t value, unsigned size)
{
    uint64_t length = size;
    uint8_t *host = map(space, address.v, &length, true);
    if (!host || length != size)
        return dma_write(space, address, &value, size);
    space_written(space, host, size);
    unaligned_store(host, value, size);
    space_written(space, host, size);
    return true;
}

const uint8_t *dma_map_read(struct space *space, gpa_t address, uint64_t *size)
{
    return map(space, address.v, size, false);
}

uint8_t *dma_map_write(struct space *space, gpa_t address, uint64_t *size)
{
    uint8_t *host = map(space, address.v, size, true);
    if (host)
        space_written(space, host, *size);
    return host;
}

void dma_unmap_written(struct space *space, uint8_t *host, uint64_t size)
{
    space_written(space, host, size);
}
