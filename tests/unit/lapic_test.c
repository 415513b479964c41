/*
 * The local APIC: registers in both modes, priorities, LVT, timer, IPIs between two APICs, and IA32_APIC_BASE.
 */
#include <criterion/criterion.h>

#include "devices/chips/ioapic.h"
#include "devices/chips/lapic.h"

enum {
    ID = 0x20,
    VERSION = 0x30,
    TPR = 0x80,
    APR = 0x90,
    PPR = 0xa0,
    EOI = 0xb0,
    LDR = 0xd0,
    DFR = 0xe0,
    SVR = 0xf0,
    ISR = 0x100,
    TMR = 0x180,
    IRR = 0x200,
    ESR = 0x280,
    ICR = 0x300,
    ICR_HIGH = 0x310,
    LVT_TIMER = 0x320,
    LVT_THERMAL = 0x330,
    LVT_PERF = 0x340,
    LVT_LINT0 = 0x350,
    LVT_LINT1 = 0x360,
    LVT_ERROR = 0x370,
    INITIAL = 0x380,
    CURRENT = 0x390,
    DIVIDE = 0x3e0,
};
enum { MASKED = 1 << 16, PERIODIC = 1 << 17, TSC_DEADLINE = 2 << 17, LEVEL = 1 << 15, REMOTE_IRR = 1 << 14 };
enum { ACTIVE_LOW = 1 << 13, ASSERTED = 1 << 14, LOGICAL = 1 << 11, NMI = 4 << 8, EXTINT = 7 << 8 };
enum { TO_SELF = 1 << 18, TO_ALL = 2 << 18, TO_OTHERS = 3 << 18 };
enum { BASE_MSR = 0x1b, DEADLINE_MSR = 0x6e0, X2APIC = 0x800, BSP = 1 << 8, EXTD = 1 << 10, EN = 1 << 11 };
enum { DIVIDE_BY_1 = 0xb };

#define TSC_HZ 3000000001ull

struct cpu {
    struct lapic lapic;
    unsigned intr, nmi, smi, init, sipi;
    uint8_t sipi_vector;
    gpa_t base;
    bool mapped;
    unsigned moves;
};

static struct board {
    struct vclock clock;
    struct bus bus;
    struct ioapic ioapic;
    struct cpu cpu[2];
    unsigned eois;
    uint8_t eoi_vector;
    int64_t tsc_error; /* guest's TSC against the clock */
} board;

static void notify(void *context, enum lapic_event event, uint8_t vector)
{
    struct cpu *cpu = context;
    switch (event) {
    case LAPIC_EVENT_INTR:
        cpu->intr++;
        break;
    case LAPIC_EVENT_NMI:
        cpu->nmi++;
        break;
    case LAPIC_EVENT_SMI:
        cpu->smi++;
        break;
    case LAPIC_EVENT_INIT:
        cpu->init++;
        break;
    case LAPIC_EVENT_SIPI:
        cpu->sipi++;
        cpu->sipi_vector = vector;
        break;
    }
}

static bool route(const struct lapic *source, const struct apic_message *message)
{
    struct lapic *all[] = {&board.cpu[0].lapic, &board.cpu[1].lapic};
    return lapic_route(all, 2, source, message);
}

static bool deliver_ipi(void *context, const struct lapic *source, const struct apic_message *message)
{
    (void)context;
    return route(source, message);
}

static bool deliver_pin(void *context, const struct apic_message *message)
{
    (void)context;
    return route(NULL, message);
}

static void eoi(void *context, uint8_t vector)
{
    (void)context;
    board.eois++;
    board.eoi_vector = vector;
    ioapic_eoi(&board.ioapic, vector);
}

static void base_changed(void *context, gpa_t base, bool mapped)
{
    struct cpu *cpu = context;
    cpu->base = base;
    cpu->mapped = mapped;
    cpu->moves++;
}

static uint64_t tsc_now(void *context)
{
    (void)context;
    return muldiv64(vclock_now(&board.clock), TSC_HZ, NS_PER_SECOND) + (uint64_t)board.tsc_error;
}

static void setup(void)
{
    board = (struct board){0};
    vclock_init(&board.clock, NULL, NULL);
    bus_init(&board.bus, "memory");
    cr_assert_eq(ioapic_init(&board.ioapic, &(struct ioapic_config){.deliver = deliver_pin}), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct lapic_config config = {
            .apic_id = i,
            .bsp = i == 0,
            .x2apic = true,
            .tsc_deadline = true,
            .phys_bits = 40,
            .clock = &board.clock,
            .context = &board.cpu[i],
            .notify = notify,
            .deliver_ipi = deliver_ipi,
            .eoi = eoi,
            .base_changed = base_changed,
            .tsc_now = tsc_now,
            .tsc_hz = TSC_HZ,
        };
        cr_assert_eq(lapic_init(&board.cpu[i].lapic, &config), 0);
        struct bus_region region = {i * 0x1000, LAPIC_WINDOW_SIZE, &lapic_ops, &board.cpu[i].lapic, "lapic"};
        cr_assert_eq(bus_map(&board.bus, &region, NULL), 0);
    }
}

static void teardown(void)
{
    for (unsigned i = 0; i < 2; i++)
        lapic_class.destroy(&board.cpu[i].lapic);
    cr_assert_eq(vclock_next_deadline(&board.clock), VCLOCK_NEVER);
    bus_destroy(&board.bus);
}

TestSuite(lapic, .init = setup, .fini = teardown);

static struct lapic *const apic = &board.cpu[0].lapic;

static uint32_t get_of(unsigned cpu, unsigned reg)
{
    return (uint32_t)bus_read(&board.bus, cpu * 0x1000 + reg, 4);
}

static void set_of(unsigned cpu, unsigned reg, uint32_t value)
{
    bus_write(&board.bus, cpu * 0x1000 + reg, value, 4);
}

static uint32_t get(unsigned reg)
{
    return get_of(0, reg);
}

static void set(unsigned reg, uint32_t value)
{
    set_of(0, reg, value);
}

static bool in_set(unsigned reg, unsigned vector)
{
    return get(reg + vector / 32 * 16) >> (vector % 32) & 1;
}

static void enable(void)
{
    set(SVR, 0x1ff);
    set_of(1, SVR, 0x1ff);
}

static bool fixed(uint8_t vector, bool level)
{
    return lapic_deliver(apic, &(struct apic_message){.vector = vector, .level = level});
}

