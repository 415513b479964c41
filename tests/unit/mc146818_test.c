/* The MC146818: calendar, update cycle, alarm, periodic interrupt, and CMOS memory. */
#include "devices/chips/mc146818.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "tests/unit/chip_fixture.h"

#define MS 1000000ull

/* 2023-12-31 23:59:58 UTC, a Sunday */
enum { EPOCH = 1704067198 };

static struct bus bus;
static struct vclock vclock;
static struct wire irq, nmi_mask;
static struct mc146818 rtc;

static uint8_t get(uint8_t index)
{
    out8(&bus, 0x70, index);
    return in8(&bus, 0x71);
}

static void put(uint8_t index, uint8_t value)
{
    out8(&bus, 0x70, index);
    out8(&bus, 0x71, value);
}

static void start_at(int64_t epoch)
{
    struct mc146818_config config = {
        .clock = &vclock, .irq = wire_line(&irq), .nmi_mask = wire_line(&nmi_mask), .start_epoch = epoch};
    cr_assert_eq(mc146818_init(&rtc, &config), 0);
}

static void setup(void)
{
    vclock_init(&vclock, NULL, NULL);
    start_at(EPOCH);
    bus_init(&bus, "ports");
    map(&bus, 0x70, 2, &mc146818_ops, &rtc);
}

static void teardown(void)
{
    mc146818_class.destroy(&rtc);
    bus_destroy(&bus);
}

/* Asserts the calendar registers: century, year, month, day, weekday, hours, minutes, seconds as stored. */
static void expect(const uint8_t want[8])
{
    static const uint8_t index[] = {0x32, 9, 8, 7, 6, 4, 2, 0};
    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq(get(index[i]), want[i], "register %#x: %#x, not %#x", index[i], get(index[i]), want[i]);
}

#define EXPECT(...) expect((const uint8_t[8]){__VA_ARGS__})

TestSuite(mc146818, .init = setup, .fini = teardown);

Test(mc146818, wants_a_clock)
{
    struct mc146818 other;
    cr_assert_eq(mc146818_init(&other, &(struct mc146818_config){0}), -EINVAL);
}

Test(mc146818, registers_at_start)
{
    EXPECT(0x20, 0x23, 0x12, 0x31, 0x01, 0x23, 0x59, 0x58);
    cr_assert_eq(get(10), 0x26);
    cr_assert_eq(get(11), 0x02);
    cr_assert_eq(get(12), 0x00);
    cr_assert_eq(get(13), 0x80);
    cr_assert_eq(in8(&bus, 0x70), 0xff);
    cr_assert_not(irq.level);
}

Test(mc146818, write_masks)
{
    put(10, 0xaf);
    cr_assert_eq(get(10) & 0x7f, 0x2f);
    put(11, 0x7f);
    cr_assert_eq(get(11), 0x7f);
    put(11, 0xff);
    cr_assert_eq(get(11), 0xef, "SET clears UIE");
    put(12, 0xff);
    cr_assert_eq(get(12) & 0x0f, 0);
    put(13, 0);
    cr_assert_eq(get(13), 0x80);
}

Test(mc146818, memory_keeps_bytes)
{
    for (unsigned i = 14; i < 128; i++)
        if (i != 0x32)
            put((uint8_t)i, (uint8_t)(i * 7));
    for (unsigned i = 14; i < 128; i++)
        if (i != 0x32)
            cr_assert_eq(get((uint8_t)i), (uint8_t)(i * 7));
    mc146818_set_cmos(&rtc, 0x15, 0x80);
    mc146818_set_cmos(&rtc, 128, 0x80);
    cr_assert_eq(get(0x15), 0x80);
    cr_assert_eq(mc146818_get_cmos(&rtc, 0x15), 0x80);
    cr_assert_eq(mc146818_get_cmos(&rtc, 128), 0xff);
}

Test(mc146818, index_bit_7_masks_nmi)
{
    mc146818_set_cmos(&rtc, 0x20, 0x5a);
    out8(&bus, 0x70, 0xa0);
    cr_assert(nmi_mask.level);
    cr_assert_eq(in8(&bus, 0x71), 0x5a);
    out8(&bus, 0x70, 0x20);
    cr_assert_not(nmi_mask.level);
}

Test(mc146818, second_after_second_into_a_new_year)
{
    vclock_step(&vclock, NS_PER_SECOND - 1);
    cr_assert_eq(get(0), 0x58);
    vclock_step(&vclock, 1);
    EXPECT(0x20, 0x23, 0x12, 0x31, 0x01, 0x23, 0x59, 0x59);
    vclock_step(&vclock, NS_PER_SECOND);
    EXPECT(0x20, 0x24, 0x01, 0x01, 0x02, 0x00, 0x00, 0x00);
}

Test(mc146818, long_sleep)
{
    vclock_step(&vclock, (2 + 59 * 86400ull + 3661) * NS_PER_SECOND);
    EXPECT(0x20, 0x24, 0x02, 0x29, 0x05, 0x01, 0x01, 0x01);
    vclock_step(&vclock, 76 * 366 * 86400ull * NS_PER_SECOND);
    cr_assert_eq(get(0x32), 0x21);
}

