/*
 * High Precision Event Timer: a 64-bit counter at 100 MHz and three comparators, of which the first two can replace the
 * 8254 and the clock chip (legacy replacement).
 *
 * One region of HPET_SIZE bytes, at FED00000h on a PC.
 * Source: IA-PC HPET (High Precision Event Timers) Specification 1.0a.
 * @locks the machine lock is held in every function and callback.
 */
#ifndef RING3_DEVICES_HPET_H
#define RING3_DEVICES_HPET_H

#include "cpu-model/base/bus.h"
#include "devices/core/device.h"
#include "devices/core/irq.h"
#include "devices/core/vclock.h"

enum { HPET_SIZE = 0x400, HPET_TIMERS = 3, HPET_PERIOD_NS = 10, HPET_BASE = 0xfed00000, HPET_ROUTES = 24 };

struct hpet_config {
    struct vclock *clock;
    struct irq_line pin[HPET_ROUTES]; /* I/O APIC inputs that timers may be routed to */
    uint32_t routes;                  /* bit n: input n may be chosen (Tn_INT_ROUTE_CAP) */
    struct irq_line legacy_irq[2];    /* IRQ 0 and IRQ 8, while the replacement is on */
    void *context;
    /* The 8254 and the clock chip lose, or get back, IRQ 0 and IRQ 8. May be null. */
    void (*legacy)(void *context, bool replaced);
    /* So many periods of the timer that has IRQ 0 ended without an edge, as the clock was run late. May be null. */
    void (*lost)(void *context, uint64_t ticks);
};

struct hpet_timer {
    struct hpet *hpet;
    struct vtimer timer; /* derived: the next match */
    uint64_t config, comparator, period;
    struct irq_line *line; /* what it holds up, or null: derived */
};

struct hpet {
    struct hpet_config config;
    uint64_t configuration, status;
    uint64_t counter; /* while halted; else what to add to the clock's ticks, modulo 2^64 */
    struct hpet_timer timer[HPET_TIMERS];
};

/* Returns 0, or -EINVAL (no clock). */
int hpet_init(struct hpet *hpet, const struct hpet_config *config);

/* The capabilities' low half (GCAP_ID), for the ACPI table. */
uint32_t hpet_id(void);

extern const struct bus_ops hpet_ops;
extern const struct device_class hpet_class;

#endif