/* Whether WRMSR and RDMSR are taken. */
static bool wrmsr(uint32_t msr, uint64_t value)
{
    return lapic_msr_write(apic, msr, value) == 0;
}

static bool rdmsr_ok(uint32_t msr)
{
    uint64_t value;
    return lapic_msr_read(apic, msr, &value) == 0;
}

static uint64_t rdmsr(uint32_t msr)
{
    uint64_t value = 0xdead;
    cr_assert_eq(lapic_msr_read(apic, msr, &value), 0, "MSR %x", msr);
    return value;
}

static void enter_x2apic(void)
{
    cr_assert(wrmsr(BASE_MSR, LAPIC_DEFAULT_BASE | BSP | EN | EXTD));
}

/* --- creation, registers --- */

Test(lapic, refuses_an_incomplete_configuration)
{
    struct lapic lapic;
    cr_assert_neq(lapic_init(&lapic, &(struct lapic_config){0}), 0);
    struct lapic_config config = {.clock = &board.clock, .tsc_deadline = true};
    cr_assert_neq(lapic_init(&lapic, &config), 0);
    config.tsc_deadline = false;
    cr_assert_eq(lapic_init(&lapic, &config), 0);
}

static void check_power_up_registers(void)
{
    cr_assert_eq(get(VERSION), 0x01050014);
    cr_assert_eq(get(TPR), 0);
    cr_assert_eq(get(PPR), 0);
    cr_assert_eq(get(LDR), 0);
    cr_assert_eq(get(DFR), 0xffffffff);
    cr_assert_eq(get(SVR), 0xff);
    cr_assert_eq(get(ESR), 0);
    cr_assert_eq(get(ICR), 0);
    cr_assert_eq(get(ICR_HIGH), 0);
    for (unsigned reg = LVT_TIMER; reg <= LVT_ERROR; reg += 16)
        cr_assert_eq(get(reg), MASKED);
    for (unsigned reg = ISR; reg < ESR; reg += 16)
        cr_assert_eq(get(reg), 0);
    cr_assert_eq(get(INITIAL), 0);
    cr_assert_eq(get(CURRENT), 0);
    cr_assert_eq(get(DIVIDE), 0);
}

Test(lapic, registers_at_power_up)
{
    check_power_up_registers();
    cr_assert_eq(get_of(1, ID), 1u << 24);
    cr_assert_eq(rdmsr(BASE_MSR), LAPIC_DEFAULT_BASE | EN | BSP);
    cr_assert_eq(board.cpu[0].moves, 0);
}

Test(lapic, write_masks)
{
    static const struct {
        unsigned reg;
        uint32_t bits;
    } masks[] = {
        {ID, 0xff000000},
        {VERSION, 0},
        {PPR, 0},
        {LDR, 0xff000000},
        {TPR, 0xff},
        {ICR_HIGH, 0xff000000},
        {LVT_TIMER, 0x700ff},
        {LVT_THERMAL, 0x107ff},
        {LVT_PERF, 0x107ff},
        {LVT_LINT1, 0x1a7ff},
        {LVT_ERROR, 0x100ff},
        {LVT_LINT0, 0x1a7ff},
        {SVR, 0x13ff},
        {DIVIDE, 0xb},
        {CURRENT, 0},
        {ISR, 0},
        {TMR, 0},
        {IRR, 0},
    };
    enable();
    for (unsigned i = 0; i < ARRAY_LEN(masks); i++) {
        uint32_t before = get(masks[i].reg);
        set(masks[i].reg, 0xffffffff);
        cr_assert_eq(get(masks[i].reg), masks[i].bits ? masks[i].bits : before, "register %03x", masks[i].reg);
    }
    set(DFR, 0);
    cr_assert_eq(get(DFR), 0x0fffffff);
}

Test(lapic, registers_are_dwords_at_16_byte_strides)
{
    set(TPR, 0x42);
    cr_assert_eq(bus_read(&board.bus, TPR, 1), 0x42);
    cr_assert_eq(bus_read(&board.bus, TPR, 8), 0x42);
    cr_assert_eq(bus_read(&board.bus, TPR + 4, 4), 0);
    bus_write(&board.bus, TPR, 0x10, 1); /* dropped */
    cr_assert_eq(get(TPR), 0x42);
    set(TPR + 4, 0x33);
    cr_assert_eq(get(TPR), 0x42);
}

Test(lapic, lvt_stays_masked_while_software_disabled)
{
    set(LVT_TIMER, 0x30);
    cr_assert_eq(get(LVT_TIMER), 0x30 | MASKED);
    enable();
    set(LVT_TIMER, 0x30);
    cr_assert_eq(get(LVT_TIMER), 0x30);
    set(SVR, 0xff);
    cr_assert_eq(get(LVT_TIMER), 0x30 | MASKED);
}

/* --- priorities --- */

Test(lapic, accepts_and_acknowledges_in_priority_order)
{
    enable();
    cr_assert(fixed(0x31, false));
    cr_assert(fixed(0x82, false));
    cr_assert(in_set(IRR, 0x31) && in_set(IRR, 0x82));
    cr_assert(lapic_has_interrupt(apic));
    cr_assert_eq(lapic_acknowledge(apic), 0x82);
    cr_assert(in_set(ISR, 0x82) && !in_set(IRR, 0x82));
    cr_assert_eq(get(PPR), 0x80);
    cr_assert(!lapic_has_interrupt(apic));
    cr_assert_eq(lapic_acknowledge(apic), -1);
    fixed(0x8f, false); /* the same class waits */
    cr_assert(!lapic_has_interrupt(apic));
    fixed(0x90, false); /* a higher one nests */
    cr_assert_eq(lapic_acknowledge(apic), 0x90);
    set(EOI, 0);
    cr_assert(!in_set(ISR, 0x90) && in_set(ISR, 0x82));
    set(EOI, 0);
    cr_assert_eq(lapic_acknowledge(apic), 0x8f);
    set(EOI, 0);
    cr_assert_eq(lapic_acknowledge(apic), 0x31);
    set(EOI, 0);
    set(EOI, 0); /* nothing in service */
    cr_assert_eq(lapic_acknowledge(apic), -1);
}

