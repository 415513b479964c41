/*
 * System control port A. See port92.h.
 *
 * Thread: whoever holds the machine lock.
 * Source: IBM PS/2 Hardware Interface Technical Reference, "System Control Port A (Hex 0092)".
 */
#include "devices/chips/port92.h"

enum {
    CONTROL_RESET = 0x01,
    CONTROL_A20 = 0x02,
    CONTROL_KEPT = 0xcb, /* lights, lock, A20, reset */
};

static uint64_t port92_read(void *device, uint64_t offset, unsigned size)
{
    struct port92 *port = device;
    (void)offset, (void)size;
    return port->control;
}

static void port92_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct port92 *port = device;
    bool reset = (value & CONTROL_RESET) && !(port->control & CONTROL_RESET);
    (void)offset, (void)size;
    port->control = value & CONTROL_KEPT;
    irq_set(&port->config.a20, port->control & CONTROL_A20);
    /* Last, because the reset may come back to us and clear the register. */
    if (reset && port->config.request_reset)
        port->config.request_reset(port->config.context);
}

const struct bus_ops port92_ops = {.read = port92_read, .write = port92_write, .widths = 1};

static void port92_reset(void *device)
{
    struct port92 *port = device;
    port->control = 0;
    irq_set(&port->config.a20, false);
}

static void port92_restored(void *device)
{
    struct port92 *port = device;
    irq_set(&port->config.a20, port->control & CONTROL_A20);
}

static const struct field fields[] = {
    FIELD(struct port92, control),
};

const struct device_class port92_class = {
    .name = "port92",
    .version = 1,
    .reset = port92_reset,
    .restored = port92_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int port92_init(struct port92 *port, const struct port92_config *config)
{
    *port = (struct port92){.config = *config};
    port92_reset(port);
    return 0;
}
