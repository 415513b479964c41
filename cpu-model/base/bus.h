/*
 * A bus: a map from addresses to the devices that claim them. The same type serves I/O ports and memory-mapped I/O.
 *
 * A device sees an offset into its region, a width and a value; never an absolute address. Unclaimed reads give
 * all-ones, unclaimed writes do nothing; both are logged (-d ioport). Two regions that overlap are an error that names
 * both.
 *
 * @locks every call is made with the machine lock held (one big lock; see devices/machine/ARCHITECTURE notes).
 */
#ifndef RING3_BASE_BUS_H
#define RING3_BASE_BUS_H

#include "cpu-model/base/error.h"
#include "cpu-model/base/types.h"

struct bus_ops {
    /* size is one of the widths in `widths`; offset + size lies inside the region. The value is zero-extended. */
    uint64_t (*read)(void *device, uint64_t offset, unsigned size);
    void (*write)(void *device, uint64_t offset, uint64_t value, unsigned size);
    /*
     * Widths the callbacks implement, a mask of 1|2|4|8 (the byte counts themselves). A wider access is split into the
     * widest implemented one, low part first, each at its own offset; a narrower read takes the right bytes of the
     * narrowest implemented access, a narrower write is dropped (logged): a register that only takes dwords ignores
     * bytes.
     */
    uint8_t widths;
};

struct bus_region {
    uint64_t base, size;
    const struct bus_ops *ops;
    void *device;
    const char *name; /* for messages; not copied */
};

struct bus {
    const char *name;
    struct bus_region *regions; /* sorted by base, none overlapping */
    unsigned count, capacity;
};

void bus_init(struct bus *bus, const char *name);
void bus_destroy(struct bus *bus);

/* Claims [region->base, +size). Returns 0, or -EEXIST / -ENOMEM / -EINVAL (size 0, wrap) with a message naming both
 * claimants. */
int bus_map(struct bus *bus, const struct bus_region *region, struct error *err);

/* Gives up the region that starts at base and belongs to device. Returns 0 or -ENOENT. */
int bus_unmap(struct bus *bus, uint64_t base, void *device);

/* The region that holds addr, or null. */
const struct bus_region *bus_find(const struct bus *bus, uint64_t addr);

/* One guest access of 1, 2, 4 or 8 bytes at any alignment; it may straddle regions (then it is made bytewise). */
uint64_t bus_read(struct bus *bus, uint64_t addr, unsigned size);
void bus_write(struct bus *bus, uint64_t addr, uint64_t value, unsigned size);

#endif
