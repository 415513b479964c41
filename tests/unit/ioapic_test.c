/*
 * The I/O APIC: register access and masks, edge and level triggering, polarity, remote IRR, EOI, and the messages.
 */
#include <criterion/criterion.h>

#include "devices/chips/ioapic.h"

enum { SELECT = 0, WINDOW = 0x10, EOI = 0x40 };
enum { ACTIVE_LOW = 1 << 13, REMOTE_IRR = 1 << 14, LEVEL = 1 << 15, MASKED = 1 << 16, LOGICAL = 1 << 11 };

static struct board {
    struct bus bus;
    struct ioapic ioapic;
    struct apic_message last;
    unsigned messages;
    bool refuse; /* no local APIC accepts */
} board;

static bool deliver(void *context, const struct apic_message *message)
{
    struct board *b = context;
    b->last = *message;
    b->messages++;
    return !b->refuse;
}

static void setup(void)
{
    board = (struct board){0};
    bus_init(&board.bus, "memory");
    cr_assert_eq(ioapic_init(&board.ioapic, &(struct ioapic_config){.deliver = deliver, .context = &board}), 0);
    bus_map(&board.bus, &(struct bus_region){0, IOAPIC_WINDOW_SIZE, &ioapic_ops, &board.ioapic, "ioapic"}, NULL);
}

static void teardown(void)
{
    bus_destroy(&board.bus);
}

TestSuite(ioapic, .init = setup, .fini = teardown);

static uint32_t read_reg(uint8_t reg)
{
    bus_write(&board.bus, SELECT, reg, 4);
    return (uint32_t)bus_read(&board.bus, WINDOW, 4);
}

static void write_reg(uint8_t reg, uint32_t value)
{
    bus_write(&board.bus, SELECT, reg, 4);
    bus_write(&board.bus, WINDOW, value, 4);
}

static void program(unsigned pin, uint32_t low, uint8_t destination)
{
    write_reg((uint8_t)(0x11 + pin * 2), (uint32_t)destination << 24);
    write_reg((uint8_t)(0x10 + pin * 2), low);
}

static uint32_t entry_low(unsigned pin)
{
    return read_reg((uint8_t)(0x10 + pin * 2));
}

static void set_pin(unsigned pin, bool level)
{
    ioapic_set_pin(&board.ioapic, pin, level);
}

static void pulse(unsigned pin)
{
    set_pin(pin, true);
    set_pin(pin, false);
}

Test(ioapic, needs_somebody_to_deliver_to)
{
    struct ioapic ioapic;
    cr_assert_neq(ioapic_init(&ioapic, &(struct ioapic_config){0}), 0);
}

Test(ioapic, identification)
{
    cr_assert_eq(read_reg(0), 0);
    cr_assert_eq(read_reg(1), 0x00170020);
    write_reg(0, 0xffffffff);
    cr_assert_eq(read_reg(0), 0x0f000000);
    cr_assert_eq(read_reg(2), 0x0f000000); /* arbitration follows the ID */
    write_reg(1, 0);
    write_reg(2, 0);
    cr_assert_eq(read_reg(1), 0x00170020);
    cr_assert_eq(read_reg(2), 0x0f000000);
}

Test(ioapic, redirection_entries_mask_reserved_bits)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        cr_assert_eq(entry_low(pin), MASKED);
        cr_assert_eq(read_reg((uint8_t)(0x11 + pin * 2)), 0);
        program(pin, 0xffffffff, 0);
        write_reg((uint8_t)(0x11 + pin * 2), 0xffffffff);
        cr_assert_eq(entry_low(pin), 0x1afff);
        cr_assert_eq(read_reg((uint8_t)(0x11 + pin * 2)), 0xff000000);
    }
    cr_assert_eq(board.messages, 0);
}

Test(ioapic, registers_beyond_the_table_are_empty)
{
    for (unsigned reg = 3; reg < 256; reg++) {
        if (reg >= 0x10 && reg < 0x40)
            continue;
        write_reg((uint8_t)reg, 0xffffffff);
        cr_assert_eq(read_reg((uint8_t)reg), 0);
    }
}

