/*
 * The 8254 interval timer. See i8254.h.
 *
 * Each counter is a closed formula of the tick: settle() carries it from the tick it was last looked at to now,
 * crossing at most one load of a new count, and says whether OUT rose on the way. Nothing is simulated tick by tick.
 *
 * Invariants: settled <= now; armed implies that the change of OUT lies after `settled` or the counter stands still;
 * counter 0 is settled after every port access and its timer is armed for its next visible edge.
 *
 * Thread: whoever holds the machine lock.
 * Source: Intel 8254 datasheet, "Operational description", "Mode definitions", "Read-back command"; for port 61h the
 * IBM PC AT Technical Reference, "System control port B".
 *
 * Choices where the datasheet is silent: a count of 1 in modes 2 and 3 (illegal) counts as 2; after power-on counters
 * are in mode 0 without a count; access code 0 of a control word is the latch command and cannot be a state.
 */
#include "devices/chips/i8254.h"

#include <errno.h>

enum {
    CONTROL_BCD = 0x01,
    CONTROL_READ_BACK = 3, /* counter number of the read-back command */
    ACCESS_LSB = 1,
    ACCESS_MSB = 2,
    ACCESS_BOTH = 3,

    READ_BACK_NO_COUNT = 0x20,
    READ_BACK_NO_STATUS = 0x10,
    STATUS_OUT = 0x80,
    STATUS_NULL = 0x40,

    PORT61_GATE2 = 0x01,
    PORT61_SPEAKER = 0x02,
    PORT61_KEPT = 0x0f, /* gate, speaker, parity and channel check masks */
    PORT61_REFRESH = 0x10,
    PORT61_OUT2 = 0x20,
    REFRESH_TICKS = 18, /* a refresh request every 15.085 us */
};

static uint64_t tick_of(uint64_t ns)
{
    return muldiv64(ns, I8254_HZ, NS_PER_SECOND);
}

/* The first nanosecond of a tick. */
static uint64_t ns_of(uint64_t tick)
{
    unsigned __int128 ns = ((unsigned __int128)tick * NS_PER_SECOND + (I8254_HZ - 1)) / I8254_HZ;
    return ns < VCLOCK_NEVER ? (uint64_t)ns : VCLOCK_NEVER;
}

static uint64_t now_tick(const struct i8254 *pit)
{
    return tick_of(vclock_now(pit->config.clock));
}

static unsigned modulus(const struct i8254_counter *c)
{
    return c->bcd ? 10000 : 65536;
}

static unsigned from_bcd(unsigned v)
{
    return (v >> 12) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
}

static unsigned to_bcd(unsigned v)
{
    return v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10;
}

static bool periodic(const struct i8254_counter *c)
{
    return c->mode == 2 || c->mode == 3;
}

/* Modes 1 and 5 count once the gate has risen; its level does not matter to them. */
static bool triggered(const struct i8254_counter *c)
{
    return c->mode == 1 || c->mode == 5;
}

/* The number of ticks the count in CR stands for. */
static uint32_t initial_count(const struct i8254_counter *c)
{
    uint32_t count = c->bcd ? from_bcd(c->initial) : c->initial;
    if (count == 0)
        return modulus(c);
    return count == 1 && periodic(c) ? 2 : count;
}

/* Mode 3: the ticks OUT is high in one period. */
static uint32_t high_ticks(uint32_t period)
{
    return (period + 1) / 2;
}

/* CE at tick t >= settled, no load being due. */
static uint32_t count_at(const struct i8254_counter *c, uint64_t t)
{
    if (!c->counting)
        return c->base;
    uint64_t passed = t - c->start;
    if (c->mode == 2)
        return c->base - (uint32_t)(passed % c->base);
    if (c->mode == 3) {
        uint32_t phase = (uint32_t)(passed % c->base), high = high_ticks(c->base);
        return (c->base & ~1u) - 2 * (phase < high ? phase : phase - high);
    }
    uint32_t wrap = modulus(c);
    return (c->base + wrap - (uint32_t)(passed % wrap)) % wrap;
}