Test(mc146818, known_dates)
{
    start_at(0);
    EXPECT(0x19, 0x70, 0x01, 0x01, 0x05, 0x00, 0x00, 0x00);
    start_at(-1);
    EXPECT(0x19, 0x69, 0x12, 0x31, 0x04, 0x23, 0x59, 0x59);
    start_at(951782400);
    EXPECT(0x20, 0x00, 0x02, 0x29, 0x03, 0x00, 0x00, 0x00);
    start_at(4107542400);
    EXPECT(0x21, 0x00, 0x03, 0x01, 0x02, 0x00, 0x00, 0x00);
    start_at(INT64_MIN);
    start_at(INT64_MAX);
}

Test(mc146818, february_2100_has_28_days)
{
    start_at(4107542399);
    EXPECT(0x21, 0x00, 0x02, 0x28, 0x01, 0x23, 0x59, 0x59);
    vclock_step(&vclock, NS_PER_SECOND);
    EXPECT(0x21, 0x00, 0x03, 0x01, 0x02, 0x00, 0x00, 0x00);
}

static void set_time(uint8_t b, uint8_t hour, uint8_t minute, uint8_t second)
{
    put(11, 0x80 | b);
    put(4, hour);
    put(2, minute);
    put(0, second);
    put(11, b);
}

Test(mc146818, twelve_hour_mode)
{
    static const struct {
        uint8_t from, to;
    } hours[] = {{0x11, 0x92}, {0x92, 0x81}, {0x91, 0x12}, {0x12, 0x01}, {0x09, 0x10}, {0x89, 0x90}};
    for (unsigned i = 0; i < ARRAY_LEN(hours); i++) {
        set_time(0x00, hours[i].from, 0x59, 0x59);
        vclock_step(&vclock, NS_PER_SECOND);
        cr_assert_eq(get(4), hours[i].to, "%#x", hours[i].from);
    }
}

Test(mc146818, binary_mode)
{
    put(11, 0x86);
    put(0x32, 19);
    put(9, 99);
    put(8, 12);
    put(7, 31);
    put(6, 7);
    set_time(0x06, 23, 59, 59);
    vclock_step(&vclock, NS_PER_SECOND);
    EXPECT(20, 0, 1, 1, 1, 0, 0, 0);
    set_time(0x04, 0x80 | 11, 59, 59); /* 11 PM */
    vclock_step(&vclock, NS_PER_SECOND);
    cr_assert_eq(get(4), 12);
}

Test(mc146818, set_bit_holds_the_registers)
{
    put(11, 0x82);
    put(0, 0x30);
    vclock_step(&vclock, 5 * NS_PER_SECOND);
    cr_assert_eq(get(0), 0x30);
    cr_assert_eq(get(12), 0x40, "no update, no update-ended; the periodic flag goes on");
    put(11, 0x02);
    vclock_step(&vclock, NS_PER_SECOND);
    cr_assert_eq(get(0), 0x31);
}

Test(mc146818, impossible_times_do_no_harm)
{
    for (unsigned v = 0; v < 256; v++) {
        for (unsigned index = 0; index < 10; index++)
            put((uint8_t)index, (uint8_t)v);
        put(0x32, (uint8_t)v);
        put(11, (uint8_t)(v & 6));
        vclock_step(&vclock, 90000 * NS_PER_SECOND);
        get(0);
    }
}

Test(mc146818, update_in_progress_window)
{
    vclock_step(&vclock, NS_PER_SECOND - 244001);
    cr_assert_eq(get(10), 0x26);
    vclock_step(&vclock, 1);
    cr_assert_eq(get(10), 0xa6);
    vclock_step(&vclock, 243999);
    cr_assert_eq(get(10), 0xa6);
    vclock_step(&vclock, 1);
    cr_assert_eq(get(10), 0x26);
    put(11, 0x82);
    vclock_step(&vclock, NS_PER_SECOND - 1);
    cr_assert_eq(get(10), 0x26, "no updates while SET");
}

Test(mc146818, update_ended_interrupt)
{
    put(11, 0x12);
    vclock_step(&vclock, NS_PER_SECOND - 1);
    cr_assert_not(irq.level);
    vclock_step(&vclock, 1);
    cr_assert(irq.level);
    vclock_step(&vclock, 10 * NS_PER_SECOND);
    cr_assert_eq(irq.rises, 1, "level until register C is read");
    cr_assert_eq(vclock_next_deadline(&vclock), VCLOCK_NEVER);
    cr_assert_eq(get(12), 0xf0, "periodic and alarm flags are up, too");
    cr_assert_not(irq.level);
    cr_assert_eq(get(12), 0);
    vclock_step(&vclock, NS_PER_SECOND);
    cr_assert(irq.level);
}

Test(mc146818, flags_rise_without_their_enables)
{
    vclock_step(&vclock, 2 * NS_PER_SECOND);
    cr_assert_not(irq.level);
    cr_assert_eq(get(12), 0x70, "the alarm at 00:00:00 matched, too");
    vclock_step(&vclock, NS_PER_SECOND);
    cr_assert_eq(get(12), 0x50);
    vclock_step(&vclock, NS_PER_SECOND);
    put(11, 0x12); /* enabling an interrupt whose flag is up raises it */
    cr_assert(irq.level);
}