Test(ioapic, window_takes_dwords_and_select_takes_bytes)
{
    bus_write(&board.bus, SELECT, 0x12, 1);
    cr_assert_eq(bus_read(&board.bus, SELECT, 4), 0x12);
    cr_assert_eq(bus_read(&board.bus, SELECT, 1), 0x12);
    bus_write(&board.bus, WINDOW, 0xff, 1);
    cr_assert_eq(entry_low(1), MASKED);
    cr_assert_eq(bus_read(&board.bus, WINDOW + 2, 1), 1);
    cr_assert_eq(bus_read(&board.bus, 0x100, 4), 0);
}

Test(ioapic, edge_sends_one_message)
{
    program(3, 0x31, 2);
    set_pin(3, true);
    cr_assert_eq(board.messages, 1);
    cr_assert_eq(board.last.vector, 0x31);
    cr_assert_eq(board.last.destination, 2);
    cr_assert_eq(board.last.delivery, APIC_FIXED);
    cr_assert(!board.last.level && !board.last.logical);
    set_pin(3, true);
    cr_assert_eq(board.messages, 1);
    set_pin(3, false);
    set_pin(3, true);
    cr_assert_eq(board.messages, 2);
    cr_assert_eq(entry_low(3), 0x31); /* no remote IRR */
}

Test(ioapic, edge_on_a_masked_pin_is_lost)
{
    set_pin(3, true);
    program(3, 0x31, 0);
    cr_assert_eq(board.messages, 0);
}

Test(ioapic, destination_and_modes_are_passed_on)
{
    static const uint8_t modes[] = {APIC_FIXED, APIC_LOWEST_PRIORITY, APIC_SMI, APIC_NMI, APIC_INIT, APIC_EXTINT};
    for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
        program(i, 0x40 | (uint32_t)modes[i] << 8 | LOGICAL, 0x81);
        pulse(i);
        cr_assert_eq(board.messages, i + 1);
        cr_assert_eq(board.last.delivery, modes[i]);
        cr_assert_eq(board.last.destination, 0x81);
        cr_assert(board.last.logical);
    }
    program(9, 0x40, 0xff);
    pulse(9);
    cr_assert_eq(board.last.destination, APIC_BROADCAST);
}

Test(ioapic, reserved_modes_send_nothing)
{
    program(0, 0x40 | 3 << 8, 0);
    program(1, 0x40 | 6 << 8, 0);
    pulse(0);
    pulse(1);
    cr_assert_eq(board.messages, 0);
}

Test(ioapic, level_waits_for_eoi_and_repeats)
{
    program(9, 0x51 | LEVEL, 0);
    set_pin(9, true);
    cr_assert_eq(board.messages, 1);
    cr_assert(board.last.level);
    cr_assert_eq(entry_low(9), 0x51 | LEVEL | REMOTE_IRR);
    set_pin(9, false);
    set_pin(9, true);
    cr_assert_eq(board.messages, 1); /* still in service */
    ioapic_eoi(&board.ioapic, 0x52);
    cr_assert_eq(board.messages, 1);
    ioapic_eoi(&board.ioapic, 0x51);
    cr_assert_eq(board.messages, 2); /* still active */
    set_pin(9, false);
    ioapic_eoi(&board.ioapic, 0x51);
    cr_assert_eq(board.messages, 2);
    cr_assert_eq(entry_low(9), 0x51 | LEVEL);
}

Test(ioapic, eoi_register_ends_a_level_interrupt)
{
    program(9, 0x51 | LEVEL, 0);
    set_pin(9, true);
    set_pin(9, false);
    bus_write(&board.bus, EOI, 0x51, 1); /* too narrow */
    cr_assert(entry_low(9) & REMOTE_IRR);
    bus_write(&board.bus, EOI, 0x51, 4);
    cr_assert(!(entry_low(9) & REMOTE_IRR));
    cr_assert_eq(bus_read(&board.bus, EOI, 4), 0);
}