/* Moves on to tick t when no load lies in (settled, t]. Returns whether OUT rose on the way. */
static bool advance(struct i8254_counter *c, uint64_t t)
{
    bool rose = false;
    if (c->counting && periodic(c)) {
        /* OUT rises at start + k * base. Mode 3's start may lie after `settled` only modulo 2^64: compare by phase. */
        uint64_t phase = (t - c->start) % c->base;
        rose = phase < t - c->settled && t - c->start >= c->base;
        c->out = c->mode == 2 ? phase != c->base - 1 : phase < high_ticks(c->base);
    } else if (c->counting && c->armed && t - c->start >= c->base) {
        c->armed = 0;
        if (c->mode == 4 || c->mode == 5)
            c->strobe_at = c->start + c->base;
        rose = c->mode < 2;
        c->out = 1;
    }
    if (c->strobe_at != VCLOCK_NEVER) {
        c->out = t > c->strobe_at;
        if (c->out) {
            c->strobe_at = VCLOCK_NEVER;
            rose = true;
        }
    }
    c->settled = t;
    return rose;
}

/* CR moves to CE at tick load_at. */
static void load(struct i8254_counter *c)
{
    c->null_count = 0;
    c->loaded = 1;
    c->base = initial_count(c);
    c->start = c->load_at;
    c->counting = triggered(c) || c->gate;
    if (c->mode == 2) {
        c->out = 1;
    } else if (c->mode == 3 && c->counting) {
        c->start -= c->load_low ? high_ticks(c->base) : 0;
        c->out = !c->load_low;
    } else if (c->mode == 3) {
        c->base &= ~1u; /* as it reads; the gate will load it again */
    } else {
        c->armed = 1;
        c->out = c->mode == 1 ? 0 : c->out;
    }
    c->load_at = VCLOCK_NEVER;
    c->load_low = 0;
}

/* Brings the counter to tick t. Returns whether OUT rose on the way. */
static bool settle(struct i8254_counter *c, uint64_t t)
{
    bool rose = false;
    if (t <= c->settled)
        return false;
    if (c->load_at <= t) {
        uint64_t at = c->load_at;
        if (at - 1 > c->settled)
            rose = advance(c, at - 1);
        bool before = c->out;
        load(c);
        if (c->strobe_at < at) { /* a strobe ends in time, whatever is loaded */
            c->strobe_at = VCLOCK_NEVER;
            c->out = 1;
        }
        c->settled = at;
        rose |= !before && c->out;
    }
    if (t > c->settled)
        rose |= advance(c, t);
    return rose;
}

/* The next tick at which the running count changes OUT; of a one-tick pulse, its end. */
static uint64_t next_running_edge(const struct i8254_counter *c)
{
    if (c->strobe_at != VCLOCK_NEVER)
        return c->strobe_at + 1;
    if (c->counting && periodic(c)) {
        uint64_t phase = (c->settled - c->start) % c->base, high = high_ticks(c->base);
        return c->settled - phase + (c->mode == 3 && phase < high ? high : c->base);
    }
    if (c->counting && c->armed)
        return c->start + c->base + (c->mode >= 4);
    return VCLOCK_NEVER;
}

/* The same, with a load that is due before it. */
static uint64_t next_edge(const struct i8254_counter *c)
{
    uint64_t edge = next_running_edge(c);
    if (c->load_at > edge || c->load_at == VCLOCK_NEVER)
        return edge;
    struct i8254_counter after = *c;
    settle(&after, c->load_at);
    return after.out != c->out || c->load_at == edge ? c->load_at : next_running_edge(&after);
}

/* Edges of a period that passed between two looks at the counter, but the last. */
static void report_lost(const struct i8254 *pit, const struct i8254_counter *before)
{
    enum { SHORTEST = I8254_HZ / 10000 }; /* of shorter periods nobody misses one */
    const struct i8254_counter *c = &pit->counter[0];

    if (!pit->config.lost || !c->counting || !periodic(c) || c->base < SHORTEST || c->settled < c->start)
        return;
    bool same = before->start == c->start && before->base == c->base && before->settled > c->start;
    uint64_t seen = same ? (before->settled - c->start) / c->base : 0;
    uint64_t edges = (c->settled - c->start) / c->base - seen;
    if (edges > 1)
        pit->config.lost(pit->config.context, edges - 1);
}

