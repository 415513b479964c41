/*
 * The debug console port of Bochs and QEMU (E9h; firmware's is 402h): every byte written is a character; a read gives
 * E9h, which is how a guest finds it.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_DEBUGCON_H
#define RING3_DEVICES_DEBUGCON_H

#include "cpu-model/base/bus.h"
#include "devices/core/chardev.h"
#include "devices/core/device.h"

enum {
    DEBUGCON_BASE = 0xe9,    /* where it is without a wish */
    DEBUGCON_PRESENT = 0xe9, /* what a read gives */
};

struct debugcon_config {
    struct chardev *chardev; /* may be null */
};

struct debugcon {
    struct debugcon_config config;
};

extern const struct bus_ops debugcon_ops; /* 1 port */
extern const struct device_class debugcon_class;

/* Returns 0. */
int debugcon_init(struct debugcon *port, const struct debugcon_config *config);

#endif