Test(mc146818, alarm_interrupt)
{
    put(1, 0x05);
    put(3, 0x01);
    put(5, 0x00);
    put(11, 0x22);
    vclock_step(&vclock, 66 * NS_PER_SECOND);
    cr_assert_not(irq.level);
    vclock_step(&vclock, NS_PER_SECOND);
    cr_assert(irq.level);
    cr_assert_eq(get(0), 0x05);
    cr_assert_eq(get(12) & 0xa0, 0xa0);
    vclock_step(&vclock, 86400 * NS_PER_SECOND - 1);
    cr_assert_not(irq.level);
    vclock_step(&vclock, 1);
    cr_assert(irq.level);
}

Test(mc146818, alarm_wildcards)
{
    put(1, 0xc0);
    put(3, 0xff);
    put(5, 0xcc);
    put(11, 0x22);
    for (unsigned i = 1; i <= 5; i++) {
        vclock_step(&vclock, NS_PER_SECOND);
        cr_assert_eq(irq.rises, i);
        get(12);
    }
    put(1, 0x30); /* once a minute */
    vclock_step(&vclock, 60 * NS_PER_SECOND);
    cr_assert_eq(irq.rises, 6);
    put(1, 0x61); /* never */
    get(12);
    vclock_step(&vclock, 100000 * NS_PER_SECOND);
    cr_assert_eq(irq.rises, 6);
}

Test(mc146818, alarm_in_twelve_hour_mode)
{
    put(11, 0x80);
    put(5, 0x81);
    put(3, 0x00);
    put(1, 0x00);
    set_time(0x20, 0x92, 0x59, 0x59);
    vclock_step(&vclock, NS_PER_SECOND);
    cr_assert(irq.level);
    cr_assert_eq(get(4), 0x81);
}

Test(mc146818, alarm_passed_unseen_sets_its_flag)
{
    put(1, 0x00);
    put(3, 0x00);
    put(5, 0x12);
    vclock_step(&vclock, 11 * 3600 * NS_PER_SECOND);
    cr_assert_not(get(12) & 0x20);
    vclock_step(&vclock, 2 * 3600 * NS_PER_SECOND);
    cr_assert(get(12) & 0x20);
}

Test(mc146818, periodic_rates)
{
    for (unsigned rate = 1; rate < 16; rate++) {
        unsigned hertz = rate < 3 ? 512u >> rate : 65536u >> rate;
        put(10, (uint8_t)(0x20 | rate));
        put(11, 0x42);
        get(12);
        unsigned before = irq.rises;
        /* On a whole second all rates are in phase. */
        vclock_step(&vclock, NS_PER_SECOND - vclock_now(&vclock) % NS_PER_SECOND);
        get(12);
        before = irq.rises;
        uint64_t end = vclock_now(&vclock) + NS_PER_SECOND;
        while (vclock_next_deadline(&vclock) <= end) {
            vclock_step(&vclock, vclock_next_deadline(&vclock) - vclock_now(&vclock));
            cr_assert_eq(get(12) & 0xc0, 0xc0);
        }
        cr_assert_eq(irq.rises - before, hertz, "rate %u", rate);
    }
    put(10, 0x20);
    cr_assert_eq(vclock_next_deadline(&vclock), VCLOCK_NEVER);
}

Test(mc146818, divider_reset_holds_the_clock)
{
    put(10, 0x70);
    vclock_step(&vclock, 10 * NS_PER_SECOND);
    cr_assert_eq(get(0), 0x58);
    cr_assert_eq(get(10), 0x70);
    put(10, 0x26);
    vclock_step(&vclock, NS_PER_SECOND / 2 - 1);
    cr_assert_eq(get(0), 0x58);
    vclock_step(&vclock, 1);
    cr_assert_eq(get(0), 0x59, "the first update comes after half a second");
    vclock_step(&vclock, NS_PER_SECOND);
    cr_assert_eq(get(0), 0x00);
}

Test(mc146818, reset_stops_interrupts_and_nothing_else)
{
    put(11, 0x7a);
    out8(&bus, 0x70, 0x8f);
    vclock_step(&vclock, NS_PER_SECOND);
    cr_assert(irq.level);
    mc146818_set_cmos(&rtc, 0x40, 0x77);
    mc146818_class.reset(&rtc);
    cr_assert_not(irq.level);
    cr_assert_not(nmi_mask.level);
    cr_assert_eq(get(11), 0x02);
    cr_assert_eq(get(12), 0);
    cr_assert_eq(get(0x40), 0x77);
    cr_assert_eq(get(0), 0x59);
}

Test(mc146818, restore_arms_the_timer)
{
    put(11, 0x12);
    uint64_t deadline = vclock_next_deadline(&vclock);
    cr_assert_eq(deadline, NS_PER_SECOND);
    vtimer_cancel(&rtc.timer);
    mc146818_class.restored(&rtc);
    cr_assert_eq(vclock_next_deadline(&vclock), deadline);
}
