/*
 * The 16550A serial port.
 *
 * What the guest transmits leaves at once, so the transmitter is always empty; its interrupt behaves as if each byte
 * had been sent the moment it was written. Received bytes wait in the receiver FIFO; the back end is asked for more
 * when the guest has read it empty.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_NS16550_H
#define RING3_DEVICES_NS16550_H

#include "cpu-model/base/bus.h"
#include "devices/core/chardev.h"
#include "devices/core/device.h"
#include "devices/core/irq.h"
#include "devices/core/vclock.h"

enum {
    NS16550_FIFO_BYTES = 16,

    /* Modem inputs, at their places in the modem status register */
    NS16550_CTS = 0x10,
    NS16550_DSR = 0x20,
    NS16550_RI = 0x40,
    NS16550_DCD = 0x80,
};

struct ns16550_config {
    struct vclock *clock;
    struct irq_line irq;
    struct chardev *chardev; /* may be null; its front-end half is filled in */
    bool out2_gates_irq;     /* the interrupt leaves the board only while OUT2 is on, as on PC serial cards */
};

struct ns16550 {
    struct ns16550_config config;
    uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
    uint16_t divisor;
    uint8_t thre_pending;    /* the transmitter became empty and IIR was not read since */
    uint8_t timeout_pending; /* characters have waited four character times */
    uint8_t modem_inputs;    /* levels from outside, NS16550_* */
    uint8_t last_received;   /* what RBR shows while the FIFO is empty */
    uint8_t fifo[NS16550_FIFO_BYTES];
    uint8_t fifo_errors[NS16550_FIFO_BYTES]; /* PE, FE, BI of each character */
    uint8_t fifo_first, fifo_count;          /* in character mode at most one */
    uint64_t timeout_at;                     /* when timeout_pending rises; VCLOCK_NEVER */
    struct vtimer timer;
};

extern const struct bus_ops ns16550_ops; /* 8 ports */
extern const struct device_class ns16550_class;

/* Returns 0, or -EINVAL without a clock. CTS, DSR and DCD are on. */
int ns16550_init(struct ns16550 *uart, const struct ns16550_config *config);

/* The modem lines from outside, a mask of NS16550_*. */
void ns16550_set_modem(struct ns16550 *uart, uint8_t inputs);

/* A break arrives on the line. */
void ns16550_receive_break(struct ns16550 *uart);

#endif
