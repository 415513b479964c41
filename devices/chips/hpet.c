/*
 * High Precision Event Timer. See hpet.h.
 *
 * Invariants: a timer's vtimer is armed exactly while the counter runs and a match could come; `line` is what a timer
 * holds up: by level until its status is cleared, by edge until the next match, as the 8254 does, because an 8259
 * forgets a request that is withdrawn. Matches are equalities, as the specification says: a comparator that was passed
 * waits for the counter to wrap.
 *
 * Thread: whoever holds the machine lock, and whoever runs the clock. Source: see hpet.h.
 */
#include "devices/chips/hpet.h"

#include <errno.h>

enum { REVISION = 1, VENDOR = 0x8086, COUNTER_64 = 1 << 13, LEGACY_CAPABLE = 1 << 15 };
enum { REG_ID = 0x00, REG_CONFIGURATION = 0x10, REG_STATUS = 0x20, REG_COUNTER = 0xf0, REG_TIMERS = 0x100 };
enum { TIMER_STRIDE = 0x20, TIMER_CONFIG = 0, TIMER_COMPARATOR = 8 };
enum { CONF_ENABLE = 1, CONF_LEGACY = 2 };

/* Tn_CONF_CAP */
enum {
    TIMER_LEVEL = 1 << 1,
    TIMER_INTERRUPT = 1 << 2,
    TIMER_PERIODIC = 1 << 3,
    TIMER_PERIODIC_CAPABLE = 1 << 4,
    TIMER_64_CAPABLE = 1 << 5,
    TIMER_SET_VALUE = 1 << 6,
    TIMER_32 = 1 << 8,
    TIMER_ROUTE_SHIFT = 9,
    TIMER_ROUTE = 0x1f << TIMER_ROUTE_SHIFT,
    TIMER_WRITABLE = TIMER_LEVEL | TIMER_INTERRUPT | TIMER_PERIODIC | TIMER_SET_VALUE | TIMER_32 | TIMER_ROUTE,
};

/* A guest may ask for less; the host cannot serve it. */
enum { SHORTEST_NS = 5000 };

enum { MISSED_PERIOD = 100000 / HPET_PERIOD_NS }; /* of shorter periods nobody misses one */

#define PERIOD_FEMTOSECONDS (HPET_PERIOD_NS * 1000000ull)

uint32_t hpet_id(void)
{
    return REVISION | (HPET_TIMERS - 1) << 8 | COUNTER_64 | LEGACY_CAPABLE | (uint32_t)VENDOR << 16;
}

static uint64_t ticks(const struct hpet *hpet)
{
    return vclock_now(hpet->config.clock) / HPET_PERIOD_NS;
}

static bool running(const struct hpet *hpet)
{
    return hpet->configuration & CONF_ENABLE;
}

static uint64_t counter(const struct hpet *hpet)
{
    return running(hpet) ? ticks(hpet) + hpet->counter : hpet->counter;
}

static uint64_t width_mask(const struct hpet_timer *t)
{
    return t->config & TIMER_32 ? UINT32_MAX : UINT64_MAX;
}

/* --- interrupts --------------------------------------------------------------------------------------------------- */

static unsigned number(const struct hpet_timer *t)
{
    return (unsigned)(t - t->hpet->timer);
}

static struct irq_line *route(struct hpet_timer *t)
{
    struct hpet *hpet = t->hpet;
    unsigned pin = (unsigned)(t->config & TIMER_ROUTE) >> TIMER_ROUTE_SHIFT;

    if (!(t->config & TIMER_INTERRUPT) || !running(hpet))
        return NULL;
    if (hpet->configuration & CONF_LEGACY && number(t) < ARRAY_LEN(hpet->config.legacy_irq))
        return &hpet->config.legacy_irq[number(t)];
    return pin < HPET_ROUTES && hpet->config.routes >> pin & 1 ? &hpet->config.pin[pin] : NULL;
}

/* The line that a timer's state holds up. */
static struct irq_line *held_line(struct hpet_timer *t)
{
    struct irq_line *line = route(t);

    if (t->config & TIMER_LEVEL)
        return t->hpet->status >> number(t) & 1 ? line : NULL;
    return t->line == line ? line : NULL;
}

