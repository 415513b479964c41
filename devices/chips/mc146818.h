/*
 * The MC146818 real-time clock with 128 bytes of CMOS memory, at ports 70h (index, NMI mask) and 71h (data).
 *
 * The calendar starts at a given epoch and advances with virtual time. It counts the way the chip does: the registers
 * hold what the guest wrote until the next update adds a second to them. The update is instantaneous; UIP announces it
 * 244 us ahead.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_MC146818_H
#define RING3_DEVICES_MC146818_H

#include "cpu-model/base/bus.h"
#include "devices/core/device.h"
#include "devices/core/irq.h"
#include "devices/core/vclock.h"

enum {
    MC146818_CENTURY = 0x32, /* the register that holds the century; the machine's ACPI tables may name it */
    MC146818_BYTES = 128,
};

struct mc146818_config {
    struct vclock *clock;
    struct irq_line irq;      /* input 8 of the interrupt controllers */
    struct irq_line nmi_mask; /* high: the guest masked NMI (bit 7 of port 70h) */
    int64_t start_epoch;      /* the calendar at init: seconds since 1970-01-01 00:00 of what the guest shall see */
};

struct mc146818 {
    struct mc146818_config config;
    uint8_t index; /* bit 7: NMI masked */
    uint8_t cmos[MC146818_BYTES];
    uint64_t next_update;   /* ns: when the next second begins (also while updates are inhibited) */
    uint64_t divider_start; /* ns: when the divider chain last left its reset */
    uint64_t periodic_seen; /* divider ticks (32768 Hz) up to which PF is accounted for */
    struct vtimer timer;
};

extern const struct bus_ops mc146818_ops; /* 2 ports: 70h */
extern const struct device_class mc146818_class;

/* Returns 0, or -EINVAL without a clock. */
int mc146818_init(struct mc146818 *rtc, const struct mc146818_config *config);

/* For the machine: what firmware or set-up would have stored. index: 0-127; clock registers are better left alone. */
void mc146818_set_cmos(struct mc146818 *rtc, unsigned index, uint8_t value);
uint8_t mc146818_get_cmos(const struct mc146818 *rtc, unsigned index);

#endif
