/* The 8259A pair: command words, priorities, modes and the acknowledge cycle. */
#include "devices/chips/i8259.h"

#include <criterion/criterion.h>

#include "tests/unit/chip_fixture.h"

enum { M = 0x20, MD = 0x21, S = 0xa0, SD = 0xa1, ELCR = 0x4d0 };

static struct bus bus;
static struct wire intr;
static struct i8259 pic;

static void set(unsigned input, bool level)
{
    struct irq_line line = i8259_input(&pic, input);
    irq_set(&line, level);
}

static void pulse(unsigned input)
{
    set(input, false);
    set(input, true);
}

static void program(uint8_t icw1, uint8_t master_icw4, uint8_t slave_icw4)
{
    out8(&bus, M, icw1);
    out8(&bus, MD, 0x20);
    out8(&bus, MD, 0x04);
    out8(&bus, MD, master_icw4);
    out8(&bus, S, icw1);
    out8(&bus, SD, 0x28);
    out8(&bus, SD, 0x02);
    out8(&bus, SD, slave_icw4);
}

static uint8_t isr(uint64_t port)
{
    out8(&bus, port, 0x0b);
    return in8(&bus, port);
}

static uint8_t irr(uint64_t port)
{
    out8(&bus, port, 0x0a);
    return in8(&bus, port);
}

static void setup(void)
{
    cr_assert_eq(i8259_init(&pic, &(struct i8259_config){.intr = wire_line(&intr)}), 0);
    bus_init(&bus, "ports");
    map(&bus, M, 2, &i8259_master_ops, &pic);
    map(&bus, S, 2, &i8259_slave_ops, &pic);
    map(&bus, ELCR, 2, &i8259_elcr_ops, &pic);
    program(0x11, 0x01, 0x01);
}

static void teardown(void)
{
    bus_destroy(&bus);
}

TestSuite(i8259, .init = setup, .fini = teardown);

Test(i8259, registers_after_initialization)
{
    cr_assert_eq(in8(&bus, MD), 0);
    cr_assert_eq(in8(&bus, SD), 0);
    cr_assert_eq(in8(&bus, M), 0, "IRR is selected");
    cr_assert_eq(isr(M), 0);
    cr_assert_not(intr.level);
}

Test(i8259, mask_register_reads_back)
{
    for (unsigned v = 0; v < 256; v++) {
        out8(&bus, MD, (uint8_t)v);
        out8(&bus, SD, (uint8_t)~v);
        cr_assert_eq(in8(&bus, MD), v);
        cr_assert_eq(in8(&bus, SD), 255 - v);
    }
}

Test(i8259, initialization_clears_mask_and_service)
{
    pulse(3);
    i8259_acknowledge(&pic);
    out8(&bus, MD, 0xff);
    out8(&bus, M, 0x11);
    cr_assert_eq(in8(&bus, MD), 0);
    cr_assert_eq(in8(&bus, M), 0);
    cr_assert_eq(isr(M), 0);
}

Test(i8259, sequence_without_icw4_and_single)
{
    out8(&bus, M, 0x12); /* SNGL, no ICW4 */
    out8(&bus, MD, 0x47);
    out8(&bus, MD, 0xfe); /* OCW1 already */
    cr_assert_eq(in8(&bus, MD), 0xfe);
    pulse(0);
    cr_assert_eq(i8259_acknowledge(&pic), 0x40, "low bits of ICW2 are the input's");
}

Test(i8259, each_input_gives_its_vector)
{
    for (unsigned i = 0; i < 16; i++) {
        if (i == 2)
            continue;
        pulse(i);
        cr_assert(intr.level);
        cr_assert_eq(irr(i < 8 ? M : S), 1 << (i & 7));
        cr_assert_eq(i8259_acknowledge(&pic), 0x20 + (int)i);
        cr_assert_not(intr.level);
        cr_assert_eq(isr(i < 8 ? M : S), 1 << (i & 7));
        cr_assert_eq(isr(M), i < 8 ? 1 << i : 4);
        cr_assert_eq(irr(M), 0);
        if (i >= 8)
            out8(&bus, S, 0x20);
        out8(&bus, M, 0x20);
        cr_assert_eq(isr(M) | isr(S), 0);
        set(i, false);
    }
}

