/*
 * The ACPI fixed hardware: register masks, SCI, PM timer, sleep, SMI commands and reset control.
 */
#include <criterion/criterion.h>

#include "devices/chips/acpi_pm.h"

enum { PM = 0x600, SMI = 0xb2, RESET = 0xcf9 };
enum { STATUS = PM, ENABLE = PM + 2, CONTROL = PM + 4, TIMER = PM + 8, GPE_STATUS = PM + 0x0c, GPE_ENABLE = PM + 0x0e };
enum { POWER_BUTTON = 1 << 8, SCI_EN = 1, SLP_EN = 1 << 13, SLP_TYP_SHIFT = 10 };

static struct board {
    struct vclock clock;
    struct bus io;
    struct acpi_pm pm;
    bool sci;
    unsigned power_offs, hard_resets, soft_resets;
} board;

static void set_sci(void *sink, unsigned input, bool level)
{
    (void)input;
    ((struct board *)sink)->sci = level;
}

static void power_off(void *context)
{
    ((struct board *)context)->power_offs++;
}

static void reset(void *context, bool hard)
{
    struct board *b = context;
    hard ? b->hard_resets++ : b->soft_resets++;
}

static void setup(void)
{
    board = (struct board){0};
    vclock_init(&board.clock, NULL, NULL);
    bus_init(&board.io, "io");
    struct acpi_pm_config config = {
        .clock = &board.clock,
        .sci = {set_sci, &board, 0},
        .context = &board,
        .power_off = power_off,
        .reset = reset,
    };
    cr_assert_eq(acpi_pm_init(&board.pm, &config), 0);
    bus_map(&board.io, &(struct bus_region){PM, ACPI_PM_SIZE, &acpi_pm_ops, &board.pm, "pm"}, NULL);
    bus_map(&board.io, &(struct bus_region){SMI, ACPI_SMI_SIZE, &acpi_smi_ops, &board.pm, "smi"}, NULL);
    bus_map(&board.io, &(struct bus_region){RESET, 1, &acpi_reset_ops, &board.pm, "reset"}, NULL);
}

static void teardown(void)
{
    acpi_pm_class.destroy(&board.pm);
    bus_destroy(&board.io);
}

TestSuite(acpi_pm, .init = setup, .fini = teardown);

static uint32_t in(unsigned port, unsigned size)
{
    return (uint32_t)bus_read(&board.io, port, size);
}

static void out(unsigned port, uint32_t value, unsigned size)
{
    bus_write(&board.io, port, value, size);
}

Test(acpi_pm, needs_a_clock)
{
    struct acpi_pm pm;
    cr_assert_neq(acpi_pm_init(&pm, &(struct acpi_pm_config){0}), 0);
}

Test(acpi_pm, registers_at_reset)
{
    for (unsigned offset = 0; offset < ACPI_PM_SIZE; offset += 4)
        cr_assert_eq(in(PM + offset, 4), 0, "offset %#x", offset);
    cr_assert(!board.sci);
}

Test(acpi_pm, enable_and_control_hold_their_bits_only)
{
    out(ENABLE, 0xffff, 2);
    cr_assert_eq(in(ENABLE, 2), 0x0721);
    out(ENABLE, 0, 1);
    cr_assert_eq(in(ENABLE, 2), 0x0700);
    out(CONTROL, 0xffff & ~SLP_EN, 2);
    cr_assert_eq(in(CONTROL, 2), 0x1c03);
    out(CONTROL + 1, 0x04, 1);
    cr_assert_eq(in(CONTROL, 2), 0x0403);
    cr_assert_eq(in(CONTROL, 4), 0x0403);
}

Test(acpi_pm, words_and_bytes_see_the_same_registers)
{
    out(STATUS, 0x01200000, 4); /* status and enable in one access */
    cr_assert_eq(in(ENABLE, 2), 0x0120);
    cr_assert_eq(in(ENABLE + 1, 1), 0x01);
    cr_assert_eq(in(STATUS, 4), 0x01200000);
    out(CONTROL, 3, 2);
    cr_assert_eq(in(PM + 2, 4), 0x00030120); /* across two registers */
    out(PM + 2, 0x00010000, 4);
    cr_assert_eq(in(ENABLE, 2), 0);
    cr_assert_eq(in(CONTROL, 2), 1);
}

