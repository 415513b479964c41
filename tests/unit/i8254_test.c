/* The 8254: modes, access sequences, latches, gate, and exact time. */
#include "devices/chips/i8254.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "tests/unit/chip_fixture.h"

enum { LATCH0 = 0x00, LSB = 0x10, MSB = 0x20, BOTH = 0x30 };

static struct bus bus;
static struct vclock vclock;
static struct wire irq;
static struct i8254 pit;
static uint64_t tick_now;

/* The first nanosecond of tick t. */
static uint64_t tick_ns(uint64_t t)
{
    return (uint64_t)(((unsigned __int128)t * NS_PER_SECOND + I8254_HZ - 1) / I8254_HZ);
}

static void go_to(uint64_t t)
{
    tick_now = t;
    vclock_step(&vclock, tick_ns(t) - vclock_now(&vclock));
}

static void ticks(uint64_t n)
{
    go_to(tick_now + n);
}

static void setup(void)
{
    vclock_init(&vclock, NULL, NULL);
    struct i8254_config config = {.clock = &vclock, .irq = wire_line(&irq)};
    cr_assert_eq(i8254_init(&pit, &config), 0);
    bus_init(&bus, "ports");
    map(&bus, 0x40, 4, &i8254_ops, &pit);
    map(&bus, 0x61, 1, &i8254_port61_ops, &pit);
    tick_now = 0;
    ticks(1000);
}

static void teardown(void)
{
    i8254_class.destroy(&pit);
    bus_destroy(&bus);
}

static void control(unsigned counter, unsigned mode, unsigned access, bool bcd)
{
    out8(&bus, 0x43, (uint8_t)(counter << 6 | access | mode << 1 | bcd));
}

/* Control word, then a 16-bit count. */
static void start(unsigned counter, unsigned mode, uint16_t count)
{
    control(counter, mode, BOTH, false);
    out8(&bus, 0x40 + counter, (uint8_t)count);
    out8(&bus, 0x40 + counter, (uint8_t)(count >> 8));
}

static void rewrite(unsigned counter, uint16_t count)
{
    out8(&bus, 0x40 + counter, (uint8_t)count);
    out8(&bus, 0x40 + counter, (uint8_t)(count >> 8));
}

static uint16_t count(unsigned counter)
{
    uint8_t low = in8(&bus, 0x40 + counter);
    return (uint16_t)(low | in8(&bus, 0x40 + counter) << 8);
}

static uint8_t status(unsigned counter)
{
    out8(&bus, 0x43, (uint8_t)(0xe0 | 2 << counter));
    return in8(&bus, 0x40 + counter);
}

static void gate2(bool level)
{
    out8(&bus, 0x61, level);
}

/* Asserts OUT of the counter tick by tick: '1' or '0' for now, then for each tick after. */
static void expect_out(unsigned counter, const char *levels)
{
    for (unsigned i = 0; levels[i]; i++) {
        if (i)
            ticks(1);
        cr_assert_eq(i8254_out(&pit, counter), levels[i] == '1', "tick %u of %s", i, levels);
    }
}

TestSuite(i8254, .init = setup, .fini = teardown);

Test(i8254, wants_a_clock)
{
    struct i8254 other;
    cr_assert_eq(i8254_init(&other, &(struct i8254_config){0}), -EINVAL);
}

Test(i8254, power_on)
{
    cr_assert_not(irq.level);
    cr_assert_eq(vclock_next_deadline(&vclock), VCLOCK_NEVER);
    cr_assert_eq(in8(&bus, 0x43), 0xff, "the control word cannot be read");
    out8(&bus, 0x40, 0x12);
    ticks(100000);
    cr_assert_eq(irq.rises, 0, "nothing counts before a control word");
}

Test(i8254, status_byte)
{
    for (unsigned mode = 0; mode < 8; mode++) {
        for (unsigned access = LSB; access <= BOTH; access += 0x10) {
            for (unsigned bcd = 0; bcd < 2; bcd++) {
                control(1, mode, access, bcd);
                uint8_t out = mode ? 0x80 : 0;
                cr_assert_eq(status(1), out | 0x40 | access | mode << 1 | bcd);
            }
        }
    }
}