Test(lapic, task_priority_holds_interrupts_back)
{
    enable();
    set(TPR, 0x4f);
    fixed(0x4f, false);
    cr_assert(!lapic_has_interrupt(apic));
    cr_assert_eq(board.cpu[0].intr, 0);
    cr_assert_eq(lapic_acknowledge(apic), -1);
    cr_assert_eq(get(PPR), 0x4f);
    cr_assert_eq(lapic_get_tpr(apic), 4);
    lapic_set_tpr(apic, 3);
    cr_assert_eq(get(TPR), 0x30);
    cr_assert_eq(board.cpu[0].intr, 1); /* told */
    cr_assert_eq(lapic_acknowledge(apic), 0x4f);
    cr_assert_eq(get(PPR), 0x40);
    lapic_set_tpr(apic, 0x5);
    cr_assert_eq(get(PPR), 0x50);
}

Test(lapic, eoi_tells_about_what_was_waiting)
{
    enable();
    fixed(0x80, false);
    lapic_acknowledge(apic);
    fixed(0x40, false);
    unsigned told = board.cpu[0].intr;
    set(EOI, 0);
    cr_assert_eq(board.cpu[0].intr, told + 1);
}

Test(lapic, an_interrupt_is_held_once_while_pending)
{
    enable();
    fixed(0x40, false);
    fixed(0x40, false);
    cr_assert_eq(lapic_acknowledge(apic), 0x40);
    fixed(0x40, false); /* and once while in service */
    set(EOI, 0);
    cr_assert_eq(lapic_acknowledge(apic), 0x40);
    set(EOI, 0);
    cr_assert(!lapic_has_interrupt(apic));
}

Test(lapic, software_disabled_refuses_fixed_but_keeps_pending)
{
    cr_assert(!fixed(0x40, false));
    enable();
    fixed(0x41, false);
    set(SVR, 0xff);
    cr_assert(!fixed(0x42, false));
    cr_assert_eq(lapic_acknowledge(apic), 0x41);
    cr_assert(lapic_deliver(apic, &(struct apic_message){.delivery = APIC_NMI}));
    cr_assert_eq(board.cpu[0].nmi, 1);
}

Test(lapic, level_interrupts_broadcast_their_eoi)
{
    enable();
    fixed(0x40, true);
    cr_assert(in_set(TMR, 0x40));
    lapic_acknowledge(apic);
    set(EOI, 0);
    cr_assert_eq(board.eois, 1);
    cr_assert_eq(board.eoi_vector, 0x40);
    fixed(0x40, false);
    cr_assert(!in_set(TMR, 0x40));
    lapic_acknowledge(apic);
    set(EOI, 0);
    cr_assert_eq(board.eois, 1);
    set(SVR, 0x11ff); /* suppressed */
    fixed(0x40, true);
    lapic_acknowledge(apic);
    set(EOI, 0);
    cr_assert_eq(board.eois, 1);
}

Test(lapic, level_pin_of_the_ioapic_repeats_until_quiet)
{
    enable();
    bus_map(&board.bus, &(struct bus_region){0x10000, IOAPIC_WINDOW_SIZE, &ioapic_ops, &board.ioapic, "ioapic"}, NULL);
    bus_write(&board.bus, 0x10000, 0x10 + 9 * 2, 4);
    bus_write(&board.bus, 0x10010, 0x61 | LEVEL, 4);
    ioapic_set_pin(&board.ioapic, 9, true);
    cr_assert_eq(lapic_acknowledge(apic), 0x61);
    set(EOI, 0);
    cr_assert_eq(lapic_acknowledge(apic), 0x61);
    ioapic_set_pin(&board.ioapic, 9, false);
    set(EOI, 0);
    cr_assert_eq(lapic_acknowledge(apic), -1);
    cr_assert_eq(board.eois, 2);
}

/* --- errors --- */

Test(lapic, esr_is_published_by_a_write)
{
    enable();
    set(LVT_ERROR, 0xfe);
    cr_assert(!fixed(5, false));
    cr_assert_eq(get(ESR), 0);
    cr_assert_eq(lapic_acknowledge(apic), 0xfe);
    set(EOI, 0);
    cr_assert(!fixed(6, false)); /* known already: no second interrupt */
    cr_assert(!lapic_has_interrupt(apic));
    set(ESR, 0);
    cr_assert_eq(get(ESR), 0x40);
    set(ESR, 0);
    cr_assert_eq(get(ESR), 0);
    fixed(7, false);
    cr_assert_eq(lapic_acknowledge(apic), 0xfe);
}

Test(lapic, reserved_registers_are_an_error)
{
    static const unsigned reserved[] = {0x00, 0x10, 0x40, 0x70, 0x290, 0x2f0, 0x3a0, 0x3d0, 0x3f0, 0x400, 0xff0};
    enable();
    for (unsigned i = 0; i < ARRAY_LEN(reserved); i++) {
        cr_assert_eq(get(reserved[i]), 0);
        set(ESR, 0);
        cr_assert_eq(get(ESR), 0x80, "read of %03x", reserved[i]);
        set(reserved[i], 1);
        set(ESR, 0);
        cr_assert_eq(get(ESR), 0x80, "write to %03x", reserved[i]);
    }
    set(ESR, 0);
    get(EOI);
    get(APR);
    set(ESR, 0);
    cr_assert_eq(get(ESR), 0);
}

Test(lapic, illegal_error_vector_does_not_recurse)
{
    enable();
    set(LVT_ERROR, 3);
    get(0x40);
    set(ESR, 0);
    cr_assert_eq(get(ESR), 0xc0);
}

Test(lapic, sending_an_illegal_vector_is_an_error)
{
    enable();
    set(ICR, TO_SELF | 0x0f);
    cr_assert(!lapic_has_interrupt(apic));
    set(ESR, 0);
    cr_assert_eq(get(ESR), 0x20);
}

/* --- LINT pins, local interrupts --- */

Test(lapic, pic_is_accepted_when_disabled_or_wired_through)
{
    cr_assert(!lapic_accepts_pic(apic));
    lapic_set_virtual_wire(apic);
    cr_assert(lapic_accepts_pic(apic));
    cr_assert_eq(get(LVT_LINT0), EXTINT);
    cr_assert_eq(get(LVT_LINT1), NMI);
    set(LVT_LINT0, EXTINT | MASKED);
    cr_assert(!lapic_accepts_pic(apic));
    set(LVT_LINT0, 0x30);
    cr_assert(!lapic_accepts_pic(apic));
    wrmsr(BASE_MSR, LAPIC_DEFAULT_BASE);
    cr_assert(lapic_accepts_pic(apic));
}

