/* HPET: counter, one-shot and periodic comparators, routes, legacy replacement. */
#include "devices/chips/hpet.h"

#include "tests/unit/chip_fixture.h"

enum { CONF = 0x10, STATUS = 0x20, COUNTER = 0xf0, T0 = 0x100, T1 = 0x120, T2 = 0x140 };

static struct bus bus;
static struct vclock vclock;
static struct hpet hpet;
static struct wire wires[26]; /* 24 inputs, then IRQ 0 and 8 */
static bool replaced;

static void on_legacy(void *context, bool on)
{
    *(bool *)context = on;
}

static void setup(void)
{
    struct hpet_config config = {.clock = &vclock, .routes = 0xff0000, .context = &replaced, .legacy = on_legacy};
    for (unsigned i = 0; i < HPET_ROUTES; i++)
        config.pin[i] = (struct irq_line){.set = wire_set, .sink = wires, .input = i};
    for (unsigned i = 0; i < 2; i++)
        config.legacy_irq[i] = (struct irq_line){.set = wire_set, .sink = wires, .input = 24 + i};
    vclock_init(&vclock, NULL, NULL);
    cr_assert_eq(hpet_init(&hpet, &config), 0);
    bus_init(&bus, "memory");
    map(&bus, 0, HPET_SIZE, &hpet_ops, &hpet);
}

static void teardown(void)
{
    bus_destroy(&bus);
}

TestSuite(hpet, .init = setup, .fini = teardown);

static uint64_t get(uint64_t offset)
{
    return bus_read(&bus, offset, 8);
}

static void put(uint64_t offset, uint64_t value)
{
    bus_write(&bus, offset, value, 8);
}

Test(hpet, reset_values)
{
    cr_assert_eq(get(0), 0x009896808086a201);
    cr_assert_eq(bus_read(&bus, 4, 4), 10000000);
    cr_assert_eq(get(CONF), 0);
    cr_assert_eq(get(COUNTER), 0);
    cr_assert_eq(get(T0), 0x00ff000000000030);
    cr_assert_eq(get(T2 + 8), UINT64_MAX);
    cr_assert_eq(get(0x160), 0);
}

Test(hpet, the_counter_runs_stops_and_is_set)
{
    put(COUNTER, 1000);
    put(CONF, 1);
    vclock_step(&vclock, 5000);
    cr_assert_eq(get(COUNTER), 1500);
    put(COUNTER, 0); /* not while it runs */
    cr_assert_eq(get(COUNTER), 1500);
    put(CONF, 0);
    vclock_step(&vclock, 5000);
    cr_assert_eq(get(COUNTER), 1500);
    bus_write(&bus, COUNTER + 4, 1, 4);
    cr_assert_eq(get(COUNTER), 0x1000005dc);
}

Test(hpet, one_shot_edge)
{
    put(T0, 16 << 9 | 4);
    put(T0 + 8, 100);
    put(CONF, 1);
    vclock_step(&vclock, 999);
    cr_assert_eq(wires[16].rises, 0);
    vclock_step(&vclock, 1);
    cr_assert_eq(wires[16].rises, 1);
    cr_assert(wires[16].level); /* until the next: an 8259 wants its request held */
    vclock_step(&vclock, 1000000);
    cr_assert_eq(wires[16].rises, 1);
    put(T0 + 8, get(COUNTER) + 100);
    vclock_step(&vclock, 1000);
    cr_assert_eq(wires[16].rises, 2);
    put(T0, 17 << 9 | 4); /* elsewhere: no edge comes from that */
    cr_assert_not(wires[16].level);
    cr_assert_eq(wires[17].rises, 0);
    put(T0 + 8, get(COUNTER) + 100);
    vclock_step(&vclock, 1000);
    cr_assert_eq(wires[17].rises, 1);
    put(T0, 17 << 9);
    cr_assert_not(wires[17].level);
    put(T0, 17 << 9 | 4);
    cr_assert_eq(wires[17].rises, 1);
}

Test(hpet, level_until_the_status_is_cleared)
{
    put(T1, 17 << 9 | 4 | 2);
    put(T1 + 8, 100);
    put(CONF, 1);
    vclock_step(&vclock, 1000);
    cr_assert(wires[17].level);
    cr_assert_eq(get(STATUS), 2);
    put(STATUS, 1);
    cr_assert(wires[17].level);
    put(STATUS, 2);
    cr_assert_not(wires[17].level);
    cr_assert_eq(get(STATUS), 0);
}

Test(hpet, periodic)
{
    put(T0, 20 << 9 | 0x40 | 8 | 4);
    put(T0 + 8, 1000);
    put(T0 + 8, 2000);
    put(CONF, 1);
    vclock_step(&vclock, 10000);
    cr_assert_eq(wires[20].rises, 1);
    cr_assert_eq(get(T0 + 8), 3000);
    vclock_step(&vclock, 100000);
    cr_assert_eq(wires[20].rises, 6);
}

Test(hpet, short_periods_cost_bounded_work)
{
    put(T0, 20 << 9 | 0x40 | 8 | 4);
    put(T0 + 8, 1);
    put(CONF, 1);
    vclock_step(&vclock, 1000000);
    cr_assert_leq(wires[20].rises, 200);
    put(T0 + 8, 0);
    vclock_step(&vclock, 1000000);
}

Test(hpet, narrow_timers_wrap_at_32_bits)
{
    put(COUNTER, 0x1fffffff0);
    put(T0, 16 << 9 | 0x100 | 4);
    put(T0 + 8, 0x123400000010);
    cr_assert_eq(get(T0 + 8), 0x10);
    put(CONF, 1);
    vclock_step(&vclock, 0x20 * 10);
    cr_assert_eq(wires[16].rises, 1);
}

Test(hpet, legacy_replacement)
{
    put(T0, 4);
    put(T0 + 8, 100);
    put(T1, 4);
    put(T1 + 8, 200);
    put(CONF, 3);
    cr_assert(replaced);
    vclock_step(&vclock, 2000);
    cr_assert_eq(wires[24].rises, 1);
    cr_assert_eq(wires[25].rises, 1);
    hpet_class.reset(&hpet);
    cr_assert_not(replaced);
}

Test(hpet, routes_it_does_not_have_go_nowhere)
{
    put(T0, 5 << 9 | 4);
    put(T0 + 8, 100);
    put(CONF, 1);
    vclock_step(&vclock, 2000);
    for (unsigned i = 0; i < ARRAY_LEN(wires); i++)
        cr_assert_eq(wires[i].rises, 0);
}

Test(hpet, any_access_is_survived)
{
    uint64_t random = 88172645463325252ull;
    for (unsigned i = 0; i < 20000; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        bus_write(&bus, (random >> 50) % HPET_SIZE & ~3ull, random & (random >> 7), 1u << (random & 3));
        bus_read(&bus, (random >> 40) % HPET_SIZE, 1u << (random >> 4 & 3));
        vclock_step(&vclock, random >> 48);
    }
}
