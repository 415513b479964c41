/* What the chip tests share: a wire that records its level and edges, and one-byte port accesses. */
#ifndef RING3_TESTS_CHIP_FIXTURE_H
#define RING3_TESTS_CHIP_FIXTURE_H

#include <criterion/criterion.h>

#include "cpu-model/base/bus.h"
#include "devices/core/irq.h"

struct wire {
    bool level;
    unsigned rises, falls;
};

static inline void wire_set(void *sink, unsigned input, bool level)
{
    struct wire *wire = (struct wire *)sink + input;
    wire->rises += level && !wire->level;
    wire->falls += !level && wire->level;
    wire->level = level;
}

static inline struct irq_line wire_line(struct wire *wire)
{
    return (struct irq_line){.set = wire_set, .sink = wire, .input = 0};
}

static inline uint8_t in8(struct bus *bus, uint64_t port)
{
    return (uint8_t)bus_read(bus, port, 1);
}

static inline void out8(struct bus *bus, uint64_t port, uint8_t value)
{
    bus_write(bus, port, value, 1);
}

static inline void map(struct bus *bus, uint64_t base, uint64_t size, const struct bus_ops *ops, void *device)
{
    struct error err;
    struct bus_region region = {.base = base, .size = size, .ops = ops, .device = device, .name = "chip"};
    cr_assert_eq(bus_map(bus, &region, &err), 0, "%s", err.text);
}

#endif
