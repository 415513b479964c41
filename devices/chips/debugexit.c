/*
 * The debug exit port. See debugexit.h. It has no state.
 *
 * Thread: whoever holds the machine lock.
 */
#include "devices/chips/debugexit.h"

#include <errno.h>

static uint64_t debugexit_read(void *device, uint64_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return 0;
}

static void debugexit_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct debugexit *port = device;
    (void)offset, (void)size;
    port->config.request_exit(port->config.context, (int)((uint32_t)value << 1 | 1));
}

const struct bus_ops debugexit_ops = {.read = debugexit_read, .write = debugexit_write, .widths = 1 | 2 | 4};

static void debugexit_reset(void *device)
{
    (void)device;
}

const struct device_class debugexit_class = {.name = "debugexit", .version = 1, .reset = debugexit_reset};

int debugexit_init(struct debugexit *port, const struct debugexit_config *config)
{
    if (!config->request_exit)
        return -EINVAL;
    *port = (struct debugexit){.config = *config};
    return 0;
}