Test(lapic, opening_the_path_of_the_pic_tells_the_processor)
{
    enable();
    lapic_set_lint(apic, 0, true);
    cr_assert_eq(board.cpu[0].intr, 0);
    set(LVT_LINT0, EXTINT);
    cr_assert_gt(board.cpu[0].intr, 0);
    unsigned told = board.cpu[0].intr;
    lapic_set_lint(apic, 0, false);
    lapic_set_lint(apic, 0, true);
    cr_assert_gt(board.cpu[0].intr, told);
}

Test(lapic, extint_message_lets_the_pic_in_once)
{
    enable();
    cr_assert(lapic_deliver(apic, &(struct apic_message){.delivery = APIC_EXTINT}));
    cr_assert(lapic_accepts_pic(apic));
    lapic_pic_acknowledged(apic);
    cr_assert(!lapic_accepts_pic(apic));
}

Test(lapic, lint1_nmi_is_an_edge)
{
    lapic_set_virtual_wire(apic);
    lapic_set_lint(apic, 1, true);
    lapic_set_lint(apic, 1, true);
    cr_assert_eq(board.cpu[0].nmi, 1);
    lapic_set_lint(apic, 1, false);
    lapic_set_lint(apic, 1, true);
    cr_assert_eq(board.cpu[0].nmi, 2);
    set(LVT_LINT1, NMI | MASKED);
    lapic_set_lint(apic, 1, false);
    lapic_set_lint(apic, 1, true);
    cr_assert_eq(board.cpu[0].nmi, 2);
    set(LVT_LINT1, NMI | ACTIVE_LOW);
    lapic_set_lint(apic, 1, false);
    cr_assert_eq(board.cpu[0].nmi, 3);
    lapic_set_lint(apic, 7, true); /* no such pin */
}

Test(lapic, lint0_fixed_level_repeats_until_quiet)
{
    enable();
    set(LVT_LINT0, 0x45 | LEVEL);
    lapic_set_lint(apic, 0, true);
    cr_assert_eq(get(LVT_LINT0), 0x45 | LEVEL | REMOTE_IRR);
    cr_assert_eq(lapic_acknowledge(apic), 0x45);
    set(EOI, 0);
    cr_assert_eq(lapic_acknowledge(apic), 0x45);
    lapic_set_lint(apic, 0, false);
    set(EOI, 0);
    cr_assert_eq(lapic_acknowledge(apic), -1);
    cr_assert_eq(get(LVT_LINT0), 0x45 | LEVEL);
}

Test(lapic, lint0_fixed_edge)
{
    enable();
    set(LVT_LINT0, 0x45);
    lapic_set_lint(apic, 0, true);
    cr_assert_eq(lapic_acknowledge(apic), 0x45);
    set(EOI, 0);
    cr_assert_eq(lapic_acknowledge(apic), -1);
}

Test(lapic, pins_of_a_disabled_apic_are_intr_and_nmi)
{
    wrmsr(BASE_MSR, LAPIC_DEFAULT_BASE);
    unsigned told = board.cpu[0].intr;
    lapic_set_lint(apic, 0, true);
    lapic_set_lint(apic, 1, true);
    cr_assert_eq(board.cpu[0].intr, told + 1);
    cr_assert_eq(board.cpu[0].nmi, 1);
}

Test(lapic, local_sources_use_their_entries)
{
    enable();
    lapic_local_interrupt(apic, LAPIC_LVT_THERMAL);
    cr_assert(!lapic_has_interrupt(apic));
    set(LVT_THERMAL, 0xfa);
    set(LVT_PERF, NMI);
    lapic_local_interrupt(apic, LAPIC_LVT_THERMAL);
    cr_assert_eq(lapic_acknowledge(apic), 0xfa);
    lapic_local_interrupt(apic, LAPIC_LVT_PERF);
    cr_assert_eq(board.cpu[0].nmi, 1);
    cr_assert_eq(get(LVT_PERF), NMI | MASKED);
    cr_assert_eq(get(LVT_THERMAL), 0xfa);
}

/* --- timer --- */

static bool timer_ticked(uint8_t vector)
{
    int taken = lapic_acknowledge(apic);
    if (taken >= 0)
        set(EOI, 0);
    cr_assert(taken == vector || taken == -1);
    return taken == vector;
}

Test(lapic, one_shot_timer)
{
    enable();
    set(DIVIDE, DIVIDE_BY_1);
    set(LVT_TIMER, 0x40);
    set(INITIAL, 1000);
    cr_assert_eq(get(CURRENT), 1000);
    vclock_step(&board.clock, 400);
    cr_assert_eq(get(CURRENT), 600);
    vclock_step(&board.clock, 599);
    cr_assert(!timer_ticked(0x40));
    cr_assert_eq(get(CURRENT), 1);
    vclock_step(&board.clock, 1);
    cr_assert(timer_ticked(0x40));
    cr_assert_eq(get(CURRENT), 0);
    cr_assert_eq(get(INITIAL), 1000);
    vclock_step(&board.clock, 5000);
    cr_assert(!timer_ticked(0x40));
}

Test(lapic, every_divider)
{
    static const struct {
        uint32_t code;
        unsigned divider;
    } codes[] = {{0x0, 2}, {0x1, 4}, {0x2, 8}, {0x3, 16}, {0x8, 32}, {0x9, 64}, {0xa, 128}, {0xb, 1}};
    enable();
    set(LVT_TIMER, 0x40);
    for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
        set(DIVIDE, codes[i].code);
        set(INITIAL, 10);
        vclock_step(&board.clock, codes[i].divider * 9 + codes[i].divider - 1);
        cr_assert_eq(get(CURRENT), 1);
        cr_assert(!timer_ticked(0x40));
        vclock_step(&board.clock, 1);
        cr_assert(timer_ticked(0x40), "divide by %u", codes[i].divider);
    }
}

Test(lapic, periodic_timer_does_not_drift)
{
    enable();
    set(DIVIDE, DIVIDE_BY_1);
    set(LVT_TIMER, 0x40 | PERIODIC);
    set(INITIAL, 100000);
    for (unsigned i = 0; i < 100; i++) {
        vclock_step(&board.clock, 99999);
        cr_assert(!timer_ticked(0x40));
        cr_assert_eq(get(CURRENT), 1);
        vclock_step(&board.clock, 1);
        cr_assert(timer_ticked(0x40));
        cr_assert_eq(get(CURRENT), 100000);
    }
    set(INITIAL, 0); /* stops it */
    vclock_step(&board.clock, 1000000);
    cr_assert(!timer_ticked(0x40));
    cr_assert_eq(get(CURRENT), 0);
}