Test(i8259, outside_cannot_drive_the_cascade_input)
{
    pulse(2);
    cr_assert_not(intr.level);
    pulse(16);
    cr_assert_not(intr.level);
}

Test(i8259, edge_needs_a_transition)
{
    set(4, true);
    cr_assert_eq(i8259_acknowledge(&pic), 0x24);
    out8(&bus, M, 0x20);
    set(4, true);
    cr_assert_not(intr.level);
    set(4, false);
    set(4, true);
    cr_assert(intr.level);
}

Test(i8259, request_withdrawn_before_acknowledge_is_spurious)
{
    pulse(4);
    set(4, false);
    cr_assert_not(intr.level);
    cr_assert_eq(i8259_acknowledge(&pic), 0x27);
    cr_assert_eq(isr(M), 0, "a spurious interrupt is not in service");
}

Test(i8259, spurious_from_the_slave)
{
    out8(&bus, MD, 0);
    pulse(10);
    out8(&bus, SD, 0);
    /* The slave's request goes away between the master's half of the cycle and its own. */
    pic.slave.imr = 0xff;
    cr_assert_eq(i8259_acknowledge(&pic), 0x2f);
    cr_assert_eq(isr(M), 4);
    cr_assert_eq(isr(S), 0);
}

Test(i8259, masked_request_waits)
{
    out8(&bus, MD, 0x10);
    pulse(4);
    cr_assert_not(intr.level);
    cr_assert_eq(irr(M), 0x10);
    out8(&bus, MD, 0);
    cr_assert(intr.level);
}

Test(i8259, priorities_nest)
{
    pulse(5);
    cr_assert_eq(i8259_acknowledge(&pic), 0x25);
    pulse(6);
    cr_assert_not(intr.level);
    pulse(1);
    cr_assert(intr.level);
    cr_assert_eq(i8259_acknowledge(&pic), 0x21);
    cr_assert_eq(isr(M), 0x22);
    out8(&bus, M, 0x20);
    cr_assert_eq(isr(M), 0x20, "non-specific EOI ends the highest");
    cr_assert_not(intr.level);
    out8(&bus, M, 0x20);
    cr_assert_eq(i8259_acknowledge(&pic), 0x26);
}

Test(i8259, specific_eoi)
{
    pulse(5);
    i8259_acknowledge(&pic);
    pulse(1);
    i8259_acknowledge(&pic);
    out8(&bus, M, 0x65);
    cr_assert_eq(isr(M), 0x02);
    out8(&bus, M, 0x40); /* no operation */
    cr_assert_eq(isr(M), 0x02);
}

Test(i8259, level_triggered_input)
{
    out8(&bus, ELCR, 0x20);
    set(5, true);
    cr_assert_eq(i8259_acknowledge(&pic), 0x25);
    cr_assert_eq(irr(M), 0x20, "the line still asks");
    cr_assert_not(intr.level);
    out8(&bus, M, 0x20);
    cr_assert(intr.level);
    set(5, false);
    cr_assert_not(intr.level);
}

Test(i8259, elcr_masks)
{
    cr_assert_eq(in8(&bus, ELCR), 0);
    out8(&bus, ELCR, 0xff);
    out8(&bus, ELCR + 1, 0xff);
    cr_assert_eq(in8(&bus, ELCR), 0xf8);
    cr_assert_eq(in8(&bus, ELCR + 1), 0xde);
    out8(&bus, M, 0x11);
    cr_assert_eq(in8(&bus, ELCR), 0xf8, "ICW1 leaves it");
    i8259_class.reset(&pic);
    cr_assert_eq(in8(&bus, ELCR), 0);
}

