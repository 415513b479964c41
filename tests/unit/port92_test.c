/* System control port A: A20 and fast reset. */
#include "devices/chips/port92.h"

#include <criterion/criterion.h>

#include "tests/unit/chip_fixture.h"

static struct bus bus;
static struct wire a20;
static struct port92 port;
static unsigned resets;

static void note_reset(void *context)
{
    ++*(unsigned *)context;
}

static void setup(void)
{
    struct port92_config config = {.a20 = wire_line(&a20), .request_reset = note_reset, .context = &resets};
    cr_assert_eq(port92_init(&port, &config), 0);
    bus_init(&bus, "ports");
    map(&bus, 0x92, 1, &port92_ops, &port);
}

static void teardown(void)
{
    bus_destroy(&bus);
}

TestSuite(port92, .init = setup, .fini = teardown);

Test(port92, reset_value_and_mask)
{
    cr_assert_eq(in8(&bus, 0x92), 0);
    cr_assert_not(a20.level);
    out8(&bus, 0x92, 0xfe);
    cr_assert_eq(in8(&bus, 0x92), 0xca);
    out8(&bus, 0x92, 0x34);
    cr_assert_eq(in8(&bus, 0x92), 0);
}

Test(port92, a20_follows_bit_1)
{
    out8(&bus, 0x92, 2);
    cr_assert(a20.level);
    cr_assert_eq(in8(&bus, 0x92), 2);
    out8(&bus, 0x92, 0);
    cr_assert_not(a20.level);
    cr_assert_eq(resets, 0);
}

Test(port92, reset_is_the_rising_edge_of_bit_0)
{
    out8(&bus, 0x92, 1);
    cr_assert_eq(resets, 1);
    out8(&bus, 0x92, 3);
    cr_assert_eq(resets, 1);
    out8(&bus, 0x92, 2);
    out8(&bus, 0x92, 3);
    cr_assert_eq(resets, 2);
}

Test(port92, class_reset_and_restore)
{
    out8(&bus, 0x92, 0xc2);
    a20.level = false;
    port92_class.restored(&port);
    cr_assert(a20.level);
    port92_class.reset(&port);
    cr_assert_eq(in8(&bus, 0x92), 0);
    cr_assert_not(a20.level);
}

Test(port92, works_without_a_reset_wire)
{
    struct port92 bare;
    cr_assert_eq(port92_init(&bare, &(struct port92_config){0}), 0);
    port92_ops.write(&bare, 0, 1, 1);
}
