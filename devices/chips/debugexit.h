/*
 * A port through which a test guest ends the machine with a status, compatible with QEMU's isa-debug-exit.
 *
 * A write of v (1, 2 or 4 bytes, anywhere in the range) asks for exit status (v << 1) | 1. Reads give 0.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_DEBUGEXIT_H
#define RING3_DEVICES_DEBUGEXIT_H

#include "cpu-model/base/bus.h"
#include "devices/core/device.h"

enum {
    DEBUGEXIT_BASE = 0xf4, /* where the machine maps it unless told otherwise */
    DEBUGEXIT_SIZE = 4,
};

struct debugexit_config {
    void (*request_exit)(void *context, int status); /* called inside the port write; it must return */
    void *context;
};

struct debugexit {
    struct debugexit_config config;
};

extern const struct bus_ops debugexit_ops; /* any number of ports */
extern const struct device_class debugexit_class;

/* Returns 0, or -EINVAL without a callback. */
int debugexit_init(struct debugexit *port, const struct debugexit_config *config);

#endif