Test(i8259, ltim_makes_all_inputs_level_triggered)
{
    set(0, true);
    program(0x19, 0x01, 0x01);
    cr_assert(intr.level);
    cr_assert_eq(i8259_acknowledge(&pic), 0x20);
    out8(&bus, M, 0x20);
    cr_assert(intr.level);
    set(0, false);
    cr_assert_not(intr.level);
    set(9, true);
    cr_assert_eq(i8259_acknowledge(&pic), 0x29);
    out8(&bus, S, 0x20);
    out8(&bus, M, 0x20);
    cr_assert_eq(i8259_acknowledge(&pic), 0x29);
}

Test(i8259, icw1_forgets_edges)
{
    set(3, true);
    program(0x11, 0x01, 0x01);
    cr_assert_not(intr.level);
    pulse(3);
    cr_assert(intr.level);
}

Test(i8259, rotation_on_eoi)
{
    pulse(4);
    i8259_acknowledge(&pic);
    out8(&bus, M, 0xa0);
    cr_assert_eq(isr(M), 0);
    pulse(4);
    pulse(3);
    pulse(5);
    cr_assert_eq(i8259_acknowledge(&pic), 0x25, "5 is now the highest, 4 the lowest");
    out8(&bus, M, 0x20);
    cr_assert_eq(i8259_acknowledge(&pic), 0x23);
    out8(&bus, M, 0xe3); /* rotate on specific EOI */
    pulse(3);
    cr_assert_eq(i8259_acknowledge(&pic), 0x24);
}

Test(i8259, set_priority_command)
{
    out8(&bus, M, 0xc5); /* 5 lowest, 6 highest */
    pulse(0);
    pulse(6);
    cr_assert_eq(i8259_acknowledge(&pic), 0x26);
    cr_assert_not(intr.level);
    out8(&bus, M, 0x20);
    cr_assert_eq(i8259_acknowledge(&pic), 0x20);
}

Test(i8259, automatic_eoi_and_its_rotation)
{
    program(0x11, 0x03, 0x01);
    pulse(4);
    cr_assert_eq(i8259_acknowledge(&pic), 0x24);
    cr_assert_eq(isr(M), 0);
    pulse(4);
    cr_assert(intr.level);
    i8259_acknowledge(&pic);
    out8(&bus, M, 0x80);
    pulse(4);
    i8259_acknowledge(&pic);
    pulse(4);
    pulse(5);
    cr_assert_eq(i8259_acknowledge(&pic), 0x25);
    out8(&bus, M, 0x00);
    cr_assert_eq(i8259_acknowledge(&pic), 0x24);
    pulse(4);
    pulse(5);
    cr_assert_eq(i8259_acknowledge(&pic), 0x24, "no rotation any more: 5 is still the lowest");
}

Test(i8259, automatic_eoi_in_the_slave_asks_again)
{
    program(0x11, 0x03, 0x03);
    pulse(9);
    pulse(10);
    cr_assert_eq(i8259_acknowledge(&pic), 0x29);
    cr_assert(intr.level);
    cr_assert_eq(i8259_acknowledge(&pic), 0x2a);
    cr_assert_not(intr.level);
}

Test(i8259, special_mask_mode)
{
    pulse(2 + 1);
    i8259_acknowledge(&pic);
    pulse(6);
    cr_assert_not(intr.level);
    out8(&bus, MD, 0x08);
    cr_assert_not(intr.level);
    out8(&bus, M, 0x68);
    cr_assert(intr.level, "3 is in service but masked");
    cr_assert_eq(i8259_acknowledge(&pic), 0x26);
    out8(&bus, M, 0x20);
    cr_assert_eq(isr(M), 0x08, "non-specific EOI does not see the masked one");
    out8(&bus, M, 0x20);
    cr_assert_eq(isr(M), 0x08);
    out8(&bus, M, 0x48);
    out8(&bus, M, 0x20);
    cr_assert_eq(isr(M), 0);
}