Test(ioapic, level_is_sent_on_unmasking)
{
    set_pin(9, true);
    program(9, 0x51 | LEVEL | MASKED, 0);
    cr_assert_eq(board.messages, 0);
    program(9, 0x51 | LEVEL, 0);
    cr_assert_eq(board.messages, 1);
    program(9, 0x51 | LEVEL, 0); /* rewriting keeps remote IRR */
    cr_assert_eq(board.messages, 1);
}

Test(ioapic, remote_irr_is_read_only_and_goes_with_edge_mode)
{
    program(9, 0x51 | LEVEL | REMOTE_IRR, 0);
    cr_assert(!(entry_low(9) & REMOTE_IRR));
    set_pin(9, true);
    set_pin(9, false);
    program(9, 0x51 | LEVEL, 0);
    cr_assert(entry_low(9) & REMOTE_IRR);
    program(9, 0x51 | MASKED, 0);
    program(9, 0x51 | LEVEL, 0);
    cr_assert(!(entry_low(9) & REMOTE_IRR));
}

Test(ioapic, unaccepted_level_message_stays_pending)
{
    board.refuse = true;
    program(9, 0x51 | LEVEL, 0);
    set_pin(9, true);
    cr_assert(!(entry_low(9) & REMOTE_IRR));
    board.refuse = false;
    set_pin(9, true); /* the next look at the line sends it */
    cr_assert_eq(board.messages, 2);
    cr_assert(entry_low(9) & REMOTE_IRR);
}

Test(ioapic, active_low_pins)
{
    set_pin(5, true);
    program(5, 0x41 | ACTIVE_LOW, 0);
    cr_assert_eq(board.messages, 0);
    set_pin(5, false);
    cr_assert_eq(board.messages, 1);
    program(6, 0x42 | ACTIVE_LOW | LEVEL, 0); /* low already */
    cr_assert_eq(board.messages, 2);
    set_pin(6, true);
    ioapic_eoi(&board.ioapic, 0x42);
    cr_assert_eq(board.messages, 2);
}

Test(ioapic, nmi_is_edge_even_if_programmed_as_level)
{
    program(1, APIC_NMI << 8 | LEVEL, 0);
    set_pin(1, true);
    cr_assert_eq(board.messages, 1);
    cr_assert(!board.last.level);
    cr_assert(!(entry_low(1) & REMOTE_IRR));
    program(1, APIC_NMI << 8 | LEVEL, 0);
    cr_assert_eq(board.messages, 1);
}

Test(ioapic, two_pins_may_share_a_vector)
{
    program(10, 0x61 | LEVEL, 0);
    program(11, 0x61 | LEVEL, 0);
    set_pin(10, true);
    set_pin(11, true);
    cr_assert_eq(board.messages, 2);
    set_pin(10, false);
    ioapic_eoi(&board.ioapic, 0x61);
    cr_assert_eq(board.messages, 3);
    cr_assert(!(entry_low(10) & REMOTE_IRR));
    cr_assert(entry_low(11) & REMOTE_IRR);
}

Test(ioapic, pins_that_do_not_exist_are_ignored)
{
    set_pin(IOAPIC_PINS, true);
    set_pin(1000, true);
    cr_assert_eq(board.messages, 0);
}

Test(ioapic, reset_masks_all_and_keeps_the_lines)
{
    program(9, 0x51 | LEVEL, 0);
    write_reg(0, 0x03000000);
    set_pin(9, true);
    ioapic_class.reset(&board.ioapic);
    cr_assert_eq(bus_read(&board.bus, SELECT, 4), 0);
    cr_assert_eq(read_reg(0), 0);
    cr_assert_eq(entry_low(9), MASKED);
    program(9, 0x51 | LEVEL, 0);
    cr_assert_eq(board.messages, 2);
}
