/*
 * The 8042 keyboard controller of the AT and PS/2, with two PS/2 ports.
 *
 * A port without a device answers as the firmware of the real controller does when the device stays silent: FEh with
 * the time-out bit in the status.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_I8042_H
#define RING3_DEVICES_I8042_H

#include "cpu-model/base/bus.h"
#include "devices/chips/ps2.h"
#include "devices/core/device.h"
#include "devices/core/irq.h"

enum {
    I8042_RAM_BYTES = 32,
    I8042_REPLY_BYTES = 8,
};

enum i8042_port {
    I8042_KEYBOARD,
    I8042_MOUSE,
};

struct i8042_config {
    struct irq_line keyboard_irq;         /* input 1 */
    struct irq_line mouse_irq;            /* input 12 */
    struct irq_line a20;                  /* this chip's share of the A20 gate; the board ORs it with port 92h's */
    void (*request_reset)(void *context); /* may be null; called inside the port write */
    void *context;
};

struct i8042 {
    struct i8042_config config;
    struct ps2_device *device[2]; /* wiring, by enum i8042_port; null: nothing plugged in */
    uint8_t ram[I8042_RAM_BYTES]; /* byte 0 is the command byte */
    uint8_t status;               /* without the bits that follow from the rest */
    uint8_t output;               /* the output buffer; keeps its last value when empty */
    uint8_t output_port;          /* P2: reset, A20 */
    uint8_t pending_command;      /* waits for its parameter at port 60h; 0: none */
    uint8_t break_prefix;         /* translation saw F0h */
    /* Answers of the controller itself that wait for the output buffer: byte and status bits (AUX, TIMEOUT). */
    uint8_t reply[I8042_REPLY_BYTES], reply_status[I8042_REPLY_BYTES];
    uint8_t reply_first, reply_count;
};

extern const struct bus_ops i8042_data_ops;    /* 1 port: 60h */
extern const struct bus_ops i8042_command_ops; /* 1 port: 64h */
extern const struct device_class i8042_class;

/* Returns 0. A20 is on, both ports are disabled, translation is on, interrupts are off. */
int i8042_init(struct i8042 *kbc, const struct i8042_config *config);

/* Plugs a device into a port, or unplugs (null). Survives reset. */
void i8042_attach(struct i8042 *kbc, enum i8042_port port, struct ps2_device *device);

/* Leaves the controller as firmware hands it over: self-test passed, both ports and keyboard interrupt on. */
void i8042_firmware_setup(struct i8042 *kbc);

#endif