/* Settles counter 0, shows its OUT on the line and arms the timer for the next edge. */
static void update_irq(struct i8254 *pit)
{
    struct i8254_counter *c = &pit->counter[0];
    const struct i8254_counter before = *c;
    bool rose = settle(c, now_tick(pit));
    uint64_t edge = next_edge(c);
    report_lost(pit, &before);
    if (rose && pit->irq_level)
        irq_set(&pit->config.irq, false);
    /* An edge that came and went unseen is shown until the next one. */
    pit->irq_level = c->out || rose;
    irq_set(&pit->config.irq, pit->irq_level);
    vtimer_arm(&pit->timer, edge == VCLOCK_NEVER ? VCLOCK_NEVER : ns_of(edge));
}

static struct sound_wave wave_of(const struct i8254_counter *c)
{
    if (!c->counting || !periodic(c))
        return (struct sound_wave){.at = c->settled, .high = c->out};
    uint32_t high = c->mode == 2 ? c->base - 1 : high_ticks(c->base);
    /* Mode 2 is low in the last tick of its period; mode 3's start may lie before tick 0. */
    uint64_t phase = (c->settled - c->start) % c->base;
    return (struct sound_wave){
        .at = c->settled, .start = c->settled + c->base - phase, .high = high, .period = c->base};
}

/*
 * Tells what the loudspeaker does from now on: counter 2's OUT, where the guest lets it through. Counter 2 is settled.
 * It follows a copy of the counter through a load that is due and the end of a single count, after which it repeats.
 */
static void update_speaker(struct i8254 *pit)
{
    struct i8254_counter c = pit->counter[2];
    enum { STEPS = 4 }; /* a load, the count's end, and the two edges of its strobe */

    if (!pit->config.speaker)
        return;
    if (!(pit->port61 & PORT61_SPEAKER)) {
        sound_tell(pit->config.speaker, (struct sound_wave){.at = c.settled});
        return;
    }
    for (unsigned i = 0; i < STEPS; i++) {
        sound_tell(pit->config.speaker, wave_of(&c));
        uint64_t next = c.counting && periodic(&c) ? c.load_at : next_edge(&c);
        if (c.load_at < next)
            next = c.load_at;
        if (next == VCLOCK_NEVER)
            break;
        settle(&c, next);
    }
}

static void timer_fired(void *device)
{
    update_irq(device);
}

/* A counter as it is now, for a port access. Counter 0's edges reach the line on the way. */
static struct i8254_counter *settled_counter(struct i8254 *pit, unsigned index)
{
    if (index == 0)
        update_irq(pit);
    else
        settle(&pit->counter[index], now_tick(pit));
    return &pit->counter[index];
}

/* Stops CE where it is. */
static void stop_counting(struct i8254_counter *c)
{
    if (!c->counting)
        return;
    /* While armed the count has not wrapped; a count of 65536 must not become 0 here. */
    c->base = c->armed && !periodic(c) ? c->base - (uint32_t)(c->settled - c->start) : count_at(c, c->settled);
    c->counting = 0;
}

static void write_mode(struct i8254_counter *c, uint8_t control)
{
    unsigned mode = control >> 1 & 7;
    stop_counting(c);
    c->control = control & 0x3f;
    c->access = control >> 4 & 3;
    c->mode = mode > 5 ? mode - 4 : mode;
    c->bcd = control & CONTROL_BCD;
    c->write_msb = c->read_msb = 0;
    c->latched = c->status_latched = 0;
    c->written = c->loaded = c->armed = c->load_low = 0;
    c->null_count = 1;
    c->load_at = c->strobe_at = VCLOCK_NEVER;
    c->out = c->mode != 0;
}

static void count_written(struct i8254_counter *c)
{
    c->null_count = 1;
    c->written = 1;
    if (c->mode == 0) {
        c->out = 0;
        c->armed = 0;
    }
    if (c->mode == 0 || c->mode == 4 || (periodic(c) && !c->loaded)) {
        c->load_at = c->settled + 1;
    } else if (periodic(c) && c->counting) {
        /* Mode 2 takes a new count at the end of its period, mode 3 at the end of its half. */
        c->load_at = next_running_edge(c);
        c->load_low = c->mode == 3 && c->out;
    }
}