Test(i8254, null_count_clears_when_the_count_is_loaded)
{
    start(0, 2, 100);
    cr_assert(status(0) & 0x40);
    ticks(1);
    cr_assert_not(status(0) & 0x40);
    ticks(10);
    rewrite(0, 50);
    cr_assert(status(0) & 0x40);
    ticks(88);
    cr_assert(status(0) & 0x40);
    ticks(2);
    cr_assert_not(status(0) & 0x40);
}

Test(i8254, mode0_interrupt_on_terminal_count)
{
    start(0, 0, 4);
    expect_out(0, "000001111");
    cr_assert_eq(irq.rises, 1);
    cr_assert_eq(count(0), 0xfffd, "it wraps and goes on");
    rewrite(0, 3);
    expect_out(0, "000011");
    cr_assert_eq(irq.rises, 2);
}

Test(i8254, mode0_interrupt_comes_at_its_nanosecond)
{
    start(0, 0, 1000);
    uint64_t due = tick_ns(tick_now + 1001);
    cr_assert_eq(vclock_next_deadline(&vclock), due);
    vclock_step(&vclock, due - 1 - vclock_now(&vclock));
    cr_assert_not(irq.level);
    vclock_step(&vclock, 1);
    cr_assert(irq.level);
}

Test(i8254, mode0_first_byte_stops_the_count)
{
    start(0, 0, 10);
    ticks(4);
    cr_assert_eq(count(0), 7);
    out8(&bus, 0x40, 5);
    ticks(50);
    cr_assert_eq(count(0), 7);
    cr_assert_not(i8254_out(&pit, 0));
    out8(&bus, 0x40, 0);
    expect_out(0, "0000001");
}

Test(i8254, mode0_gate_pauses)
{
    gate2(true);
    start(2, 0, 10);
    ticks(4);
    gate2(false);
    ticks(100);
    cr_assert_eq(count(2), 7);
    cr_assert_not(i8254_out(&pit, 2));
    gate2(true);
    expect_out(2, "00000001");
}

Test(i8254, mode0_full_count_survives_a_pause)
{
    start(2, 0, 0); /* gate low: loaded, not counting */
    ticks(10);
    gate2(true);
    gate2(false);
    ticks(10);
    gate2(true);
    ticks(65535);
    cr_assert_not(i8254_out(&pit, 2));
    ticks(1);
    cr_assert(i8254_out(&pit, 2));
}

Test(i8254, mode1_one_shot)
{
    start(2, 1, 3);
    expect_out(2, "111");
    cr_assert(status(2) & 0x40, "loaded by the trigger only");
    gate2(true);
    expect_out(2, "100011");
    gate2(false);
    gate2(true);
    expect_out(2, "100");
    gate2(false);
    gate2(true); /* retrigger */
    expect_out(2, "00001");
    rewrite(2, 1); /* no effect until triggered */
    expect_out(2, "11");
    gate2(false);
    gate2(true);
    expect_out(2, "1011");
}

Test(i8254, mode1_new_count_during_the_pulse_waits)
{
    start(2, 1, 4);
    gate2(true);
    ticks(2);
    rewrite(2, 9);
    expect_out(2, "00011");
}

Test(i8254, mode2_rate_generator)
{
    start(0, 2, 3);
    expect_out(0, "11101101101");
    cr_assert_eq(count(0), 3, "as loaded");
    ticks(1);
    cr_assert_eq(count(0), 2);
}

Test(i8254, mode2_new_count_takes_effect_at_the_end_of_the_period)
{
    start(0, 2, 4);
    ticks(2);
    rewrite(0, 2);
    expect_out(0, "11010101");
}

Test(i8254, mode2_gate)
{
    gate2(true);
    start(2, 2, 4);
    ticks(4);
    cr_assert_not(i8254_out(&pit, 2));
    gate2(false);
    cr_assert(i8254_out(&pit, 2), "OUT goes high at once");
    ticks(20);
    cr_assert_eq(count(2), 1);
    gate2(true);
    expect_out(2, "1111011101");
}