static uint64_t host_time;

static uint64_t host_now(void *context)
{
    (void)context;
    return host_time;
}

Test(lapic, a_late_clock_keeps_the_phase)
{
    vclock_init(&board.clock, host_now, NULL);
    enable();
    set(DIVIDE, DIVIDE_BY_1);
    set(LVT_TIMER, 0x40 | PERIODIC);
    set(INITIAL, 100000);
    host_time += 350000; /* three and a half periods */
    vclock_run(&board.clock);
    cr_assert(timer_ticked(0x40));
    cr_assert_eq(get(CURRENT), 50000);
    host_time += 50000;
    vclock_run(&board.clock);
    cr_assert(timer_ticked(0x40));
}

Test(lapic, an_expiry_is_not_lost_by_reprogramming_before_the_clock_ran)
{
    vclock_init(&board.clock, host_now, NULL);
    enable();
    set(DIVIDE, DIVIDE_BY_1);
    set(LVT_TIMER, 0x40);
    set(INITIAL, 1000);
    host_time += 2000;
    set(LVT_TIMER, 0x41);
    cr_assert(timer_ticked(0x40));
    set(INITIAL, 1000);
    host_time += 2000;
    set(DIVIDE, 0);
    cr_assert(timer_ticked(0x41));
    set(INITIAL, 1000);
    host_time += 4000;
    set(SVR, 0xff);
    cr_assert(timer_ticked(0x41));
}

Test(lapic, tiny_periods_do_not_occupy_the_host)
{
    enable();
    set(DIVIDE, DIVIDE_BY_1);
    set(LVT_TIMER, 0x40 | PERIODIC);
    set(INITIAL, 1);
    unsigned told = board.cpu[0].intr;
    vclock_step(&board.clock, 1000000);
    cr_assert(timer_ticked(0x40));
    cr_assert_leq(board.cpu[0].intr - told, 51);
    set(INITIAL, 0);
}

Test(lapic, masked_timer_counts_but_does_not_interrupt)
{
    enable();
    set(DIVIDE, DIVIDE_BY_1);
    set(LVT_TIMER, 0x40 | PERIODIC | MASKED);
    set(INITIAL, 100000);
    vclock_step(&board.clock, 250000);
    cr_assert_eq(get(CURRENT), 50000);
    set(LVT_TIMER, 0x40 | PERIODIC);
    cr_assert(!timer_ticked(0x40));
    vclock_step(&board.clock, 50000);
    cr_assert(timer_ticked(0x40));
}

Test(lapic, divider_can_change_while_counting)
{
    enable();
    set(DIVIDE, DIVIDE_BY_1);
    set(LVT_TIMER, 0x40);
    set(INITIAL, 1000);
    vclock_step(&board.clock, 400);
    set(DIVIDE, 0); /* by 2 */
    cr_assert_eq(get(CURRENT), 600);
    vclock_step(&board.clock, 1199);
    cr_assert(!timer_ticked(0x40));
    vclock_step(&board.clock, 1);
    cr_assert(timer_ticked(0x40));
}

Test(lapic, rewriting_the_entry_does_not_shift_the_expiry)
{
    enable();
    set(DIVIDE, 0xa); /* by 128 */
    set(LVT_TIMER, 0x40);
    set(INITIAL, 10);
    for (unsigned i = 0; i < 11; i++) {
        vclock_step(&board.clock, 100); /* amid ticks */
        set(LVT_TIMER, 0x40);
    }
    vclock_step(&board.clock, 179);
    cr_assert(!timer_ticked(0x40));
    vclock_step(&board.clock, 1);
    cr_assert(timer_ticked(0x40));
}

Test(lapic, periodic_becomes_one_shot)
{
    enable();
    set(DIVIDE, DIVIDE_BY_1);
    set(LVT_TIMER, 0x40 | PERIODIC);
    set(INITIAL, 100000);
    vclock_step(&board.clock, 130000);
    cr_assert(timer_ticked(0x40));
    set(LVT_TIMER, 0x40);
    cr_assert_eq(get(CURRENT), 70000);
    vclock_step(&board.clock, 70000);
    cr_assert(timer_ticked(0x40));
    vclock_step(&board.clock, 200000);
    cr_assert(!timer_ticked(0x40));
}

Test(lapic, tsc_deadline_fires_at_the_first_moment_that_is_not_early)
{
    enable();
    set(LVT_TIMER, 0x40 | TSC_DEADLINE);
    for (uint64_t cycles = 1; cycles < 5000; cycles += 37) {
        uint64_t deadline = tsc_now(NULL) + cycles;
        cr_assert(wrmsr(DEADLINE_MSR, deadline));
        cr_assert_eq(rdmsr(DEADLINE_MSR), deadline);
        while (!timer_ticked(0x40)) {
            cr_assert_lt(tsc_now(NULL), deadline);
            vclock_step(&board.clock, 1);
        }
        cr_assert_geq(tsc_now(NULL), deadline);
        cr_assert_eq(rdmsr(DEADLINE_MSR), 0);
    }
}

Test(lapic, tsc_deadline_in_the_past_fires_at_once)
{
    enable();
    vclock_step(&board.clock, 1000);
    set(LVT_TIMER, 0x40 | TSC_DEADLINE);
    wrmsr(DEADLINE_MSR, 1);
    cr_assert(timer_ticked(0x40));
    cr_assert_eq(rdmsr(DEADLINE_MSR), 0);
    wrmsr(DEADLINE_MSR, UINT64_MAX);
    vclock_step(&board.clock, 1000 * NS_PER_SECOND);
    cr_assert(!timer_ticked(0x40));
    wrmsr(DEADLINE_MSR, 0);
    cr_assert_eq(vclock_next_deadline(&board.clock), VCLOCK_NEVER);
}

Test(lapic, tsc_deadline_waits_for_a_slow_tsc_and_follows_a_jump)
{
    enable();
    set(LVT_TIMER, 0x40 | TSC_DEADLINE);
    wrmsr(DEADLINE_MSR, 30000);
    board.tsc_error = -3000; /* the guest's TSC falls behind by a microsecond */
    vclock_step(&board.clock, 10000);
    cr_assert(!timer_ticked(0x40));
    vclock_step(&board.clock, 999);
    cr_assert(!timer_ticked(0x40));
    vclock_step(&board.clock, 1);
    cr_assert(timer_ticked(0x40));
    wrmsr(DEADLINE_MSR, 1000000000);
    board.tsc_error = 2000000000;
    lapic_tsc_changed(apic);
    cr_assert(timer_ticked(0x40));
}

