/*
 * The PC's 8254 interval timer, and system control port B (61h), which belongs to its counter 2.
 *
 * Time is counted in whole ticks of 1193182 Hz since the clock's time 0; every edge is computed from the tick at which
 * its counter was loaded, so rounding never accumulates. Counter 0's OUT is the irq line. Pulses of one tick (modes 2,
 * 4, 5) are shown on the line when they end, as low then high. If the timer is served so late that a rising edge is
 * already past, the line still shows one low-to-high transition: a late host merges edges, it does not swallow the
 * last one.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_I8254_H
#define RING3_DEVICES_I8254_H

#include "cpu-model/base/bus.h"
#include "devices/core/device.h"
#include "devices/core/irq.h"
#include "devices/core/sound.h"
#include "devices/core/vclock.h"

#define I8254_HZ 1193182ull

struct i8254_config {
    struct vclock *clock;
    struct irq_line irq; /* counter 0's OUT */
    /* So many periods of counter 0 ended without an edge on the line, as the clock was run late. May be null. */
    void (*lost)(void *context, uint64_t ticks);
    void *context;
    struct sound *speaker; /* is told what the loudspeaker does; counts I8254_HZ; null: nobody listens */
};

struct i8254_counter {
    /* Programming */
    uint8_t control; /* low six bits of the control word, as written */
    uint8_t mode;    /* 0-5 */
    uint8_t bcd;
    uint8_t access;    /* 1: LSB, 2: MSB, 3: LSB then MSB */
    uint8_t write_msb; /* access 3: the next write is the MSB */
    uint8_t read_msb;  /* access 3: the next unlatched read is the MSB */
    uint8_t low_byte;  /* access 3: the LSB written, waiting for its MSB */
    uint8_t gate;
    uint16_t initial; /* CR: the count as written */

    /* What latch and read-back commands froze */
    uint8_t latched; /* count bytes not yet read: bit 0 LSB, bit 1 MSB */
    uint8_t status_latched;
    uint8_t status;
    uint16_t latch;

    /* The counting element, as of tick `settled` */
    uint8_t out;
    uint8_t null_count; /* CR holds a count that CE does not have yet */
    uint8_t written;    /* CR was written since the control word */
    uint8_t loaded;     /* CE was loaded since the control word */
    uint8_t counting;   /* CE changes with time; else it stands at `base` */
    uint8_t armed;      /* modes 0, 1, 4, 5: reaching 0 still changes OUT */
    uint8_t load_low;   /* mode 3: the load at load_at begins a low half */
    uint32_t base;      /* CE at tick `start`; in modes 2 and 3 the period */
    uint64_t start;     /* mode 3: where the high half began (modulo 2^64) */
    uint64_t load_at;   /* tick at which CR moves to CE; VCLOCK_NEVER */
    uint64_t strobe_at; /* modes 4, 5: the one tick at which OUT is low; VCLOCK_NEVER */
    uint64_t settled;
};

struct i8254 {
    struct i8254_config config;
    struct i8254_counter counter[3];
    uint8_t port61; /* bits 0-3 as written */
    bool irq_level; /* derived: what the line shows */
    struct vtimer timer;
};

extern const struct bus_ops i8254_ops;        /* 4 ports: 40h */
extern const struct bus_ops i8254_port61_ops; /* 1 port: 61h */
extern const struct device_class i8254_class;

/* Returns 0, or -EINVAL without a clock. After it all counters wait for a control word and a count. */
int i8254_init(struct i8254 *pit, const struct i8254_config *config);

/* OUT of counter 0-2 now. */
bool i8254_out(struct i8254 *pit, unsigned counter);

/* Whether the guest connected counter 2's OUT to the speaker (port 61h bit 1). */
bool i8254_speaker_on(const struct i8254 *pit);

#endif