Test(i8259, ocw3_without_esmm_keeps_the_mode)
{
    out8(&bus, M, 0x68);
    out8(&bus, M, 0x2a);
    cr_assert_eq(pic.master.special_mask, 1);
    out8(&bus, M, 0x08);
    cr_assert_eq(pic.master.read_isr, 0);
    out8(&bus, M, 0x0b);
    out8(&bus, M, 0x08);
    cr_assert_eq(pic.master.read_isr, 1, "RR clear keeps the selection");
}

Test(i8259, poll_mode_acknowledges)
{
    out8(&bus, M, 0x0c);
    cr_assert_eq(in8(&bus, M), 0);
    pulse(5);
    out8(&bus, M, 0x0c);
    cr_assert_eq(in8(&bus, M), 0x85);
    cr_assert_eq(isr(M), 0x20);
    cr_assert_not(intr.level);
    out8(&bus, MD, 0xaa);
    cr_assert_eq(in8(&bus, MD), 0xaa, "only one read is the poll");
}

Test(i8259, poll_of_the_slave)
{
    pulse(12);
    out8(&bus, M, 0x0c);
    cr_assert_eq(in8(&bus, MD), 0x82, "at either address");
    out8(&bus, S, 0x0c);
    cr_assert_eq(in8(&bus, S), 0x84);
    cr_assert_eq(isr(S), 0x10);
}

Test(i8259, special_fully_nested_mode)
{
    program(0x11, 0x11, 0x01);
    pulse(12);
    cr_assert_eq(i8259_acknowledge(&pic), 0x2c);
    pulse(3);
    cr_assert_not(intr.level, "lower than the cascade");
    pulse(9);
    cr_assert(intr.level, "a higher input of the slave in service");
    cr_assert_eq(i8259_acknowledge(&pic), 0x29);
    pulse(14);
    cr_assert_not(intr.level);
}

Test(i8259, special_fully_nested_mode_means_nothing_to_the_slave)
{
    program(0x11, 0x11, 0x11);
    pulse(9); /* identity 2 would name input 1 as a cascade */
    cr_assert_eq(i8259_acknowledge(&pic), 0x29);
    pulse(9);
    cr_assert_not(intr.level);
}

Test(i8259, fully_nested_mode_locks_the_slave_out)
{
    pulse(12);
    i8259_acknowledge(&pic);
    pulse(9);
    cr_assert_not(intr.level);
    out8(&bus, M, 0x20);
    cr_assert(intr.level);
    cr_assert_eq(i8259_acknowledge(&pic), 0x29);
}

Test(i8259, second_slave_request_after_both_eois)
{
    pulse(9);
    pulse(12);
    cr_assert_eq(i8259_acknowledge(&pic), 0x29);
    out8(&bus, M, 0x20);
    cr_assert_not(intr.level);
    out8(&bus, S, 0x20);
    cr_assert(intr.level);
    cr_assert_eq(i8259_acknowledge(&pic), 0x2c);
}

Test(i8259, wrong_cascade_identity_leaves_the_bus_floating)
{
    out8(&bus, S, 0x11);
    out8(&bus, SD, 0x28);
    out8(&bus, SD, 0x05);
    out8(&bus, SD, 0x01);
    pulse(9);
    cr_assert_eq(i8259_acknowledge(&pic), 0xff);
}

Test(i8259, reset_and_fields)
{
    pulse(1);
    out8(&bus, MD, 0x55);
    i8259_class.reset(&pic);
    cr_assert_not(intr.level);
    cr_assert_eq(in8(&bus, MD), 0);
    cr_assert(pic.slave.is_slave);
    pulse(1);
    intr.level = false;
    i8259_class.restored(&pic);
    cr_assert(intr.level);
    cr_assert_eq(i8259_class.field_count, 30);
    cr_assert_str_eq(i8259_class.fields[0].name, "master.irr");
}