Test(acpi_pm, smi_command_switches_acpi_mode)
{
    out(SMI, ACPI_SMI_ENABLE, 1);
    cr_assert(in(CONTROL, 2) & SCI_EN);
    cr_assert_eq(in(SMI, 1), ACPI_SMI_ENABLE);
    out(SMI + 1, 0x5a, 1);
    cr_assert_eq(in(SMI + 1, 1), 0x5a);
    out(SMI, 0x77, 1);
    cr_assert(in(CONTROL, 2) & SCI_EN);
    out(SMI, ACPI_SMI_DISABLE, 1);
    cr_assert(!(in(CONTROL, 2) & SCI_EN));
}

Test(acpi_pm, power_button_raises_sci_until_cleared)
{
    out(SMI, ACPI_SMI_ENABLE, 1);
    acpi_pm_press_power_button(&board.pm);
    cr_assert_eq(in(STATUS, 2), POWER_BUTTON);
    cr_assert(!board.sci);
    out(ENABLE, POWER_BUTTON, 2);
    cr_assert(board.sci);
    out(STATUS, 0xffff & ~POWER_BUTTON, 2); /* the others only */
    cr_assert(board.sci);
    out(STATUS, POWER_BUTTON, 2);
    cr_assert(!board.sci);
    cr_assert_eq(in(STATUS, 2), 0);
}

Test(acpi_pm, no_sci_outside_acpi_mode)
{
    out(ENABLE, POWER_BUTTON, 2);
    acpi_pm_press_power_button(&board.pm);
    cr_assert(!board.sci);
    out(SMI, ACPI_SMI_ENABLE, 1);
    cr_assert(board.sci);
    out(SMI, ACPI_SMI_DISABLE, 1);
    cr_assert(!board.sci);
}

Test(acpi_pm, general_purpose_events_latch_and_follow_their_level)
{
    out(SMI, ACPI_SMI_ENABLE, 1);
    out(GPE_ENABLE, 1 << 3, 2);
    cr_assert_eq(in(GPE_ENABLE, 2), 1 << 3);
    acpi_pm_set_gpe(&board.pm, 4, true);
    cr_assert(!board.sci);
    acpi_pm_set_gpe(&board.pm, 3, true);
    cr_assert(board.sci);
    out(GPE_STATUS, 1 << 3, 2); /* still active: set again */
    cr_assert(board.sci);
    acpi_pm_set_gpe(&board.pm, 3, false);
    cr_assert_eq(in(GPE_STATUS, 2), 1 << 3 | 1 << 4);
    out(GPE_STATUS, 1 << 3, 2);
    cr_assert(!board.sci);
    acpi_pm_set_gpe(&board.pm, ACPI_GPE0_EVENTS, true); /* no such event */
}

Test(acpi_pm, timer_counts_at_3579545_hz_and_is_read_only)
{
    cr_assert_eq(in(TIMER, 4), 0);
    vclock_step(&board.clock, NS_PER_SECOND);
    cr_assert_eq(in(TIMER, 4), ACPI_PM_TIMER_HZ);
    cr_assert_eq(in(TIMER + 1, 2), ACPI_PM_TIMER_HZ >> 8 & 0xffff);
    out(TIMER, 0, 4);
    cr_assert_eq(in(TIMER, 4), ACPI_PM_TIMER_HZ);
    vclock_step(&board.clock, 1199 * NS_PER_SECOND);
    cr_assert_eq(in(TIMER, 4), (uint32_t)(1200 * ACPI_PM_TIMER_HZ)); /* wrapped */
}

Test(acpi_pm, timer_status_is_set_when_the_top_bit_changes)
{
    uint64_t change = ((NS_PER_SECOND << 31) + ACPI_PM_TIMER_HZ - 1) / ACPI_PM_TIMER_HZ;
    vclock_step(&board.clock, change - 1);
    cr_assert_eq(in(TIMER, 4), 0x7fffffff);
    cr_assert_eq(in(STATUS, 2), 0);
    vclock_step(&board.clock, 1);
    cr_assert_eq(in(TIMER, 4), 0x80000000);
    cr_assert_eq(in(STATUS, 2), 1);
    out(STATUS, 1, 2);
    cr_assert_eq(in(STATUS, 2), 0);
    vclock_step(&board.clock, change);
    cr_assert_eq(in(STATUS, 2), 1); /* falling as well */
}

