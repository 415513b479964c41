/*
 * The MC146818 real-time clock and CMOS memory. See mc146818.h.
 *
 * The clock is lazy: sync() adds the seconds that have passed to the registers and raises the flags they earned. The
 * timer is armed only for a flag that is clear and whose interrupt is enabled, so a guest that does not read register C
 * costs nothing.
 *
 * Invariants: next_update > the time of the last sync; register C's IRQF is derived from flags and enables.
 *
 * Thread: whoever holds the machine lock.
 * Source: Motorola MC146818A datasheet, "Address map", "Time, calendar and alarm locations", "Interrupts", "Update
 * cycle", "Registers"; IBM PC AT Technical Reference, "Real-time clock/CMOS RAM" (century, NMI mask).
 *
 * Choices: with a 32768 Hz crystal the divider settings 0-2 all run at the right speed, 3-7 hold the clock; daylight
 * saving (DSE) is kept and has no effect, as on later chips; impossible dates written by a guest are carried over into
 * possible ones at the next update.
 */
#include "devices/chips/mc146818.h"

#include <errno.h>

enum {
    REG_SECONDS,
    REG_SECONDS_ALARM,
    REG_MINUTES,
    REG_MINUTES_ALARM,
    REG_HOURS,
    REG_HOURS_ALARM,
    REG_WEEKDAY, /* 1: Sunday */
    REG_DAY,
    REG_MONTH,
    REG_YEAR,
    REG_A,
    REG_B,
    REG_C,
    REG_D,
};

enum {
    INDEX_NMI_MASK = 0x80,

    A_UIP = 0x80,
    A_DIVIDER = 0x70,
    A_DIVIDER_SLOWEST = 0x20, /* 32768 Hz; above it test modes and reset */
    A_RATE = 0x0f,

    B_SET = 0x80,
    B_PIE = 0x40,
    B_AIE = 0x20,
    B_UIE = 0x10,
    B_SQWE = 0x08,
    B_BINARY = 0x04,
    B_24H = 0x02,

    C_IRQF = 0x80,
    C_PF = 0x40, /* PF, AF, UF stand at the places of their enables in B */
    C_AF = 0x20,
    C_UF = 0x10,

    D_VALID = 0x80,

    HOUR_PM = 0x80,
    ALARM_ANY = 0xc0, /* both top bits set: matches everything */

    DIVIDER_HZ = 32768,
    UIP_NS = 244000,
    DAY_SECONDS = 86400,
};

struct calendar {
    int64_t year; /* with its century */
    unsigned month, day, hour, minute, second;
    unsigned weekday;
};

static bool running(const struct mc146818 *rtc)
{
    return (rtc->cmos[REG_A] & A_DIVIDER) <= A_DIVIDER_SLOWEST;
}

static bool updating(const struct mc146818 *rtc)
{
    return running(rtc) && !(rtc->cmos[REG_B] & B_SET);
}

/* Days since 1970-01-01 of a Gregorian date; month and day may lie outside their ranges. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
    month -= 1;
    year += month / 12 - (month % 12 < 0);
    month = (month % 12 + 12) % 12;
    year -= month < 2; /* years that begin in March put the leap day last */
    int64_t era = (year >= 0 ? year : year - 399) / 400, year_of_era = year - era * 400;
    int64_t day_of_year = (153 * ((month + 10) % 12) + 2) / 5;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year + day - 1 - 719468;
}

static void date_from_days(int64_t days, struct calendar *date)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, day_of_era = days - era * 146097;
    int64_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (unsigned)((5 * day_of_year + 2) / 153);
    date->day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1);
    date->month = month < 10 ? month + 3 : month - 9;
    date->year = year + era * 400 + (date->month <= 2);
}

