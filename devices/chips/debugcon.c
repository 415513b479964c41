/*
 * The debug console port. See debugcon.h. It has no state.
 *
 * Thread: whoever holds the machine lock.
 */
#include "devices/chips/debugcon.h"

static uint64_t debugcon_read(void *device, uint64_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return DEBUGCON_PRESENT;
}

static void debugcon_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct debugcon *port = device;
    uint8_t byte = (uint8_t)value;
    (void)offset, (void)size;
    chardev_send(port->config.chardev, &byte, 1);
}

const struct bus_ops debugcon_ops = {.read = debugcon_read, .write = debugcon_write, .widths = 1};

static void debugcon_reset(void *device)
{
    (void)device;
}

const struct device_class debugcon_class = {.name = "debugcon", .version = 1, .reset = debugcon_reset};

int debugcon_init(struct debugcon *port, const struct debugcon_config *config)
{
    *port = (struct debugcon){.config = *config};
    return 0;
}