Test(lapic, timer_modes_exclude_each_other)
{
    enable();
    set(DIVIDE, DIVIDE_BY_1);
    wrmsr(DEADLINE_MSR, 5000); /* not in deadline mode: ignored */
    cr_assert_eq(rdmsr(DEADLINE_MSR), 0);
    set(LVT_TIMER, 0x40);
    set(INITIAL, 1000);
    set(LVT_TIMER, 0x40 | TSC_DEADLINE); /* disarms */
    cr_assert_eq(get(CURRENT), 0);
    vclock_step(&board.clock, 2000);
    cr_assert(!timer_ticked(0x40));
    set(INITIAL, 77); /* ignored */
    cr_assert_eq(get(INITIAL), 0);
    wrmsr(DEADLINE_MSR, tsc_now(NULL) + 1000);
    set(LVT_TIMER, 0x40);
    vclock_step(&board.clock, 2000);
    cr_assert(!timer_ticked(0x40));
}

Test(lapic, deadline_mode_needs_the_feature)
{
    apic->config.tsc_deadline = false;
    enable();
    set(LVT_TIMER, 0x40 | TSC_DEADLINE);
    cr_assert_eq(get(LVT_TIMER), 0x40);
    cr_assert(!rdmsr_ok(DEADLINE_MSR));
    cr_assert(!wrmsr(DEADLINE_MSR, 1));
}

/* --- interprocessor interrupts --- */

static bool took(unsigned cpu, uint8_t vector)
{
    int taken = lapic_acknowledge(&board.cpu[cpu].lapic);
    set_of(cpu, EOI, 0);
    return taken == vector;
}

Test(lapic, ipi_destinations)
{
    static const struct {
        uint32_t high, low;
        bool first, second;
    } cases[] = {
        {0, TO_SELF, true, false},   {0, TO_ALL, true, true},       {0, TO_OTHERS, false, true},
        {0, 0, true, false},         {1, 0, false, true},           {2, 0, false, false},
        {0xff, 0, true, true},       {0x01, LOGICAL, true, false},  {0x02, LOGICAL, false, true},
        {0x03, LOGICAL, true, true}, {0x04, LOGICAL, false, false}, {0xff, LOGICAL, true, true},
    };
    enable();
    set(LDR, 0x01000000);
    set_of(1, LDR, 0x02000000);
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        set(ICR_HIGH, cases[i].high << 24);
        set(ICR, cases[i].low | ASSERTED | 0x50);
        cr_assert_eq(get(ICR), cases[i].low | ASSERTED | 0x50); /* idle */
        cr_assert_eq(took(0, 0x50), cases[i].first, "case %u", i);
        cr_assert_eq(took(1, 0x50), cases[i].second, "case %u", i);
    }
}

Test(lapic, cluster_destinations)
{
    enable();
    for (unsigned cpu = 0; cpu < 2; cpu++)
        set_of(cpu, DFR, 0);
    set(LDR, 0x11000000);       /* cluster 1, member 1 */
    set_of(1, LDR, 0x21000000); /* cluster 2, member 1 */
    set(ICR_HIGH, 0x21000000);
    set(ICR, LOGICAL | ASSERTED | 0x50);
    cr_assert(!took(0, 0x50) && took(1, 0x50));
    set(ICR_HIGH, 0x12000000); /* another member */
    set(ICR, LOGICAL | ASSERTED | 0x50);
    cr_assert(!took(0, 0x50) && !took(1, 0x50));
    set(ICR_HIGH, 0xff000000);
    set(ICR, LOGICAL | ASSERTED | 0x50);
    cr_assert(took(0, 0x50) && took(1, 0x50));
}

Test(lapic, lowest_priority_goes_to_one)
{
    enable();
    set(LDR, 0x01000000);
    set_of(1, LDR, 0x02000000);
    set(TPR, 0x40);
    set(ICR_HIGH, 0x03000000);
    set(ICR, APIC_LOWEST_PRIORITY << 8 | LOGICAL | ASSERTED | 0x50);
    cr_assert(!took(0, 0x50) && took(1, 0x50));
    set_of(1, TPR, 0x50);
    set(ICR, APIC_LOWEST_PRIORITY << 8 | LOGICAL | ASSERTED | 0x50);
    cr_assert(took(0, 0x50) && !took(1, 0x50));
    set(SVR, 0xff); /* a disabled one does not take part */
    set(ICR, APIC_LOWEST_PRIORITY << 8 | LOGICAL | ASSERTED | 0x60);
    cr_assert(took(1, 0x60));
}

Test(lapic, init_and_startup)
{
    enable();
    set_of(1, TPR, 0x30);
    set_of(1, ID, 0x07000000);
    set(ICR_HIGH, 0x07000000);
    set(ICR, APIC_INIT << 8 | ASSERTED | LEVEL);
    cr_assert_eq(board.cpu[1].init, 1);
    cr_assert_eq(get_of(1, TPR), 0);
    cr_assert_eq(get_of(1, SVR), 0xff);
    cr_assert_eq(get_of(1, ID), 0x07000000); /* survives INIT */
    set(ICR, APIC_INIT << 8 | LEVEL);        /* de-assert */
    cr_assert_eq(board.cpu[1].init, 1);
    set(ICR, APIC_STARTUP << 8 | ASSERTED | 0x9a);
    cr_assert_eq(board.cpu[1].sipi, 1);
    cr_assert_eq(board.cpu[1].sipi_vector, 0x9a);
    cr_assert_eq(board.cpu[0].init + board.cpu[0].sipi, 0);
}

Test(lapic, nmi_and_smi_by_ipi)
{
    enable();
    set(ICR, TO_OTHERS | NMI | ASSERTED);
    set(ICR, TO_OTHERS | APIC_SMI << 8 | ASSERTED);
    cr_assert_eq(board.cpu[1].nmi, 1);
    cr_assert_eq(board.cpu[1].smi, 1);
    set(ICR, TO_OTHERS | EXTINT | ASSERTED | 0x50); /* reserved */
    set(ICR, TO_OTHERS | 3 << 8 | ASSERTED | 0x50);
    cr_assert(!lapic_has_interrupt(&board.cpu[1].lapic) && !lapic_accepts_pic(&board.cpu[1].lapic));
}