/* Levels first go down, then up, so that timers that share a line do not hide each other. */
static void update_levels(struct hpet *hpet)
{
    struct irq_line *wanted[HPET_TIMERS];

    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        struct hpet_timer *t = &hpet->timer[i];
        wanted[i] = held_line(t);
        if (t->line && t->line != wanted[i])
            irq_set(t->line, false);
        t->line = wanted[i];
    }
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        if (wanted[i])
            irq_set(wanted[i], true);
}

static void drop_line(struct hpet_timer *t)
{
    if (t->line)
        irq_set(t->line, false);
    t->line = NULL;
}

static void arm(struct hpet_timer *t)
{
    const struct hpet *hpet = t->hpet;
    uint64_t distance = (t->comparator - counter(hpet)) & width_mask(t), now = ticks(hpet), due;

    if (!distance)
        distance = width_mask(t);
    if (!running(hpet) || __builtin_add_overflow(now, distance, &due) ||
        __builtin_mul_overflow(due, (uint64_t)HPET_PERIOD_NS, &due)) {
        vtimer_cancel(&t->timer);
        return;
    }
    uint64_t earliest = vclock_now(hpet->config.clock) + (t->config & TIMER_PERIODIC ? SHORTEST_NS : 0);
    vtimer_arm(&t->timer, due > earliest ? due : earliest);
}

/* The next match of a periodic timer: the first multiple of the period that lies ahead. */
static void next_period(struct hpet_timer *t)
{
    uint64_t mask = width_mask(t), late = (counter(t->hpet) - t->comparator) & mask;
    uint64_t steps = late / t->period + 1;
    const struct hpet_config *config = &t->hpet->config;
    if (steps > 1 && t->period >= MISSED_PERIOD && config->lost && route(t) == &config->legacy_irq[0])
        config->lost(config->context, steps - 1);
    t->comparator = (t->comparator + steps * t->period) & mask;
}

static void match(void *device)
{
    struct hpet_timer *t = device;
    struct irq_line *line = route(t);

    if (t->config & TIMER_PERIODIC && t->period)
        next_period(t);
    if (t->config & TIMER_LEVEL) {
        t->hpet->status |= BIT(number(t));
        update_levels(t->hpet);
    } else if (line) {
        drop_line(t);
        t->line = line;
        irq_set(line, true);
    }
    arm(t);
}

/* --- registers ---------------------------------------------------------------------------------------------------- */

static uint64_t timer_config(const struct hpet_timer *t)
{
    return t->config | TIMER_PERIODIC_CAPABLE | TIMER_64_CAPABLE | (uint64_t)t->hpet->config.routes << 32;
}

static uint64_t read_register(const struct hpet *hpet, uint64_t offset)
{
    if (offset >= REG_TIMERS) {
        uint64_t n = (offset - REG_TIMERS) / TIMER_STRIDE;
        if (n >= HPET_TIMERS)
            return 0;
        switch (offset % TIMER_STRIDE) {
        case TIMER_CONFIG:
            return timer_config(&hpet->timer[n]);
        case TIMER_COMPARATOR:
            return hpet->timer[n].comparator;
        }
        return 0; /* no message-signalled interrupts */
    }
    switch (offset) {
    case REG_ID:
        return hpet_id() | PERIOD_FEMTOSECONDS << 32;
    case REG_CONFIGURATION:
        return hpet->configuration;
    case REG_STATUS:
        return hpet->status;
    case REG_COUNTER:
        return counter(hpet);
    }
    return 0;
}

static void write_configuration(struct hpet *hpet, uint64_t value)
{
    uint64_t now = counter(hpet), old = hpet->configuration;

    hpet->configuration = value & (CONF_ENABLE | CONF_LEGACY);
    hpet->counter = running(hpet) ? now - ticks(hpet) : now;
    if ((old ^ value) & CONF_LEGACY && hpet->config.legacy)
        hpet->config.legacy(hpet->config.context, value & CONF_LEGACY);
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        arm(&hpet->timer[i]);
}

/* A narrow timer's values are cut to 32 bits. */
static void write_timer_config(struct hpet_timer *t, uint64_t value)
{
    if ((t->config ^ value) & TIMER_LEVEL)
        drop_line(t);
    t->config = value & TIMER_WRITABLE;
    t->comparator &= width_mask(t);
    t->period &= width_mask(t);
    if (!(t->config & TIMER_LEVEL))
        t->hpet->status &= ~BIT(number(t));
    arm(t);
}