Test(i8254, mode2_interrupts_do_not_drift)
{
    /* 1193 ticks, the usual 1 kHz: after a long time still exactly one edge for each period. */
    start(0, 2, 1193);
    uint64_t loaded = tick_now + 1;
    irq.rises = 0;
    go_to(loaded + 1193ull * 20000 - 1);
    unsigned before = irq.rises;
    ticks(1);
    cr_assert_eq(irq.rises, before + 1);
    cr_assert_eq(irq.rises, 20000);
    cr_assert_eq(vclock_next_deadline(&vclock), tick_ns(loaded + 1193ull * 20001));
}

Test(i8254, mode3_even)
{
    start(0, 3, 4);
    expect_out(0, "11100110011");
}

Test(i8254, mode3_odd)
{
    start(0, 3, 5);
    expect_out(0, "111100111001110");
}

Test(i8254, mode3_counts_by_two)
{
    static const uint16_t even[] = {6, 4, 2, 6, 4, 2, 6}, odd[] = {6, 4, 2, 0, 6, 4, 2, 6};
    start(0, 3, 6);
    for (unsigned i = 0; i < ARRAY_LEN(even); i++) {
        ticks(1);
        cr_assert_eq(count(0), even[i]);
    }
    start(0, 3, 7);
    for (unsigned i = 0; i < ARRAY_LEN(odd); i++) {
        ticks(1);
        cr_assert_eq(count(0), odd[i]);
    }
}

Test(i8254, mode3_new_count_takes_effect_at_the_end_of_the_half)
{
    start(0, 3, 8);
    ticks(2);
    rewrite(0, 4);
    expect_out(0, "111001100110");
    start(0, 3, 8);
    ticks(6);
    cr_assert_not(i8254_out(&pit, 0));
    rewrite(0, 4);
    expect_out(0, "0001100110");
}

Test(i8254, mode3_gate)
{
    gate2(true);
    start(2, 3, 4);
    ticks(3);
    cr_assert_not(i8254_out(&pit, 2));
    gate2(false);
    cr_assert(i8254_out(&pit, 2));
    ticks(9);
    cr_assert(i8254_out(&pit, 2));
    gate2(true);
    expect_out(2, "1110011");
}

Test(i8254, mode4_software_strobe)
{
    start(0, 4, 3);
    expect_out(0, "1111011111");
    cr_assert(irq.level);
    rewrite(0, 2);
    ticks(1);
    rewrite(0, 3); /* begins anew */
    expect_out(0, "111101");
    ticks(200000);
    cr_assert(i8254_out(&pit, 0), "one strobe for each count");
}

Test(i8254, mode4_one_shot_interrupt)
{
    start(0, 4, 100);
    unsigned rises = irq.rises, falls = irq.falls;
    ticks(101);
    cr_assert_eq(irq.falls, falls);
    ticks(1);
    cr_assert_eq(irq.falls, falls + 1);
    cr_assert_eq(irq.rises, rises + 1);
    cr_assert_eq(vclock_next_deadline(&vclock), VCLOCK_NEVER);
}

Test(i8254, mode4_gate_pauses)
{
    gate2(true);
    start(2, 4, 4);
    ticks(3);
    gate2(false);
    ticks(10);
    gate2(true);
    expect_out(2, "1101");
}

Test(i8254, mode5_hardware_strobe)
{
    start(2, 5, 2);
    expect_out(2, "1111");
    gate2(true);
    ticks(1);
    gate2(false); /* the level does not matter */
    expect_out(2, "11011");
    gate2(true);
    expect_out(2, "1110111");
}

Test(i8254, count_zero_is_the_full_range)
{
    start(0, 2, 0);
    ticks(1);
    cr_assert_eq(count(0), 0);
    ticks(1);
    cr_assert_eq(count(0), 0xffff);
    irq.rises = 0;
    ticks(65534);
    cr_assert_eq(irq.rises, 0);
    ticks(1);
    cr_assert_eq(irq.rises, 1);
}