Test(lapic, works_alone_without_an_ipi_callback)
{
    apic->config.deliver_ipi = NULL;
    enable();
    set(ICR, TO_ALL | ASSERTED | 0x50);
    cr_assert(took(0, 0x50));
    set(ICR, TO_OTHERS | ASSERTED | 0x50);
    cr_assert(!took(0, 0x50));
    set(ICR_HIGH, 0);
    set(ICR, ASSERTED | 0x51);
    cr_assert(took(0, 0x51));
    set(ICR_HIGH, 0x01000000);
    set(ICR, ASSERTED | 0x51);
    cr_assert(!took(0, 0x51));
}

/* --- IA32_APIC_BASE and x2APIC --- */

Test(lapic, base_msr_transitions)
{
    enum { DISABLED, XAPIC, X2, INVALID };
    static const uint64_t bits[] = {[DISABLED] = 0, [XAPIC] = EN, [X2] = EN | EXTD, [INVALID] = EXTD};
    static const bool legal[3][4] = {
        [DISABLED] = {true, true, false, false},
        [XAPIC] = {true, true, true, false},
        [X2] = {true, false, true, false},
    };
    for (unsigned from = DISABLED; from <= X2; from++) {
        for (unsigned to = DISABLED; to <= INVALID; to++) {
            lapic_class.reset(apic);
            cr_assert(wrmsr(BASE_MSR, LAPIC_DEFAULT_BASE | BSP | bits[from]));
            uint64_t before = rdmsr(BASE_MSR), value = LAPIC_DEFAULT_BASE | BSP | bits[to];
            cr_assert_eq(wrmsr(BASE_MSR, value), legal[from][to], "%u to %u", from, to);
            cr_assert_eq(rdmsr(BASE_MSR), legal[from][to] ? value : before);
        }
    }
}

Test(lapic, base_msr_reserved_bits)
{
    static const unsigned reserved[] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 40, 41, 52, 63};
    for (unsigned i = 0; i < ARRAY_LEN(reserved); i++)
        cr_assert(!wrmsr(BASE_MSR, LAPIC_DEFAULT_BASE | EN | BIT(reserved[i])), "bit %u", reserved[i]);
    cr_assert(wrmsr(BASE_MSR, BIT(39) | LAPIC_DEFAULT_BASE | EN));
    apic->config.x2apic = false;
    cr_assert(!wrmsr(BASE_MSR, LAPIC_DEFAULT_BASE | EN | EXTD));
}

Test(lapic, window_moves)
{
    struct cpu *cpu = &board.cpu[0];
    wrmsr(BASE_MSR, 0xfed00000 | EN | BSP);
    cr_assert(cpu->moves == 1 && cpu->mapped && cpu->base.v == 0xfed00000);
    wrmsr(BASE_MSR, 0xfed00000 | EN); /* BSP only */
    cr_assert_eq(cpu->moves, 1);
    wrmsr(BASE_MSR, 0xfed00000 | EN | EXTD);
    cr_assert(cpu->moves == 2 && !cpu->mapped);
    cr_assert_eq(get(TPR), 0xffffffff);
    wrmsr(BASE_MSR, 0xfed00000);
    cr_assert(cpu->moves == 3 && !cpu->mapped);
    lapic_class.reset(apic);
    cr_assert(cpu->moves == 4 && cpu->mapped && cpu->base.v == LAPIC_DEFAULT_BASE);
}

Test(lapic, disabling_loses_the_state)
{
    enable();
    set(TPR, 0x40);
    set(ID, 0x05000000);
    fixed(0x80, false);
    wrmsr(BASE_MSR, LAPIC_DEFAULT_BASE);
    cr_assert(!lapic_has_interrupt(apic));
    cr_assert(!fixed(0x80, false));
    cr_assert(!lapic_deliver(apic, &(struct apic_message){.delivery = APIC_NMI}));
    cr_assert_eq(get(TPR), 0xffffffff); /* nobody home */
    set(TPR, 0x20);
    wrmsr(BASE_MSR, LAPIC_DEFAULT_BASE | EN);
    check_power_up_registers();
    cr_assert_eq(get(ID), 0);
}

Test(lapic, x2apic_msrs_need_x2apic_mode)
{
    for (uint32_t msr = X2APIC; msr < X2APIC + 0x100; msr++)
        cr_assert(!rdmsr_ok(msr) && !wrmsr(msr, 0), "MSR %x", msr);
    cr_assert(!rdmsr_ok(0x1234) && !wrmsr(0x1234, 0));
}

Test(lapic, x2apic_readable_and_writable_registers)
{
    /* SDM "Local APIC Register Address Map Supported by x2APIC" */
    static const uint8_t readable[] = {0x02, 0x03, 0x08, 0x0a, 0x0d, 0x0f, 0x28, 0x30, 0x32,
                                       0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3e};
    static const uint8_t writable[] = {0x08, 0x0b, 0x0f, 0x28, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x3e, 0x3f};
    bool can_read[256] = {0}, can_write[256] = {0};
    for (unsigned i = 0; i < ARRAY_LEN(readable); i++)
        can_read[readable[i]] = true;
    for (unsigned i = 0x10; i < 0x28; i++)
        can_read[i] = true;
    for (unsigned i = 0; i < ARRAY_LEN(writable); i++)
        can_write[writable[i]] = true;
    enter_x2apic();
    for (unsigned reg = 0; reg < 256; reg++) {
        cr_assert_eq(rdmsr_ok(X2APIC + reg), can_read[reg], "RDMSR 8%02x", reg);
        if (reg != 0x30) /* the ICR would send */
            cr_assert_eq(wrmsr(X2APIC + reg, 0), can_write[reg], "WRMSR 8%02x", reg);
    }
}