/* In periodic mode a write sets the period, and the comparator itself only where Tn_VAL_SET asks for it. */
static void write_comparator(struct hpet_timer *t, uint64_t value, uint64_t mask)
{
    if (t->config & TIMER_PERIODIC) {
        t->period = ((t->period & ~mask) | (value & mask)) & width_mask(t);
        if (t->config & TIMER_SET_VALUE)
            t->comparator = ((t->comparator & ~mask) | (value & mask)) & width_mask(t);
        if (mask != UINT32_MAX || t->config & TIMER_32) /* the low half of two keeps it for the high one */
            t->config &= ~(uint64_t)TIMER_SET_VALUE;
    } else {
        t->comparator = ((t->comparator & ~mask) | (value & mask)) & width_mask(t);
    }
    arm(t);
}

static void write_timer(struct hpet_timer *t, uint64_t offset, uint64_t value, uint64_t mask)
{
    if (offset == TIMER_CONFIG)
        write_timer_config(t, (t->config & ~mask) | (value & mask));
    else if (offset == TIMER_COMPARATOR)
        write_comparator(t, value, mask);
}

/* The bytes of a register that `mask` covers. */
static void write_register(struct hpet *hpet, uint64_t offset, uint64_t value, uint64_t mask)
{
    if (offset >= REG_TIMERS) {
        uint64_t n = (offset - REG_TIMERS) / TIMER_STRIDE;
        if (n < HPET_TIMERS)
            write_timer(&hpet->timer[n], offset % TIMER_STRIDE, value, mask);
    } else if (offset == REG_CONFIGURATION) {
        write_configuration(hpet, (hpet->configuration & ~mask) | (value & mask));
    } else if (offset == REG_STATUS) {
        hpet->status &= ~(value & mask);
    } else if (offset == REG_COUNTER && !running(hpet)) {
        hpet->counter = (hpet->counter & ~mask) | (value & mask);
    }
    update_levels(hpet);
}

/* Registers are 64 bits; halves may be accessed alone, anything else that crosses one is not an access. */
static uint64_t hpet_read(void *device, uint64_t offset, unsigned size)
{
    if (offset % size)
        return 0;
    return zero_extend(read_register(device, offset & ~7ull) >> (offset & 4) * 8, size);
}

static void hpet_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    unsigned shift = (unsigned)(offset & 4) * 8;
    if (offset % size == 0)
        write_register(device, offset & ~7ull, value << shift, zero_extend(UINT64_MAX, size) << shift);
}

const struct bus_ops hpet_ops = {.read = hpet_read, .write = hpet_write, .widths = 4 | 8};

/* --- life cycle --------------------------------------------------------------------------------------------------- */

static void hpet_reset(void *device)
{
    struct hpet *hpet = device;
    bool replaced = hpet->configuration & CONF_LEGACY;

    hpet->configuration = hpet->status = hpet->counter = 0;
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        struct hpet_timer *t = &hpet->timer[i];
        t->config = 0;
        t->comparator = UINT64_MAX;
        t->period = 0;
        vtimer_cancel(&t->timer);
    }
    update_levels(hpet);
    if (replaced && hpet->config.legacy)
        hpet->config.legacy(hpet->config.context, false);
}

static void hpet_restored(void *device)
{
    struct hpet *hpet = device;
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        arm(&hpet->timer[i]);
    update_levels(hpet);
    if (hpet->config.legacy)
        hpet->config.legacy(hpet->config.context, hpet->configuration & CONF_LEGACY);
}

#define TIMER_FIELDS(n)                                                                                                \
    FIELD(struct hpet, timer[n].config), FIELD(struct hpet, timer[n].comparator), FIELD(struct hpet, timer[n].period)

static const struct field fields[] = {
    FIELD(struct hpet, configuration),
    FIELD(struct hpet, status),
    FIELD(struct hpet, counter),
    TIMER_FIELDS(0),
    TIMER_FIELDS(1),
    TIMER_FIELDS(2),
};

const struct device_class hpet_class = {
    .name = "hpet",
    .version = 1,
    .reset = hpet_reset,
    .restored = hpet_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int hpet_init(struct hpet *hpet, const struct hpet_config *config)
{
    if (!config->clock)
        return -EINVAL;
    *hpet = (struct hpet){.config = *config};
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        hpet->timer[i].hpet = hpet;
        vtimer_init(&hpet->timer[i].timer, config->clock, match, &hpet->timer[i]);
    }
    hpet_reset(hpet);
    return 0;
}