Test(acpi_pm, timer_overflow_interrupts)
{
    cr_assert_eq(vclock_next_deadline(&board.clock), VCLOCK_NEVER); /* nobody asked */
    out(ENABLE, 1, 2);
    out(CONTROL, SCI_EN, 2);
    vclock_step(&board.clock, 599 * NS_PER_SECOND);
    cr_assert(!board.sci);
    vclock_step(&board.clock, 2 * NS_PER_SECOND);
    cr_assert(board.sci);
    out(STATUS, 1, 2);
    cr_assert(!board.sci);
    vclock_step(&board.clock, 600 * NS_PER_SECOND);
    cr_assert(board.sci);
    out(ENABLE, 0, 2);
    cr_assert_eq(vclock_next_deadline(&board.clock), VCLOCK_NEVER);
}

/* Types as the 82371AB's PMCNTRL has them; firmware writes 0 without asking the tables. */
Test(acpi_pm, only_soft_off_sleeps)
{
    cr_assert_eq(ACPI_SLP_TYP_S5, 0);
    out(CONTROL, ACPI_SLP_TYP_S5 << SLP_TYP_SHIFT, 2);
    cr_assert_eq(board.power_offs, 0); /* no SLP_EN */
    for (unsigned type = 0; type < 8; type++)
        if (type != ACPI_SLP_TYP_S5)
            out(CONTROL, SLP_EN | type << SLP_TYP_SHIFT, 2);
    cr_assert_eq(board.power_offs, 0);
    out(CONTROL, SLP_EN | ACPI_SLP_TYP_S5 << SLP_TYP_SHIFT | SCI_EN, 2);
    cr_assert_eq(board.power_offs, 1);
    cr_assert_eq(in(CONTROL, 2), ACPI_SLP_TYP_S5 << SLP_TYP_SHIFT | SCI_EN); /* SLP_EN reads 0 */
    out(CONTROL + 1, (SLP_EN | ACPI_SLP_TYP_S5 << SLP_TYP_SHIFT) >> 8, 1);
    cr_assert_eq(board.power_offs, 2);
}

Test(acpi_pm, reset_control_acts_on_the_rising_bit)
{
    out(RESET, 0x02, 1);
    cr_assert_eq(board.hard_resets, 0);
    out(RESET, ACPI_RESET_VALUE, 1);
    cr_assert_eq(board.hard_resets, 1);
    cr_assert_eq(in(RESET, 1), ACPI_RESET_VALUE);
    out(RESET, ACPI_RESET_VALUE, 1);
    cr_assert_eq(board.hard_resets, 1);
    out(RESET, 0, 1);
    out(RESET, 0x04, 1);
    cr_assert_eq(board.soft_resets, 1);
    out(RESET, 0xf1, 1);
    cr_assert_eq(in(RESET, 1), 0); /* other bits are reserved */
}

Test(acpi_pm, reset_clears_all_but_the_timer)
{
    out(SMI, ACPI_SMI_ENABLE, 1);
    out(ENABLE, 0x721, 2);
    out(GPE_ENABLE, 0xffff, 2);
    out(RESET, 2, 1);
    vclock_step(&board.clock, 700 * NS_PER_SECOND);
    acpi_pm_press_power_button(&board.pm);
    cr_assert(board.sci);
    uint32_t timer = in(TIMER, 4);
    acpi_pm_class.reset(&board.pm);
    cr_assert(!board.sci);
    cr_assert_eq(in(STATUS, 4), 0);
    cr_assert_eq(in(CONTROL, 2), 0);
    cr_assert_eq(in(GPE_STATUS, 4), 0);
    cr_assert_eq(in(SMI, 2), 0);
    cr_assert_eq(in(RESET, 1), 0);
    cr_assert_eq(in(TIMER, 4), timer);
}

Test(acpi_pm, restored_state_drives_the_line)
{
    board.pm.pm1_status = board.pm.pm1_enable = POWER_BUTTON;
    board.pm.pm1_control = SCI_EN;
    acpi_pm_class.restored(&board.pm);
    cr_assert(board.sci);
}