Test(lapic, x2apic_reserved_bits)
{
    static const struct {
        unsigned reg;
        uint64_t bits;
    } masks[] = {
        {0x08, 0xff},    {0x0b, 0},       {0x0f, 0x13ff},     {0x28, 0},       {0x32, 0x710ff},
        {0x33, 0x117ff}, {0x34, 0x117ff}, {0x35, 0x1f7ff},    {0x36, 0x1f7ff}, {0x37, 0x110ff},
        {0x3e, 0xb},     {0x3f, 0xff},    {0x38, 0xffffffff},
    };
    enter_x2apic();
    for (unsigned i = 0; i < ARRAY_LEN(masks); i++)
        for (unsigned bit = 0; bit < 64; bit++)
            cr_assert_eq(wrmsr(X2APIC + masks[i].reg, BIT(bit)), (masks[i].bits >> bit & 1) != 0, "8%02x bit %u",
                         masks[i].reg, bit);
    for (unsigned bit = 0; bit < 32; bit++) /* to nobody */
        cr_assert_eq(wrmsr(X2APIC + 0x30, 0x7700000000 | BIT(bit)), (0xcdfff >> bit & 1) != 0, "ICR bit %u", bit);
}

Test(lapic, x2apic_identity_and_interrupts)
{
    enable();
    set(TPR, 0x20);
    fixed(0x31, false);
    set(ID, 0x55000000);
    enter_x2apic();
    cr_assert_eq(rdmsr(X2APIC + 0x02), 0); /* the initial ID, not what was written */
    cr_assert_eq(rdmsr(X2APIC + 0x0d), 1); /* cluster 0, member 0 */
    cr_assert_eq(rdmsr(X2APIC + 0x08), 0x20);
    cr_assert_eq(rdmsr(X2APIC + 0x21), BIT(0x11)); /* pending interrupts stay */
    cr_assert_eq(lapic_acknowledge(apic), 0x31);
    cr_assert(wrmsr(X2APIC + 0x0b, 0));
    cr_assert(wrmsr(X2APIC + 0x3f, 0x44));
    cr_assert_eq(lapic_acknowledge(apic), 0x44);
    wrmsr(X2APIC + 0x0b, 0);
    cr_assert(wrmsr(X2APIC + 0x3f, 0x04)); /* illegal vector */
    cr_assert(wrmsr(X2APIC + 0x28, 0));
    cr_assert_eq(rdmsr(X2APIC + 0x28), 0x20);
}

Test(lapic, x2apic_icr_is_one_64_bit_register)
{
    struct lapic *second = &board.cpu[1].lapic;
    enable();
    enter_x2apic();
    cr_assert(wrmsr(X2APIC + 0x30, 1ull << 32 | ASSERTED | 0x50)); /* to an xAPIC */
    cr_assert_eq(rdmsr(X2APIC + 0x30), 1ull << 32 | ASSERTED | 0x50);
    cr_assert(took(1, 0x50));
    cr_assert(wrmsr(X2APIC + 0x30, 0xffull << 32 | ASSERTED | 0x50)); /* APIC 255, not a broadcast */
    cr_assert(!lapic_has_interrupt(second));
    cr_assert(wrmsr(X2APIC + 0x30, 0xffffffffull << 32 | ASSERTED | 0x50));
    cr_assert_eq(lapic_acknowledge(apic), 0x50);
    cr_assert(took(1, 0x50));
    wrmsr(X2APIC + 0x0b, 0);

    cr_assert_eq(lapic_msr_write(second, BASE_MSR, LAPIC_DEFAULT_BASE | EN | EXTD), 0);
    cr_assert(wrmsr(X2APIC + 0x30, 2ull << 32 | LOGICAL | ASSERTED | 0x60)); /* cluster 0, member 1 */
    cr_assert_eq(lapic_acknowledge(second), 0x60);
    cr_assert(!lapic_has_interrupt(apic));
    cr_assert(wrmsr(X2APIC + 0x30, 0x10002ull << 32 | LOGICAL | ASSERTED | 0x70)); /* cluster 1 */
    cr_assert(!lapic_has_interrupt(second));
}

/* --- reset, snapshots --- */

Test(lapic, reset_returns_to_power_up)
{
    enable();
    set(DIVIDE, DIVIDE_BY_1);
    set(LVT_TIMER, 0x40 | PERIODIC);
    set(INITIAL, 100000);
    fixed(0x80, true);
    set(ICR_HIGH, 0x01000000);
    lapic_class.reset(apic);
    check_power_up_registers();
    vclock_step(&board.clock, 1000000);
    cr_assert(!lapic_has_interrupt(apic));
}

Test(lapic, restored_timer_runs_on)
{
    enable();
    set(DIVIDE, DIVIDE_BY_1);
    set(LVT_TIMER, 0x40);
    set(INITIAL, 1000);
    vclock_step(&board.clock, 300);
    vtimer_cancel(&apic->timer); /* derived state is not in a snapshot */
    lapic_class.restored(apic);
    cr_assert_eq(get(CURRENT), 700);
    vclock_step(&board.clock, 699);
    cr_assert(!timer_ticked(0x40));
    vclock_step(&board.clock, 1);
    cr_assert(timer_ticked(0x40));
}

/* --- fuzz: any sequence of accesses keeps the invariants --- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

Test(lapic, random_accesses_keep_the_invariants)
{
    static const uint32_t msrs[] = {BASE_MSR, DEADLINE_MSR, 0x830, 0x83f, 0x80b, 0x80f, 0x832, 0x838};
    uint64_t seed = 0x9e3779b97f4a7c15;
    cr_log_info("seed %#lx", (unsigned long)seed);
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t r = next_random(&seed), value = next_random(&seed) >> (r >> 60) * 4;
        unsigned cpu = r >> 8 & 1;
        switch (r & 7) {
        case 0:
            lapic_msr_write(&board.cpu[cpu].lapic, msrs[r >> 16 & 7], value);
            break;
        case 1:
            vclock_step(&board.clock, value & 0xfffff);
            break;
        case 2:
            lapic_acknowledge(&board.cpu[cpu].lapic);
            break;
        case 3:
            lapic_set_lint(&board.cpu[cpu].lapic, r >> 16 & 1, value & 1);
            break;
        case 4:
            ioapic_set_pin(&board.ioapic, r >> 16 & 31, value & 1);
            break;
        default:
            set_of(cpu, r >> 16 & 0xff0, (uint32_t)value);
            get_of(cpu, r >> 32 & 0xff0);
        }
        for (unsigned c = 0; c < 2; c++) {
            const struct lapic *lapic = &board.cpu[c].lapic;
            cr_assert_eq((lapic->irr[0] | lapic->isr[0]) & 0xffff, 0);
            for (unsigned e = 0; e < LAPIC_LVT_COUNT && !(lapic->svr & 0x100); e++)
                cr_assert(lapic->lvt[e] & MASKED);
        }
    }
}