static void write_count(struct i8254_counter *c, uint8_t value)
{
    switch (c->access) {
    case ACCESS_LSB:
        c->initial = value;
        break;
    case ACCESS_MSB:
        c->initial = (uint16_t)(value << 8);
        break;
    case ACCESS_BOTH:
        c->write_msb ^= 1;
        if (c->write_msb) {
            c->low_byte = value;
            if (c->mode == 0) { /* the first byte stops the count and lowers OUT at once */
                stop_counting(c);
                c->out = c->armed = c->loaded = 0;
                c->load_at = VCLOCK_NEVER;
            }
            return;
        }
        c->initial = (uint16_t)(value << 8 | c->low_byte);
        break;
    default:
        return; /* no control word yet */
    }
    count_written(c);
}

static uint16_t count_value(const struct i8254_counter *c)
{
    uint32_t count = count_at(c, c->settled);
    return (uint16_t)(c->bcd ? to_bcd(count) : count);
}

static void latch_count(struct i8254_counter *c)
{
    if (c->latched)
        return;
    c->latch = count_value(c);
    c->latched = c->access;
}

static void latch_status(struct i8254_counter *c)
{
    if (c->status_latched)
        return;
    c->status = (c->out ? STATUS_OUT : 0) | (c->null_count ? STATUS_NULL : 0) | c->control;
    c->status_latched = 1;
}

static uint8_t read_count(struct i8254_counter *c)
{
    if (c->status_latched) {
        c->status_latched = 0;
        return c->status;
    }
    if (c->latched) {
        bool low = c->latched & 1;
        c->latched &= low ? ~1u : 0;
        return (uint8_t)(low ? c->latch : c->latch >> 8);
    }
    bool msb = c->access == ACCESS_MSB || c->read_msb;
    if (c->access == ACCESS_BOTH)
        c->read_msb ^= 1;
    return (uint8_t)(msb ? count_value(c) >> 8 : count_value(c));
}

static void set_gate(struct i8254_counter *c, bool level)
{
    if (c->gate == level)
        return;
    c->gate = level;
    if (c->mode == 0 || c->mode == 4) {
        if (!level) {
            stop_counting(c);
        } else if (c->loaded) {
            c->start = c->settled;
            c->counting = 1;
        }
    } else if (level) { /* the trigger of modes 1, 2, 3 and 5 */
        c->load_at = c->written ? c->settled + 1 : VCLOCK_NEVER;
        c->load_low = 0;
    } else if (periodic(c)) {
        stop_counting(c);
        c->out = 1;
        if (c->loaded)
            c->load_at = VCLOCK_NEVER; /* a new count waits for the trigger now */
    }
}

static void write_control(struct i8254 *pit, uint8_t value)
{
    unsigned index = value >> 6;
    if (index != CONTROL_READ_BACK) {
        struct i8254_counter *c = settled_counter(pit, index);
        if (value & 0x30)
            write_mode(c, value);
        else
            latch_count(c);
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (!(value >> (i + 1) & 1))
            continue;
        struct i8254_counter *c = settled_counter(pit, i);
        if (!(value & READ_BACK_NO_COUNT))
            latch_count(c);
        if (!(value & READ_BACK_NO_STATUS))
            latch_status(c);
    }
}

static uint64_t i8254_read(void *device, uint64_t offset, unsigned size)
{
    (void)size;
    /* The control word cannot be read: the data bus floats. */
    return offset < 3 ? read_count(settled_counter(device, (unsigned)offset)) : 0xff;
}

static void i8254_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct i8254 *pit = device;
    (void)size;
    if (offset < 3)
        write_count(settled_counter(pit, (unsigned)offset), (uint8_t)value);
    else
        write_control(pit, (uint8_t)value);
    update_irq(pit);
    settle(&pit->counter[2], now_tick(pit));
    update_speaker(pit);
}

