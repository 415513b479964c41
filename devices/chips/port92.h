/*
 * System control port A (port 92h, PS/2 and later): fast A20 gate and fast reset.
 *
 * One byte-wide port. Bit 0: a change from 0 to 1 resets the CPU. Bit 1: A20 passes. Bit 3: the CMOS password lock and
 * bits 6-7: the activity light, all three kept and without effect. Other bits read 0.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_PORT92_H
#define RING3_DEVICES_PORT92_H

#include "cpu-model/base/bus.h"
#include "devices/core/device.h"
#include "devices/core/irq.h"

struct port92_config {
    struct irq_line a20; /* this port's share of the A20 gate; the board ORs it with the keyboard controller's */
    void (*request_reset)(void *context); /* may be null; called inside the port write */
    void *context;
};

struct port92 {
    struct port92_config config;
    uint8_t control;
};

extern const struct bus_ops port92_ops; /* 1 port */
extern const struct device_class port92_class;

/* Returns 0. The A20 line is driven low: the port's own reset value. */
int port92_init(struct port92 *port, const struct port92_config *config);

#endif