Test(i8254, bcd)
{
    control(0, 2, BOTH, true);
    rewrite(0, 0x1000);
    ticks(1);
    cr_assert_eq(count(0), 0x1000);
    ticks(1);
    cr_assert_eq(count(0), 0x0999);
    ticks(990);
    cr_assert_eq(count(0), 0x0009);
    ticks(9);
    cr_assert_eq(count(0), 0x1000);
    control(0, 0, BOTH, true);
    rewrite(0, 0);
    ticks(2);
    cr_assert_eq(count(0), 0x9999);
    ticks(9998);
    cr_assert_not(i8254_out(&pit, 0));
    ticks(1);
    cr_assert(i8254_out(&pit, 0));
}

Test(i8254, access_modes)
{
    control(0, 2, LSB, false);
    out8(&bus, 0x40, 0x34);
    ticks(1);
    cr_assert_eq(in8(&bus, 0x40), 0x34);
    cr_assert_eq(in8(&bus, 0x40), 0x34);
    control(0, 2, MSB, false);
    out8(&bus, 0x40, 0x12);
    ticks(2);
    cr_assert_eq(in8(&bus, 0x40), 0x11);
    cr_assert_eq(pit.counter[0].initial, 0x1200);
}

Test(i8254, unlatched_bytes_are_live)
{
    start(0, 2, 0x1000);
    ticks(1);
    cr_assert_eq(in8(&bus, 0x40), 0x00);
    ticks(1);
    cr_assert_eq(in8(&bus, 0x40), 0x0f);
    cr_assert_eq(in8(&bus, 0x40), 0xff);
}

Test(i8254, counter_latch)
{
    start(1, 2, 0x1234);
    ticks(1);
    out8(&bus, 0x43, 0x40);
    ticks(100);
    out8(&bus, 0x43, 0x40); /* ignored until the first is read */
    cr_assert_eq(count(1), 0x1234);
    cr_assert_eq(count(1), 0x1234 - 100);
    out8(&bus, 0x43, 0x40);
    control(1, 0, BOTH, false);
    cr_assert_eq(pit.counter[1].latched, 0, "a control word drops the latch");
}

Test(i8254, read_back_status_before_count)
{
    start(0, 2, 0x1234);
    start(1, 3, 0x2222);
    ticks(1);
    out8(&bus, 0x43, 0xc0 | 2 | 4); /* both, counters 0 and 1 */
    ticks(7);
    out8(&bus, 0x43, 0xc0 | 2 | 4); /* ignored */
    cr_assert_eq(in8(&bus, 0x40), 0x80 | 0x30 | 2 << 1);
    cr_assert_eq(count(0), 0x1234);
    cr_assert_eq(in8(&bus, 0x41), 0x80 | 0x30 | 3 << 1);
    cr_assert_eq(count(1), 0x2222);
    cr_assert_eq(count(0), 0x1234 - 7);
    out8(&bus, 0x43, 0xd0 | 2); /* count only */
    cr_assert_eq(pit.counter[0].status_latched, 0);
    cr_assert_eq(pit.counter[0].latched, 3);
    cr_assert_eq(pit.counter[1].latched, 0);
}

Test(i8254, port61)
{
    cr_assert_eq(in8(&bus, 0x61) & 0xef, 0);
    out8(&bus, 0x61, 0xff);
    cr_assert_eq(in8(&bus, 0x61) & 0xcf, 0x0f);
    cr_assert(i8254_speaker_on(&pit));
    out8(&bus, 0x61, 0x01);
    cr_assert_not(i8254_speaker_on(&pit));
    start(2, 0, 10);
    cr_assert_eq(in8(&bus, 0x61) & 0x2f, 0x01);
    ticks(11);
    cr_assert_eq(in8(&bus, 0x61) & 0x2f, 0x21);
}