static uint64_t port61_read(void *device, uint64_t offset, unsigned size)
{
    struct i8254 *pit = device;
    bool refresh = now_tick(pit) / REFRESH_TICKS & 1;
    (void)offset, (void)size;
    return pit->port61 | (refresh ? PORT61_REFRESH : 0) | (i8254_out(pit, 2) ? PORT61_OUT2 : 0);
}

static void port61_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct i8254 *pit = device;
    (void)offset, (void)size;
    pit->port61 = value & PORT61_KEPT;
    set_gate(settled_counter(pit, 2), value & PORT61_GATE2);
    update_speaker(pit);
}

const struct bus_ops i8254_ops = {.read = i8254_read, .write = i8254_write, .widths = 1};
const struct bus_ops i8254_port61_ops = {.read = port61_read, .write = port61_write, .widths = 1};

bool i8254_out(struct i8254 *pit, unsigned counter)
{
    return settled_counter(pit, counter)->out;
}

bool i8254_speaker_on(const struct i8254 *pit)
{
    return pit->port61 & PORT61_SPEAKER;
}

static void i8254_reset(void *device)
{
    struct i8254 *pit = device;
    for (unsigned i = 0; i < 3; i++)
        pit->counter[i] = (struct i8254_counter){
            .gate = i != 2,
            .null_count = 1,
            .load_at = VCLOCK_NEVER,
            .strobe_at = VCLOCK_NEVER,
            .settled = now_tick(pit),
        };
    pit->port61 = 0;
    update_irq(pit);
    update_speaker(pit);
}

static void i8254_destroy(void *device)
{
    struct i8254 *pit = device;
    vtimer_cancel(&pit->timer);
}

static void i8254_restored(void *device)
{
    struct i8254 *pit = device;
    for (unsigned i = 0; i < 3; i++) {
        struct i8254_counter *c = &pit->counter[i];
        c->mode = c->mode > 5 ? 0 : c->mode;
        c->access &= 3;
        if (periodic(c) && c->base < 2)
            c->base = 2;
    }
    pit->irq_level = false;
    update_irq(pit);
    settle(&pit->counter[2], now_tick(pit));
    update_speaker(pit);
}

#define COUNTER_FIELDS(i)                                                                                              \
    FIELD(struct i8254, counter[i].control), FIELD(struct i8254, counter[i].mode),                                     \
        FIELD(struct i8254, counter[i].bcd), FIELD(struct i8254, counter[i].access),                                   \
        FIELD(struct i8254, counter[i].write_msb), FIELD(struct i8254, counter[i].read_msb),                           \
        FIELD(struct i8254, counter[i].low_byte), FIELD(struct i8254, counter[i].gate),                                \
        FIELD(struct i8254, counter[i].initial), FIELD(struct i8254, counter[i].latched),                              \
        FIELD(struct i8254, counter[i].status_latched), FIELD(struct i8254, counter[i].status),                        \
        FIELD(struct i8254, counter[i].latch), FIELD(struct i8254, counter[i].out),                                    \
        FIELD(struct i8254, counter[i].null_count), FIELD(struct i8254, counter[i].written),                           \
        FIELD(struct i8254, counter[i].loaded), FIELD(struct i8254, counter[i].counting),                              \
        FIELD(struct i8254, counter[i].armed), FIELD(struct i8254, counter[i].load_low),                               \
        FIELD(struct i8254, counter[i].base), FIELD(struct i8254, counter[i].start),                                   \
        FIELD(struct i8254, counter[i].load_at), FIELD(struct i8254, counter[i].strobe_at),                            \
        FIELD(struct i8254, counter[i].settled)

static const struct field fields[] = {
    COUNTER_FIELDS(0),
    COUNTER_FIELDS(1),
    COUNTER_FIELDS(2),
    FIELD(struct i8254, port61),
};

const struct device_class i8254_class = {
    .name = "i8254",
    .version = 1,
    .reset = i8254_reset,
    .destroy = i8254_destroy,
    .restored = i8254_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int i8254_init(struct i8254 *pit, const struct i8254_config *config)
{
    if (!config->clock)
        return -EINVAL;
    *pit = (struct i8254){.config = *config};
    vtimer_init(&pit->timer, config->clock, timer_fired, pit);
    i8254_reset(pit);
    return 0;
}
