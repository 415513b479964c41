/*
 * The bus: finds the device that claims an address and gives it accesses of the widths it implements. See bus.h.
 *
 * Invariants: `regions` is sorted by base and no two overlap, so a binary search finds the only candidate. A callback
 * may map and unmap regions (a PCI device moving its window): an access works on a copy of its region and never looks
 * at the array again after the first callback, except bytewise, where every byte is looked up anew.
 *
 * Thread: whoever holds the machine lock.
 */
#include "cpu-model/base/bus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cpu-model/base/log.h"

enum { ALL_WIDTHS = 1 | 2 | 4 | 8 };

void bus_init(struct bus *bus, const char *name)
{
    *bus = (struct bus){.name = name};
}

void bus_destroy(struct bus *bus)
{
    free(bus->regions);
    *bus = (struct bus){.name = bus->name};
}

/* The index of the first region that ends above addr; count if there is none. */
static unsigned first_ending_above(const struct bus *bus, uint64_t addr)
{
    unsigned low = 0, high = bus->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const struct bus_region *region = &bus->regions[middle];
        if (region->base + (region->size - 1) < addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct bus_region *bus_find(const struct bus *bus, uint64_t addr)
{
    unsigned i = first_ending_above(bus, addr);
    return i < bus->count && bus->regions[i].base <= addr ? &bus->regions[i] : NULL;
}

int bus_map(struct bus *bus, const struct bus_region *region, struct error *err)
{
    uint64_t last = region->base + (region->size - 1);
    if (region->size == 0 || last < region->base)
        return error_set(err, -EINVAL, "%s: %s has no valid size at %#" PRIx64, bus->name, region->name, region->base);
    if (!region->ops || !region->ops->widths || (region->ops->widths & ~ALL_WIDTHS))
        return error_set(err, -EINVAL, "%s: %s implements no access width", bus->name, region->name);

    unsigned i = first_ending_above(bus, region->base);
    if (i < bus->count && bus->regions[i].base <= last) {
        const struct bus_region *other = &bus->regions[i];
        return error_set(err, -EEXIST,
                         "%s: %s at %#" PRIx64 "-%#" PRIx64 " overlaps %s at %#" PRIx64 "-%#" PRIx64
                         "; give one of them another address",
                         bus->name, region->name, region->base, last, other->name, other->base,
                         other->base + (other->size - 1));
    }
    if (bus->count == bus->capacity) {
        unsigned capacity = bus->capacity ? bus->capacity * 2 : 16;
        struct bus_region *regions = realloc(bus->regions, capacity * sizeof(*regions));
        if (!regions)
            return error_set(err, -ENOMEM, "%s: no memory to map %s", bus->name, region->name);
        bus->regions = regions;
        bus->capacity = capacity;
    }
    memmove(&bus->regions[i + 1], &bus->regions[i], (bus->count - i) * sizeof(*region));
    bus->regions[i] = *region;
    bus->count++;
    return 0;
}

int bus_unmap(struct bus *bus, uint64_t base, void *device)
{
    unsigned i = first_ending_above(bus, base);
    if (i == bus->count || bus->regions[i].base != base || bus->regions[i].device != device)
        return -ENOENT;
    bus->count--;
    memmove(&bus->regions[i], &bus->regions[i + 1], (bus->count - i) * sizeof(bus->regions[0]));
    return 0;
}

static unsigned narrowest_width(unsigned widths)
{
    return widths & -widths;
}

/* The widest implemented width that is at most size; 0 if all are wider. */
static unsigned widest_width(unsigned widths, unsigned size)
{
    while (size && !(widths & size))
        size >>= 1;
    return size;
}

static uint64_t call_read(const struct bus_region *region, uint64_t offset, unsigned size)
{
    return zero_extend(region->ops->read ? region->ops->read(region->device, offset, size) : UINT64_MAX, size);
}

/*
 * A read narrower than anything implemented: made of the naturally aligned narrowest accesses that cover it (two when
 * it crosses one). Part of an aligned access may lie outside a region of odd size; those bytes read as ones.
 */
static uint64_t read_narrow(const struct bus_region *region, uint64_t offset, unsigned size)
{
    unsigned width = narrowest_width(region->ops->widths);
    uint64_t value = 0;
    for (unsigned done = 0; done < size;) {
        uint64_t unit = (offset + done) & ~(uint64_t)(width - 1);
        unsigned skip = (unsigned)(offset + done - unit);
        unsigned part = width - skip < size - done ? width - skip : size - done;
        bool inside = unit + width <= region->size;
        uint64_t bytes = inside ? call_read(region, unit, width) : UINT64_MAX;
        value |= ((bytes >> (skip * 8)) & (BIT(part * 8) - 1)) << (done * 8);
        done += part;
    }
    return value;
}

static uint64_t region_read(const struct bus_region *region, uint64_t offset, unsigned size)
{
    unsigned width = widest_width(region->ops->widths, size);
    if (width == size)
        return call_read(region, offset, size);
    if (!width)
        return read_narrow(region, offset, size);
    uint64_t value = 0;
    for (unsigned done = 0; done < size; done += width)
        value |= call_read(region, offset + done, width) << (done * 8);
    return value;
}

static void region_write(const struct bus_region *region, uint64_t offset, uint64_t value, unsigned size)
{
    unsigned width = widest_width(region->ops->widths, size);
    if (!width) {
        log_line(LOG_GUEST, "%s: %u-byte write at offset %#" PRIx64 " is narrower than the register", region->name,
                 size, offset);
        return;
    }
    if (!region->ops->write)
        return;
    for (unsigned done = 0; done < size; done += width)
        region->ops->write(region->device, offset + done, zero_extend(value >> (done * 8), width), width);
}

/*
 * The region with the first claimed byte of [addr, +size); *whole says that it holds all of them. Null if nobody claims
 * any. For an access that wraps at 2^64 any region stands for "look at each byte".
 */
static const struct bus_region *first_claim(const struct bus *bus, uint64_t addr, unsigned size, bool *whole)
{
    uint64_t last = addr + (size - 1);
    *whole = false;
    if (last < addr)
        return bus->count ? &bus->regions[0] : NULL;
    unsigned i = first_ending_above(bus, addr);
    if (i == bus->count || bus->regions[i].base > last)
        return NULL;
    const struct bus_region *region = &bus->regions[i];
    *whole = region->base <= addr && region->base + (region->size - 1) >= last;
    return region;
}

uint64_t bus_read(struct bus *bus, uint64_t addr, unsigned size)
{
    bool whole;
    const struct bus_region *found = first_claim(bus, addr, size, &whole);
    if (whole) {
        struct bus_region region = *found;
        return region_read(&region, addr - region.base, size);
    }
    if (found && size > 1) {
        uint64_t value = 0;
        for (unsigned i = 0; i < size; i++)
            value |= bus_read(bus, addr + i, 1) << (i * 8);
        return value;
    }
    log_line(LOG_IO, "%s: %u-byte read at %#" PRIx64 " is not claimed", bus->name, size, addr);
    return zero_extend(UINT64_MAX, size);
}

void bus_write(struct bus *bus, uint64_t addr, uint64_t value, unsigned size)
{
    bool whole;
    const struct bus_region *found = first_claim(bus, addr, size, &whole);
    if (whole) {
        struct bus_region region = *found;
        region_write(&region, addr - region.base, value, size);
    } else if (found && size > 1) {
        for (unsigned i = 0; i < size; i++)
            bus_write(bus, addr + i, (value >> (i * 8)) & 0xff, 1);
    } else {
        log_line(LOG_IO, "%s: %u-byte write of %#" PRIx64 " at %#" PRIx64 " is not claimed", bus->name, size,
                 zero_extend(value, size), addr);
    }
}