static uint8_t encode(const struct mc146818 *rtc, unsigned v)
{
    return (uint8_t)(rtc->cmos[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static unsigned decode(const struct mc146818 *rtc, uint8_t v)
{
    return rtc->cmos[REG_B] & B_BINARY ? v : (v >> 4) * 10u + (v & 15);
}

static uint8_t encode_hour(const struct mc146818 *rtc, unsigned hour)
{
    if (rtc->cmos[REG_B] & B_24H)
        return encode(rtc, hour);
    return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned decode_hour(const struct mc146818 *rtc, uint8_t v)
{
    if (rtc->cmos[REG_B] & B_24H)
        return decode(rtc, v);
    return decode(rtc, v & ~HOUR_PM) % 12 + (v & HOUR_PM ? 12 : 0);
}

static struct calendar read_calendar(const struct mc146818 *rtc)
{
    const uint8_t *reg = rtc->cmos;
    return (struct calendar){
        .year = decode(rtc, reg[MC146818_CENTURY]) * 100 + decode(rtc, reg[REG_YEAR]),
        .month = decode(rtc, reg[REG_MONTH]),
        .day = decode(rtc, reg[REG_DAY]),
        .hour = decode_hour(rtc, reg[REG_HOURS]),
        .minute = decode(rtc, reg[REG_MINUTES]),
        .second = decode(rtc, reg[REG_SECONDS]),
        .weekday = decode(rtc, reg[REG_WEEKDAY]),
    };
}

/* Writes the registers that differ from `old`: what does not change keeps whatever form the guest gave it. */
static void write_calendar(struct mc146818 *rtc, const struct calendar *old, const struct calendar *date)
{
    uint8_t *reg = rtc->cmos;
    if (date->second != old->second)
        reg[REG_SECONDS] = encode(rtc, date->second);
    if (date->minute != old->minute)
        reg[REG_MINUTES] = encode(rtc, date->minute);
    if (date->hour != old->hour)
        reg[REG_HOURS] = encode_hour(rtc, date->hour);
    if (date->weekday != old->weekday)
        reg[REG_WEEKDAY] = encode(rtc, date->weekday);
    if (date->day != old->day)
        reg[REG_DAY] = encode(rtc, date->day);
    if (date->month != old->month)
        reg[REG_MONTH] = encode(rtc, date->month);
    if (date->year != old->year) {
        reg[REG_YEAR] = encode(rtc, (unsigned)(date->year % 100));
        reg[MC146818_CENTURY] = encode(rtc, (unsigned)(date->year / 100 % 100));
    }
}

static void add_seconds(struct mc146818 *rtc, uint64_t seconds)
{
    struct calendar old = read_calendar(rtc), date = old;
    uint64_t in_day = old.hour * 3600 + old.minute * 60 + old.second + seconds;
    uint64_t days = in_day / DAY_SECONDS;
    in_day %= DAY_SECONDS;
    date.hour = (unsigned)(in_day / 3600);
    date.minute = (unsigned)(in_day / 60 % 60);
    date.second = (unsigned)(in_day % 60);
    if (days) {
        date_from_days(days_from_date(old.year, old.month, old.day) + (int64_t)days, &date);
        date.weekday = (unsigned)((old.weekday + 6 + days) % 7 + 1);
    }
    write_calendar(rtc, &old, &date);
}

static bool alarm_matches(uint8_t alarm, uint8_t value)
{
    return (alarm & ALARM_ANY) == ALARM_ANY || alarm == value;
}

/* Seconds (1 to 86400) from the time in the registers until the alarm next matches; 0 if it never does. */
static unsigned seconds_to_alarm(const struct mc146818 *rtc)
{
    const uint8_t *reg = rtc->cmos;
    struct calendar now = read_calendar(rtc);
    unsigned start = (now.hour * 3600 + now.minute * 60 + now.second) % DAY_SECONDS;
    for (unsigned ahead = 1; ahead <= DAY_SECONDS;) {
        unsigned t = (start + ahead) % DAY_SECONDS;
        /* Skip to the next hour, minute or second that can match. */
        if (!alarm_matches(reg[REG_HOURS_ALARM], encode_hour(rtc, t / 3600)))
            ahead += 3600 - t % 3600;
        else if (!alarm_matches(reg[REG_MINUTES_ALARM], encode(rtc, t / 60 % 60)))
            ahead += 60 - t % 60;
        else if (!alarm_matches(reg[REG_SECONDS_ALARM], encode(rtc, t % 60)))
            ahead++;
        else
            return ahead;
    }
    return 0;
}

/* The periodic interrupt's period in divider ticks; 0: none. */
static uint64_t periodic_ticks(const struct mc146818 *rtc)
{
    unsigned rate = rtc->cmos[REG_A] & A_RATE;
    if (!rate || !running(rtc))
        return 0;
    return 1u << ((rate < 3 ? rate + 7 : rate) - 1); /* 1 and 2 stand for 256 and 128 Hz */
}

static void sync(struct mc146818 *rtc)
{
    uint64_t now = vclock_now(rtc->config.clock);
    if (!running(rtc))
        return;
    uint64_t period = periodic_ticks(rtc);
    uint64_t ticks = muldiv64(now - rtc->divider_start, DIVIDER_HZ, NS_PER_SECOND);
    if (period && ticks / period > rtc->periodic_seen / period)
        rtc->cmos[REG_C] |= C_PF;
    rtc->periodic_seen = ticks;

    if (now < rtc->next_update)
        return;
    uint64_t seconds = (now - rtc->next_update) / NS_PER_SECOND + 1;
    rtc->next_update += seconds * NS_PER_SECOND;
    if (rtc->cmos[REG_B] & B_SET)
        return;
    unsigned alarm = seconds_to_alarm(rtc);
    add_seconds(rtc, seconds);
    rtc->cmos[REG_C] |= alarm && alarm <= seconds ? C_UF | C_AF : C_UF;
}

/* When a flag that may interrupt and is not set will be set. */
static uint64_t next_event(const struct mc146818 *rtc)
{
    uint8_t wanted = rtc->cmos[REG_B] & ~rtc->cmos[REG_C];
    uint64_t event = VCLOCK_NEVER, period = periodic_ticks(rtc);
    if ((wanted & B_UIE) && updating(rtc))
        event = rtc->next_update;
    if ((wanted & B_AIE) && updating(rtc)) {
        unsigned alarm = seconds_to_alarm(rtc);
        uint64_t at = rtc->next_update + (uint64_t)(alarm - 1) * NS_PER_SECOND;
        if (alarm && at < event)
            event = at;
    }
    if ((wanted & B_PIE) && period) {
        uint64_t tick = (rtc->periodic_seen / period + 1) * period;
        uint64_t at = muldiv64(tick, NS_PER_SECOND, DIVIDER_HZ);
        at += rtc->divider_start + (muldiv64(at, DIVIDER_HZ, NS_PER_SECOND) < tick); /* when the tick has begun */
        if (at < event)
            event = at;
    }
    return event;
}

static void update_irq(struct mc146818 *rtc)
{
    uint8_t *c = &rtc->cmos[REG_C];
    bool level = *c & rtc->cmos[REG_B] & (C_PF | C_AF | C_UF);
    *c = level ? *c | C_IRQF : *c & ~C_IRQF;
    irq_set(&rtc->config.irq, level);
    vtimer_arm(&rtc->timer, next_event(rtc));
}

static void timer_fired(void *device)
{
    struct mc146818 *rtc = device;
    sync(rtc);
    update_irq(rtc);
}

static void write_a(struct mc146818 *rtc, uint8_t value)
{
    bool was_running = running(rtc);
    rtc->cmos[REG_A] = value & ~A_UIP;
    if (running(rtc) && !was_running) {
        /* The divider chain starts at zero; the first update comes half a second later. */
        rtc->divider_start = vclock_now(rtc->config.clock);
        rtc->periodic_seen = 0;
        rtc->next_update = rtc->divider_start + NS_PER_SECOND / 2;
    }
}

static uint8_t read_register(struct mc146818 *rtc, unsigned index)
{
    uint8_t value = rtc->cmos[index];
    switch (index) {
    case REG_A:
        if (updating(rtc) && rtc->next_update - vclock_now(rtc->config.clock) <= UIP_NS)
            value |= A_UIP;
        return value;
    case REG_C:
        rtc->cmos[REG_C] = 0;
        update_irq(rtc);
        return value;
    default:
        return value;
    }
}

static void write_register(struct mc146818 *rtc, unsigned index, uint8_t value)
{
    switch (index) {
    case REG_A:
        write_a(rtc, value);
        break;
    case REG_B:
        rtc->cmos[REG_B] = value & B_SET ? value & ~B_UIE : value;
        break;
    case REG_C:
    case REG_D:
        break; /* read-only */
    default:
        rtc->cmos[index] = value;
        break;
    }
    /* Only the clock's own registers can change what happens next. */
    if (index <= REG_B || index == MC146818_CENTURY)
        update_irq(rtc);
}

static uint64_t mc146818_read(void *device, uint64_t offset, unsigned size)
{
    struct mc146818 *rtc = device;
    (void)size;
    if (offset == 0)
        return 0xff; /* the index cannot be read */
    sync(rtc);
    return read_register(rtc, rtc->index & 0x7f);
}

static void mc146818_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct mc146818 *rtc = device;
    (void)size;
    if (offset == 0) {
        rtc->index = (uint8_t)value;
        irq_set(&rtc->config.nmi_mask, rtc->index & INDEX_NMI_MASK);
        return;
    }
    sync(rtc);
    write_register(rtc, rtc->index & 0x7f, (uint8_t)value);
}

const struct bus_ops mc146818_ops = {.read = mc146818_read, .write = mc146818_write, .widths = 1};

void mc146818_set_cmos(struct mc146818 *rtc, unsigned index, uint8_t value)
{
    if (index < MC146818_BYTES)
        rtc->cmos[index] = value;
}

uint8_t mc146818_get_cmos(const struct mc146818 *rtc, unsigned index)
{
    return index < MC146818_BYTES ? rtc->cmos[index] : 0xff;
}

/* The RESET pin: interrupts off, flags clear; clock, calendar and memory go on. */
static void mc146818_reset(void *device)
{
    struct mc146818 *rtc = device;
    sync(rtc);
    rtc->index = 0;
    rtc->cmos[REG_B] &= ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    rtc->cmos[REG_C] = 0;
    irq_set(&rtc->config.nmi_mask, false);
    update_irq(rtc);
}

static void mc146818_destroy(void *device)
{
    struct mc146818 *rtc = device;
    vtimer_cancel(&rtc->timer);
}

static void mc146818_restored(void *device)
{
    struct mc146818 *rtc = device;
    uint64_t now = vclock_now(rtc->config.clock);
    if (rtc->divider_start > now) /* a snapshot that cannot be */
        rtc->divider_start = now;
    irq_set(&rtc->config.nmi_mask, rtc->index & INDEX_NMI_MASK);
    update_irq(rtc);
}

static const struct field fields[] = {
    FIELD(struct mc146818, index),         FIELD_ARRAY(struct mc146818, cmos),    FIELD(struct mc146818, next_update),
    FIELD(struct mc146818, divider_start), FIELD(struct mc146818, periodic_seen),
};

const struct device_class mc146818_class = {
    .name = "mc146818",
    .version = 1,
    .reset = mc146818_reset,
    .destroy = mc146818_destroy,
    .restored = mc146818_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int mc146818_init(struct mc146818 *rtc, const struct mc146818_config *config)
{
    if (!config->clock)
        return -EINVAL;
    *rtc = (struct mc146818){.config = *config};
    vtimer_init(&rtc->timer, config->clock, timer_fired, rtc);
    rtc->divider_start = vclock_now(config->clock);
    rtc->next_update = rtc->divider_start + NS_PER_SECOND;
    rtc->cmos[REG_A] = A_DIVIDER_SLOWEST | 6; /* 1024 Hz, as firmware leaves it */
    rtc->cmos[REG_B] = B_24H;
    rtc->cmos[REG_D] = D_VALID;

    int64_t days = config->start_epoch / DAY_SECONDS, in_day = config->start_epoch % DAY_SECONDS;
    if (in_day < 0) {
        in_day += DAY_SECONDS;
        days--;
    }
    struct calendar date = {
        .hour = (unsigned)(in_day / 3600),
        .minute = (unsigned)(in_day / 60 % 60),
        .second = (unsigned)(in_day % 60),
        .weekday = (unsigned)(((days + 4) % 7 + 7) % 7 + 1), /* 1970-01-01 was a Thursday */
    };
    date_from_days(days, &date);
    struct calendar none = {.year = -1, .month = 99, .day = 99, .hour = 99, .minute = 99, .second = 99, .weekday = 99};
    write_calendar(rtc, &none, &date);
    mc146818_reset(rtc);
    return 0;
}
