/* Ticks of IRQ 0 that found no room are made up for, on a whole PC without a processor. */
#include "devices/machine/pc.h"

#include "tests/unit/chip_fixture.h"

static struct vclock vclock;
static struct bus io, mmio;
static struct space space;
static struct pc pc;
static uint64_t host_now; /* what the host's clock shows */

static uint64_t host_clock(void *context)
{
    (void)context;
    return host_now;
}

static void ignore(void *context)
{
    (void)context;
}

static void ignore_event(void *context, uint32_t events, uint8_t vector)
{
    (void)context, (void)events, (void)vector;
}

static void ignore_level(void *context, bool level)
{
    (void)context, (void)level;
}

static uint64_t no_tsc(void *context)
{
    (void)context;
    return 0;
}

/* The 8259 at 20h to vector 20h with IRQ 0 alone, counter 0 at 1000 Hz. */
static void setup(void)
{
    struct error err;
    static const uint8_t words[] = {0x11, 0x20, 4, 1, 0xfe};

    vclock_init(&vclock, host_clock, NULL);
    bus_init(&io, "ports");
    bus_init(&mmio, "memory");
    cr_assert_eq(space_init(&space, (16 << 20) + PC_OTHER_MEMORY, &err), 0, "%s", err.text);
    const struct pc_config config = {.clock = &vclock,
                                     .io = &io,
                                     .mmio = &mmio,
                                     .space = &space,
                                     .ram_bytes = 16 << 20,
                                     .phys_bits = 40,
                                     .tsc_hz = 1000000000,
                                     .interrupt = ignore,
                                     .cpu_event = ignore_event,
                                     .a20 = ignore_level,
                                     .reset = ignore,
                                     .power_off = ignore,
                                     .tsc_now = no_tsc};
    cr_assert_eq(pc_create(&pc, &config, &err), 0, "%s", err.text);
    pc_reset(&pc);
    lapic_set_virtual_wire(&pc.lapic);
    for (unsigned i = 0; i < sizeof(words); i++)
        out8(&io, i ? 0x21 : 0x20, words[i]);
    out8(&io, 0x43, 0x34);
    out8(&io, 0x40, 1193 & 0xff);
    out8(&io, 0x40, 1193 >> 8);
}

static void teardown(void)
{
    pc_destroy(&pc);
    space_destroy(&space);
    bus_destroy(&io);
    bus_destroy(&mmio);
}

TestSuite(pc_ticks, .init = setup, .fini = teardown);

/* The host's time goes on; the clock is run at the end only, or every millisecond. */
static void pass(unsigned milliseconds, bool punctual)
{
    for (unsigned i = 0; i < milliseconds; i++) {
        host_now += 1000000;
        if (punctual)
            vclock_run(&vclock);
    }
    vclock_run(&vclock);
}

/* What the processor takes until nothing waits, each finished before the next. */
static unsigned take(int vector)
{
    unsigned count = 0;
    while (pc_interrupt_pending(&pc)) {
        cr_assert_eq(pc_interrupt_acknowledge(&pc), vector);
        if (vector == 0x20)
            out8(&io, 0x20, 0x20);
        else
            bus_write(&mmio, 0xfee000b0, 0, 4);
        count++;
    }
    return count;
}

static void expect(unsigned ticks, int vector)
{
    unsigned taken = take(vector);
    cr_assert(taken >= ticks - 1 && taken <= ticks + 1, "%u ticks of %u", taken, ticks);
}

Test(pc_ticks, come_one_by_one)
{
    for (unsigned i = 0; i < 20; i++) {
        pass(1, true);
        cr_assert_leq(take(0x20), 2);
    }
    pass(1, true);
    take(0x20);
    cr_assert_eq(pc.ticks_owed, 0);
}

Test(pc_ticks, a_processor_that_was_away_gets_them_all)
{
    pass(50, true);
    expect(50, 0x20);
    pass(1, true);
    expect(1, 0x20);
}

Test(pc_ticks, a_clock_that_was_run_late_gives_them_all)
{
    pass(50, false);
    expect(50, 0x20);
}

Test(pc_ticks, masked_ones_are_lost)
{
    out8(&io, 0x21, 0xff);
    pass(50, true);
    pass(50, false);
    out8(&io, 0x21, 0xfe);
    cr_assert_leq(take(0x20), 1);
}

Test(pc_ticks, there_is_an_end)
{
    pass(5000, false);
    cr_assert_leq(take(0x20), 1002);
}

Test(pc_ticks, a_new_vector_owes_nothing)
{
    pass(50, true);
    out8(&io, 0x20, 0x11);
    out8(&io, 0x21, 0x40);
    out8(&io, 0x21, 4);
    out8(&io, 0x21, 1);
    out8(&io, 0x21, 0xfe);
    pass(2, true);
    cr_assert_leq(take(0x40), 3);
}

/* Through the I/O APIC, from the 8254 and then from the HPET in its place. */
Test(pc_ticks, through_the_io_apic)
{
    out8(&io, 0x21, 0xff);
    bus_write(&mmio, 0xfee000f0, 0x1ff, 4);
    bus_write(&mmio, 0xfec00000, 0x14, 4);
    bus_write(&mmio, 0xfec00010, 0x31, 4);
    pass(3, true);
    take(0x31);
    pass(50, true);
    expect(50, 0x31);
    pass(50, false);
    expect(50, 0x31);
    bus_write(&mmio, 0xfed00100, 0x4c, 4); /* timer 0: periodic, 2 ms */
    bus_write(&mmio, 0xfed00108, 200000, 4);
    bus_write(&mmio, 0xfed0010c, 0, 4);
    bus_write(&mmio, 0xfed00108, 200000, 4);
    bus_write(&mmio, 0xfed00010, 3, 4);
    pass(3, true);
    take(0x31);
    pass(50, false);
    expect(25, 0x31);
    pass(50, true);
    expect(25, 0x31);
}