Test(i8254, refresh_bit_toggles_every_15_microseconds)
{
    go_to(18 * 100);
    uint8_t bit = in8(&bus, 0x61) & 0x10;
    for (unsigned i = 0; i < 10; i++) {
        ticks(17);
        cr_assert_eq(in8(&bus, 0x61) & 0x10, bit);
        ticks(1);
        bit ^= 0x10;
        cr_assert_eq(in8(&bus, 0x61) & 0x10, bit);
    }
}

static uint64_t late_time;

static uint64_t late_source(void *context)
{
    (void)context;
    return late_time;
}

Test(i8254, late_host_merges_edges_but_keeps_one)
{
    for (unsigned mode = 2; mode <= 3; mode++) {
        struct vclock clock;
        struct wire wire = {0};
        struct i8254 late;
        late_time = 0;
        vclock_init(&clock, late_source, NULL);
        cr_assert_eq(i8254_init(&late, &(struct i8254_config){.clock = &clock, .irq = wire_line(&wire)}), 0);
        i8254_ops.write(&late, 3, BOTH | mode << 1, 1);
        i8254_ops.write(&late, 0, 100, 1);
        i8254_ops.write(&late, 0, 0, 1);
        cr_assert(wire.level);
        unsigned rises = wire.rises;
        late_time = tick_ns(1 + 375); /* three edges past; in mode 3 in the low half */
        vclock_run(&clock);
        cr_assert_eq(wire.rises, rises + 1);
        cr_assert(wire.level);
        late_time = tick_ns(1 + 400);
        vclock_run(&clock);
        cr_assert_eq(wire.rises, rises + 2);
        i8254_class.destroy(&late);
    }
}

Test(i8254, illegal_count_of_one)
{
    start(0, 2, 1);
    ticks(10);
    start(0, 3, 1);
    ticks(10);
    cr_assert_leq(count(0), 2);
}

Test(i8254, reset_and_restore)
{
    start(0, 3, 100);
    out8(&bus, 0x61, 3);
    ticks(60);
    uint64_t deadline = vclock_next_deadline(&vclock);
    vtimer_cancel(&pit.timer);
    i8254_class.restored(&pit);
    cr_assert_eq(vclock_next_deadline(&vclock), deadline);
    cr_assert_eq(irq.level, i8254_out(&pit, 0));
    i8254_class.reset(&pit);
    cr_assert_not(irq.level);
    cr_assert_eq(vclock_next_deadline(&vclock), VCLOCK_NEVER);
    cr_assert_eq(in8(&bus, 0x61) & 0x2f, 0);
    cr_assert_str_eq(i8254_class.fields[0].name, "counter[0].control");
}

/* The closed formulas against themselves: looking at the counter at every tick or only once gives the same. */
Test(i8254, looking_changes_nothing)
{
    uint64_t seed = 0x8254;
    cr_log_info("seed %#lx", (unsigned long)seed);
    for (unsigned round = 0; round < 400; round++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned mode = (seed >> 33) % 6, n = 2 + (seed >> 40) % 9, m = 2 + (seed >> 48) % 9;
        unsigned rewrite_at = (seed >> 52) % 12, gate_at = (seed >> 56) % 12, length = 40;
        uint16_t counts[2];
        bool outs[2];
        for (unsigned pass = 0; pass < 2; pass++) {
            gate2(mode != 1 && mode != 5);
            start(2, mode, (uint16_t)n);
            for (unsigned t = 0; t < length; t++) {
                if (t == rewrite_at)
                    rewrite(2, (uint16_t)m);
                if (t == gate_at)
                    gate2(!(pit.port61 & 1));
                if (t == gate_at + 3)
                    gate2(!(pit.port61 & 1));
                ticks(1);
                if (pass)
                    i8254_out(&pit, 2);
            }
            outs[pass] = i8254_out(&pit, 2);
            counts[pass] = count(2);
        }
        cr_assert_eq(outs[0], outs[1], "round %u mode %u n %u m %u", round, mode, n, m);
        cr_assert_eq(counts[0], counts[1], "round %u mode %u n %u m %u", round, mode, n, m);
    }
}
